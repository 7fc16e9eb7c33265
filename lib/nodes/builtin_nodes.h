// The built-in node types, grouped by what they do. All are pure.
#pragma once

#include "openwop/node.h"

namespace openwop::nodes {

void add_control_nodes(NodeRegistry& registry);    // start end noop identity fail delay
void add_branching_nodes(NodeRegistry& registry);  // conditional loop parallel merge
void add_data_nodes(NodeRegistry& registry);
void add_gate_nodes(
    NodeRegistry& registry);  // approvalGate clarificationGate interrupt       // setVariable getVariable channelWrite

/// The first of the config members that is there.
[[nodiscard]] std::optional<std::string_view> config_any(const NodeInvocation& node,
                                                         std::initializer_list<std::string_view> names);
[[nodiscard]] Failure invalid_config(std::string message);
/// A registration check: `member` must be a non-empty string under one of the names.
[[nodiscard]] Status require_string(const WorkflowNode& node, std::initializer_list<std::string_view> names);

}  // namespace openwop::nodes
