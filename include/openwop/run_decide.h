// decide(state, command) -> events. Pure: the time comes with the call. A command that the status machine or the node's
// state forbids is refused with `conflict` and details {"runStatus":…}, and yields no event.
//
// Guarantees, by construction: nothing after a terminal event; run.started once and first; a run that ends leaves no
// node in flight (each gets node.cancelled before the terminal event, protocol 02 §3.3).
#pragma once

#include <utility>
#include <vector>

#include "openwop/detail/decision_events.h"
#include "openwop/run_command.h"
#include "openwop/run_fold.h"

namespace openwop {

namespace detail {

inline Error refuse(const RunState& state, std::string message) {
  std::string details;
  json::ObjectWriter(details).string("runStatus", status_name(state.status));
  return Error{ErrorCode::conflict, std::move(message), std::move(details)};
}

inline Status require_transition(const RunState& state, RunTrigger trigger, std::string_view what) {
  if (next_status(state.status, trigger)) return {};
  return refuse(state,
                std::string(what) + " is not possible while the run is " + std::string(status_name(state.status)));
}

inline std::string index_array(const std::vector<std::uint32_t>& indexes) {
  std::string out = "[";
  for (std::size_t i = 0; i < indexes.size(); ++i) {
    if (i > 0) out += ',';
    out += std::to_string(indexes[i]);
  }
  return out + "]";
}

inline std::string hidden_edges(const EdgeChoice& edges, std::string_view real_outputs, std::string_view cost = {}) {
  if (edges.live.empty() && edges.loops.empty() && real_outputs.empty() && cost.empty()) return {};
  std::string out;
  {
    json::ObjectWriter object(out);  // closes the object when it goes: before `out` is returned
    if (!edges.live.empty()) object.raw("edges", index_array(edges.live));
    if (!edges.loops.empty()) object.raw("loops", index_array(edges.loops));
    if (!edges.reset.empty()) {
      std::string ids = "[";
      for (std::size_t i = 0; i < edges.reset.size(); ++i) {
        if (i > 0) ids += ',';
        json::append_quoted(ids, edges.reset[i]);
      }
      object.raw("reset", ids + "]");
    }
    if (!edges.recount.empty()) object.raw("recount", index_array(edges.recount));
    if (!real_outputs.empty()) object.raw("outputs", real_outputs);
    if (!cost.empty()) object.raw("cost", cost);
  }
  return out;
}

/// One decision: checks the command against the state and appends the events.
class Decision : DecisionEvents {
 public:
  Decision(const RunState& state, std::int64_t now_ms, std::vector<Event>& out) : DecisionEvents(state, now_ms, out) {}

  Status operator()(const command::StartRun& c) {
    if (auto allowed = require_transition(state_, RunTrigger::start, "start"); !allowed) return allowed;
    Event& event = emit(EventType::run_started);
    json::ObjectWriter payload = begin(event);
    payload.string("workflowId", c.workflow_id);
    if (!c.transport.empty()) payload.string("transport", c.transport);
    payload.string("engineVersion", c.engine_version);
    if (!c.tags.empty()) payload.raw("tags", c.tags);
    if (!c.metadata.empty()) payload.raw("metadata", c.metadata);
    return {};
  }

  Status operator()(const command::StartNode& c) {
    if (auto allowed = progress("start of a node"); !allowed) return allowed;
    const NodeState* node = state_.find_node(c.node_id);
    if (node != nullptr && node->status != NodeStatus::idle && node->status != NodeStatus::retrying) {
      return node_conflict(c.node_id, "start");
    }
    Event& event = emit(EventType::node_started, c.node_id);
    {
      json::ObjectWriter payload = begin(event);
      payload.string("nodeId", c.node_id);
      payload.string("typeId", c.type_id);
      payload.integer("attempt", node == nullptr ? 0 : node->attempt);
    }
    event.caused_by = c.cause == 0 ? std::nullopt : std::optional(c.cause);
    if (c.due_ms > 0 || !c.inputs.empty()) {
      json::ObjectWriter hidden(event.hidden);
      if (c.due_ms > 0) hidden.integer("dueMs", c.due_ms);
      if (!c.inputs.empty()) hidden.raw("inputs", c.inputs);
    }
    return {};
  }

