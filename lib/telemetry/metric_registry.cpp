#include "openwop/metric_registry.h"

#include <algorithm>

namespace openwop {

namespace {

constexpr std::array kOverflow = {Label{"otel.metric.overflow", "true"}};
constexpr std::size_t kMaxLabelValueBytes = 256;

std::string key_of(Metric metric, std::span<const Label> labels) {
  std::string key(1, static_cast<char>(metric));
  for (const Label& label : labels) {
    key.append(label.key).append(1, '\0').append(label.value.substr(0, kMaxLabelValueBytes)).append(1, '\0');
  }
  return key;
}

MetricSeries new_series(Metric metric, std::span<const Label> labels) {
  MetricSeries series{.metric = metric};
  for (const Label& label : labels) {
    series.labels.emplace_back(label.key, label.value.substr(0, kMaxLabelValueBytes));
  }
  const MetricInfo& info = metric_info(metric);
  if (info.instrument == Instrument::histogram) series.buckets.resize(info.buckets.size() + 1);
  return series;
}

void add_sample(MetricSeries& series, double value) {
  series.value += value;
  ++series.count;
  if (series.buckets.empty()) return;
  const auto bounds = metric_info(series.metric).buckets;
  // A bound belongs to its bucket.
  const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin();
  ++series.buckets[static_cast<std::size_t>(bucket)];
}

}  // namespace

void MetricRegistry::record(Metric metric, double value, Labels given) {
  std::span<const Label> labels(given.begin(), given.size());
  std::string key = key_of(metric, labels);
  const std::lock_guard lock(mutex_);
  ++version_;
  auto found = series_.find(key);
  if (found == series_.end()) {
    if (series_.size() >= max_series_) {
      labels = kOverflow;
      key = key_of(metric, labels);
    }
    found = series_.try_emplace(std::move(key), new_series(metric, labels)).first;
  }
  add_sample(found->second, value);
}

std::vector<MetricSeries> MetricRegistry::series() const {
  const std::lock_guard lock(mutex_);
  std::vector<MetricSeries> all;
  all.reserve(series_.size());
  for (const auto& [key, series] : series_) all.push_back(series);
  return all;
}

std::uint64_t MetricRegistry::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

}  // namespace openwop
