// core.subWorkflow (protocol 03 §6; alias core.control.subWorkflow).
#include "nodes/builtin_nodes.h"
#include "openwop/reducers.h"

namespace openwop::nodes {

namespace {

std::string text_config(std::string_view config, std::string_view name) {
  const auto raw = json::member(config, name);
  return raw ? json::as_string(*raw).value_or("") : std::string();
}

bool absorbs(const NodeInvocation& node) {
  const std::string policy = text_config(node.config, "onChildFailure");
  return policy == "absorb" || policy == "continue";
}

/// {childVar: parentVar} -> {childVar: value}; a variable that is not there gives nothing.
std::string mapped_variables(const NodeInvocation& node) {
  std::string out;
  {
    json::ObjectWriter object(out);
    json::for_each_member(node.config_value("inputMapping").value_or("{}"),
                          [&](std::string_view name, std::string_view from) {
                            const auto value = node.variables->find(json::as_string(from).value_or(""));
                            if (value != node.variables->end()) object.raw_member(json::unescape(name), value->second);
                            return true;
                          });
  }
  return out;
}

NodeOutcome start(const NodeInvocation& node) {
  NodeChild child;
  child.workflow_id = text_config(node.config, "workflowId");
  child.inputs = detail::merge_objects(node.config_value("inputs").value_or("{}"), node.inputs);
  child.variables = mapped_variables(node);
  child.key = "child";
  json::for_each_member(node.config_value("outputMapping").value_or("{}"),
                        [&](std::string_view, std::string_view from) {
                          child.wanted.push_back(json::as_string(from).value_or(""));
                          return true;
                        });
  const auto follows = node.config_value("propagateCancellation");
  child.follows = !follows || json::as_bool(*follows).value_or(true);
  return child;
}

/// Each parent variable gets the child's; what the child keeps secret stays so unless the parent does as well.
void map_outputs(const NodeInvocation& node, const ChildResult& child, NodeCompleted& completed) {
  json::for_each_member(
      node.config_value("outputMapping").value_or("{}"), [&](std::string_view to, std::string_view from) {
        const std::string name = json::as_string(from).value_or("");
        const auto value = json::member(child.variables, name);
        if (!value) return true;
        const std::string target = json::unescape(to);
        const WorkflowVariable* declared = node.workflow->find_variable(target);
        const bool secret = std::find(child.sensitive.begin(), child.sensitive.end(), name) != child.sensitive.end();
        const bool shown = secret && !(declared != nullptr && declared->sensitive);
        completed.variables.push_back({target, shown ? R"("[REDACTED]")" : std::string(*value)});
        return true;
      });
}

NodeOutcome finish(const NodeInvocation& node, const ChildResult& child) {
  if (child.status == RunStatus::completed || absorbs(node)) {
    NodeCompleted completed;
    completed.outputs = child.outputs();
    if (child.status == RunStatus::completed) map_outputs(node, child, completed);
    return completed;
  }
  if (child.status == RunStatus::cancelled) return NodeCancelled{"child-cancelled"};
  return child_failed(child);
}

NodeOutcome sub_workflow(const NodeInvocation& node) {
  if (node.children == nullptr || node.children->empty()) return start(node);
  return finish(node, node.children->back());
}

Status invalid(std::string message) { return Error{ErrorCode::validation_error, std::move(message)}; }

Status check_mapping(const WorkflowNode& node, std::string_view name) {
  const auto mapping = json::member(node.config, name);
  if (!mapping) return {};
  bool sound = json::kind(*mapping) == json::Kind::object;
  json::for_each_member(*mapping, [&](std::string_view to, std::string_view from) {
    sound = sound && !json::unescape(to).empty() && !json::as_string(from).value_or("").empty();
    return sound;
  });
  if (sound) return {};
  return invalid("config." + std::string(name) + " has to map names of variables to names of variables");
}

Status check_sub_workflow(const WorkflowNode& node) {
  if (auto named = require_string(node, {"workflowId"}); !named) return named;
  const auto waits = json::member(node.config, "waitForCompletion");
  if (waits && !json::as_bool(*waits).value_or(false)) {
    return invalid("config.waitForCompletion has to be true: nothing says what a run would mean that nobody waits for");
  }
  const auto policy = json::member(node.config, "onChildFailure");
  const std::string name = policy ? json::as_string(*policy).value_or("") : "absorb";
  if (name != "fail-parent" && name != "absorb" && name != "continue") {
    return invalid("config.onChildFailure has to be fail-parent or absorb");
  }
  const auto follows = json::member(node.config, "propagateCancellation");
  if (follows && !json::as_bool(*follows)) return invalid("config.propagateCancellation has to be a boolean");
  const auto inputs = json::member(node.config, "inputs");
  if (inputs && json::kind(*inputs) != json::Kind::object) return invalid("config.inputs has to be an object");
  if (auto mapping = check_mapping(node, "outputMapping"); !mapping) return mapping;
  return check_mapping(node, "inputMapping");
}

}  // namespace

Failure child_failed(const ChildResult& child) {
  Failure failure{"child_failed",
                  "the run of '" + child.workflow_id + "' is " + std::string(status_name(child.status))};
  {
    json::ObjectWriter details(failure.details);
    details.string("childRunId", child.run_id.text()).string("childStatus", status_name(child.status));
    if (!child.error.empty()) details.raw("childError", child.error);
  }
  failure.outputs = child.outputs();
  return failure;
}

void add_child_nodes(NodeRegistry& registry) {
  for (const char* type_id : {"core.subWorkflow", "core.control.subWorkflow"}) {
    registry.add({type_id, PureHandler(sub_workflow), {}, check_sub_workflow});
  }
}

}  // namespace openwop::nodes