  Status operator()(const command::CompleteNode& c) {
    if (auto allowed = node_in_flight(c.node_id, "complete"); !allowed) return allowed;
    Event& event = emit(EventType::node_completed, c.node_id);
    const bool masked = !c.masked_outputs.empty();
    {
      json::ObjectWriter payload = begin(event);
      payload.string("nodeId", c.node_id);
      if (!c.outputs.empty()) payload.raw("outputs", masked ? c.masked_outputs : c.outputs);
      payload.integer("durationMs", duration_since(state_.find_node(c.node_id)->started_ms));
    }
    event.hidden = hidden_edges(c.edges, masked ? std::string_view(c.outputs) : std::string_view{}, c.cost);
    cancel_restarted(c.node_id, c.edges);
    return {};
  }

  Status operator()(const command::FailNode& c) {
    if (auto allowed = progress("failure of a node"); !allowed) return allowed;
    // A node that is refused before it starts (missing capability, unresolvable input) fails from idle.
    const NodeState* node = state_.find_node(c.node_id);
    if (node != nullptr && has_ended(node->status)) return node_conflict(c.node_id, "fail");
    Event& event = emit(EventType::node_failed, c.node_id);
    {
      json::ObjectWriter payload = begin(event);
      payload.string("nodeId", c.node_id);
      payload.raw("error", c.failure.to_json());
      payload.integer("attempts", node == nullptr ? 1 : node->attempt + 1);
      if (!c.failure.outputs.empty()) payload.raw("outputs", c.failure.outputs);
    }
    event.hidden = hidden_edges(c.edges, {});
    cancel_restarted(c.node_id, c.edges);
    return {};
  }

  Status operator()(const command::RetryNode& c) {
    if (auto allowed = node_in_flight(c.node_id, "retry"); !allowed) return allowed;
    Event& event = emit(EventType::node_retried, c.node_id);
    json::ObjectWriter payload = begin(event);
    payload.string("nodeId", c.node_id);
    payload.integer("attempt", state_.find_node(c.node_id)->attempt + 1);
    payload.integer("delayMs", c.delay_ms);
    payload.raw("lastError", c.last_error.to_json());
    return {};
  }

  Status operator()(const command::SkipNode& c) {
    if (auto allowed = progress("skipping a node"); !allowed) return allowed;
    const NodeState* node = state_.find_node(c.node_id);
    if (node != nullptr && node->status != NodeStatus::idle) return node_conflict(c.node_id, "skip");
    Event& event = emit(EventType::node_skipped, c.node_id);
    json::ObjectWriter payload = begin(event);
    payload.string("nodeId", c.node_id);
    if (!c.reason.empty()) payload.string("reason", c.reason);
    return {};
  }

  Status operator()(const command::SuspendNode& c) {
    const RunTrigger trigger = suspend_trigger(c.kind);
    if (auto allowed = require_transition(state_, trigger, "suspension"); !allowed) return allowed;
    if (auto allowed = node_in_flight(c.node_id, "suspend"); !allowed) return allowed;
    Event& event = emit(EventType::node_suspended, c.node_id);
    const bool nameable = in_event_enum(c.kind);
    {
      json::ObjectWriter payload = begin(event);
      payload.string("nodeId", c.node_id);
      payload.string("interruptId", c.interrupt_id);
      if (nameable) payload.string("kind", c.kind);
      if (!c.key.empty()) payload.string("key", c.key);
      if (c.kind == "low-confidence") add_low_confidence(payload, c.data);
      if (c.kind.starts_with("conversation")) payload.string("reason", "conversation-input");
    }
    if (!nameable) json::ObjectWriter(event.hidden).string("kind", c.kind);
    if (c.data.empty()) return {};
    request_interrupt(c);
    if (c.kind == interrupt_kind_name(InterruptKind::approval)) request_approval(c);
    if (c.kind == interrupt_kind_name(InterruptKind::clarification)) {
      Event& twin = emit(EventType::clarification_requested, c.node_id);
      json::ObjectWriter payload = begin(twin);
      payload.string("nodeId", c.node_id);
      payload.string("interruptId", c.interrupt_id);
      payload.raw("questions", json::member(c.data, "questions").value_or("[]"));
    }
    return {};
  }

  Status operator()(const command::RecordDecision& c) {
    if (auto allowed = progress("a decision"); !allowed) return allowed;
    const InterruptState* interrupt = state_.find_interrupt(c.node_id);
    if (interrupt == nullptr || interrupt->outcome != InterruptOutcome::pending) {
      return node_conflict(c.node_id, "decide on");
    }
    record_decision(c.node_id, c.record);
    return {};
  }

