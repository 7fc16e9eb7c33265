// The part of a turn that concerns agents.
#include "engine/run_turn.h"
#include "openwop/agents.h"

namespace openwop::runtime {

void RunTurn::hand_over(std::size_t node) {
  const WorkflowNode& definition = node_at(node);
  const NodeState* state = state_of(node);
  const bool again = state != nullptr && state->attempt > 0;
  if (definition.agent.empty() || again) return;
  const std::string to = agent_id_of(definition.agent);
  const std::string from = agent_before(*run_.workflow, run_.state, node);
  if (from.empty() || from == to) return;
  Event note;
  note.type = EventType::agent_handoff;
  note.node_id = definition.id;
  note.payload.clear();
  json::ObjectWriter(note.payload)
      .string("agentId", from)
      .string("fromAgentId", from)
      .string("toAgentId", to)
      .string("reason", "next-node");
  apply(command::AppendNote{std::move(note)});
}

/// DispatchConfig.iterationCap counts the executions of all dispatch nodes of the run (protocol 03 §9.1).
bool RunTurn::past_iteration_cap(std::size_t node) {
  const WorkflowNode& definition = node_at(node);
  const NodeState* state = state_of(node);
  const bool again = state != nullptr && state->attempt > 0;
  if (definition.type_id != kDispatchType || again) return false;
  const auto raw = json::member(definition.config, "iterationCap");
  const std::int64_t cap = raw ? json::as_int(*raw).value_or(0) : 0;
  if (cap < 1 || run_.state.agents.dispatches < cap) return false;
  Event breach;
  breach.type = EventType::cap_breached;
  breach.node_id = definition.id;
  breach.payload.clear();
  json::ObjectWriter(breach.payload)
      .string("kind", "dispatch-iterations")
      .integer("limit", cap)
      .integer("observed", std::int64_t{run_.state.agents.dispatches} + 1)
      .string("nodeId", definition.id);
  apply(command::AppendNote{std::move(breach)});
  fail_run({"recursion_limit_exceeded", "the run reached its limit of " + std::to_string(cap) + " dispatches"},
           definition.id);
  return true;
}

}  // namespace openwop::runtime
