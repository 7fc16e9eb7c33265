// When a run has to be looked at by itself: its own timeout, those of its nodes, delays, retries, interrupts, triggers.
#include "engine/run_turn.h"

namespace openwop::runtime {

std::uint32_t loop_index_of(const Run& run, std::size_t node) {
  std::uint32_t index = 0;
  for (const auto& [edge, times] : run.state.loopbacks) {
    if (run.workflow->edges[edge].target == node) index += times;
  }
  return index;
}

std::int64_t node_timeout_ms(const WorkflowNode& node) {
  if (node.settings.size() <= 2) return 0;
  for (const std::string_view name : {"timeoutMs", "timeout"}) {
    const auto value = json::member(node.settings, name);
    if (const auto ms = value ? json::as_int(*value) : std::nullopt) return *ms <= kMaxTimeoutMs ? *ms : 0;
  }
  return 0;
}

std::int64_t run_deadline_ms(const Run& run) {
  const std::int64_t timeout_ms = run.workflow->settings.timeout_ms;
  if (timeout_ms <= 0 || timeout_ms > kMaxTimeoutMs || run.state.status != RunStatus::running) return 0;
  return run.state.started_ms + timeout_ms + run.state.waited_ms;
}

std::int64_t next_due_ms(const Run& run) {
  if (is_terminal(run.state.status) || run.state.status == RunStatus::paused) return 0;
  std::int64_t due_ms = run_deadline_ms(run);
  const auto consider = [&due_ms](std::int64_t candidate_ms) {
    if (candidate_ms > 0 && (due_ms == 0 || candidate_ms < due_ms)) due_ms = candidate_ms;
  };
  for (const auto& [id, node] : run.state.nodes) {
    if (node.status == NodeStatus::sleeping || node.status == NodeStatus::suspended) consider(node.due_ms);
    // While a pause is under way no retry begins.
    if (node.status == NodeStatus::retrying && run.state.pause_asked_ms == 0) consider(node.due_ms);
    if (node.status != NodeStatus::running && node.status != NodeStatus::in_child) continue;
    const auto index = run.workflow->find_node(id);
    if (!index) continue;
    const std::int64_t timeout_ms = node_timeout_ms(run.workflow->nodes[*index]);
    if (timeout_ms > 0) consider(node.since_ms + timeout_ms);
  }
  if (run.state.pause_asked_ms == 0) consider(next_trigger_due_ms(run));
  return due_ms;
}

}  // namespace openwop::runtime
