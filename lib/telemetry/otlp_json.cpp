#include "telemetry/otlp_json.h"

#include <fmt/format.h>

#include "openwop/json.h"

namespace openwop::telemetry {

namespace {

constexpr int kInternal = 1;  // SpanKind
constexpr int kStatusError = 2;
constexpr int kCumulative = 2;  // AggregationTemporality

std::string nanoseconds(std::int64_t ms) { return std::to_string(ms) + "000000"; }

// Comma-separated items of an array: `append(item)` writes one.
template <class Items, class Append>
void append_array(std::string& out, const Items& items, Append&& append) {
  out += '[';
  bool first = true;
  for (const auto& item : items) {
    if (!std::exchange(first, false)) out += ',';
    append(item);
  }
  out += ']';
}

void append_value(std::string& out, const AttributeValue& value) {
  json::ObjectWriter object(out);
  if (const auto* text = std::get_if<std::string>(&value)) object.string("stringValue", *text);
  if (const auto* number = std::get_if<std::int64_t>(&value)) object.string("intValue", std::to_string(*number));
  if (const auto* flag = std::get_if<bool>(&value)) object.boolean("boolValue", *flag);
  if (const auto* real = std::get_if<double>(&value)) object.raw("doubleValue", fmt::format("{}", *real));
  if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
    json::ObjectWriter array(object.value_of("arrayValue"));
    std::string& values = array.value_of("values");
    append_array(values, *list,
                 [&](const std::string& text) { json::ObjectWriter(values).string("stringValue", text); });
  }
}

void append_attribute(std::string& out, std::string_view key, const AttributeValue& value) {
  json::ObjectWriter object(out);
  object.string("key", key);
  append_value(object.value_of("value"), value);
}

void append_resource(std::string& out, const Resource& resource) {
  json::ObjectWriter object(out);
  std::string& list = object.value_of("attributes");
  list += '[';
  append_attribute(list, "service.name", std::string(resource.service_name));
  if (!resource.service_version.empty()) {
    list += ',';
    append_attribute(list, "service.version", std::string(resource.service_version));
  }
  list += ']';
}

void append_span(std::string& out, const SpanRecord& span) {
  json::ObjectWriter object(out);
  object.string("traceId", to_hex(span.trace_id));
  object.string("spanId", to_hex(span.span_id));
  if (span.parent) object.string("parentSpanId", to_hex(*span.parent));
  if (!span.tracestate.empty()) object.string("traceState", span.tracestate);
  object.string("name", span.name);
  object.integer("kind", kInternal);
  object.string("startTimeUnixNano", nanoseconds(span.start_ms));
  object.string("endTimeUnixNano", nanoseconds(span.end_ms));
  std::string& attributes = object.value_of("attributes");
  append_array(attributes, span.attributes,
               [&](const auto& attribute) { append_attribute(attributes, attribute.first, attribute.second); });
  if (!span.links.empty()) {
    std::string& links = object.value_of("links");
    append_array(links, span.links, [&](const auto& link) {
      json::ObjectWriter(links).string("traceId", to_hex(link.first)).string("spanId", to_hex(link.second));
    });
  }
  json::ObjectWriter status(object.value_of("status"));
  if (!span.failed) return;
  status.integer("code", kStatusError);
  if (!span.failure.empty()) status.string("message", span.failure);
}

void append_labels(json::ObjectWriter& point, const MetricSeries& series) {
  std::string& list = point.value_of("attributes");
  append_array(list, series.labels, [&](const auto& label) { append_attribute(list, label.first, label.second); });
}

void append_point(std::string& out, const MetricSeries& series, std::int64_t start_ms, std::int64_t now_ms) {
  json::ObjectWriter point(out);
  append_labels(point, series);
  point.string("startTimeUnixNano", nanoseconds(start_ms)).string("timeUnixNano", nanoseconds(now_ms));
  const MetricInfo& info = metric_info(series.metric);
  if (info.instrument != Instrument::histogram) {
    point.raw("asDouble", fmt::format("{}", series.value));
    return;
  }
  point.string("count", std::to_string(series.count)).raw("sum", fmt::format("{}", series.value));
  std::string& counts = point.value_of("bucketCounts");
  append_array(counts, series.buckets, [&](std::uint64_t count) { counts += '"' + std::to_string(count) + '"'; });
  std::string& bounds = point.value_of("explicitBounds");
  append_array(bounds, info.buckets, [&](double bound) { bounds += fmt::format("{}", bound); });
}

std::string_view data_name(Instrument instrument) {
  switch (instrument) {
    case Instrument::histogram: return "histogram";
    case Instrument::gauge: return "gauge";
    case Instrument::counter:
    case Instrument::up_down_counter: break;
  }
  return "sum";
}

// All series of one metric.
void append_metric(std::string& out, std::span<const MetricSeries> series, std::int64_t start_ms, std::int64_t now_ms) {
  const MetricInfo& info = metric_info(series.front().metric);
  json::ObjectWriter metric(out);
  metric.string("name", info.name).string("unit", info.unit).string("description", info.description);
  json::ObjectWriter data(metric.value_of(data_name(info.instrument)));
  if (info.instrument != Instrument::gauge) data.integer("aggregationTemporality", kCumulative);
  const bool is_sum = info.instrument == Instrument::counter || info.instrument == Instrument::up_down_counter;
  if (is_sum) data.boolean("isMonotonic", info.instrument == Instrument::counter);
  std::string& points = data.value_of("dataPoints");
  append_array(points, series, [&](const MetricSeries& one) { append_point(points, one, start_ms, now_ms); });
}

std::vector<std::span<const MetricSeries>> by_metric(std::span<const MetricSeries> series) {
  std::vector<std::span<const MetricSeries>> groups;
  for (std::size_t from = 0; from < series.size();) {
    std::size_t to = from;
    while (to < series.size() && series[to].metric == series[from].metric) ++to;
    groups.push_back(series.subspan(from, to - from));
    from = to;
  }
  return groups;
}

// {"<outer>":[{"resource":…,"<inner>":[{"scope":…,"<items>":[…]}]}]}
template <class Append>
std::string wrapped(const Resource& resource, std::string_view outer, std::string_view inner, std::string_view items,
                    Append&& append) {
  std::string out;
  {
    json::ObjectWriter root(out);
    root.value_of(outer) += '[';
    {
      json::ObjectWriter of_resource(out);
      append_resource(of_resource.value_of("resource"), resource);
      of_resource.value_of(inner) += '[';
      {
        json::ObjectWriter of_scope(out);
        json::ObjectWriter(of_scope.value_of("scope")).string("name", "openwop");
        append(of_scope.value_of(items));
      }
      out += ']';
    }
    out += ']';
  }
  return out;
}

}  // namespace

std::string traces_json(const Resource& resource, std::span<const SpanRecord> spans) {
  return wrapped(resource, "resourceSpans", "scopeSpans", "spans", [&](std::string& out) {
    append_array(out, spans, [&](const SpanRecord& span) { append_span(out, span); });
  });
}

std::string metrics_json(const Resource& resource, std::span<const MetricSeries> series, std::int64_t start_ms,
                         std::int64_t now_ms) {
  return wrapped(resource, "resourceMetrics", "scopeMetrics", "metrics", [&](std::string& out) {
    append_array(out, by_metric(series),
                 [&](std::span<const MetricSeries> one) { append_metric(out, one, start_ms, now_ms); });
  });
}

}  // namespace openwop::telemetry
