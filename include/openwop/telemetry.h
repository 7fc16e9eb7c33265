// Spans and metrics, and where they go (protocol 02 §12). The vocabulary of metrics is one table; a name that is not in
// it is not recorded. Sinks are injected: OtlpExporter and MetricRegistry are the library's own.
//
// Nothing here fails a run: what a sink cannot take it drops and counts.
//
// Thread-safety: sinks take calls from any thread; everything else is a plain value.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "openwop/trace_context.h"

namespace openwop {

using AttributeValue = std::variant<std::string, std::int64_t, bool, double, std::vector<std::string>>;
/// Keys are literals: nothing that a caller sent becomes one.
using Attributes = std::vector<std::pair<std::string_view, AttributeValue>>;

/// A span that has ended.
struct SpanRecord {
  TraceId trace_id{};
  SpanId span_id{};
  std::optional<SpanId> parent = {};
  std::string tracestate = {};
  std::string name;
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  Attributes attributes = {};
  bool failed = false;
  /// Of a failure; holds no secret.
  std::string failure = {};
  /// Spans that this one follows without being their child.
  std::vector<std::pair<TraceId, SpanId>> links = {};
};

class SpanSink {
 public:
  virtual ~SpanSink() = default;
  /// Must be quick; what there is no room for is dropped.
  virtual void add(SpanRecord span) = 0;
};

enum class Metric : std::uint8_t {
  run_created,
  run_completed,
  run_duration,
  run_active,
  run_backlog,
  queue_depth,
  queue_enqueued,
  node_completed,
  node_duration,
  node_attempts,
  activity_invocations,
  activity_duration,
  activity_tokens,
  cap_exceeded,
  claim_conflicts,
  interrupt_requested,
  interrupt_duration,
  orchestrator_decisions,
  orchestrator_iterations,
  cross_region_conflicts,
  cross_region_partition,
  cost_usd,
};

/// A gauge is recorded by its changes, as an up-down counter is; exporters tell them apart.
enum class Instrument : std::uint8_t { counter, up_down_counter, gauge, histogram };

struct MetricInfo {
  Metric metric;
  std::string_view name;
  Instrument instrument;
  std::string_view unit;
  std::string_view description;
  /// Upper bounds of a histogram's buckets.
  std::span<const double> buckets = {};
};

namespace detail {
inline constexpr std::array kRunBuckets = {0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0};
inline constexpr std::array kBacklogBuckets = {0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0};
inline constexpr std::array kNodeBuckets = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0};
inline constexpr std::array kActivityBuckets = {0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0};
inline constexpr std::array kInterruptBuckets = {60.0, 300.0, 900.0, 1800.0, 3600.0, 14400.0, 86400.0, 604800.0};
inline constexpr std::array kIterationBuckets = {1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0};
}  // namespace detail

// Protocol 02 §12.4.
inline constexpr std::array kMetrics = {
    MetricInfo{Metric::run_created, "openwop.run.created", Instrument::counter, "1", "Runs accepted"},
    MetricInfo{Metric::run_completed, "openwop.run.completed", Instrument::counter, "1", "Runs that ended"},
    MetricInfo{Metric::run_duration, "openwop.run.duration", Instrument::histogram, "s",
               "From acceptance to the end, waiting included", detail::kRunBuckets},
    MetricInfo{Metric::run_active, "openwop.run.active", Instrument::up_down_counter, "1", "Runs that have not ended"},
    MetricInfo{Metric::run_backlog, "openwop.run.backlog", Instrument::histogram, "s", "From acceptance to the start",
               detail::kBacklogBuckets},
    MetricInfo{Metric::queue_depth, "openwop.queue.depth", Instrument::gauge, "{run}",
               "Runs that could go on: neither ended, paused nor waiting for somebody"},
    MetricInfo{Metric::queue_enqueued, "openwop.queue.enqueued", Instrument::counter, "1", "Runs queued for execution"},
    MetricInfo{Metric::node_completed, "openwop.node.completed", Instrument::counter, "1", "Nodes that ended"},
    MetricInfo{Metric::node_duration, "openwop.node.duration", Instrument::histogram, "s",
               "One attempt of a node, waiting for people not included", detail::kNodeBuckets},
    MetricInfo{Metric::node_attempts, "openwop.node.attempts", Instrument::counter, "1", "Retries of nodes"},
    MetricInfo{Metric::activity_invocations, "openwop.activity.invocations", Instrument::counter, "1",
               "Calls to the outside"},
    MetricInfo{Metric::activity_duration, "openwop.activity.duration", Instrument::histogram, "s",
               "One call to the outside", detail::kActivityBuckets},
    MetricInfo{Metric::activity_tokens, "openwop.activity.tokens", Instrument::counter, "{token}", "Tokens of models"},
    MetricInfo{Metric::cap_exceeded, "openwop.cap.exceeded", Instrument::counter, "1", "Limits that runs ran into"},
    MetricInfo{Metric::claim_conflicts, "openwop.run.claim.conflicts", Instrument::counter, "1",
               "Creates refused because a run of the scope is live"},
    MetricInfo{Metric::interrupt_requested, "openwop.interrupt.requested", Instrument::counter, "1",
               "Questions to people or other systems"},
    MetricInfo{Metric::interrupt_duration, "openwop.interrupt.duration", Instrument::histogram, "s",
               "From question to answer", detail::kInterruptBuckets},
    MetricInfo{Metric::orchestrator_decisions, "openwop.orchestrator.decisions", Instrument::counter, "1",
               "Decisions of supervisors"},
    MetricInfo{Metric::orchestrator_iterations, "openwop.orchestrator.iterations", Instrument::histogram, "1",
               "Decisions of one run's supervisor, until the run ended", detail::kIterationBuckets},
    MetricInfo{Metric::cross_region_conflicts, "openwop.idempotency.cross_region_conflicts_total", Instrument::counter,
               "1", "Runs of this region that gave way to one that another region made for the same key"},
    MetricInfo{Metric::cross_region_partition, "openwop.idempotency.partition_seconds", Instrument::gauge, "s",
               "For how long another region has not taken what this one has to tell; 0 = it does"},
    MetricInfo{Metric::cost_usd, "openwop.cost.usd", Instrument::counter, "USD", "Cost of calls to models"},
};

namespace detail {
constexpr bool metric_table_is_in_enum_order() {
  for (std::size_t i = 0; i < kMetrics.size(); ++i) {
    if (static_cast<std::size_t>(kMetrics[i].metric) != i) return false;
  }
  return true;
}
}  // namespace detail
static_assert(detail::metric_table_is_in_enum_order());
static_assert(kMetrics.size() == static_cast<std::size_t>(Metric::cost_usd) + 1);

constexpr const MetricInfo& metric_info(Metric metric) { return kMetrics[static_cast<std::size_t>(metric)]; }

/// What tells the series of a metric apart. Never a run id: each value is a series for ever (protocol 02 §12.4).
struct Label {
  std::string_view key;
  std::string_view value;
};
using Labels = std::initializer_list<Label>;

class MetricSink {
 public:
  virtual ~MetricSink() = default;
  /// Adds `value` to a counter or a gauge, or one sample of it to a histogram. Must be quick.
  virtual void record(Metric metric, double value, Labels labels) = 0;
};

}  // namespace openwop
