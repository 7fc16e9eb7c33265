// An engine whose spans, metrics and log records are kept for a test to look at.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "openwop/metric_registry.h"
#include "openwop/run_telemetry.h"
#include "support/engine_rig.h"

namespace openwop::test {

struct KeptSpans final : SpanSink {
  std::vector<SpanRecord> spans;
  void add(SpanRecord span) override { spans.push_back(std::move(span)); }
};

struct TelemetryRig : EngineRig {
  std::shared_ptr<KeptSpans> kept = std::make_shared<KeptSpans>();
  std::shared_ptr<MetricRegistry> registry = std::make_shared<MetricRegistry>();
  std::shared_ptr<std::vector<std::string>> records = std::make_shared<std::vector<std::string>>();
  TelemetryOptions telemetry;

  TelemetryRig() {
    telemetry.sampler = Sampler::always_on;
    telemetry.spans = kept;
    telemetry.metrics = registry;
    telemetry.store = store;
    telemetry.log = [records = records](std::string_view fields) { records->emplace_back(fields); };
    follow();
  }
  /// A telemetry that knows nothing yet, as after a restart; takes effect with the next open().
  void follow() { options.observers = {std::make_shared<RunTelemetry>(telemetry)}; }

  [[nodiscard]] std::vector<SpanRecord> named(std::string_view name) const {
    std::vector<SpanRecord> found;
    std::copy_if(kept->spans.begin(), kept->spans.end(), std::back_inserter(found),
                 [&](const SpanRecord& span) { return span.name == name; });
    return found;
  }
  /// The only span of that name.
  [[nodiscard]] SpanRecord one(std::string_view name) const {
    const auto found = named(name);
    INFO(name);
    REQUIRE(found.size() == 1);
    return found.front();
  }
  /// Sum over the series of a metric that have the label value; of all when it is empty.
  [[nodiscard]] double sum(Metric metric, std::string_view label_value = {}) const {
    double total = 0;
    for (const MetricSeries& series : registry->series()) {
      const bool matches = std::any_of(series.labels.begin(), series.labels.end(),
                                       [&](const auto& label) { return label.second == label_value; });
      if (series.metric == metric && (label_value.empty() || matches)) total += series.value;
    }
    return total;
  }
};

inline std::string text_attribute(const SpanRecord& span, std::string_view key) {
  for (const auto& [name, value] : span.attributes) {
    if (name == key && std::holds_alternative<std::string>(value)) return std::get<std::string>(value);
  }
  return "(none)";
}

inline std::int64_t number_attribute(const SpanRecord& span, std::string_view key) {
  for (const auto& [name, value] : span.attributes) {
    if (name == key && std::holds_alternative<std::int64_t>(value)) return std::get<std::int64_t>(value);
  }
  return -1;
}

}  // namespace openwop::test
