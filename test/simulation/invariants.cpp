#include "simulation/invariants.h"

#include <set>
#include <tuple>

#include "engine/run_rows.h"
#include "simulation/sim_trace.h"

namespace openwop::test {

namespace {

std::int64_t setting(const WorkflowNode& node, std::string_view name) {
  const auto value = json::member(node.settings, name);
  return value ? json::as_int(*value).value_or(0) : 0;
}

}  // namespace

Invariants::Invariants(std::shared_ptr<Medium> medium, Complain complain)
    : medium_(std::move(medium)), complain_(std::move(complain)), promises_(medium_, complain_) {
  if (!tracing()) return;
  promises_.trace = [](const RunId& run, const EventView& event) {
    trace("  ", run.text(), " ", event.sequence, " ", event.type_name, " ", event.node_id, " ", event.time_ms);
  };
}

void Invariants::cancelled(const RunId& run, RunStatus status) {
  promises_.cancelled(run, status);
  check();
}

void Invariants::answered(const RunId& run, const std::string& node_id, const std::string& interrupt_id) {
  promises_.answered(run, node_id, interrupt_id);
  check();
}

void Invariants::check() {
  for (const RunId& run : promises_.check()) {
    const FoldedRun& folded = runs().at(run);
    if (!workflows_.contains(folded.header.workflow_digest)) {
      complain_("reads agree with the log", run.text() + " has a workflow that nobody registered");
      continue;
    }
    check_due(run, folded);
    check_counters(run, folded);
  }
  check_keys();
  check_children();
}

void Invariants::check_due(const RunId& run, const FoldedRun& folded) {
  const auto marks = runtime::RunMarks::decode(folded.head.summary);
  const std::int64_t due_ms = next_due_ms(folded);
  if (marks && marks->timer_due_ms == due_ms) return;
  complain_("the next due time follows from the log", run.text() + ": " + std::to_string(due_ms));
}

/// The protocol's rules once more, written without the engine's code.
std::int64_t Invariants::next_due_ms(const FoldedRun& folded) const {
  const RunState& state = folded.state;
  if (is_terminal(state.status) || state.status == RunStatus::paused) return 0;
  const Workflow& workflow = *workflows_.at(folded.header.workflow_digest);
  std::set<std::int64_t> due;
  if (workflow.settings.timeout_ms > 0 && state.status == RunStatus::running) {
    due.insert(state.started_ms + workflow.settings.timeout_ms + state.waited_ms);
  }
  for (const auto& [id, interrupt] : state.interrupts) {
    // Not where a loop that began again left it behind.
    const NodeState* node = state.find_node(id);
    const bool is_asked = node != nullptr && node->status == NodeStatus::suspended;
    const bool waits = is_asked && interrupt.outcome == InterruptOutcome::pending;
    if (waits && interrupt.timeout_ms > 0) due.insert(interrupt.requested_ms + interrupt.timeout_ms);
  }
  for (const auto& [id, node] : state.nodes) {
    if (node.status == NodeStatus::sleeping) due.insert(node.due_ms);
    if (node.status == NodeStatus::retrying && state.pause_asked_ms == 0) due.insert(node.due_ms);
    const std::int64_t timeout_ms = setting(workflow.nodes[*workflow.find_node(id)], "timeoutMs");
    const bool works = node.status == NodeStatus::running || node.status == NodeStatus::in_child;
    if (works && timeout_ms > 0) due.insert(node.since_ms + timeout_ms);
  }
  return due.empty() ? 0 : *due.begin();
}

void Invariants::check_counters(const RunId& run, const FoldedRun& folded) {
  std::map<std::string, int> completions;
  static_cast<void>(Log(medium_->rows).read(run, 0, [&](const EventView& event) {
    if (event.type == EventType::node_completed) ++completions[std::string(event.node_id)];
    return true;
  }));
  for (const WorkflowNode& node : workflows_.at(folded.header.workflow_digest)->nodes) {
    if (json::member(node.config, "counts").value_or("false") != "true") continue;
    const auto row = *medium_->rows.get("U" + OutsideWorld::counter_key(run, node.id));
    if ((row ? std::stoi(*row) : 0) != completions[node.id]) {
      complain_("a host row counts the completions of its node", run.text() + " " + node.id);
    }
  }
}

/// The world tags each run with the idempotency key it was created under.
void Invariants::check_keys() {
  std::map<std::string, RunId> owners;
  for (const auto& [run, folded] : runs()) {
    if (folded.header.parent_run_id != RunId{}) continue;
    for (const std::string& tag : folded.header.tags) {
      const auto [at, is_new] = owners.emplace(tag, run);
      if (!is_new) complain_("an idempotency key has one run", tag + ": " + at->second.text() + " and " + run.text());
    }
  }
}

/// By the node that started it: a parent's log has one line for each child that it started.
void Invariants::check_children() {
  std::map<RunId, std::size_t> children;
  for (const auto& [run, folded] : runs()) {
    if (folded.header.parent_run_id != RunId{}) ++children[folded.header.parent_run_id];
  }
  for (const auto& [parent, count] : children) {
    const auto at = runs().find(parent);
    const std::size_t started = at == runs().end() ? 0 : at->second.state.children.size();
    if (count > started) {
      complain_("a child run is created once",
                parent.text() + " has " + std::to_string(count) + " and started " + std::to_string(started));
    }
  }
}

void Invariants::check_at_rest() {
  check();
  promises_.check_at_rest();
  for (const auto& [run, folded] : runs()) {
    if (!is_terminal(folded.state.status)) {
      complain_("the world comes to rest with every run ended",
                run.text() + " is " + std::string(status_name(folded.state.status)));
    }
  }
}

}  // namespace openwop::test
