// How many runs have not ended, and how many of them could go on, without reading those that have ended.
#pragma once

#include <map>
#include <string>

#include "openwop/result.h"
#include "openwop/run_status.h"
#include "openwop/store.h"

namespace openwop::runtime {

/// Of runs that have begun: a fork before its first turn is none of them.
struct LiveRuns {
  std::size_t all = 0;
  /// Neither paused nor waiting for somebody.
  std::size_t runnable = 0;
};
constexpr bool is_live(RunStatus status) { return status != RunStatus::pending && !is_terminal(status); }
constexpr bool is_runnable(RunStatus status) { return status == RunStatus::running; }

/// By tenant, from the listing index. Errors: those of the store.
[[nodiscard]] Result<std::map<std::string, LiveRuns>> count_live_runs(const Store& store);

}  // namespace openwop::runtime