  Status operator()(const command::ResumeNode& c) {
    if (auto allowed = require_transition(state_, RunTrigger::resolve, "resolution"); !allowed) return allowed;
    const NodeState* node = state_.find_node(c.node_id);
    if (node == nullptr || node->status != NodeStatus::suspended) return node_conflict(c.node_id, "resume");
    if (!c.kind.empty() && !c.timed_out) resolve_interrupt(c);
    Event& event = emit(EventType::node_resumed, c.node_id);
    if (c.timed_out) json::ObjectWriter(event.hidden).boolean("timedOut", true);
    json::ObjectWriter payload = begin(event);
    payload.string("nodeId", c.node_id);
    payload.string("interruptId", c.interrupt_id);
    if (!c.timed_out) payload.raw("resumeValue", c.resume_value);
    return {};
  }

  Status operator()(const command::WriteVariable& c) {
    if (auto allowed = progress("a write"); !allowed) return allowed;
    const auto previous = state_.variables.find(c.name);
    const MaskingMode mode = c.sensitive ? c.masking : MaskingMode::passthrough;
    Event& event = emit(EventType::variable_changed, c.node_id);
    {
      json::ObjectWriter payload = begin(event);
      payload.string("name", c.name);
      const auto show = [&](std::string_view key, std::string_view raw) {
        if (const auto shown = masked(mode, raw)) payload.raw(key, *shown);
      };
      if (previous != state_.variables.end()) show("previous", previous->second);
      show("next", c.value);
      if (!c.node_id.empty()) payload.string("nodeId", c.node_id);
    }
    if (mode != MaskingMode::passthrough) json::ObjectWriter(event.hidden).raw("next", c.value);
    return {};
  }

  Status operator()(const command::WriteChannel& c) {
    if (auto allowed = progress("a write"); !allowed) return allowed;
    const MaskingMode mode = c.sensitive ? c.masking : MaskingMode::passthrough;
    Event& event = emit(EventType::channel_written, c.node_id);
    {
      json::ObjectWriter payload = begin(event);
      payload.string("channel", c.channel);
      payload.raw("value", masked_in_place(mode, c.value));
      payload.string("reducer", c.reducer);
      payload.string("writtenAt", format_rfc3339(now_ms_));
      if (!c.node_id.empty()) payload.string("nodeId", c.node_id);
      if (c.schema_version > 0) payload.integer("schemaVersion", c.schema_version);
      if (!c.source_engine_id.empty()) payload.string("sourceEngineId", c.source_engine_id);
      if (!c.source_run_id.empty()) payload.string("sourceRunId", c.source_run_id);
    }
    const bool is_hidden = mode != MaskingMode::passthrough;
    if (c.ttl_ms > 0 || c.max_size > 0 || c.into_variable || is_hidden || !c.reduced.empty()) {
      json::ObjectWriter hidden(event.hidden);
      if (c.ttl_ms > 0) hidden.integer("ttlMs", c.ttl_ms);
      if (c.max_size > 0) hidden.integer("maxSize", c.max_size);
      if (c.into_variable) hidden.boolean("variable", true);
      if (c.into_variable && c.ttl_ms > 0) hidden.boolean("stamped", true);
      if (is_hidden) hidden.raw("value", c.value);
      if (!c.reduced.empty()) hidden.raw("reduced", c.reduced);
    }
    return {};
  }

  /// The vocabularies have no word for a trigger either; fold() reads the hidden part.
  Status operator()(const command::FireTrigger& c) {
    if (auto allowed = progress("a trigger"); !allowed) return allowed;
    Event& event = emit(EventType::log_appended, c.node_id);
    begin(event)
        .string("level", "info")
        .string("message", "a write to channel '" + c.channel + "' " + (c.awaits ? "will start" : "starts") +
                               " node '" + c.node_id + "'");
    json::ObjectWriter hidden(event.hidden);
    {
      json::ObjectWriter trigger(hidden.value_of("trigger"));
      trigger.string("id", c.trigger_id);
      if (c.awaits) trigger.integer("dueMs", c.due_ms);
    }
    if (!c.reset.empty()) hidden.raw("fired", text_array(c.reset));
    return {};
  }

