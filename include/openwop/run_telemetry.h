// RunTelemetry: makes spans, metrics and log records of what runs do (protocol 02 §12.2–12.5), by following their
// commits. Nothing is recorded before it is durable, and recording never fails a run.
//
//   auto telemetry = std::make_shared<RunTelemetry>(TelemetryOptions{.spans = exporter, .metrics = registry});
//   options.observers.push_back(telemetry);
//   auto engine = Engine::open(std::move(options));
//
// A span exists from its end on: node spans when the node ends or waits for somebody, openwop.run when the run ends.
// Their ids are derived from the run, so a run that a second process goes on with has one trace.
//
// Thread-safety: all members from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "openwop/run_observer.h"
#include "openwop/telemetry.h"

namespace openwop {

/// Which traces are kept (OTEL_TRACES_SAMPLER). `parent_based` follows the caller's sampled flag, and the ratio where
/// no caller sent a context.
enum class Sampler : std::uint8_t { parent_based_ratio, always_on, always_off };

struct TelemetryOptions {
  /// The engine's store, read before the engine opens: how many runs are live. Later, where the log of a run is read
  /// that began before this process. Null: such runs are followed from their next event on.
  std::shared_ptr<const Store> store = {};
  std::shared_ptr<SpanSink> spans = {};      // null: no spans
  std::shared_ptr<MetricSink> metrics = {};  // null: no metrics
  /// Records of §12.5 as serialized JSON objects with `metricKind`; null: none.
  std::function<void(std::string_view fields)> log = {};
  Sampler sampler = Sampler::parent_based_ratio;
  /// From 0 to 1.
  double sample_ratio = 0.1;
  /// Runs between two commits whose open spans are held in memory; of others the log is read again.
  std::size_t max_tracked_runs = 16'384;
  /// Events of a log that such a reading takes; beyond it spans lack their beginning.
  std::size_t max_events_read = 10'000;
};

class RunTelemetry final : public RunObserver {
 public:
  explicit RunTelemetry(TelemetryOptions options);
  RunTelemetry(const RunTelemetry&) = delete;
  RunTelemetry& operator=(const RunTelemetry&) = delete;
  ~RunTelemetry() override;

  void committed(const RunCommit& commit) noexcept override;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// What a host exports.
struct ObservabilityClaims {
  bool otlp = false;
  bool metrics = false;
};

/// The `observability` object of discovery: names of spans, their attributes and metrics, and how they are exported.
[[nodiscard]] std::string observability_block(const ObservabilityClaims& claims);

}  // namespace openwop
