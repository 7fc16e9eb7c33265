// Turns of forks: how one begins in the middle of a history, and how a replay is led by its source's log.
//
// A replay settles in another way than a run that finds its own course: the source's next event says which node is to
// be looked at, or what came from outside and is taken as it was. So parallel branches go on in the order of the
// source, and a fork may begin anywhere.
#include <algorithm>

#include "engine/fork_state.h"
#include "engine/graph.h"
#include "engine/port_values.h"
#include "engine/run_turn.h"
#include "openwop/run_fold.h"

namespace openwop::runtime {

namespace {

Event divergence_note(const RunFork& fork, const Divergence& divergence, const RunId& replay, std::uint64_t at) {
  Event note;
  note.type = EventType::replay_diverged;
  note.payload.clear();
  {
    json::ObjectWriter payload(note.payload);
    payload.string("sourceRunId", fork.source_run.text());
    payload.integer("atSequence", static_cast<std::int64_t>(
                                      divergence.original.value_or(fork.source_end > 0 ? fork.source_end - 1 : 0)));
    if (divergence.original) payload.string("originalEventId", event_id(fork.source_run, *divergence.original));
    payload.string("replayEventId", event_id(replay, at));
    if (!divergence.type.empty()) payload.string("divergencePoint", divergence.type);
    payload.string("divergenceKind", kDivergenceNames[static_cast<std::size_t>(divergence.kind)]);
  }
  return note;
}

std::vector<std::uint32_t> indexes(std::string_view hidden, std::string_view name) {
  std::vector<std::uint32_t> out;
  json::for_each_element(json::member(hidden, name).value_or("[]"), [&](std::string_view raw) {
    out.push_back(static_cast<std::uint32_t>(json::as_int(raw).value_or(0)));
    return true;
  });
  return out;
}

EdgeChoice choice_in(std::string_view hidden) {
  EdgeChoice choice{indexes(hidden, "edges"), indexes(hidden, "loops"), {}, indexes(hidden, "recount")};
  json::for_each_element(json::member(hidden, "reset").value_or("[]"), [&](std::string_view raw) {
    choice.reset.push_back(json::unescape(raw));
    return true;
  });
  return choice;
}

/// The port that the source's node chose, as far as the edges that it took show it.
std::string port_in(std::string_view hidden, const Workflow& source) {
  std::string port;
  for (const std::string_view name : {"loops", "edges"}) {
    for (const std::uint32_t edge : indexes(hidden, name)) {
      if (edge < source.edges.size() && source.edges[edge].source_output != "output") {
        port = source.edges[edge].source_output;
      }
    }
  }
  return port;
}

/// Of the events with which a node begins to wait for an answer or a child.
bool is_asking(const Event& event) {
  return event.type == EventType::node_suspended || event.type == EventType::interrupt_requested ||
         event.type == EventType::approval_requested || event.type == EventType::clarification_requested ||
         event.type == EventType::conversation_opened ||
         (event.type == EventType::log_appended && json::member(event.hidden, "childStart").has_value());
}

Failure failure_in(std::string_view payload, std::string_view name) {
  const std::string_view error = json::member(payload, name).value_or("{}");
  const auto text = [&](std::string_view member) {
    const auto raw = json::member(error, member);
    return raw ? json::as_string(*raw).value_or("") : std::string();
  };
  Failure failure{text("code"), text("message")};
  failure.details = json::member(error, "details").value_or("");
  return failure;
}

}  // namespace

// ---- the beginning ----

void RunTurn::begin_fork() {
  ForkStart start = run_.fork_start ? std::move(*run_.fork_start) : ForkStart{};
  run_.fork_start.reset();
  if (run_.state.status == RunStatus::pending) return run_.replay ? settle() : this->start();
  drop_unknown_nodes();
  if (start.node) enter_again(*start.node, std::move(start.before), std::move(start.catch_up));
  RunState asked;
  for (const RecordedEvent& event : start.completion) {
    if (run_.replay || ended()) break;
    // A question is asked anew as a whole.
    if (is_asking(event.event)) {
      fold(asked, view_of(event.event, event.sequence));
      continue;
    }
    copy(event);
    // Answered: a pure node computes on.
    if (event.event.type != EventType::node_resumed) continue;
    if (const auto node = run_.workflow->find_node(event.event.node_id)) continue_node(*node);
  }
  if (!run_.replay) wait_anew(asked);
  go_on();
}

/// What the source waits for is not what a branch waits for: questions are asked again, children started again.
void RunTurn::wait_anew(const RunState& asked) {
  for (std::size_t node = 0; node < run_.workflow->nodes.size() && !ended(); ++node) {
    const NodeState* state = state_of(node);
    if (state == nullptr || waits_by_itself(*state)) continue;
    if (state->status == NodeStatus::suspended) {
      ask_again(node, asked);
    } else if (state->status == NodeStatus::in_child) {
      continue_node(node);
    }
  }
}

/// For an answer or a child of the branch's own, and not of its source.
bool RunTurn::waits_by_itself(const NodeState& node) const {
  if (node.status == NodeStatus::suspended) return node.suspended_at >= run_.header->fork->from_sequence;
  return std::any_of(run_.state.children.begin(), run_.state.children.end(),
                     [&](const ChildRun& child) { return child.run_id == node.child && !is_terminal(child.status); });
}

/// Nodes that the workflow has no more would be waited for in vain.
void RunTurn::drop_unknown_nodes() {
  for (const auto& [id, node] : run_.state.nodes) {
    if (!is_in_flight(node.status) || run_.workflow->find_node(id)) continue;
    Event event;
    event.type = EventType::node_cancelled;
    event.time_ms = now_ms_;
    event.node_id = id;
    event.payload.clear();
    json::ObjectWriter(event.payload).string("nodeId", id).string("reason", "the workflow has no such node any more");
    events_.push_back(std::move(event));
  }
  for (const Event& event : events_) fold(run_.state, view_of(event, run_.state.next_sequence));
}

/// The history ends within the execution of a pure node.
void RunTurn::enter_again(std::size_t node, RunState before, std::deque<RecordedEvent> catch_up) {
  if (run_.replay && !catch_up.empty()) now_ms_ = catch_up.front().event.time_ms;
  run_.state = std::move(before);
  catch_up_ = std::move(catch_up);
  if (!run_.replay) {
    // The execution takes place now, and so lasts from now on.
    for (RecordedEvent& event : catch_up_) event.event.time_ms = now_ms_;
  }
  const EventType first = catch_up_.front().event.type;
  if (first == EventType::node_started || first == EventType::agent_handoff) {
    begin(node);
  } else {
    // An answer or the end of a child that the node goes on with.
    catch_up_one();
    continue_node(node);
  }
  while (!catch_up_.empty()) catch_up_one();
}

void RunTurn::catch_up_one() {
  fold(run_.state, view_of(catch_up_.front().event, run_.state.next_sequence));
  catch_up_.pop_front();
}

// ---- what apply() does for forks ----

void RunTurn::apply_forked(std::size_t first) {
  // What history has already is not made again.
  while (!catch_up_.empty() && first < events_.size()) {
    catch_up_one();
    events_.erase(events_.begin() + static_cast<std::ptrdiff_t>(first));
  }
  if (given_ != nullptr && first < events_.size()) keep_recorded(events_[first], *given_);
  if (run_.replay && !asked_) compare(first);
  for (std::size_t i = first; i < events_.size(); ++i) {
    event_bytes_ += events_[i].payload.size() + events_[i].hidden.size();
    if (run_.replay) {
      if (events_[i].type == EventType::node_started) run_.replay->note_start(events_[i].node_id);
    } else {
      order_children(events_[i]);
    }
    fold(run_.state, view_of(events_[i], run_.state.next_sequence));
  }
}

void RunTurn::compare(std::size_t first) {
  std::optional<Divergence> divergence;
  std::size_t differing = first;
  for (std::size_t i = first; i < events_.size() && !divergence; ++i) {
    divergence = run_.replay->take(events_[i]);
    differing = i;
  }
  // An output that differs changes nothing in the order: the rest of the events has its counterparts.
  for (std::size_t i = differing + 1; divergence && i < events_.size(); ++i) {
    static_cast<void>(run_.replay->take(events_[i]));
  }
  if (!divergence || run_.diverged) return;
  // Behind what was decided together, but nothing comes behind the run's end.
  const bool ends = is_terminal(events_.back().type);
  const std::size_t place = ends ? events_.size() - 1 : events_.size();
  const std::size_t shown = differing + (ends && differing == place ? 1 : 0);
  const std::uint64_t at = run_.state.next_sequence + (shown - first);
  run_.diverged_at = run_.state.next_sequence + (place - first);
  note_divergence(*divergence, place, at);
}

void RunTurn::note_divergence(const Divergence& divergence, std::size_t place, std::uint64_t at) {
  Event note = divergence_note(*run_.header->fork, divergence, run_.id, at);
  note.time_ms = now_ms_;
  run_.diverged = true;
  events_.insert(events_.begin() + static_cast<std::ptrdiff_t>(place), std::move(note));
}

// ---- going by the source ----

void RunTurn::settle_replay() {
  asked_ = false;
  run_.unsettled = false;
  while (!ended() && !broken_ && run_.replay->status().ok()) {
    candidates_.clear();
    if (events_.size() >= options_.max_events_per_commit || event_bytes_ >= options_.max_completion_bytes) {
      more_ = true;
      run_.unsettled = true;
      return;
    }
    if (run_.replay->lost()) {
      if (!step_lost()) return;
      continue;
    }
    const RecordedEvent* const next = run_.replay->next();
    if (!run_.replay->status().ok()) return;
    if (next == nullptr) {
      // The source has not come any further.
      now_ms_ = turn_ms_;
      if (!step_alone()) return;
      continue;
    }
    now_ms_ = next->event.time_ms;
    if (follow(*next) || step_alone()) continue;
    // Something is in flight here whose end the source does not know at this point.
    const Divergence divergence = run_.replay->lose();
    if (run_.diverged) continue;
    run_.diverged_at = run_.state.next_sequence;
    note_divergence(divergence, events_.size(), run_.state.next_sequence);
    fold(run_.state, view_of(events_.back(), run_.state.next_sequence));
  }
}

/// One step of the engine's own; false if there is none.
bool RunTurn::step_alone() {
  const std::uint64_t before = run_.state.next_sequence;
  if (fire_due_triggers()) return true;
  for (std::size_t node = 0; node < run_.workflow->nodes.size(); ++node) {
    consider(node);
    if (run_.state.next_sequence != before || broken_) return true;
  }
  if (moving() || awaits_trigger()) return false;
  if (!settle_last_nodes()) complete_run();
  return true;
}

bool RunTurn::moving() const {
  return std::any_of(run_.state.nodes.begin(), run_.state.nodes.end(),
                     [](const auto& node) { return is_in_flight(node.second.status); });
}

/// The step that the source's next event asks for; false if this run cannot take it.
bool RunTurn::follow(const RecordedEvent& next) {
  const Event& event = next.event;
  const std::size_t none = run_.workflow->nodes.size();
  const std::size_t node = event.node_id.empty() ? none : run_.workflow->find_node(event.node_id).value_or(none);
  const NodeState* state = node != none ? state_of(node) : nullptr;
  if (event.type == EventType::run_started) {
    if (run_.state.status != RunStatus::pending) return false;
    start_run();
    return true;
  }
  if (run_.state.status == RunStatus::pending) return false;
  if (event.type == EventType::run_completed) {
    if (moving()) return false;
    if (!settle_last_nodes()) complete_run();
    return true;
  }
  // What writes have set off came when it came.
  const bool trigger = event.type == EventType::log_appended && json::member(event.hidden, "trigger").has_value();
  const bool restarts = event.type == EventType::node_cancelled && (state == nullptr || !is_in_flight(state->status));
  if (is_terminal(event.type) || event.type == EventType::workflow_loopback_limit || event.node_id.empty() || trigger ||
      restarts) {
    take_as_it_is();
    return true;
  }
  if (node == none) return false;
  if (state != nullptr && is_in_flight(state->status)) return follow_node(node, *state, event);
  const std::uint64_t before = run_.state.next_sequence;
  consider(node);
  return run_.state.next_sequence != before;
}

/// The source's next event concerns a node that is in flight here.
bool RunTurn::follow_node(std::size_t node, const NodeState& state, const Event& event) {
  if (event.type == EventType::node_started) {
    if (state.status != NodeStatus::retrying) return false;
    begin(node);
    return true;
  }
  if (event.type == EventType::node_completed) {
    // A delay has nothing but its end; everything else was said by somebody outside.
    if (state.status == NodeStatus::sleeping) {
      complete_node(node, {});
    } else {
      complete_as_recorded(node, Event(event));
    }
    return true;
  }
  if (event.type == EventType::node_failed) {
    fail_as_recorded(node, Event(event));
    return true;
  }
  const bool waited = state.status != NodeStatus::running;
  take_as_it_is();
  // Answered, or its child has ended: a pure node computes on.
  const NodeState* after = state_of(node);
  if (waited && after != nullptr && after->status == NodeStatus::running && !ended()) continue_node(node);
  return true;
}

/// The source's next event, event and all.
void RunTurn::take_as_it_is() {
  const RecordedEvent next = *run_.replay->next();
  run_.replay->pass();
  copy(next);
}

void RunTurn::copy(const RecordedEvent& original) {
  Event event = original.event;
  event.time_ms = now_ms_;
  // Divergences shift the sequences; the history is the same in both.
  if (event.caused_by && run_.diverged && *event.caused_by >= run_.diverged_at) {
    *event.caused_by += run_.state.next_sequence - original.sequence;
  }
  event_bytes_ += event.payload.size() + event.hidden.size();
  fold(run_.state, view_of(event, run_.state.next_sequence));
  events_.push_back(std::move(event));
}

Result<EdgeChoice> RunTurn::recorded_choice(std::size_t node, const Event& event, bool failed) const {
  if (run_.source == nullptr || run_.source->digest == run_.workflow->digest) {
    auto chosen = choice_in(event.hidden);
    // A failure at the ceiling of a loop took no edge, and is not to be mistaken for one that nothing handles.
    if (!failed || !chosen.live.empty() || !chosen.loops.empty()) return chosen;
  }
  std::string output(json::member(event.payload, "outputs").value_or("{}"));
  if (failed) {
    output.clear();
    json::ObjectWriter(output).raw("error", json::member(event.payload, "error").value_or("{}"));
  }
  const RunScope scope(*run_.header, run_.state, {}, output);
  if (failed) return choose_failure_edges(*run_.workflow, node, scope);
  return choose_edges(*run_.workflow, node, port_in(event.hidden, *run_.source), {}, scope);
}

/// What somebody outside said, as the source recorded it.
void RunTurn::apply_given(const RunCommand& command, const Event& event) {
  given_ = &event;
  apply(command);
  given_ = nullptr;
}

void RunTurn::complete_as_recorded(std::size_t node, const Event& event) {
  auto choice = recorded_choice(node, event, false);
  if (!choice) return fail_node(node, {std::string(error_name(choice.error().code)), choice.error().message});
  const auto hidden = event.hidden.empty() ? std::nullopt : json::member(event.hidden, "outputs");
  const auto outputs = hidden ? hidden : json::member(event.payload, "outputs");
  const auto stop = loop_past_limit(*choice, LoopCeiling::of_target);
  apply_given(
      command::CompleteNode{node_at(node).id, std::string(outputs.value_or("")), {}, stop ? EdgeChoice{} : *choice},
      event);
  if (stop) stop_at_loopback_limit(loop_target(*stop));
}

void RunTurn::fail_as_recorded(std::size_t node, const Event& event) {
  Failure failure = failure_in(event.payload, "error");
  failure.outputs = json::member(event.payload, "outputs").value_or("");
  auto choice = recorded_choice(node, event, true);
  const bool handled = choice.ok() && (!choice->live.empty() || !choice->loops.empty());
  const auto stop = handled ? loop_past_limit(*choice, LoopCeiling::of_workflow) : std::nullopt;
  apply_given(command::FailNode{node_at(node).id, failure, handled && !stop ? *choice : EdgeChoice{}}, event);
  if (stop) return stop_at_loopback_limit(loop_target(*stop));
  if (!handled) fail_run(std::move(failure), node_at(node).id);
}

// ---- after the two have gone different ways ----

/// One step of a replay that the source leads no more; false if there is none.
bool RunTurn::step_lost() {
  if (run_.state.changed_ms != 0) now_ms_ = run_.state.changed_ms;
  for (std::size_t node = 0; node < run_.workflow->nodes.size(); ++node) {
    const NodeState* state = state_of(node);
    const bool stands =
        state != nullptr && (state->status == NodeStatus::running || state->status == NodeStatus::in_child ||
                             state->status == NodeStatus::suspended);
    if (!stands) continue;
    const auto outcome = run_.replay->outcome_of(node_at(node).id);
    if (outcome.empty()) continue;
    // How the node came to wait is known already.
    auto next = std::find_if_not(outcome.begin(), outcome.end(), [&](const RecordedEvent& event) {
      return state->status != NodeStatus::running && is_asking(event.event);
    });
    for (; next != outcome.end(); ++next) take_recorded(node, *next);
    return true;
  }
  const std::uint64_t before = run_.state.next_sequence;
  if (fire_due_triggers()) return true;
  for (std::size_t node = 0; node < run_.workflow->nodes.size(); ++node) {
    consider(node);
    if (run_.state.next_sequence != before || broken_) return true;
  }
  // No replay waits for the clock: the one that is due first goes on.
  std::optional<std::size_t> first;
  for (std::size_t node = 0; node < run_.workflow->nodes.size(); ++node) {
    const NodeState* state = state_of(node);
    const bool waits =
        state != nullptr && (state->status == NodeStatus::sleeping || state->status == NodeStatus::retrying);
    if (waits && (!first || state->due_ms < state_of(*first)->due_ms)) first = node;
  }
  if (first) {
    now_ms_ = std::max(now_ms_, state_of(*first)->due_ms);
    if (state_of(*first)->status == NodeStatus::sleeping) {
      complete_node(*first, {});
    } else {
      begin(*first);
    }
    return true;
  }
  if (const std::int64_t due_ms = next_trigger_due_ms(run_); due_ms > now_ms_) {
    now_ms_ = due_ms;
    return true;
  }
  if (moving() || awaits_trigger()) return false;
  if (!settle_last_nodes()) complete_run();
  return true;
}

void RunTurn::take_recorded(std::size_t node, const RecordedEvent& event) {
  const NodeState* state = state_of(node);
  if (ended() || state == nullptr || !is_in_flight(state->status)) return;
  if (event.event.type == EventType::node_completed) return complete_as_recorded(node, event.event);
  if (event.event.type == EventType::node_failed) return fail_as_recorded(node, event.event);
  copy(event);
  if (event.event.type == EventType::channel_written) set_off_triggers(event.event);
}

// ---- decisions ----

/// What the orchestrator decided in the execution that is repeated here; nothing when it is decided now.
std::optional<Event> RunTurn::recorded_decision(std::size_t node) {
  const std::string& id = node_at(node).id;
  const auto is_decision = [&](const RecordedEvent& recorded) {
    return recorded.event.type == EventType::run_orchestrator_decided && recorded.event.node_id == id;
  };
  const auto inherited = std::find_if(catch_up_.begin(), catch_up_.end(), is_decision);
  if (inherited != catch_up_.end()) return inherited->event;
  if (!run_.replay) return std::nullopt;
  if (run_.replay->lost()) {
    const auto outcome = run_.replay->outcome_of(id);
    const auto decided = std::find_if(outcome.begin(), outcome.end(), is_decision);
    return decided == outcome.end() ? std::nullopt : std::optional(decided->event);
  }
  const RecordedEvent* const next = run_.replay->next();
  return next != nullptr && is_decision(*next) ? std::optional(next->event) : std::nullopt;
}

/// A decision that was made is read, not made again: the supervisor's plan may have changed since (protocol 03 §5.4).
void RunTurn::decide_as_recorded(std::size_t node, NodeOutcome& outcome) {
  if (!std::holds_alternative<NodeCompleted>(outcome)) return;
  const auto decided = recorded_decision(node);
  if (!decided) return;
  NodeCompleted& completed = std::get<NodeCompleted>(outcome);
  const auto decision = json::member(decided->payload, "decision").value_or("null");
  for (Event& event : completed.events) {
    if (event.type != EventType::run_orchestrator_decided || event.payload == decided->payload) continue;
    event.payload = decided->payload;
    completed.outputs.clear();
    json::ObjectWriter(completed.outputs).raw("decision", decision);
  }
}

const RunId& executor_of(const Run& run) { return run.replay ? run.replay->executor() : run.id; }

}  // namespace openwop::runtime