  Status operator()(const command::AppendNote& c) {
    if (auto allowed = progress("an event"); !allowed) return allowed;
    if (changes_state(c.event.type)) {
      return refuse(state_, "event '" + std::string(event_name(c.event.type)) + "' is not a note");
    }
    out_.push_back(c.event);
    out_.back().time_ms = now_ms_;
    Event& note = out_.back();
    if (!note.caused_by) note.caused_by = agent_cause(state_.agents, c.event);
    if (!note.caused_by) note.caused_by = cause_of_node(note.node_id);
    if (note.type != EventType::conversation_opened) return {};
    const NodeState* node = state_.find_node(note.node_id);
    if (node != nullptr && node->status == NodeStatus::suspended) note.caused_by = node->suspended_at;
    return {};
  }

  Status operator()(const command::PinVersion& c) {
    if (auto allowed = progress("a version"); !allowed) return allowed;
    // Two nodes may ask for the same change at once; the first answer holds.
    if (state_.pins.contains(c.change_id)) return {};
    Event& event = emit(EventType::version_pinned, c.node_id);
    json::ObjectWriter payload = begin(event);
    payload.string("changeId", c.change_id);
    payload.integer("version", c.version);
    if (!c.node_id.empty()) payload.string("nodeId", c.node_id);
    return {};
  }

  Status operator()(const command::PauseRun& c) {
    // A waiting run cannot be paused, but one that began to wait after a pause had been promised is.
    const bool promised = state_.pause_asked_ms != 0 && is_waiting(state_.status);
    if (auto allowed = require_transition(state_, RunTrigger::pause, "pause"); !allowed && !promised) return allowed;
    Event& event = emit(EventType::run_paused);
    json::ObjectWriter payload = begin(event);
    if (!c.reason.empty()) payload.string("reason", c.reason);
    payload.string("drainPolicy", c.drain_policy);
    return {};
  }

  /// The vocabulary of `run.` is closed and has no word for a pause that is asked for, so a log line of the host's
  /// carries it: readers see why nothing new starts, and fold() reads the hidden part.
  Status operator()(const command::RequestPause& c) {
    const RunTrigger trigger = c.withdrawn ? RunTrigger::progress : RunTrigger::pause;
    if (auto allowed = require_transition(state_, trigger, "pause"); !allowed) return allowed;
    Event& event = emit(EventType::log_appended);
    begin(event)
        .string("level", "info")
        .string("message", c.withdrawn ? "the pause is withdrawn" : "the run pauses when the nodes at work have ended");
    json::ObjectWriter hidden(event.hidden);
    if (c.withdrawn) {
      hidden.raw("pause", "null");
    } else {
      json::ObjectWriter(hidden.value_of("pause")).string("reason", c.reason);
    }
    return {};
  }

  Status operator()(const command::ResumeRun& c) {
    if (auto allowed = require_transition(state_, RunTrigger::resume, "resume"); !allowed) return allowed;
    Event& event = emit(EventType::run_resumed);
    json::ObjectWriter payload = begin(event);
    if (!c.reason.empty()) payload.string("reason", c.reason);
    return {};
  }

  /// The vocabularies of `run.` and `node.` are closed and have no words for children, so log lines of the host's carry
  /// them; fold() reads the hidden part. The ids stay hidden, as two replays of one run differ in them.
  Status operator()(const command::StartChild& c) {
    if (auto allowed = node_in_flight(c.child.node_id, "start a run"); !allowed) return allowed;
    Event& event = emit(EventType::log_appended, c.child.node_id);
    begin(event)
        .string("level", "info")
        .string("message", "node '" + c.child.node_id + "' starts a run of '" + c.child.workflow_id + "'");
    json::ObjectWriter hidden(event.hidden);
    json::ObjectWriter start(hidden.value_of("childStart"));
    start.string("run", c.child.run_id.text()).string("key", c.child.key).string("workflow", c.child.workflow_id);
    if (!c.child.follows) start.boolean("detached", true);
    if (!c.child.wanted.empty()) start.raw("wanted", text_array(c.child.wanted));
    return {};
  }

  Status operator()(const command::ChangeChild& c) {
    if (auto allowed = progress("a change of a child run"); !allowed) return allowed;
    Event& event = emit(EventType::log_appended, c.node_id);
    begin(event)
        .string("level", "info")
        .string("message", "the run of '" + c.result.workflow_id + "' that node '" + c.node_id + "' has started is " +
                               std::string(status_name(c.status)));
    json::ObjectWriter hidden(event.hidden);
    json::ObjectWriter change(hidden.value_of("childChange"));
    change.string("run", c.result.run_id.text()).string("status", status_name(c.status));
    if (!is_terminal(c.status)) return {};
    if (c.result.variables.size() > 2) change.raw("variables", c.result.variables);
    if (!c.result.sensitive.empty()) change.raw("sensitive", text_array(c.result.sensitive));
    if (!c.result.error.empty()) change.raw("error", c.result.error);
    return {};
  }

