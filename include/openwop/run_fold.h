// fold(state, event): the state of a run as a pure fold of its log. No clock, no randomness, no I/O. Live execution,
// recovery, snapshots, replay and the simulator use this one function; commands become events in run_decide.h.
//
// Unknown event types and newer payloads are passed over, never refused (protocol 02 §4.2).
#pragma once

#include "openwop/detail/fold_parts.h"
#include "openwop/json.h"
#include "openwop/run_state.h"

namespace openwop {

namespace detail {

inline void fold_node_started(RunState& state, const EventView& event) {
  NodeState& node = node_of(state, event.node_id);
  const std::int64_t due_ms = event.hidden.empty() ? 0 : integer_member(event.hidden, "dueMs");
  enter(node, due_ms > 0 ? NodeStatus::sleeping : NodeStatus::running, event);
  node.due_ms = due_ms;
  if (!event.hidden.empty()) node.inputs = json::member(event.hidden, "inputs").value_or("");
  node.started_ms = event.time_ms;
  node.started_sequence = event.sequence;
  node.emitted = 0;
  node.attempt = static_cast<std::uint32_t>(integer_member(event.payload, "attempt"));
  node.triggered = false;
  node.child_results.clear();
  node.cause = event.caused_by.value_or(0);
  if (node.cause != 0) ++state.agents.dispatches;
  node.rounds = 0;
  node.clarifications = 0;
  ++state.node_executions;
}

/// Edges taken, and the loop bodies that begin again: `{"edges":[…],"loop":edge,"reset":[ids]}`.
inline void fold_edges(RunState& state, NodeState& node, std::string_view hidden) {
  node.live_edges.clear();
  if (hidden.empty()) return;
  json::for_each_element(json::member(hidden, "edges").value_or("[]"), [&](std::string_view raw) {
    node.live_edges.push_back(static_cast<std::uint32_t>(json::as_int(raw).value_or(0)));
    return true;
  });
  json::for_each_element(json::member(hidden, "loops").value_or("[]"), [&](std::string_view raw) {
    ++state.loopbacks[static_cast<std::uint32_t>(json::as_int(raw).value_or(0))];
    return true;
  });
  bool first = true;
  json::for_each_element(json::member(hidden, "reset").value_or("[]"), [&](std::string_view raw) {
    NodeState& body_node = node_of(state, json::unescape(raw));
    body_node.status = NodeStatus::idle;
    body_node.live_edges.clear();
    body_node.attempt = 0;
    body_node.answers.clear();
    ++body_node.iteration;
    body_node.triggered = first;  // the loop's target comes first
    first = false;
    return true;
  });
  // Loopbacks inside a body that starts over count anew.
  json::for_each_element(json::member(hidden, "recount").value_or("[]"), [&](std::string_view raw) {
    state.loopbacks.erase(static_cast<std::uint32_t>(json::as_int(raw).value_or(0)));
    return true;
  });
}

inline void fold_node_ended(RunState& state, const EventView& event, NodeStatus status) {
  NodeState& node = node_of(state, event.node_id);
  enter(node, status, event);
  node.triggered = false;
  node.inputs.clear();
  if (InterruptState* interrupt = pending_interrupt(state, event.node_id)) {
    // Only its own timeout ends an interrupt while the run goes on.
    interrupt->outcome = status == NodeStatus::failed ? InterruptOutcome::timed_out : InterruptOutcome::cancelled;
  }
  if (status == NodeStatus::completed) {
    const auto shown = json::member(event.payload, "outputs");
    const auto real = event.hidden.empty() ? std::nullopt : json::member(event.hidden, "outputs");
    node.outputs = real ? *real : shown.value_or(std::string_view{});
    const auto cost = event.hidden.empty() ? std::nullopt : json::member(event.hidden, "cost");
    if (cost) state.cost.add(CostRecord::from_json(*cost));
  } else if (status == NodeStatus::failed) {
    node.error = json::member(event.payload, "error").value_or("{}");
    if (const auto outputs = json::member(event.payload, "outputs")) node.outputs = *outputs;
  }
  fold_edges(state, node, event.hidden);
  // A cancelled node is followed by the run's end; until then the run shows what it waited for.
  if (status != NodeStatus::cancelled) leave_suspension(state, event.time_ms);
}

inline void fold_node_cancelled(RunState& state, const EventView& event) {
  const NodeState* node = state.find_node(event.node_id);
  if (node != nullptr && is_in_flight(node->status)) return fold_node_ended(state, event, NodeStatus::cancelled);
  // The loop around it has begun again, and the node with it; what it had asked is not asked any more.
  if (InterruptState* interrupt = pending_interrupt(state, event.node_id)) {
    interrupt->outcome = InterruptOutcome::cancelled;
  }
}

inline void fold_channel_written(RunState& state, const EventView& event) {
  ChannelWriteRule rule;
  rule.reducer = reducer_of(json::as_string(json::member(event.payload, "reducer").value_or("null")).value_or(""))
                     .value_or(Reducer::vendor);
  std::string_view value = json::member(event.payload, "value").value_or("null");
  bool into_variable = false;
  if (!event.hidden.empty()) {
    rule.ttl_ms = integer_member(event.hidden, "ttlMs");
    rule.max_size = integer_member(event.hidden, "maxSize");
    into_variable = json::member(event.hidden, "variable").has_value();
    rule.stamped = json::member(event.hidden, "stamped").has_value();
    value = json::member(event.hidden, "value").value_or(value);
  }
  auto& values = into_variable ? state.variables : state.channels;
  const auto reduced = event.hidden.empty() ? std::nullopt : json::member(event.hidden, "reduced");
  const auto name = json::as_string(json::member(event.payload, "channel").value_or("null"));
  if (!name) return;
  if (reduced) return assign(values, *name, *reduced);
  const auto current = values.find(*name);
  EntryTimes* const times = rule.ttl_ms > 0 && !rule.stamped ? &state.channel_times[*name] : nullptr;
  assign(values, *name,
         reduce(rule, current == values.end() ? std::string_view{} : current->second, value, event.time_ms, times));
}

inline void fold_variable_changed(RunState& state, const EventView& event) {
  const auto name = json::as_string(json::member(event.payload, "name").value_or("null"));
  auto next = json::member(event.payload, "next");
  if (!event.hidden.empty()) {
    if (const auto real = json::member(event.hidden, "next")) next = real;
  }
  if (name) assign(state.variables, *name, next.value_or("null"));
}

inline void fold_version_pinned(RunState& state, const EventView& event) {
  const auto change = json::as_string(json::member(event.payload, "changeId").value_or("null"));
  if (change) state.pins.emplace(*change, integer_member(event.payload, "version"));
}

/// A note of a handler at work: counted, so that a re-run after a crash does not repeat it.
inline void fold_note(RunState& state, const EventView& event) {
  if (event.hidden.empty() || event.node_id.empty()) return;
  const auto emitted = json::member(event.hidden, "emitted");
  if (emitted) node_of(state, event.node_id).emitted = static_cast<std::uint64_t>(json::as_int(*emitted).value_or(0));
}

inline void fold_node_suspended(RunState& state, const EventView& event) {
  std::string kind = text_member(event.payload, "kind");
  if (!event.hidden.empty() && kind.empty()) kind = text_member(event.hidden, "kind");
  NodeState& node = node_of(state, event.node_id);
  enter(node, NodeStatus::suspended, event);
  node.waits_as = waiting_status_for(kind);
  node.suspended_at = event.sequence;
  ++node.suspensions;
  ++node.rounds;
  if (kind == interrupt_kind_name(InterruptKind::clarification)) ++node.clarifications;
  set_status(state, node.waits_as, event.time_ms);
}

inline void fold_interrupt_requested(RunState& state, const EventView& event) {
  InterruptState interrupt;
  interrupt.id = text_member(event.payload, "interruptId");
  interrupt.kind = text_member(event.payload, "kind");
  interrupt.key = text_member(event.payload, "key");
  interrupt.data = real_member(event, "data", "{}");
  interrupt.resume_schema = json::member(event.payload, "resumeSchema").value_or("");
  interrupt.timeout_ms = integer_member(event.payload, "timeoutMs");
  interrupt.requested_ms = event.time_ms;
  if (!event.hidden.empty()) {
    interrupt.node_key = text_member(event.hidden, "nodeKey");
    interrupt.bearer_only = json::member(event.hidden, "bearerOnly").has_value();
    interrupt.turns = integer_member(event.hidden, "turns");
    interrupt.raises_timeout = json::member(event.hidden, "raisesTimeout").has_value();
  }
  NodeState& node = node_of(state, event.node_id);
  if (node.status == NodeStatus::suspended) node.due_ms = interrupt.due_ms();
  state.interrupts.insert_or_assign(std::string(event.node_id), std::move(interrupt));
}

inline void fold_interrupt_resolved(RunState& state, const EventView& event) {
  if (InterruptState* interrupt = pending_interrupt(state, event.node_id)) {
    interrupt->outcome = InterruptOutcome::resumed;
  }
}

/// A vote: the same voter's earlier one is replaced.
inline void fold_approval_received(RunState& state, const EventView& event) {
  InterruptState* interrupt = pending_interrupt(state, event.node_id);
  const std::string action = text_member(event.payload, "action");
  if (interrupt == nullptr || action.empty() || action == "timeout") return;
  const bool anonymous = !event.hidden.empty() && json::member(event.hidden, "anonymous").has_value();
  InterruptVote vote{anonymous ? std::string() : text_member(event.payload, "decidedBy"), action, event.time_ms,
                     std::string(real_member(event, "editedArtifactData", ""))};
  if (!vote.actor.empty()) {
    std::erase_if(interrupt->votes, [&](const InterruptVote& earlier) { return earlier.actor == vote.actor; });
  }
  interrupt->votes.push_back(std::move(vote));
  ++interrupt->exchanges;
}

inline void fold_node_resumed(RunState& state, const EventView& event) {
  NodeState& node = node_of(state, event.node_id);
  enter(node, NodeStatus::running, event);
  node.started_sequence = event.sequence;
  const InterruptState* interrupt = state.find_interrupt(event.node_id);
  NodeAnswer answer{interrupt == nullptr ? std::string() : interrupt->node_key,
                    {},
                    !event.hidden.empty() && json::member(event.hidden, "timedOut").has_value()};
  if (!answer.timed_out) {
    answer.value = real_member(event, "resumeValue", "null");
  } else if (InterruptState* open = pending_interrupt(state, event.node_id)) {
    open->outcome = InterruptOutcome::timed_out;
  }
  node.answers.push_back(std::move(answer));
  leave_suspension(state, event.time_ms);
}

/// The host's note of a pause that waits for handlers in flight: {"pause":{"reason"}} or {"pause":null}.
inline void fold_pause_request(RunState& state, const EventView& event) {
  if (event.hidden.empty()) return;
  const auto pause = json::member(event.hidden, "pause");
  if (!pause) return;
  clear_pause_request(state);
  if (json::kind(*pause) != json::Kind::object) return;
  state.pause_asked_ms = event.time_ms;
  state.pause_reason = text_member(*pause, "reason");
}

/// A trigger waits, or starts its node: `{"trigger":{"id":…,"dueMs"?},"fired":[ids]}`, the trigger's node first.
inline void fold_trigger(RunState& state, const EventView& event) {
  if (event.hidden.empty()) return;
  const auto raw = json::member(event.hidden, "trigger");
  if (!raw) return;
  TriggerState& trigger = state.triggers[text_member(*raw, "id")];
  trigger.awaits = json::member(*raw, "dueMs").has_value();
  trigger.due_ms = integer_member(*raw, "dueMs");
  if (trigger.awaits) return;
  ++trigger.firings;
  bool first = true;
  json::for_each_element(json::member(event.hidden, "fired").value_or("[]"), [&](std::string_view id) {
    NodeState& node = node_of(state, json::unescape(id));
    if (has_ended(node.status)) ++node.iteration;
    node.status = NodeStatus::idle;
    node.live_edges.clear();
    node.attempt = 0;
    node.answers.clear();
    node.triggered = first;
    first = false;
    return true;
  });
}

inline void fold_child_started(RunState& state, const EventView& event, std::string_view start) {
  ChildRun child{RunId::parse(text_member(start, "run")).value_or(RunId{}),
                 std::string(event.node_id),
                 text_member(start, "key"),
                 text_member(start, "workflow"),
                 RunStatus::pending,
                 !json::member(start, "detached").has_value(),
                 read_text_array(json::member(start, "wanted").value_or("[]"))};
  NodeState& node = node_of(state, event.node_id);
  enter(node, NodeStatus::in_child, event);
  node.child = child.run_id;
  node.child_waits = false;
  state.children.push_back(std::move(child));
}

/// The child has another status: a waiting one makes this run wait with it, its end sets the node to work again.
inline void fold_child_changed(RunState& state, const EventView& event, std::string_view change) {
  const RunId id = RunId::parse(text_member(change, "run")).value_or(RunId{});
  ChildRun* child = nullptr;
  for (ChildRun& each : state.children) {
    if (each.run_id == id) child = &each;
  }
  if (child == nullptr) return;
  child->status = status_member(change);
  NodeState& node = node_of(state, event.node_id);
  if (node.status != NodeStatus::in_child || node.child != id) return;
  node.child_waits = is_waiting(child->status);
  if (node.child_waits) {
    node.waits_as = child->status;
    node.suspended_at = event.sequence;
    set_status(state, node.waits_as, event.time_ms);
    return;
  }
  if (is_terminal(child->status)) {
    enter(node, NodeStatus::running, event);
    node.child_results.push_back({child->key, id, child->workflow_id, child->status,
                                  std::string(json::member(change, "variables").value_or("{}")),
                                  read_text_array(json::member(change, "sensitive").value_or("[]")),
                                  std::string(json::member(change, "error").value_or(""))});
  }
  leave_suspension(state, event.time_ms);
}

/// The host's notes of runs that this one has started.
inline void fold_child_note(RunState& state, const EventView& event) {
  if (event.hidden.empty()) return;
  if (const auto start = json::member(event.hidden, "childStart")) fold_child_started(state, event, *start);
  if (const auto change = json::member(event.hidden, "childChange")) fold_child_changed(state, event, *change);
}

/// A turn of a conversation, written into the channel that the host has named for it.
inline void fold_turn(RunState& state, const EventView& event) {
  if (event.hidden.empty()) return;
  const std::string channel = text_member(event.hidden, "channel");
  if (channel.empty()) return;
  ChannelWriteRule rule;
  rule.reducer = Reducer::message;
  rule.max_size = integer_member(event.hidden, "maxSize");
  for (const std::string_view name : {"initialTurn", "turn", "finalTurn"}) {
    const auto turn = json::member(event.payload, name);
    if (!turn) continue;
    const auto current = state.channels.find(channel);
    assign(state.channels, channel,
           reduce(rule, current == state.channels.end() ? std::string_view{} : current->second, *turn, event.time_ms,
                  nullptr));
  }
}

inline void fold_run_resumed(RunState& state, const EventView& event) {
  // Also the mark of a takeover, which changes no status (protocol 01 §14.4).
  if (state.status != RunStatus::paused) return;
  set_status(state, live_status(state), event.time_ms);
  // A pause stops handlers; their executions begin again, under a new name.
  for (auto& [id, node] : state.nodes) {
    if (node.status != NodeStatus::running) continue;
    node.since_ms = event.time_ms;
    node.started_sequence = event.sequence;
  }
}

inline void fold_run_ended(RunState& state, const EventView& event, RunStatus status) {
  set_status(state, status, event.time_ms);
  clear_pause_request(state);
  state.ended_ms = event.time_ms;
  if (status == RunStatus::completed) state.outputs = json::member(event.payload, "outputs").value_or("");
  if (status == RunStatus::failed) state.error = json::member(event.payload, "error").value_or("{}");
}

}  // namespace detail

/// Applies one event. Events must come in sequence order.
inline void fold(RunState& state, const EventView& event) {
  state.next_sequence = event.sequence + 1;
  state.changed_ms = event.time_ms;
  switch (event.type) {
    case EventType::run_started:
      detail::set_status(state, RunStatus::running, event.time_ms);
      state.started_ms = event.time_ms;
      break;
    case EventType::run_completed: detail::fold_run_ended(state, event, RunStatus::completed); break;
    case EventType::run_failed: detail::fold_run_ended(state, event, RunStatus::failed); break;
    case EventType::run_cancelled:
      detail::fold_run_ended(state, event, RunStatus::cancelled);
      // The reason alone could be anybody's words.
      state.cancelled_by_parent = json::member(event.payload, "parentRunId").has_value() &&
                                  detail::text_member(event.payload, "reason") == kParentCancelled;
      break;
    case EventType::run_paused:
      detail::set_status(state, RunStatus::paused, event.time_ms);
      detail::clear_pause_request(state);
      state.paused_ms = event.time_ms;
      break;
    case EventType::run_resumed: detail::fold_run_resumed(state, event); break;
    case EventType::node_started: detail::fold_node_started(state, event); break;
    case EventType::node_completed: detail::fold_node_ended(state, event, NodeStatus::completed); break;
    case EventType::node_failed: detail::fold_node_ended(state, event, NodeStatus::failed); break;
    case EventType::node_skipped: detail::fold_node_ended(state, event, NodeStatus::skipped); break;
    case EventType::node_cancelled: detail::fold_node_cancelled(state, event); break;
    case EventType::node_retried: {
      NodeState& node = detail::node_of(state, event.node_id);
      detail::enter(node, NodeStatus::retrying, event);
      node.attempt = static_cast<std::uint32_t>(detail::integer_member(event.payload, "attempt"));
      if (__builtin_add_overflow(event.time_ms, detail::integer_member(event.payload, "delayMs"), &node.due_ms)) {
        node.due_ms = std::numeric_limits<std::int64_t>::max();
      }
      node.error = json::member(event.payload, "lastError").value_or("{}");
      if (auto* interrupt = detail::pending_interrupt(state, event.node_id)) {
        interrupt->outcome = InterruptOutcome::timed_out;
      }
      detail::leave_suspension(state, event.time_ms);
      break;
    }
    case EventType::node_suspended: detail::fold_node_suspended(state, event); break;
    case EventType::node_resumed: detail::fold_node_resumed(state, event); break;
    case EventType::interrupt_requested: detail::fold_interrupt_requested(state, event); break;
    case EventType::interrupt_resolved: detail::fold_interrupt_resolved(state, event); break;
    case EventType::approval_received: detail::fold_approval_received(state, event); break;
    case EventType::log_appended:
      detail::fold_pause_request(state, event);
      detail::fold_trigger(state, event);
      detail::fold_child_note(state, event);
      detail::fold_note(state, event);
      break;
    case EventType::channel_written: detail::fold_channel_written(state, event); break;
    case EventType::variable_changed: detail::fold_variable_changed(state, event); break;
    case EventType::version_pinned: detail::fold_version_pinned(state, event); break;
    case EventType::run_resuming:
    case EventType::run_restored_from_snapshot:
    case EventType::node_suspend_failed:
    case EventType::approval_requested:
    case EventType::clarification_requested:
    case EventType::clarification_resolved:
    case EventType::artifact_created:
    case EventType::output_chunk:
    case EventType::workflow_restored:
    case EventType::workflow_loopback_limit:
    case EventType::workflow_stalled:
    case EventType::cap_breached:
    case EventType::replay_diverged:
    case EventType::lease_acquired:
    case EventType::lease_renewed:
    case EventType::lease_lost:
    case EventType::lease_handed_off:
    case EventType::unknown: detail::fold_note(state, event); break;
    case EventType::agent_reasoned:
    case EventType::agent_tool_called:
    case EventType::agent_tool_returned:
    case EventType::agent_handoff:
    case EventType::agent_decided:
    case EventType::run_orchestrator_decided:
      fold_agent_event(state.agents, event);
      detail::fold_note(state, event);
      break;
    case EventType::conversation_opened:
    case EventType::conversation_exchanged:
    case EventType::conversation_closed:
      fold_agent_event(state.agents, event);
      detail::fold_turn(state, event);
      detail::fold_note(state, event);
      break;
  }
}

}  // namespace openwop
