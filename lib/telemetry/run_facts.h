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
  /// What its caller sent; of a child run: the trace and the span of the node that started it.
  std::optional<TraceContext> context;
  TraceId trace_id{};
  bool sampled = false;
  /// Of a run that another one has started: that run, its workflow, and the node.
  std::optional<RunId> parent_run = {};
  std::string parent_workflow_id;
  std::string parent_node_id;
  /// Of a fork: what it was made of, and the span of that run.
  std::optional<RunFork> fork = {};
  TraceId source_trace{};
  std::string compliance_class;  // empty: public
  /// The workflow's class is not public, or it marks something as sensitive.
  bool pii_present = false;
};

[[nodiscard]] RunFacts facts_of(const RunId& run, const RunHeader& header, const Workflow& workflow,
                                const TelemetryOptions& options);

}  // namespace openwop::telemetry
