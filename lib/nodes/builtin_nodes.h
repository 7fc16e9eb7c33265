// The built-in node types, grouped by what they do. All are pure.
#pragma once

#include "openwop/node.h"

namespace openwop::nodes {

void add_control_nodes(NodeRegistry& registry);    // start end noop identity fail delay
void add_branching_nodes(NodeRegistry& registry);  // conditional loop parallel merge
void add_data_nodes(NodeRegistry& registry);
void add_gate_nodes(NodeRegistry& registry);  // approvalGate clarificationGate interrupt

void add_child_nodes(NodeRegistry& registry);                             // subWorkflow
void add_orchestrator_nodes(NodeRegistry& registry, bool conversations);  // orchestrator.supervisor dispatch
void add_conversation_nodes(NodeRegistry& registry);                      // conversationGate
void add_fixture_agents(NodeRegistry& registry);  // core.conformance.*, core.identity with hooks

/// The failure of a node whose child did not complete.
[[nodiscard]] Failure child_failed(const ChildResult& child);
/// The handler of core.identity.
[[nodiscard]] NodeOutcome identity(const NodeInvocation& node);

/// The first of the config members that is there.
[[nodiscard]] std::optional<std::string_view> config_any(const NodeInvocation& node,
                                                         std::initializer_list<std::string_view> names);
[[nodiscard]] Failure invalid_config(std::string message);
/// A registration check: `member` must be a non-empty string under one of the names.
[[nodiscard]] Status require_string(const WorkflowNode& node, std::initializer_list<std::string_view> names);

}  // namespace openwop::nodes
