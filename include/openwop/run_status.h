// The status machine of a run (protocol 01 §11.2, §11.3): which trigger leads from which status to which. One table;
// what it does not hold is forbidden.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace openwop {

enum class RunStatus : std::uint8_t {
  pending,
  running,
  paused,
  waiting_approval,
  waiting_input,
  waiting_external,
  completed,
  failed,
  cancelled,
};
inline constexpr std::size_t kRunStatusCount = 9;

inline constexpr std::array<std::string_view, kRunStatusCount> kRunStatusNames = {
    "pending",          "running",   "paused", "waiting-approval", "waiting-input",
    "waiting-external", "completed", "failed", "cancelled",
};

constexpr std::string_view status_name(RunStatus status) { return kRunStatusNames[static_cast<std::size_t>(status)]; }

constexpr std::optional<RunStatus> status_of(std::string_view name) {
  for (std::size_t i = 0; i < kRunStatusCount; ++i) {
    if (kRunStatusNames[i] == name) return static_cast<RunStatus>(i);
  }
  return std::nullopt;
}

constexpr bool is_terminal(RunStatus status) { return status >= RunStatus::completed; }

constexpr bool is_waiting(RunStatus status) {
  return status == RunStatus::waiting_approval || status == RunStatus::waiting_input ||
         status == RunStatus::waiting_external;
}

enum class RunTrigger : std::uint8_t {
  start,
  /// A node begins, ends, retries, is skipped; a variable or channel is written; a limit is reported.
  progress,
  suspend_approval,
  suspend_input,
  suspend_external,
  /// A suspension ends and none is left.
  resolve,
  pause,
  resume,
  complete,
  fail,
  cancel,
  /// Another process goes on with the run after its owner was lost.
  take_over,
};
inline constexpr std::size_t kRunTriggerCount = 12;

namespace detail {

inline constexpr auto kNo = static_cast<RunStatus>(0xFF);

/// Rows: from-status; columns: trigger.
inline constexpr auto kTransitions = [] {
  using enum RunStatus;
  using Row = std::array<RunStatus, kRunTriggerCount>;
  constexpr Row kEnd = {kNo, kNo, kNo, kNo, kNo, kNo, kNo, kNo, kNo, kNo, kNo, kNo};
  // While one branch waits, others go on: progress keeps the waiting status, a further suspension replaces it.
  return std::array<Row, kRunStatusCount>{{
      //  start    progress          approval          input          external          resolve  pause   resume complete
      //  fail    cancel     take over
      Row{running, kNo, kNo, kNo, kNo, kNo, kNo, kNo, kNo, failed, cancelled, pending},
      Row{kNo, running, waiting_approval, waiting_input, waiting_external, kNo, paused, kNo, completed, failed,
          cancelled, running},
      Row{kNo, kNo, kNo, kNo, kNo, kNo, kNo, running, kNo, kNo, cancelled, kNo},
      Row{kNo, waiting_approval, waiting_approval, waiting_input, waiting_external, running, kNo, kNo, kNo, failed,
          cancelled, waiting_approval},
      Row{kNo, waiting_input, waiting_approval, waiting_input, waiting_external, running, kNo, kNo, kNo, failed,
          cancelled, waiting_input},
      Row{kNo, waiting_external, waiting_approval, waiting_input, waiting_external, running, kNo, kNo, kNo, failed,
          cancelled, waiting_external},
      kEnd,
      kEnd,
      kEnd,
  }};
}();

}  // namespace detail

/// The status after `trigger`, or nothing if the trigger is forbidden in `from`.
constexpr std::optional<RunStatus> next_status(RunStatus from, RunTrigger trigger) {
  const RunStatus to = detail::kTransitions[static_cast<std::size_t>(from)][static_cast<std::size_t>(trigger)];
  if (to == detail::kNo) return std::nullopt;
  return to;
}

}  // namespace openwop
