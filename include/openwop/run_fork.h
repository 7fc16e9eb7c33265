// Forks: runs that share the history of another run up to a point and execute what follows (protocol 03 §5).
//
//  - A replay executes it as the source did: what came from outside (outcomes of handlers, answers, delays, the time)
//  is
//    taken from the source's log, what the engine computes is computed again by the current code, and the first
//    difference is recorded as replay.diverged. Its clock is the source's: events carry the times of those they repeat.
//  - A branch executes it anew, outside effects included; it has nothing to do with the source any more.
//
// Thread-safety: plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/ids.h"
#include "openwop/log_origin.h"

namespace openwop {

enum class ForkMode : std::uint8_t { replay, branch };
inline constexpr std::array<std::string_view, 2> kForkModeNames = {"replay", "branch"};
constexpr std::string_view fork_mode_name(ForkMode mode) { return kForkModeNames[static_cast<std::size_t>(mode)]; }
constexpr std::optional<ForkMode> fork_mode_of(std::string_view name) {
  for (std::size_t i = 0; i < kForkModeNames.size(); ++i) {
    if (kForkModeNames[i] == name) return static_cast<ForkMode>(i);
  }
  return std::nullopt;
}

struct RunFork {
  RunId source_run;
  std::uint64_t from_sequence = 0;
  ForkMode mode = ForkMode::branch;
  /// Where the source's log ended when the fork was made: what it got later is no part of a replay.
  std::uint64_t source_end = 0;
  std::string source_workflow_digest = {};
  std::string source_workflow_version = {};
  std::uint32_t source_engine_version = 1;
  std::string source_traceparent = {};  // of the source's caller; empty when there was none
  /// Which run was the first to execute the source's events: replays repeat, they execute nothing. Recorded steps,
  /// random numbers and ids of a replay are those of that run.
  std::vector<LogSegment> executed_by = {};

  /// The run that executed event `sequence` of the source first.
  [[nodiscard]] const RunId& executor(std::uint64_t sequence) const {
    for (const LogSegment& segment : executed_by) {
      if (sequence < segment.end) return segment.run;
    }
    return executed_by.empty() ? source_run : executed_by.back().run;
  }
  /// The run at the beginning of the lineage.
  [[nodiscard]] const RunId& root() const { return executor(0); }
};

}  // namespace openwop
