// Events: the vocabulary of OpenWOP 1.0 (protocol 02 §2, 47 types) and the record of one event.
//
// One table gives each type its wire name and which stream modes admit it (02 §5.3); `debug` admits everything.
// The numbers of EventType are stored: add at the end, never reorder.
//
// An event's `payload` is the public JSON. `hidden` is JSON that only the host folds (real values behind masked ones,
// wake-up times, which edges were taken); it never leaves the process through a wire surface.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "openwop/ids.h"
#include "openwop/json.h"
#include "openwop/time.h"

namespace openwop {

enum class EventType : std::uint16_t {
  run_started,
  run_completed,
  run_failed,
  run_cancelled,
  run_resuming,
  run_paused,
  run_resumed,
  run_restored_from_snapshot,
  node_started,
  node_completed,
  node_failed,
  node_suspended,
  node_suspend_failed,
  node_resumed,
  node_retried,
  node_skipped,
  node_cancelled,
  interrupt_requested,
  interrupt_resolved,
  approval_requested,
  approval_received,
  clarification_requested,
  clarification_resolved,
  channel_written,
  artifact_created,
  output_chunk,
  variable_changed,
  log_appended,
  version_pinned,
  workflow_restored,
  workflow_loopback_limit,
  workflow_stalled,
  cap_breached,
  replay_diverged,
  lease_acquired,
  lease_renewed,
  lease_lost,
  lease_handed_off,
  agent_reasoned,
  agent_tool_called,
  agent_tool_returned,
  agent_handoff,
  agent_decided,
  run_orchestrator_decided,
  conversation_opened,
  conversation_exchanged,
  conversation_closed,
  /// A type this build does not know: written by a newer engine, or a vendor's. Kept, shown, not folded (02 §4.2).
  unknown,
};

struct EventTypeInfo {
  EventType type;
  std::string_view name;
  bool in_updates;
  bool in_values;
  bool terminal;
  /// Only decide() writes it; all others are notes, which nodes may write too.
  bool changes_state;
};

inline constexpr std::array kEventTypes = {
    EventTypeInfo{EventType::run_started, "run.started", true, true, false, true},
    EventTypeInfo{EventType::run_completed, "run.completed", true, true, true, true},
    EventTypeInfo{EventType::run_failed, "run.failed", true, true, true, true},
    EventTypeInfo{EventType::run_cancelled, "run.cancelled", true, true, true, true},
    EventTypeInfo{EventType::run_resuming, "run.resuming", false, false, false, false},
    EventTypeInfo{EventType::run_paused, "run.paused", true, true, false, true},
    EventTypeInfo{EventType::run_resumed, "run.resumed", true, true, false, true},
    EventTypeInfo{EventType::run_restored_from_snapshot, "run.restored-from-snapshot", false, false, false, false},
    EventTypeInfo{EventType::node_started, "node.started", false, true, false, true},
    EventTypeInfo{EventType::node_completed, "node.completed", true, true, false, true},
    EventTypeInfo{EventType::node_failed, "node.failed", true, true, false, true},
    EventTypeInfo{EventType::node_suspended, "node.suspended", true, true, false, true},
    EventTypeInfo{EventType::node_suspend_failed, "node.suspend-failed", false, false, false, false},
    EventTypeInfo{EventType::node_resumed, "node.resumed", false, false, false, true},
    EventTypeInfo{EventType::node_retried, "node.retried", false, false, false, true},
    EventTypeInfo{EventType::node_skipped, "node.skipped", true, true, false, true},
    EventTypeInfo{EventType::node_cancelled, "node.cancelled", true, true, false, true},
    EventTypeInfo{EventType::interrupt_requested, "interrupt.requested", true, true, false, true},
    EventTypeInfo{EventType::interrupt_resolved, "interrupt.resolved", true, true, false, true},
    EventTypeInfo{EventType::approval_requested, "approval.requested", true, true, false, false},
    EventTypeInfo{EventType::approval_received, "approval.received", true, true, false, true},
    EventTypeInfo{EventType::clarification_requested, "clarification.requested", true, true, false, false},
    EventTypeInfo{EventType::clarification_resolved, "clarification.resolved", true, true, false, false},
    EventTypeInfo{EventType::channel_written, "channel.written", false, false, false, true},
    EventTypeInfo{EventType::artifact_created, "artifact.created", true, true, false, false},
    EventTypeInfo{EventType::output_chunk, "output.chunk", false, false, false, false},
    EventTypeInfo{EventType::variable_changed, "variable.changed", false, false, false, true},
    EventTypeInfo{EventType::log_appended, "log.appended", false, false, false, false},
    EventTypeInfo{EventType::version_pinned, "version.pinned", false, false, false, true},
    EventTypeInfo{EventType::workflow_restored, "workflow.restored", false, false, false, false},
    EventTypeInfo{EventType::workflow_loopback_limit, "workflow.loopback-limit", false, false, false, false},
    EventTypeInfo{EventType::workflow_stalled, "workflow.stalled", false, false, false, false},
    EventTypeInfo{EventType::cap_breached, "cap.breached", false, false, false, false},
    EventTypeInfo{EventType::replay_diverged, "replay.diverged", false, false, false, false},
    EventTypeInfo{EventType::lease_acquired, "lease.acquired", false, false, false, false},
    EventTypeInfo{EventType::lease_renewed, "lease.renewed", false, false, false, false},
    EventTypeInfo{EventType::lease_lost, "lease.lost", false, false, false, false},
    EventTypeInfo{EventType::lease_handed_off, "lease.handed-off", false, false, false, false},
    EventTypeInfo{EventType::agent_reasoned, "agent.reasoned", false, false, false, false},
    EventTypeInfo{EventType::agent_tool_called, "agent.toolCalled", false, false, false, false},
    EventTypeInfo{EventType::agent_tool_returned, "agent.toolReturned", false, false, false, false},
    EventTypeInfo{EventType::agent_handoff, "agent.handoff", false, false, false, false},
    EventTypeInfo{EventType::agent_decided, "agent.decided", false, false, false, false},
    EventTypeInfo{EventType::run_orchestrator_decided, "runOrchestrator.decided", false, false, false, false},
    EventTypeInfo{EventType::conversation_opened, "conversation.opened", false, false, false, false},
    EventTypeInfo{EventType::conversation_exchanged, "conversation.exchanged", false, false, false, false},
    EventTypeInfo{EventType::conversation_closed, "conversation.closed", false, false, false, false},
};

namespace detail {
constexpr bool event_table_is_in_enum_order() {
  for (std::size_t i = 0; i < kEventTypes.size(); ++i) {
    if (static_cast<std::size_t>(kEventTypes[i].type) != i) return false;
  }
  return true;
}
}  // namespace detail
static_assert(detail::event_table_is_in_enum_order());
static_assert(kEventTypes.size() == static_cast<std::size_t>(EventType::unknown));

constexpr bool is_terminal(EventType type) {
  return type == EventType::run_completed || type == EventType::run_failed || type == EventType::run_cancelled;
}
/// True for the events that fold() acts on.
constexpr bool changes_state(EventType type) {
  return type != EventType::unknown && kEventTypes[static_cast<std::size_t>(type)].changes_state;
}
constexpr std::string_view event_name(EventType type) {
  return type == EventType::unknown ? std::string_view("unknown") : kEventTypes[static_cast<std::size_t>(type)].name;
}
constexpr EventType event_type(std::string_view name) {
  for (const auto& info : kEventTypes) {
    if (info.name == name) return info.type;
  }
  return EventType::unknown;
}

/// One event, not yet or no longer in the log.
struct Event {
  EventType type = EventType::unknown;
  std::int64_t time_ms = 0;
  std::string node_id = {};                     // empty: none
  std::string payload = "{}";                   // serialized JSON
  std::string hidden = {};                      // serialized JSON object, or empty
  std::optional<std::uint64_t> caused_by = {};  // sequence of the causing event of this run
  std::string unknown_name = {};                // wire name when type is unknown
  std::uint32_t schema_version = 1;
};

/// An event as it lies in the log; views are valid as long as the bytes they were read from.
struct EventView {
  std::uint64_t sequence = 0;
  EventType type = EventType::unknown;
  std::string_view type_name;
  std::int64_t time_ms = 0;
  std::string_view node_id;
  std::string_view payload;
  std::string_view hidden;
  std::optional<std::uint64_t> caused_by;
  std::uint32_t schema_version = 1;
  std::uint32_t engine_version = 1;
};

inline EventView view_of(const Event& event, std::uint64_t sequence, std::uint32_t engine_version = 1) {
  const std::string_view name =
      event.type == EventType::unknown ? std::string_view(event.unknown_name) : event_name(event.type);
  return {
      sequence,        event.type,           name,          event.time_ms, event.node_id, event.payload, event.hidden,
      event.caused_by, event.schema_version, engine_version};
}

/// `evt_<run>_<sequence>`: unique because run ids are (02 §1 leaves the form free).
inline std::string event_id(const RunId& run, std::uint64_t sequence) {
  return "evt_" + run.text() + "_" + std::to_string(sequence);
}

/// Appends the event document of 02 §1.
inline void append_event_document(std::string& out, std::string_view run_text, const EventView& event) {
  const auto id_of = [&](std::uint64_t sequence) {
    return std::string("evt_").append(run_text).append("_").append(std::to_string(sequence));
  };
  const auto time = rfc3339_chars(event.time_ms);
  json::ObjectWriter object(out);
  object.string("eventId", id_of(event.sequence));
  object.string("runId", run_text);
  if (!event.node_id.empty()) object.string("nodeId", event.node_id);
  object.string("type", event.type_name);
  object.raw("payload", event.payload);
  object.string("timestamp", {time.data(), time.size()});
  object.integer("sequence", static_cast<std::int64_t>(event.sequence));
  object.integer("schemaVersion", event.schema_version);
  object.string("engineVersion", std::to_string(event.engine_version));
  if (event.caused_by) object.string("causationId", id_of(*event.caused_by));
}

}  // namespace openwop
