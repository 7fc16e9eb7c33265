// What the telemetry of a run says about it beside its events: fixed when the run was created.
//
// Thread-safety: plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "openwop/run_observer.h"
#include "openwop/run_telemetry.h"

namespace openwop::telemetry {

struct RunFacts {
  RunId run;
  std::string tenant;
  std::string workflow_id;
  std::string scope_id;
  std::vector<std::string> tags;
  std::int64_t created_ms = 0;
  /// What its caller sent.
  std::optional<TraceContext> context;
  TraceId trace_id{};
  bool sampled = false;
  /// Of a fork: what it was made of, and the span of that run.
  std::optional<RunFork> fork = {};
  TraceId source_trace{};
  std::string compliance_class;  // empty: public
  /// The workflow's class is not public, or it marks something as sensitive.
  bool pii_present = false;
};

[[nodiscard]] RunFacts facts_of(const RunCommit& commit, const TelemetryOptions& options);

}  // namespace openwop::telemetry
