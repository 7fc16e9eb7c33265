#include "engine/graph.h"

#include <algorithm>

namespace openwop::runtime {

namespace {

enum class EdgeEnd : std::uint8_t { pending, success, failed, not_taken, revivable, skipped };

EdgeEnd end_of(const Workflow& workflow, const RunState& state, std::uint32_t edge_index) {
  const WorkflowEdge& edge = workflow.edges[edge_index];
  const NodeState* source = state.find_node(workflow.nodes[edge.source].id);
  if (source == nullptr || !has_ended(source->status)) return EdgeEnd::pending;
  const bool live =
      std::find(source->live_edges.begin(), source->live_edges.end(), edge_index) != source->live_edges.end();
  // An edge that leaves a loop body may be taken in a later iteration.
  const bool revivable = edge.leaves_loop;
  switch (source->status) {
    case NodeStatus::completed:
      if (live) return EdgeEnd::success;
      return revivable ? EdgeEnd::revivable : EdgeEnd::not_taken;
    case NodeStatus::failed: return EdgeEnd::failed;
    case NodeStatus::skipped:
    case NodeStatus::cancelled: return revivable ? EdgeEnd::revivable : EdgeEnd::skipped;
    case NodeStatus::idle:
    case NodeStatus::running:
    case NodeStatus::sleeping:
    case NodeStatus::retrying:
    case NodeStatus::in_child:
    case NodeStatus::suspended: break;
  }
  return EdgeEnd::pending;
}

struct EdgeCount {
  std::size_t pending = 0;
  std::size_t success = 0;
  std::size_t failed = 0;
  std::size_t not_taken = 0;  // a condition or port was false
  std::size_t skipped = 0;
  std::size_t total = 0;
};

Verdict judge_rule(TriggerRule rule, const EdgeCount& count) {
  const Verdict unless_pending = count.pending > 0 ? Verdict::wait : Verdict::dead;
  switch (rule) {
    case TriggerRule::all_success:
      // Branches not taken are out of the picture: a join after a condition starts with the branch that was taken.
      if (count.failed > 0) return Verdict::dead;
      if (count.pending > 0) return Verdict::wait;
      return count.success > 0 ? Verdict::ready : Verdict::dead;
    case TriggerRule::any_success: return count.success > 0 ? Verdict::ready : unless_pending;
    case TriggerRule::all_complete:
      if (count.pending > 0) return Verdict::wait;
      return count.not_taken < count.total ? Verdict::ready : Verdict::dead;
    case TriggerRule::none_failed:
      if (count.failed > 0) return Verdict::dead;
      if (count.pending > 0) return Verdict::wait;
      return count.not_taken < count.total ? Verdict::ready : Verdict::dead;
    case TriggerRule::any_failed: return count.failed > 0 ? Verdict::ready : unless_pending;
  }
  return Verdict::wait;
}

/// The source of the edge ended in an earlier iteration and was reset since.
bool has_run_before(const Workflow& workflow, const RunState& state, std::size_t edge) {
  const NodeState* source = state.find_node(workflow.nodes[workflow.edges[edge].source].id);
  return source != nullptr && source->status == NodeStatus::idle && source->iteration > 0;
}

bool has_own_ceiling(std::string_view type_id) {
  return type_id == "core.loop" || type_id == "core.orchestrator.supervisor" || type_id == "core.dispatch";
}

/// Loopbacks win: the iteration goes on, and no other edge of the node is followed.
void follow_loops(const Workflow& workflow, EdgeChoice& choice) {
  if (choice.loops.empty()) return;
  choice.live.clear();
  std::vector<bool> in_body(workflow.nodes.size(), false);
  for (const std::uint32_t loop : choice.loops) {
    for (const std::size_t node : workflow.edges[loop].loop_body) {
      if (in_body[node]) continue;
      in_body[node] = true;
      choice.reset.push_back(workflow.nodes[node].id);
    }
  }
  for (std::uint32_t i = 0; i < workflow.edges.size(); ++i) {
    const bool taken = std::find(choice.loops.begin(), choice.loops.end(), i) != choice.loops.end();
    const WorkflowEdge& edge = workflow.edges[i];
    if (edge.loopback && !taken && in_body[edge.source] && in_body[edge.target]) choice.recount.push_back(i);
  }
}

/// Of the node's outgoing edges, those that `fits` admits and whose condition holds.
template <class Fits>
Result<EdgeChoice> choose(const Workflow& workflow, std::size_t node, const ExpressionScope& scope, Fits&& fits) {
  EdgeChoice choice;
  for (const std::size_t index : workflow.outgoing[node]) {
    const WorkflowEdge& edge = workflow.edges[index];
    if (!fits(edge)) continue;
    if (edge.condition) {
      auto holds = edge.condition->holds(scope);
      if (!holds) return std::move(holds).error();
      if (!*holds) continue;
    }
    (edge.loopback ? choice.loops : choice.live).push_back(static_cast<std::uint32_t>(index));
  }
  follow_loops(workflow, choice);
  return choice;
}

}  // namespace

Verdict judge(const Workflow& workflow, const RunState& state, std::size_t node, bool final) {
  const NodeState* node_state = state.find_node(workflow.nodes[node].id);
  if (node_state != nullptr && node_state->triggered) return Verdict::ready;
  const auto& incoming = workflow.incoming[node];
  if (incoming.empty()) {
    // A write starts it; one that never came leaves it out.
    if (workflow.nodes[node].started_by_writes) return final ? Verdict::dead : Verdict::wait;
    // Entries start once; in a later iteration only a loopback starts them.
    return node_state == nullptr || node_state->iteration == 0 ? Verdict::ready : Verdict::wait;
  }
  std::array<EdgeCount, 5> counts{};
  for (const std::size_t edge : incoming) {
    EdgeCount& count = counts[static_cast<std::size_t>(workflow.edges[edge].trigger_rule)];
    ++count.total;
    switch (end_of(workflow, state, static_cast<std::uint32_t>(edge))) {
      case EdgeEnd::pending:
        ++(final && has_run_before(workflow, state, edge) ? count.not_taken : count.pending);
        break;
      case EdgeEnd::success: ++count.success; break;
      case EdgeEnd::failed: ++count.failed; break;
      case EdgeEnd::not_taken: ++count.not_taken; break;
      case EdgeEnd::skipped: ++count.skipped; break;
      case EdgeEnd::revivable: ++(final ? count.not_taken : count.pending); break;
    }
  }
  bool all_ready = true;
  for (std::size_t rule = 0; rule < counts.size(); ++rule) {
    if (counts[rule].total == 0) continue;
    const Verdict verdict = judge_rule(static_cast<TriggerRule>(rule), counts[rule]);
    if (verdict == Verdict::dead) return Verdict::dead;
    all_ready = all_ready && verdict == Verdict::ready;
  }
  return all_ready ? Verdict::ready : Verdict::wait;
}

Result<EdgeChoice> choose_edges(const Workflow& workflow, std::size_t node, std::string_view port,
                                std::string_view default_port, const ExpressionScope& scope) {
  return choose(workflow, node, scope, [&](const WorkflowEdge& edge) {
    // Edges that wait for a failure are not for success.
    if (edge.trigger_rule == TriggerRule::any_failed) return false;
    if (port.empty() || edge.source_output == port) return true;
    return edge.source_output == "output" && (default_port.empty() || default_port == port);
  });
}

Result<EdgeChoice> choose_failure_edges(const Workflow& workflow, std::size_t node, const ExpressionScope& scope) {
  return choose(workflow, node, scope, [](const WorkflowEdge& edge) {
    return edge.trigger_rule == TriggerRule::any_failed || edge.trigger_rule == TriggerRule::all_complete;
  });
}

bool passes_loopback_limit(const Workflow& workflow, const RunState& state, std::uint32_t edge, LoopCeiling ceiling) {
  if (ceiling == LoopCeiling::of_target && has_own_ceiling(workflow.nodes[workflow.edges[edge].target].type_id))
    return false;
  const auto followed = state.loopbacks.find(edge);
  const std::uint32_t times = followed == state.loopbacks.end() ? 0 : followed->second;
  return times + 1 > static_cast<std::uint64_t>(workflow.settings.max_loopback_iterations);
}

}  // namespace openwop::runtime
