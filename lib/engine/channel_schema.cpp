#include "engine/channel_writes.h"
#include "openwop/workflow_problems.h"
#include "workflow/json_schema.h"

namespace openwop::runtime {

namespace {

bool makes_a_list(const WorkflowChannel& channel) {
  const auto reducer = reducer_of(channel.reducer_name);
  return reducer == Reducer::append || reducer == Reducer::votes || reducer == Reducer::feedback ||
         reducer == Reducer::message;
}

}  // namespace

Status check_channel_schemas(const Workflow& workflow) {
  for (const WorkflowChannel& channel : workflow.channels) {
    if (channel.schema.empty()) continue;
    auto compiled = workflow::JsonSchema::compile(channel.schema);
    if (compiled) continue;
    WorkflowProblem problem{"/channels/" + channel.name + "/schema", compiled.error().message};
    return workflow_error({std::move(problem)});
  }
  return {};
}

Status check_channel_schema(const WorkflowChannel& channel, std::string_view value) {
  if (channel.schema.empty()) return {};
  auto schema = workflow::JsonSchema::compile(channel.schema);
  if (!schema) return std::move(schema).error();
  auto problems = schema->check(value);
  if (!problems) return std::move(problems).error();
  if (problems->empty()) return {};
  // The protocol has writes validated; workflows in the field describe the list that a channel makes of them.
  if (makes_a_list(channel)) {
    const auto as_list = schema->check("[" + std::string(value) + "]");
    if (as_list && as_list->empty()) return {};
  }
  const WorkflowProblem& first = problems->front();
  Error error{ErrorCode::validation_error,
              "a write to channel '" + channel.name + "' does not fit its schema: " + first.message};
  json::ObjectWriter(error.details).string("channel", channel.name).string("pointer", first.pointer);
  return error;
}

}  // namespace openwop::runtime
