// OtlpExporter: sends spans and metrics to an OpenTelemetry collector, as JSON over HTTP (OTLP 1.x): POST to
// <endpoint>/v1/traces and <endpoint>/v1/metrics.
//
// Best effort: a collector that is slow or away costs nothing but what it does not get. Spans wait in a bounded queue
// for at most `linger_ms`, metrics are sent at most once in `metrics_interval_ms` and only when something was recorded;
// while nothing happens its thread sleeps.
//
// Thread-safety: all members from any thread. One thread of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openwop/clock.h"
#include "openwop/http_client.h"
#include "openwop/metric_registry.h"
#include "openwop/telemetry.h"

namespace openwop {

struct OtlpOptions {
  std::shared_ptr<HttpClient> http;
  std::shared_ptr<Clock> clock = {};  // default: SystemClock
  /// Where metrics are added up; null: made.
  std::shared_ptr<MetricRegistry> registry = {};
  /// URL without the signal's path, such as http://localhost:4318.
  std::string endpoint;
  /// Sent with each request (OTEL_EXPORTER_OTLP_HEADERS).
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string service_name = "openwop";
  std::string service_version = {};
  /// Told of spans that were lost, without anything of their content.
  std::function<void(std::string_view message)> on_loss = {};

  std::size_t max_queued_spans = 8'192;     // beyond it spans are dropped
  std::size_t max_spans_per_request = 512;  // a full batch goes at once
  std::int64_t linger_ms = 200;
  std::int64_t metrics_interval_ms = 1'000;
  std::int64_t request_timeout_ms = 5'000;
  /// Tries of one request that fails with a broken connection, 429 or a 5xx, `retry_ms` apart.
  int max_tries = 3;
  std::int64_t retry_ms = 500;
};

class OtlpExporter final : public SpanSink, public MetricSink {
 public:
  explicit OtlpExporter(OtlpOptions options);
  OtlpExporter(const OtlpExporter&) = delete;
  OtlpExporter& operator=(const OtlpExporter&) = delete;
  ~OtlpExporter() override;

  void add(SpanRecord span) override;
  void record(Metric metric, double value, Labels labels) override;

  /// Sends what is there, once, and stops; what comes later is dropped. Idempotent; the destructor calls it.
  void close();

  /// Spans that were dropped so far.
  [[nodiscard]] std::uint64_t dropped_spans() const;
  [[nodiscard]] const MetricRegistry& registry() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace openwop
