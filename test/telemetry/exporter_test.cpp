// Metrics added up, as Prometheus text; spans and metrics on their way to a collector.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "openwop/json.h"
#include "openwop/otlp_exporter.h"
#include "support/catch.h"

using namespace openwop;

namespace {

/// A collector that answers what it is told to, and keeps what it got.
class Collector final : public HttpClient {
 public:
  HttpAnswer send(const HttpCall& call) override {
    const std::lock_guard lock(mutex_);
    calls_.push_back(call);
    arrived_.notify_all();
    HttpAnswer answer{.status = 200};
    if (calls_.size() <= failures) answer = {.failure = HttpFailure::connect};
    return answer;
  }
  [[nodiscard]] std::vector<HttpCall> calls_after(std::size_t count) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, std::chrono::seconds(10), [&] { return calls_.size() >= count; });
    return calls_;
  }

  std::size_t failures = 0;

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<HttpCall> calls_;
};

SpanRecord span_named(const std::string& name) {
  SpanRecord span{.name = name, .start_ms = 1000, .end_ms = 2000};
  span.trace_id[0] = 0xAB;
  span.span_id[7] = 1;
  span.attributes.emplace_back("openwop.run_id", std::string("r\"1"));
  span.attributes.emplace_back("openwop.node_attempt", std::int64_t{3});
  span.attributes.emplace_back("openwop.pii_present", true);
  span.attributes.emplace_back("openwop.run.tags", std::vector<std::string>{"a", "b"});
  return span;
}

std::string at(std::string_view text, std::initializer_list<std::string_view> path) {
  for (const std::string_view name : path) {
    if (name == "[0]") {
      std::string_view first;
      json::for_each_element(text, [&](std::string_view element) {
        first = element;
        return false;
      });
      text = first;
    } else {
      text = json::member(text, name).value_or("(none)");
    }
  }
  return std::string(text);
}

}  // namespace

TEST_CASE("counters add up and samples fall into the bucket that their bound belongs to", "[telemetry]") {
  MetricRegistry registry;
  registry.record(Metric::run_created, 1, {{"openwop.workflow_id", "a"}});
  registry.record(Metric::run_created, 2, {{"openwop.workflow_id", "a"}});
  registry.record(Metric::run_created, 1, {{"openwop.workflow_id", "b"}});
  registry.record(Metric::run_duration, 0.5, {{"openwop.run_status", "completed"}});
  registry.record(Metric::run_duration, 0.6, {{"openwop.run_status", "completed"}});
  registry.record(Metric::run_duration, 1e9, {{"openwop.run_status", "completed"}});
  const auto all = registry.series();
  REQUIRE(all.size() == 3);
  CHECK(all[0].value == 3);
  const MetricSeries& duration = all[2];
  CHECK(duration.count == 3);
  CHECK(duration.buckets.front() == 1);
  CHECK(duration.buckets[1] == 1);
  CHECK(duration.buckets.back() == 1);
}

TEST_CASE("sets of labels beyond the limit share one series", "[telemetry]") {
  MetricRegistry registry(2);
  for (int i = 0; i < 10; ++i) registry.record(Metric::run_created, 1, {{"openwop.workflow_id", std::to_string(i)}});
  const auto all = registry.series();
  REQUIRE(all.size() == 3);
  double total = 0;
  for (const MetricSeries& series : all) total += series.value;
  CHECK(total == 10);
  CHECK(std::any_of(all.begin(), all.end(), [](const MetricSeries& series) {
    return series.labels.front().first == "otel.metric.overflow" && series.value == 8;
  }));
}

TEST_CASE("Prometheus reads names, types, labels and cumulative buckets", "[telemetry]") {
  MetricRegistry registry;
  registry.record(Metric::run_created, 1, {{"openwop.workflow_id", "a\"b\\c\nd"}});
  registry.record(Metric::run_active, -1, {});
  registry.record(Metric::queue_depth, 3, {});
  registry.record(Metric::run_duration, 0.2, {{"openwop.run_status", "failed"}});
  const std::string text = prometheus_text(registry);
  CHECK_THAT(text, Catch::Contains("# TYPE openwop_run_created_total counter\n"
                                   "openwop_run_created_total{openwop_workflow_id=\"a\\\"b\\\\c\\nd\"} 1\n"));
  CHECK_THAT(text, Catch::Contains("# TYPE openwop_run_active gauge\nopenwop_run_active -1\n"));
  CHECK_THAT(text, Catch::Contains("# TYPE openwop_queue_depth gauge\nopenwop_queue_depth 3\n"));
  CHECK_THAT(text,
             Catch::Contains("openwop_run_duration_seconds_bucket{openwop_run_status=\"failed\",le=\"0.5\"} 1\n"));
  CHECK_THAT(text,
             Catch::Contains("openwop_run_duration_seconds_bucket{openwop_run_status=\"failed\",le=\"+Inf\"} 1\n"));
  CHECK_THAT(text, Catch::Contains("openwop_run_duration_seconds_sum{openwop_run_status=\"failed\"} 0.2\n"));
  CHECK_THAT(text, Catch::Contains("openwop_run_duration_seconds_count{openwop_run_status=\"failed\"} 1\n"));
}

