// What nodes of agents have in common: escalation of low confidence, names of conversations.
#pragma once

#include "openwop/node.h"

namespace openwop::nodes {

/// Below configurable.escalationThreshold, or 0.7. What is no number is not low (protocol 03 §7.4).
[[nodiscard]] bool is_low(const NodeInvocation& node, double confidence);

/// Asks somebody to ratify `held`, a serialized decision.
[[nodiscard]] NodeSuspend escalate(const NodeInvocation& node, std::string_view agent, double observed,
                                   std::string_view held, std::string resume_schema);
/// The decision that the answer to it stands for: `{"action":"accept"}` is the held one; nothing: rejected.
[[nodiscard]] std::optional<std::string> ratified_decision(std::string_view answer, std::string_view held);
/// What an answer may be when a supervisor's decision is held.
[[nodiscard]] std::string decision_schema();

/// `runId:nodeId:attempt`, and which iteration of a loop (protocol 03 §4.1).
[[nodiscard]] std::string conversation_id(const NodeInvocation& node);

}  // namespace openwop::nodes
