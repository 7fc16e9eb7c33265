// The events that decide() makes, apart from the question which of them a command leads to: emitting one, and the
// groups that belong together (interrupts, cancelled nodes).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openwop/run_command.h"
#include "openwop/run_fold.h"

namespace openwop::detail {

class DecisionEvents {
 protected:
  DecisionEvents(const RunState& state, std::int64_t now_ms, std::vector<Event>& out)
      : state_(state), now_ms_(now_ms), out_(out) {}

  Event& emit(EventType type, std::string_view node_id = {}) {
    Event& event = out_.emplace_back();
    event.type = type;
    event.time_ms = now_ms_;
    event.node_id = node_id;
    event.caused_by = cause_of_node(node_id);
    return event;
  }
  static json::ObjectWriter begin(Event& event) {
    event.payload.clear();
    return json::ObjectWriter(event.payload);
  }

  // ---- interrupts (protocol 03 §2.4) ----

  static bool in_event_enum(std::string_view kind) {
    const InterruptKindInfo* info = find_interrupt_kind(kind);
    return info != nullptr && info->in_event_enum;
  }
  static void add_low_confidence(json::ObjectWriter& payload, std::string_view data) {
    payload.string("reason", "low-confidence");
    for (const std::string_view name : {"agentId", "threshold", "observed"}) {
      if (const auto value = json::member(data, name)) payload.raw(name, *value);
    }
  }

  /// The superset of the closed InterruptPayload and of the identity fields that 1.0 also asks for.
  void request_interrupt(const command::SuspendNode& c) {
    Event& event = emit(EventType::interrupt_requested, c.node_id);
    // node.suspended, which opens the group (protocol 02 §3.3).
    if (!event.caused_by) event.caused_by = state_.next_sequence;
    {
      json::ObjectWriter payload = begin(event);
      payload.string("runId", c.run_id);
      payload.string("nodeId", c.node_id);
      payload.string("interruptId", c.interrupt_id);
      payload.string("kind", c.kind);
      payload.string("key", c.key);
      payload.raw("data", c.data);
      if (!c.resume_schema.empty()) payload.raw("resumeSchema", c.resume_schema);
      if (c.timeout_ms > 0) payload.integer("timeoutMs", c.timeout_ms);
      payload.string("requestedAt", format_rfc3339(now_ms_));
    }
    if (c.node_key.empty() && !c.bearer_only && c.turns == 0 && !c.raises_timeout) return;
    json::ObjectWriter hidden(event.hidden);
    if (c.raises_timeout) hidden.boolean("raisesTimeout", true);
    if (c.turns != 0) hidden.integer("turns", c.turns);
    if (!c.node_key.empty()) hidden.string("nodeKey", c.node_key);
    if (c.bearer_only) hidden.boolean("bearerOnly", true);
  }

  void request_approval(const command::SuspendNode& c) {
    Event& twin = emit(EventType::approval_requested, c.node_id);
    json::ObjectWriter payload = begin(twin);
    payload.string("nodeId", c.node_id);
    payload.string("interruptId", c.interrupt_id);
    for (const std::string_view name : {"artifactId", "artifactType", "title", "approversList", "requiredApprovals"}) {
      if (const auto value = json::member(c.data, name)) payload.raw(name, *value);
    }
    // This older vocabulary spells one action differently.
    std::string& actions = payload.value_of("actions");
    actions += '[';
    bool first = true;
    json::for_each_element(json::member(c.data, "actions").value_or("[]"), [&](std::string_view action) {
      if (!std::exchange(first, false)) actions += ',';
      actions += action == "\"edit-accept\"" ? std::string_view("\"edit\"") : action;
      return true;
    });
    actions += ']';
  }

  void record_decision(std::string_view node_id, const command::ApprovalRecord& record) {
    Event& event = emit(EventType::approval_received, node_id);
    {
      json::ObjectWriter payload = begin(event);
      payload.string("nodeId", node_id);
      payload.string("action", record.action);
      if (!record.decided_by.empty()) payload.string("decidedBy", record.decided_by);
      payload.string("decidedAt", format_rfc3339(now_ms_));
      if (!record.comment.empty()) payload.raw("comment", record.comment);
      if (!record.feedback.empty()) payload.raw("feedback", record.feedback);
      if (!record.refine_feedback.empty()) payload.raw("refineFeedback", record.refine_feedback);
      if (!record.edited_artifact.empty()) payload.raw("editedArtifactData", record.edited_artifact);
    }
    if (record.anonymous) json::ObjectWriter(event.hidden).boolean("anonymous", true);
  }

  void resolve_interrupt(const command::ResumeNode& c) {
    {
      Event& event = emit(EventType::interrupt_resolved, c.node_id);
      json::ObjectWriter payload = begin(event);
      payload.string("nodeId", c.node_id);
      payload.string("interruptId", c.interrupt_id);
      if (in_event_enum(c.kind)) payload.string("kind", c.kind);
      payload.raw("resumeValue", c.resume_value);
      payload.string("resolvedAt", format_rfc3339(now_ms_));
      if (!c.resolved_by.empty()) payload.string("resolvedBy", c.resolved_by);
    }
    if (c.decision) record_decision(c.node_id, *c.decision);
    if (c.kind != interrupt_kind_name(InterruptKind::clarification)) return;
    Event& event = emit(EventType::clarification_resolved, c.node_id);
    json::ObjectWriter payload = begin(event);
    payload.string("nodeId", c.node_id);
    payload.raw("answers", json::member(c.resume_value, "answers").value_or("{}"));
    if (!c.resolved_by.empty()) payload.string("answeredBy", c.resolved_by);
  }

  /// What a dispatch does is caused by the decision that it acts on (protocol 03 §9.2).
  [[nodiscard]] std::optional<std::uint64_t> cause_of_node(std::string_view node_id) const {
    const NodeState* node = node_id.empty() ? nullptr : state_.find_node(node_id);
    if (node == nullptr || node->cause == 0) return std::nullopt;
    return node->cause;
  }
  [[nodiscard]] std::int64_t duration_since(std::int64_t since_ms) const {
    return now_ms_ > since_ms ? now_ms_ - since_ms : 0;
  }
  void cancel_nodes_in_flight(std::string_view reason) {
    for (const auto& [id, node] : state_.nodes) {
      if (is_in_flight(node.status)) cancel_node(id, reason);
    }
  }
  /// Nodes that still work in the body of a loop that begins again; folding the edges has made them idle already.
  void cancel_restarted(std::string_view ended, const EdgeChoice& edges) {
    for (const std::string& id : edges.reset) {
      const NodeState* node = id == ended ? nullptr : state_.find_node(id);
      if (node != nullptr && is_in_flight(node->status)) cancel_node(id, kLoopRestarted);
    }
  }
  void cancel_node(const std::string& id, std::string_view reason) {
    Event& event = emit(EventType::node_cancelled, id);
    json::ObjectWriter payload = begin(event);
    payload.string("nodeId", id);
    payload.string("reason", reason);
  }

  const RunState& state_;
  std::int64_t now_ms_;
  std::vector<Event>& out_;
};

}  // namespace openwop::detail
