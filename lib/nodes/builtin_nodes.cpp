#include "nodes/builtin_nodes.h"

namespace openwop {

void add_builtin_nodes(NodeRegistry& registry, BuiltinNodes which) {
  nodes::add_control_nodes(registry);
  nodes::add_branching_nodes(registry);
  nodes::add_data_nodes(registry);
  nodes::add_gate_nodes(registry);
  nodes::add_child_nodes(registry);
  nodes::add_orchestrator_nodes(registry, which.conversations);
  if (which.conversations) nodes::add_conversation_nodes(registry);
}

void add_fixture_nodes(NodeRegistry& registry) {
  // Never runs: no host provides the capability (protocol 01 §22.3).
  registry.add({"conformance.requiresMissing",
                PureHandler([](const NodeInvocation&) -> NodeOutcome { return NodeCompleted{}; }),
                {"conformance.never-provided"},
                {}});
  // Reports the cost attributes of its config, sound and unsound ones (protocol 02 §12.6).
  registry.add({"conformance.cost.emit",
                PureHandler([](const NodeInvocation& node) -> NodeOutcome {
                  NodeCompleted completed;
                  completed.cost = sanitize_cost(node.config_value("attrs").value_or("{}"));
                  return completed;
                }),
                {},
                {}});
  nodes::add_fixture_agents(registry);
}

namespace nodes {

std::optional<std::string_view> config_any(const NodeInvocation& node, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (const auto value = node.config_value(name)) return value;
  }
  return std::nullopt;
}

Failure invalid_config(std::string message) { return Failure{"validation_error", std::move(message)}; }

Status require_string(const WorkflowNode& node, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const auto value = json::member(node.config, name);
    if (!value) continue;
    if (!json::as_string(*value).value_or("").empty()) return {};
    break;
  }
  return Error{ErrorCode::validation_error,
               "config must have a non-empty string '" + std::string(*names.begin()) + "'"};
}

}  // namespace nodes
}  // namespace openwop
