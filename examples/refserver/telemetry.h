// What the server tells about its runs: to an OpenTelemetry collector, to Prometheus, to its log. Each only when it is
// configured; without any of them runs are not followed at all.
//
// Thread-safety: from one thread, but for observer().
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "config.h"
#include "openwop/otlp_exporter.h"
#include "openwop/run_telemetry.h"
#include "openwop/store.h"

namespace refserver {

class MetricsServer;

class Telemetry {
 public:
  Telemetry(const Config& config, std::string_view version, std::shared_ptr<const openwop::Store> store);
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;
  ~Telemetry();

  /// Serves /metrics if that is configured: its URL, or "". Errors: validation_error when the address is not to be had.
  [[nodiscard]] openwop::Result<std::string> listen();

  /// Null when nothing is configured.
  [[nodiscard]] const std::shared_ptr<openwop::RunObserver>& observer() const { return observer_; }
  /// For what is counted outside of runs; null when no metrics are configured.
  [[nodiscard]] const std::shared_ptr<openwop::MetricSink>& metrics() const { return metrics_; }
  /// The `observability` of discovery; empty when nothing is exported.
  [[nodiscard]] std::string advertised() const;

  /// Sends what is there and stops; after the engine's close().
  void close();

 private:
  const std::string listen_;
  std::shared_ptr<openwop::MetricRegistry> registry_;
  std::shared_ptr<openwop::OtlpExporter> exporter_;
  std::shared_ptr<openwop::MetricSink> metrics_;
  std::shared_ptr<openwop::RunObserver> observer_;
  std::unique_ptr<MetricsServer> server_;
};

}  // namespace refserver