TEST_CASE("spans go to the collector as OTLP JSON, with the headers that it asks for", "[telemetry]") {
  const auto collector = std::make_shared<Collector>();
  OtlpExporter exporter({.http = collector,
                         .endpoint = "http://collector:4318/",
                         .headers = {{"x-token", "t"}},
                         .service_name = "svc",
                         .linger_ms = 1});
  exporter.add(span_named("openwop.run"));
  const auto calls = collector->calls_after(1);
  REQUIRE(calls.size() == 1);
  CHECK(calls[0].method == "POST");
  CHECK(calls[0].url == "http://collector:4318/v1/traces");
  CHECK(std::find(calls[0].headers.begin(), calls[0].headers.end(),
                  std::pair<std::string, std::string>("x-token", "t")) != calls[0].headers.end());
  const std::string& body = calls[0].body;
  REQUIRE(json::check(body).ok());
  CHECK(at(body, {"resourceSpans", "[0]", "resource", "attributes", "[0]", "value", "stringValue"}) == R"("svc")");
  const std::string span = at(body, {"resourceSpans", "[0]", "scopeSpans", "[0]", "spans", "[0]"});
  CHECK(at(span, {"traceId"}) == R"("ab000000000000000000000000000000")");
  CHECK(at(span, {"spanId"}) == R"("0000000000000001")");
  CHECK(at(span, {"startTimeUnixNano"}) == R"("1000000000")");
  CHECK(at(span, {"endTimeUnixNano"}) == R"("2000000000")");
  CHECK(at(span, {"attributes", "[0]", "value", "stringValue"}) == R"("r\"1")");
  CHECK_THAT(span, Catch::Contains(R"({"intValue":"3"})") && Catch::Contains(R"({"boolValue":true})"));
  CHECK_THAT(span, Catch::Contains(R"({"arrayValue":{"values":[{"stringValue":"a"},{"stringValue":"b"}]}})"));
}

TEST_CASE("metrics go to the collector after a change, and what is pending goes when the exporter closes",
          "[telemetry]") {
  const auto collector = std::make_shared<Collector>();
  OtlpExporter exporter({.http = collector, .endpoint = "http://c", .linger_ms = 1, .metrics_interval_ms = 60'000});
  exporter.record(Metric::run_created, 1, {{"openwop.workflow_id", "a"}});
  auto calls = collector->calls_after(1);
  REQUIRE(calls.size() == 1);
  CHECK(calls[0].url == "http://c/v1/metrics");
  const std::string metric = at(calls[0].body, {"resourceMetrics", "[0]", "scopeMetrics", "[0]", "metrics", "[0]"});
  CHECK(at(metric, {"name"}) == R"("openwop.run.created")");
  CHECK(at(metric, {"sum", "isMonotonic"}) == "true");
  CHECK(at(metric, {"sum", "dataPoints", "[0]", "asDouble"}) == "1");
  exporter.record(Metric::run_duration, 0.7, {{"openwop.run_status", "completed"}});
  exporter.add(span_named("late"));
  exporter.close();
  calls = collector->calls_after(3);
  REQUIRE(calls.size() == 3);
  CHECK_THAT(calls[1].body, Catch::Contains("late"));
  CHECK_THAT(calls[2].body,
             Catch::Contains(R"("explicitBounds":[0.5,1,2.5)") && Catch::Contains(R"("bucketCounts":["0","1","0")"));
  exporter.add(span_named("too late"));
  exporter.close();
  CHECK(collector->calls_after(3).size() == 3);
}

TEST_CASE("a request that does not get through is tried again, then its spans are lost and counted", "[telemetry]") {
  const auto collector = std::make_shared<Collector>();
  collector->failures = 1;
  OtlpExporter exporter({.http = collector, .endpoint = "http://c", .linger_ms = 1, .max_tries = 2, .retry_ms = 1});
  exporter.add(span_named("a"));
  CHECK(collector->calls_after(2).size() == 2);
  exporter.close();
  CHECK(exporter.dropped_spans() == 0);

  const auto gone = std::make_shared<Collector>();
  gone->failures = 1000;
  std::vector<std::string> losses;
  OtlpExporter lost({.http = gone,
                     .endpoint = "http://c",
                     .on_loss = [&](std::string_view message) { losses.emplace_back(message); },
                     .max_spans_per_request = 2,
                     .linger_ms = 60'000,
                     .max_tries = 1});
  for (int i = 0; i < 5; ++i) lost.add(span_named("a"));
  lost.close();
  CHECK(lost.dropped_spans() == 5);
  CHECK(losses.size() == 1);
}

TEST_CASE("spans beyond the queue are dropped at once", "[telemetry]") {
  const auto collector = std::make_shared<Collector>();
  OtlpExporter exporter({.http = collector, .endpoint = "http://c", .max_queued_spans = 3, .linger_ms = 60'000});
  for (int i = 0; i < 10; ++i) exporter.add(span_named("a"));
  CHECK(exporter.dropped_spans() == 7);
}
