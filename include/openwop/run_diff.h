// Differences between two runs, or between two moments of one run, for people who look for what went another way.
//
//   diff_runs(engine, "default", {first, 12}, {second, 12})      two runs, as they were when event 12 had been applied
//   diff_runs(engine, "default", {run, 3}, {run, std::nullopt})  what has happened to a run since
//
// Thread-safety: as the engine's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "openwop/engine.h"

namespace openwop {

struct RunMoment {
  RunId run;
  /// The state when this event had just been applied; nothing: as the run is now.
  std::optional<std::uint64_t> sequence = {};
};

/// One serialized object:
///
///   {"from":{"runId","sequence"?}, "to":{…},
///    "status":{"from","to"},                                     present when it differs, as are all below
///    "variables":{"<name>":{"from"?,"to"?}}, "channels":{…},     a side without the value is left out
///    "nodes":{"<id>":{"<member>":{"from"?,"to"?}}},              status attempt iteration outputs error
///    "events":{"equal":n, "from":m, "to":k,                      lengths up to the two moments
///              "first":{"sequence","from"?:{"type","nodeId"?},"to"?:{…}}}}
///
/// `events.equal` counts the events from 0 on that agree in type, node and payload but for ids, times and durations;
/// `first` is the first one that does not. Values of variables, outputs and channels that the workflow calls sensitive
/// read "[REDACTED]" on either side, and are there only when they differ.
/// Errors: run_not_found; store errors.
[[nodiscard]] Result<std::string> diff_runs(const Engine& engine, std::string_view tenant, const RunMoment& from,
                                            const RunMoment& to);

}  // namespace openwop