  Status operator()(const command::CompleteRun& c) {
    const bool stops_waiting = c.terminates && is_waiting(state_.status);
    if (auto allowed = require_transition(state_, RunTrigger::complete, "completion"); !allowed && !stops_waiting) {
      return allowed;
    }
    if (c.terminates) cancel_nodes_in_flight("run-terminated");
    for (const auto& [id, node] : state_.nodes) {
      if (is_in_flight(node.status) && !c.terminates) return node_conflict(id, "complete the run around");
    }
    Event& event = emit(EventType::run_completed);
    json::ObjectWriter payload = begin(event);
    if (!c.outputs.empty()) payload.raw("outputs", c.outputs);
    payload.integer("durationMs", duration_since(state_.started_ms));
    return {};
  }

  Status operator()(const command::FailRun& c) {
    if (auto allowed = require_transition(state_, RunTrigger::fail, "failure"); !allowed) return allowed;
    cancel_nodes_in_flight("run-failed");
    Event& event = emit(EventType::run_failed);
    json::ObjectWriter payload = begin(event);
    payload.raw("error", c.failure.to_json());
    if (!c.failed_node_id.empty()) payload.string("failedNodeId", c.failed_node_id);
    if (state_.started_ms > 0) payload.integer("durationMs", duration_since(state_.started_ms));
    return {};
  }

  Status operator()(const command::CancelRun& c) {
    if (auto allowed = require_transition(state_, RunTrigger::cancel, "cancel"); !allowed) return allowed;
    cancel_nodes_in_flight("run-cancelled");
    Event& event = emit(EventType::run_cancelled);
    json::ObjectWriter payload = begin(event);
    if (!c.reason.empty()) payload.string("reason", c.reason);
    if (!c.cancelled_by.empty()) payload.string("cancelledBy", c.cancelled_by);
    if (!c.parent_run_id.empty()) payload.string("parentRunId", c.parent_run_id);
    if (!c.parent_node_id.empty()) payload.string("parentNodeId", c.parent_node_id);
    if (state_.started_ms > 0) payload.integer("durationMs", duration_since(state_.started_ms));
    return {};
  }

  Status operator()(const command::TakeOver&) {
    if (auto allowed = require_transition(state_, RunTrigger::take_over, "takeover"); !allowed) return allowed;
    // Nothing of a pending run was lost, and its first event is run.started.
    if (state_.status == RunStatus::pending) return {};
    Event& event = emit(EventType::run_resumed);
    begin(event).string("reason", "recovered");
    return {};
  }

 private:
  [[nodiscard]] Status progress(std::string_view what) const {
    return require_transition(state_, RunTrigger::progress, what);
  }
  [[nodiscard]] Error node_conflict(const std::string& node_id, std::string_view what) const {
    return refuse(state_, "node '" + node_id + "' is not in a state to " + std::string(what));
  }
  [[nodiscard]] Status node_in_flight(const std::string& node_id, std::string_view what) const {
    if (auto allowed = progress(what); !allowed) return allowed;
    const NodeState* node = state_.find_node(node_id);
    if (node == nullptr || !is_in_flight(node->status)) return node_conflict(node_id, what);
    return {};
  }
  static RunTrigger suspend_trigger(std::string_view kind) {
    switch (waiting_status_for(kind)) {
      case RunStatus::waiting_external: return RunTrigger::suspend_external;
      case RunStatus::waiting_input: return RunTrigger::suspend_input;
      case RunStatus::waiting_approval:
      case RunStatus::pending:
      case RunStatus::running:
      case RunStatus::paused:
      case RunStatus::completed:
      case RunStatus::failed:
      case RunStatus::cancelled: break;
    }
    return RunTrigger::suspend_approval;
  }
};

}  // namespace detail

/// Appends the events that `command` leads to. Errors: conflict; then `out` is unchanged.
inline Status decide(const RunState& state, const RunCommand& command, std::int64_t now_ms, std::vector<Event>& out) {
  return std::visit(detail::Decision(state, now_ms, out), command);
}

}  // namespace openwop
