// What the folds of several events share (run_fold.h): reading members, and moving nodes and runs between statuses.
#pragma once

#include "openwop/json.h"
#include "openwop/run_state.h"

namespace openwop::detail {

inline NodeState& node_of(RunState& state, std::string_view id) {
  const auto at = state.nodes.lower_bound(id);
  if (at != state.nodes.end() && at->first == id) return at->second;
  return state.nodes.emplace_hint(at, id, NodeState{})->second;
}

inline std::int64_t integer_member(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? json::as_int(*raw).value_or(0) : 0;
}

inline void enter(NodeState& node, NodeStatus status, const EventView& event) {
  node.status = status;
  node.since_ms = event.time_ms;
  node.due_ms = 0;
}

inline void assign(std::map<std::string, std::string, std::less<>>& values, std::string name, std::string_view value) {
  values.insert_or_assign(std::move(name), std::string(value));
}

/// Status changes that stop and start the clock of the run's timeout.
inline void set_status(RunState& state, RunStatus status, std::int64_t now_ms) {
  const auto stopped = [](RunStatus s) { return is_waiting(s) || s == RunStatus::paused; };
  if (stopped(state.status) && !stopped(status)) {
    if (now_ms > state.waiting_since_ms) state.waited_ms += now_ms - state.waiting_since_ms;
    state.waiting_since_ms = 0;
  } else if (!stopped(state.status) && stopped(status)) {
    state.waiting_since_ms = now_ms;
  }
  state.status = status;
}

/// What a run shows that is neither paused nor over: what its latest suspension waits for, or that it runs.
inline RunStatus live_status(const RunState& state) {
  const std::string* latest = state.latest_suspended();
  return latest == nullptr ? RunStatus::running : state.nodes.find(*latest)->second.waits_as;
}

/// A node may have left its suspension.
inline void leave_suspension(RunState& state, std::int64_t now_ms) {
  if (is_waiting(state.status)) set_status(state, live_status(state), now_ms);
}

inline std::string text_member(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? json::as_string(*raw).value_or("") : std::string();
}

/// The real value of a member behind a redacted one.
inline std::string_view real_member(const EventView& event, std::string_view name, std::string_view fallback) {
  if (!event.hidden.empty()) {
    if (const auto real = json::member(event.hidden, name)) return *real;
  }
  return json::member(event.payload, name).value_or(fallback);
}

/// The node's interrupt, if it still waits for its resolution.
inline InterruptState* pending_interrupt(RunState& state, std::string_view node_id) {
  const auto at = state.interrupts.find(node_id);
  const bool pending = at != state.interrupts.end() && at->second.outcome == InterruptOutcome::pending;
  return pending ? &at->second : nullptr;
}

inline RunStatus waiting_status_for(std::string_view kind) {
  const InterruptKindInfo* info = find_interrupt_kind(kind);
  return info == nullptr ? RunStatus::waiting_approval : info->waits_as;
}

inline void clear_pause_request(RunState& state) {
  state.pause_asked_ms = 0;
  state.pause_reason.clear();
}

inline RunStatus status_member(std::string_view object) {
  const std::string name = text_member(object, "status");
  for (std::size_t i = 0; i < kRunStatusCount; ++i) {
    if (status_name(static_cast<RunStatus>(i)) == name) return static_cast<RunStatus>(i);
  }
  return RunStatus::running;
}

}  // namespace openwop::detail
