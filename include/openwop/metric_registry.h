// MetricRegistry: adds up what is recorded, for whoever asks: Prometheus, by text; OtlpExporter, by series.
//
// Thread-safety: all members from any thread.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "openwop/telemetry.h"

namespace openwop {

/// One metric with one set of labels.
struct MetricSeries {
  Metric metric = Metric::run_created;
  std::vector<std::pair<std::string, std::string>> labels;
  /// The value of a counter or a gauge, or the sum of a histogram's samples.
  double value = 0;
  /// Of a histogram: samples, and how many fell into each bucket; the last one is beyond all bounds.
  std::uint64_t count = 0;
  std::vector<std::uint64_t> buckets;
};

class MetricRegistry final : public MetricSink {
 public:
  /// Beyond `max_series` new sets of labels share one series a metric, labelled `otel.metric.overflow`.
  explicit MetricRegistry(std::size_t max_series = 4096) : max_series_(max_series) {}

  void record(Metric metric, double value, Labels labels) override;

  /// Every series that has been recorded, ordered by metric.
  [[nodiscard]] std::vector<MetricSeries> series() const;
  /// Changes whenever something is recorded.
  [[nodiscard]] std::uint64_t version() const;

 private:
  const std::size_t max_series_;
  mutable std::mutex mutex_;
  std::map<std::string, MetricSeries> series_;
  std::uint64_t version_ = 0;
};

/// The Prometheus text format, version 0.0.4: dots become underscores, counters end in `_total`, seconds in `_seconds`.
[[nodiscard]] std::string prometheus_text(const MetricRegistry& registry);

}  // namespace openwop
