// Bodies of OTLP/HTTP in its JSON form: ids in hex, 64-bit integers and nanoseconds as strings.
//
// Thread-safety: free functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "openwop/metric_registry.h"
#include "openwop/telemetry.h"

namespace openwop::telemetry {

struct Resource {
  std::string_view service_name;
  std::string_view service_version;
};

[[nodiscard]] std::string traces_json(const Resource& resource, std::span<const SpanRecord> spans);

/// Cumulative since `start_ms`.
[[nodiscard]] std::string metrics_json(const Resource& resource, std::span<const MetricSeries> series,
                                       std::int64_t start_ms, std::int64_t now_ms);

}  // namespace openwop::telemetry
