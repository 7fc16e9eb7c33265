#include "engine/fork_state.h"

#include <algorithm>
#include <limits>

#include "engine/run_header.h"

namespace openwop::runtime {

namespace {

/// Indexes of edges of the source's definition, as the current one has them; edges that are gone are left out.
class EdgeMap {
 public:
  EdgeMap(const Workflow& source, const Workflow& current) {
    for (const WorkflowEdge& edge : source.edges) {
      const auto same = std::find_if(current.edges.begin(), current.edges.end(),
                                     [&](const WorkflowEdge& other) { return other.id == edge.id; });
      to_.push_back(same == current.edges.end()
                        ? std::nullopt
                        : std::optional(static_cast<std::uint32_t>(same - current.edges.begin())));
    }
  }
  [[nodiscard]] std::optional<std::uint32_t> operator()(std::uint32_t edge) const {
    return edge < to_.size() ? to_[edge] : std::nullopt;
  }

 private:
  std::vector<std::optional<std::uint32_t>> to_;
};

void renumber_edges(RunState& state, const Workflow& source, const Workflow& current) {
  if (source.digest == current.digest) return;
  const EdgeMap map(source, current);
  for (auto& [id, node] : state.nodes) {
    std::vector<std::uint32_t> live;
    for (const std::uint32_t edge : node.live_edges) {
      if (const auto renumbered = map(edge)) live.push_back(*renumbered);
    }
    node.live_edges = std::move(live);
  }
  std::map<std::uint32_t, std::uint32_t> loopbacks;
  for (const auto& [edge, times] : state.loopbacks) {
    if (const auto renumbered = map(edge)) loopbacks.emplace(*renumbered, times);
  }
  state.loopbacks = std::move(loopbacks);
}

bool has_edges(std::string_view hidden) {
  return json::member(hidden, "edges").has_value() || json::member(hidden, "loops").has_value();
}

/// A node was stopped because the loop around it has begun again.
bool restarts(const Event& event) {
  return event.type == EventType::node_cancelled && detail::text_member(event.payload, "reason") == kLoopRestarted;
}

bool times_out(const Event& event) {
  return event.type == EventType::approval_received && detail::text_member(event.payload, "action") == "timeout";
}

bool begins_loop(const Event& event) {
  const bool ended = event.type == EventType::node_completed || event.type == EventType::node_failed;
  return ended && json::member(event.hidden, "reset").has_value();
}

/// `next` says no more than what follows from `before`: nobody could come in between.
bool completes(const Event& before, const Event& next) {
  const bool same_node = before.node_id == next.node_id;
  const bool ends_run = (before.type == EventType::node_failed && !has_edges(before.hidden)) ||
                        before.type == EventType::cap_breached || before.type == EventType::workflow_loopback_limit ||
                        (before.type == EventType::node_cancelled && !restarts(before));
  const bool answered = before.type == EventType::interrupt_resolved || before.type == EventType::approval_received ||
                        before.type == EventType::clarification_resolved;
  const auto is = [&](EventType type) { return next.type == type; };
  const auto was = [&](EventType type) { return before.type == type; };
  if (is(EventType::node_cancelled) && restarts(next)) return restarts(before) || begins_loop(before);
  if (is(EventType::run_failed) || is(EventType::node_cancelled)) return ends_run;
  if (is(EventType::run_cancelled)) return was(EventType::node_cancelled) && !restarts(before);
  if (is(EventType::workflow_loopback_limit)) return was(EventType::node_completed);
  if (!same_node) return false;
  if (is(EventType::node_failed)) return was(EventType::cap_breached) || times_out(before);
  if (is(EventType::interrupt_resolved)) return was(EventType::conversation_closed);
  if (is(EventType::interrupt_requested)) return was(EventType::node_suspended);
  if (is(EventType::approval_requested) || is(EventType::clarification_requested)) {
    return was(EventType::interrupt_requested);
  }
  if (is(EventType::approval_received) || is(EventType::clarification_resolved)) {
    return was(EventType::interrupt_resolved);
  }
  return is(EventType::node_resumed) && answered;
}

Result<std::vector<RecordedEvent>> completion_of(const Log& log, const RunFork& fork) {
  std::vector<RecordedEvent> completion;
  std::optional<RecordedEvent> before;
  auto status = log.read(fork.source_run, fork.from_sequence - 1, [&](const EventView& event) {
    if (event.sequence >= fork.source_end) return false;
    RecordedEvent next = recorded(event);
    if (before && !completes(before->event, next.event)) return false;
    if (before) completion.push_back(next);
    before = std::move(next);
    return true;
  });
  if (!status) return std::move(status).error();
  return completion;
}

struct PureNode {
  std::size_t node = 0;
  /// The first event of its last stretch: it started, or goes on with an answer or the end of a child.
  std::uint64_t begin = 0;
};

/// The node whose events the history ends within. Pure nodes begin and end in one turn, so only the last one can be
/// found running.
Result<std::optional<PureNode>> pure_node_at_end(const Log& log, const RunId& run, const Workflow& current,
                                                 const RunState& state, const NodeRegistry& nodes) {
  const auto is_pure = [&](std::size_t node) {
    const auto type = nodes.find(current.nodes[node]);
    return type != nullptr && std::holds_alternative<PureHandler>(type->handler);
  };
  std::optional<PureNode> found;
  std::string id;
  for (const auto& [name, node] : state.nodes) {
    const auto index = node.status == NodeStatus::running ? current.find_node(name) : std::nullopt;
    if (!index || !is_pure(*index)) continue;
    found = PureNode{*index, node.started_sequence};
    id = name;
    break;
  }
  std::optional<RecordedEvent> before;
  auto status = log.read(
      run, found ? found->begin > 0 ? found->begin - 1 : 0 : state.next_sequence - 1, [&](const EventView& event) {
        if (event.sequence >= state.next_sequence) return false;
        RecordedEvent next = recorded(event);
        const bool continues =
            next.event.type == EventType::node_resumed || json::member(next.event.hidden, "childChange").has_value();
        if (found && next.event.node_id == id && continues) found->begin = next.sequence;
        const bool handed_over =
            before && before->event.type == EventType::agent_handoff && before->event.node_id == id;
        if (found && next.event.type == EventType::node_started && handed_over) {
          found->begin = before->sequence;
        }
        before = std::move(next);
        return true;
      });
  if (!status) return std::move(status).error();
  // A hand-over comes right before the start.
  if (!found && before && before->event.type == EventType::agent_handoff) {
    const auto index = current.find_node(before->event.node_id);
    if (index) found = PureNode{*index, before->sequence};
  }
  return found;
}

/// A child whose end the history has still to tell is no child that goes on elsewhere.
void keep_ended_child(RunState& state, const Event& event) {
  const auto change = event.hidden.empty() ? std::nullopt : json::member(event.hidden, "childChange");
  if (!change || !is_terminal(detail::status_member(*change))) return;
  const auto run = RunId::parse(detail::text_member(*change, "run"));
  for (ChildRun& child : state.children) {
    if (child.run_id == run) child.status = detail::status_member(*change);
  }
}

}  // namespace

void RunFold::cross() {
  if (crossed_) return;
  crossed_ = true;
  const RunFork& fork = *header_.fork;
  if (fork.from_sequence == 0) return;
  // A pause was somebody's wish for the source.
  if (state_.status == RunStatus::paused) detail::set_status(state_, detail::live_status(state_), state_.changed_ms);
  detail::clear_pause_request(state_);
  // Runs that the source has started are none of the fork's.
  for (ChildRun& child : state_.children) child.follows = false;
  if (fork.mode == ForkMode::branch) {
    std::erase_if(state_.children, [](const ChildRun& child) { return !is_terminal(child.status); });
    for (auto& [id, node] : state_.nodes) node.child_waits = false;
    detail::leave_suspension(state_, state_.changed_ms);
  }
  if (source_ != nullptr && current_ != nullptr) renumber_edges(state_, *source_, *current_);
  if (fork.mode == ForkMode::replay) return;
  // A branch goes on in its own time: what was left of delays and timeouts is left of them now.
  const std::int64_t gap_ms = header_.created_ms - state_.changed_ms;
  if (gap_ms <= 0) return;
  if (state_.waiting_since_ms == 0) state_.waited_ms += gap_ms;
  for (auto& [id, trigger] : state_.triggers) trigger.due_ms += trigger.awaits ? gap_ms : 0;
  for (auto& [id, node] : state_.nodes) {
    if (!is_in_flight(node.status)) continue;
    node.since_ms += gap_ms;
    node.started_ms += gap_ms;
    if (node.due_ms != 0 && __builtin_add_overflow(node.due_ms, gap_ms, &node.due_ms)) {
      node.due_ms = std::numeric_limits<std::int64_t>::max();
    }
  }
}

Result<ForkStart> fork_start(const Log& log, const RunId& run, const RunHeader& header, const Workflow& source,
                             const Workflow& current, const RunState& state, const NodeRegistry& nodes) {
  ForkStart start;
  const RunFork& fork = *header.fork;
  if (fork.from_sequence == 0) return start;
  if (fork.mode == ForkMode::branch) {
    auto completion = completion_of(log, fork);
    if (!completion) return std::move(completion).error();
    start.completion = std::move(*completion);
  }
  auto place = pure_node_at_end(log, run, current, state, nodes);
  if (!place) return std::move(place).error();
  if (!*place) return start;
  start.node = (*place)->node;
  start.before = initial_state(header);
  RunFold before(start.before, header, &source, &current);
  auto status = log.read(run, 0, [&](const EventView& event) {
    if (event.sequence >= fork.from_sequence) return false;
    if (event.sequence < (*place)->begin) {
      before.add(event);
    } else {
      start.catch_up.push_back(recorded(event));
    }
    return true;
  });
  if (!status) return std::move(status).error();
  for (const RecordedEvent& event : start.catch_up) keep_ended_child(start.before, event.event);
  before.cross();
  // The time between the history and the fork is the same wherever the history is cut.
  start.before.waited_ms = state.waited_ms;
  return start;
}

}  // namespace openwop::runtime
