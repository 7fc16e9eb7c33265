// Agents in workflows and runs: references to them, the supervisor's decisions, and who acts in a run (protocol 03 §7,
// §8; protocol 01 §11.1).
//
// Thread-safety: free functions over plain values.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/run_state.h"
#include "openwop/workflow.h"

namespace openwop {

inline constexpr std::string_view kSupervisorType = "core.orchestrator.supervisor";
inline constexpr std::string_view kDispatchType = "core.dispatch";
inline constexpr std::string_view kConversationGateType = "core.conversationGate";
/// Who a supervisor without an agent is.
inline constexpr std::string_view kHostSupervisor = "host:supervisor";
/// Below this confidence somebody is asked, unless configurable.escalationThreshold says otherwise.
inline constexpr double kDefaultEscalationThreshold = 0.7;

enum class DecisionKind : std::uint8_t { next_worker, ask_user, terminate };
inline constexpr std::array<std::string_view, 3> kDecisionKindNames = {"next-worker", "ask-user", "terminate"};

/// One of the three closed variants of OrchestratorDecision. Errors: validation_error.
[[nodiscard]] Result<DecisionKind> check_decision(std::string_view raw);

/// The agentId of a serialized AgentRef; empty if there is none.
inline std::string agent_id_of(std::string_view agent_ref) {
  return agent_ref.empty() ? std::string() : detail::agent_text(agent_ref, "agentId");
}

/// Who a supervisor node decides as: its agent, config.agentId, or the host's own supervisor.
inline std::string supervisor_id(const WorkflowNode& node) {
  std::string id = agent_id_of(node.agent);
  if (id.empty()) id = detail::agent_text(node.config, "agentId");
  return id.empty() ? std::string(kHostSupervisor) : id;
}

inline const WorkflowNode* find_supervisor(const Workflow& workflow) {
  const auto found = std::find_if(workflow.nodes.begin(), workflow.nodes.end(),
                                  [](const WorkflowNode& node) { return node.type_id == kSupervisorType; });
  return found == workflow.nodes.end() ? nullptr : &*found;
}

/// RunSnapshot.runOrchestrator, serialized: the same for the whole run. Empty: the run has no supervisor.
[[nodiscard]] std::string run_orchestrator(const Workflow& workflow, const RunState& state);

/// RunSnapshot.agent, serialized: that of the node that started last among those with an agent, supervisors left out.
/// Empty: none has started.
[[nodiscard]] std::string_view active_agent(const Workflow& workflow, const RunState& state);

/// The agentId that control comes from when `node` starts: the nearest agent up the edges that were taken. Empty: none.
[[nodiscard]] std::string agent_before(const Workflow& workflow, const RunState& state, std::size_t node);

/// What a workflow's agents have to satisfy together: one supervisor identity, and a supervisor where there is a
/// dispatch. Errors: validation_error.
[[nodiscard]] Status check_orchestration(const Workflow& workflow);

}  // namespace openwop
