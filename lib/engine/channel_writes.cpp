#include "engine/channel_writes.h"

#include <algorithm>

#include "engine/run_turn.h"
#include "openwop/reducers.h"

namespace openwop::runtime {

namespace {

Error invalid(std::string message) { return Error{ErrorCode::validation_error, std::move(message)}; }

bool takes_foreign_writes(Reducer reducer) {
  switch (reducer) {
    case Reducer::append:
    case Reducer::votes:
    case Reducer::feedback:
    case Reducer::counter: return true;
    case Reducer::replace:
    case Reducer::merge:
    case Reducer::message:
    case Reducer::vendor: return false;
  }
  return false;
}

void declare(command::WriteChannel& command, const WorkflowChannel& declared, MaskingMode masking) {
  command.reducer = declared.reducer_name;
  command.ttl_ms = declared.ttl_ms;
  command.max_size = declared.max_size;
  command.schema_version = declared.schema_version;
  command.into_variable = false;
  command.sensitive = declared.sensitive;
  command.masking = masking;
}

std::size_t count_elements(std::string_view array) {
  std::size_t count = 0;
  json::for_each_element(array, [&](std::string_view) { return ++count > 0; });
  return count;
}

}  // namespace

std::string_view ChannelPlan::current(std::string_view channel) const {
  if (const auto at = planned_.find(channel); at != planned_.end()) return at->second;
  const auto at = run_.state.channels.find(channel);
  return at == run_.state.channels.end() ? std::string_view{} : std::string_view(at->second);
}

Status ChannelPlan::finish(command::WriteChannel& command, const WorkflowChannel* declared) {
  const auto reducer = reducer_of(command.reducer);
  if (!reducer) return invalid("reducer '" + command.reducer + "' is not known");
  if (auto valid = check_channel_write(*reducer, command.value, command.max_size); !valid) return valid;
  if (declared == nullptr) return {};
  if (auto valid = check_channel_schema(*declared, command.value); !valid) return valid;
  if (*reducer == Reducer::vendor) {
    const auto host = options_.vendor_reducers.find(command.reducer);
    if (host == options_.vendor_reducers.end()) return {};
    auto reduced = host->second(current(command.channel), command.value);
    if (!reduced) return std::move(reduced).error();
    if (!json::check(*reduced, {options_.max_event_payload_bytes, options_.max_json_depth})) {
      return invalid("reducer '" + command.reducer + "' gave something that is no JSON, or too much of it");
    }
    command.reduced = std::move(*reduced);
    planned_.insert_or_assign(command.channel, command.reduced);
  }
  // A full message channel takes no more: dropping the oldest would forget which messages are there already.
  if (*reducer == Reducer::message && command.max_size > 0) {
    const std::string after = reduce({.reducer = Reducer::message}, current(command.channel), command.value, 0);
    if (count_elements(after) > static_cast<std::size_t>(command.max_size)) {
      return invalid("channel '" + command.channel + "' holds maxSize messages");
    }
    planned_.insert_or_assign(command.channel, after);
  }
  return {};
}

Result<command::WriteChannel> ChannelPlan::plan(const ChannelWrite& write, std::string_view node_id,
                                                std::string_view type_id) {
  command::WriteChannel command;
  command.node_id = node_id;
  command.channel = write.channel;
  command.value = write.value;
  command.reducer = write.reducer;
  command.ttl_ms = write.ttl_ms;
  command.max_size = write.max_size;
  command.into_variable = true;
  const WorkflowChannel* declared = run_.workflow->find_channel(write.channel);
  if (declared != nullptr) {
    if (!declared->access.allows_write(node_id, type_id)) {
      return channel_access_denied(write.channel, node_id, type_id, "writers");
    }
    declare(command, *declared, run_.header->masking);
  } else {
    // The variable of that name may be declared, and sensitive.
    const WorkflowVariable* variable = run_.workflow->find_variable(write.channel);
    command.sensitive = variable != nullptr && variable->sensitive;
    command.masking = run_.header->masking;
  }
  if (auto finished = finish(command, declared); !finished) return std::move(finished).error();
  return command;
}

Result<command::WriteChannel> ChannelPlan::plan(const ForeignChannelWrite& write) {
  const WorkflowChannel* declared = run_.workflow->find_channel(write.channel);
  if (declared == nullptr) return invalid("the run's workflow declares no such channel");
  if (!takes_foreign_writes(declared->reducer)) {
    Error error{ErrorCode::channel_cross_engine_write_forbidden,
                "a '" + declared->reducer_name + "' channel takes no writes of other engines"};
    json::ObjectWriter(error.details)
        .string("channel", declared->name)
        .string("reducer", declared->reducer_name)
        .string("sourceEngineId", write.source_engine_id)
        .string("sourceRunId", write.source_run_id);
    return error;
  }
  command::WriteChannel command;
  command.channel = write.channel;
  command.value = write.value;
  command.source_engine_id = write.source_engine_id;
  command.source_run_id = write.source_run_id;
  declare(command, *declared, run_.header->masking);
  if (auto finished = finish(command, declared); !finished) return std::move(finished).error();
  return command;
}

Status check_channel_version(const WorkflowChannel& channel, std::int64_t schema_version, std::string_view value,
                             std::string_view event_id) {
  const std::int64_t written = schema_version == 0 ? 1 : schema_version;
  // Newer writes are taken as they are.
  if (written >= channel.schema_version) return {};
  const auto& older = channel.compatible_with;
  const bool readable = std::find(older.begin(), older.end(), written) != older.end();
  if (readable && check_channel_schema(channel, value)) return {};
  Error error{ErrorCode::channel_schema_breaking_change,
              "channel '" + channel.name + "' holds a write that its schema no longer reads"};
  json::ObjectWriter(error.details)
      .string("channel", channel.name)
      .integer("currentSchemaVersion", channel.schema_version)
      .integer("incompatibleEventVersion", written)
      .string("incompatibleEventId", event_id)
      .string("migrationHint", "declare a new channel and copy the old one's values into it");
  return error;
}

Status check_channel_event(const Workflow& workflow, const RunId& run, const EventView& event) {
  if (event.type != EventType::channel_written) return {};
  const auto name = json::as_string(json::member(event.payload, "channel").value_or("null"));
  const WorkflowChannel* declared = name ? workflow.find_channel(*name) : nullptr;
  if (declared == nullptr) return {};
  const std::int64_t written = detail::integer_member(event.payload, "schemaVersion");
  auto value = json::member(event.payload, "value").value_or("null");
  if (!event.hidden.empty()) value = json::member(event.hidden, "value").value_or(value);
  return check_channel_version(*declared, written, value, event_id(run, event.sequence));
}

}  // namespace openwop::runtime
