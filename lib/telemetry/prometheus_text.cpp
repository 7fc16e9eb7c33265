#include <fmt/format.h>

#include <algorithm>

#include "openwop/metric_registry.h"

namespace openwop {

namespace {

std::string with_underscores(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '.', '_');
  return out;
}

std::string exposed_name(const MetricInfo& info) {
  std::string name = with_underscores(info.name);
  // Some names of the protocol have their suffix already.
  const auto end_in = [&](std::string_view suffix) {
    if (!name.ends_with(suffix)) name += suffix;
  };
  if (info.unit == "s") end_in("_seconds");
  if (info.instrument == Instrument::counter) end_in("_total");
  return name;
}

std::string_view exposed_type(Instrument instrument) {
  switch (instrument) {
    case Instrument::counter: return "counter";
    case Instrument::up_down_counter:
    case Instrument::gauge: return "gauge";
    case Instrument::histogram: return "histogram";
  }
  return "untyped";
}

void append_escaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

// {a="b",le="1"}; `bound` empty: without `le`.
std::string label_set(const MetricSeries& series, std::string_view bound) {
  std::string out;
  const auto add = [&](std::string_view key, std::string_view value) {
    out += out.empty() ? '{' : ',';
    out.append(with_underscores(key)).append("=\"");
    append_escaped(out, value);
    out += '"';
  };
  for (const auto& [key, value] : series.labels) add(key, value);
  if (!bound.empty()) add("le", bound);
  if (!out.empty()) out += '}';
  return out;
}

void append_histogram(std::string& out, const std::string& name, const MetricSeries& series) {
  const auto bounds = metric_info(series.metric).buckets;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < series.buckets.size(); ++i) {
    below += series.buckets[i];
    const std::string bound = i < bounds.size() ? fmt::format("{}", bounds[i]) : "+Inf";
    out += fmt::format("{}_bucket{} {}\n", name, label_set(series, bound), below);
  }
  out += fmt::format("{}_sum{} {}\n", name, label_set(series, {}), series.value);
  out += fmt::format("{}_count{} {}\n", name, label_set(series, {}), series.count);
}

}  // namespace

std::string prometheus_text(const MetricRegistry& registry) {
  std::string out;
  const MetricInfo* current = nullptr;
  for (const MetricSeries& series : registry.series()) {
    const MetricInfo& info = metric_info(series.metric);
    const std::string name = exposed_name(info);
    if (current != &info) {
      out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, info.description, name, exposed_type(info.instrument));
      current = &info;
    }
    if (info.instrument == Instrument::histogram) {
      append_histogram(out, name, series);
    } else {
      out += fmt::format("{}{} {}\n", name, label_set(series, {}), series.value);
    }
  }
  return out;
}

}  // namespace openwop
