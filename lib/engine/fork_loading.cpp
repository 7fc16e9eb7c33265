#include "engine/fork_loading.h"

namespace openwop::runtime {

Status prepare_fork(const Store& store, const WorkflowCatalog& catalog, Run& run, const RunMarks& marks) {
  if (!run.header->fork) return {};
  const RunFork& fork = *run.header->fork;
  auto source = catalog.by_digest(fork.source_workflow_digest);
  if (!source) return std::move(source).error();
  run.source = std::move(*source);
  if (fork.mode == ForkMode::branch) return {};
  const std::uint64_t next = marks.replay_next == 0 ? fork.from_sequence : marks.replay_next - 1;
  run.replay = std::make_shared<ReplayGuide>(store, run.id, fork, next, marks.replay_lost);
  return {};
}

void note_own_event(Run& run, const EventView& event) {
  if (!run.replay || event.sequence < run.header->fork->from_sequence) return;
  if (event.type == EventType::node_started) run.replay->note_start(std::string(event.node_id));
  if (event.type != EventType::replay_diverged || run.diverged) return;
  run.diverged = true;
  run.diverged_at = event.sequence;
}

Status prepare_start(const Store& store, const NodeRegistry& nodes, Run& run, const RunMarks& marks) {
  if (!run.header->fork) return {};
  // The first turn gives the run another status.
  if (marks.status == RunStatus::pending) {
    auto start = fork_start(Log(store), run.id, *run.header, *run.source, *run.workflow, run.state, nodes);
    if (!start) return std::move(start).error();
    run.fork_start = std::make_shared<ForkStart>(std::move(*start));
    return {};
  }
  if (!run.replay || !run.replay->lost()) return {};
  for (const auto& [id, node] : run.state.nodes) {
    if (is_in_flight(node.status)) run.replay->mark_given(id);
  }
  return {};
}

}  // namespace openwop::runtime
