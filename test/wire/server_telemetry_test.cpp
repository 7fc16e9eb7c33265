// What the server exports: spans and metrics to a collector, Prometheus text, and a trace that goes through.
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "openwop/trace_context.h"
#include "outbound/http_receiver.h"
#include "support/server.h"
#include "support/temp_dir.h"
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kTraceparent = "00-" + kTrace + "-00f067aa0ba902b7-01";

/// Takes OTLP over HTTP.
class Collector {
 public:
  Collector() {
    for (const char* path : {"/v1/traces", "/v1/metrics"}) {
      receiver_.server.Post(path, [this](const httplib::Request& request, httplib::Response&) {
        const std::lock_guard lock(mutex_);
        texts_[request.path] += request.body + "\n";
        arrived_.notify_all();
      });
    }
    receiver_.start();
  }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(receiver_.port()); }
  /// What came on the path once it holds `text`; conformance gives it five seconds.
  [[nodiscard]] std::string wait_for(const std::string& path, const std::string& text) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, std::chrono::seconds(5), [&] { return texts_[path].find(text) != std::string::npos; });
    return texts_[path];
  }

 private:
  HttpReceiver receiver_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<std::string, std::string> texts_;
};

std::string metrics_url(const Server& server) {
  const std::string log = server.log();
  const auto from = log.find("\"url\":\"") + 7;
  return log.substr(from, log.find('"', from) - from);
}

}  // namespace

TEST_CASE("the spans of a run reach the collector in its caller's trace within five seconds", "[wire][server]") {
  Collector collector;
  Server server({"--store", "memory", "--workflows", wire_workflows(), "--otlp-endpoint", collector.url(),
                 "--metrics-listen", "127.0.0.1:0"});
  REQUIRE(server.ready());
  const Answer created =
      server.post("/v1/runs", R"({"workflowId":"wire-noop"})", {{"traceparent", kTraceparent}, {"tracestate", "a=1"}});
  REQUIRE(created.status == 201);
  CHECK(created.header("traceparent").substr(3, 32) == kTrace);
  const std::string traces = collector.wait_for("/v1/traces", R"("name":"openwop.run")");
  CHECK_THAT(traces, Catch::Contains(created.at({"runId"})) && Catch::Contains(R"("name":"openwop.node.core.noop")") &&
                         Catch::Contains(R"("name":"openwop.run","kind")") && Catch::Contains(R"("traceState":"a=1")"));
  CHECK(occurrences(traces, "\"traceId\":\"") == occurrences(traces, "\"traceId\":\"" + kTrace + "\""));
  const std::string metrics = collector.wait_for("/v1/metrics", "openwop.run.completed");
  CHECK_THAT(metrics, Catch::Contains(R"("name":"openwop.run.created")") && !Catch::Contains(created.at({"runId"})));
  const Answer discovery = server.get("/.well-known/openwop");
  CHECK(discovery.at({"observability", "otel", "supported"}) == "true");
  CHECK(discovery.at({"capabilities", "observability"}) == discovery.at({"observability"}));

  const std::string url = metrics_url(server);
  httplib::Client scraper(url.substr(0, url.rfind('/')));
  const auto scraped = scraper.Get("/metrics");
  REQUIRE(scraped);
  CHECK_THAT(scraped->body, Catch::Contains("openwop_run_completed_total{") && Catch::Contains("wire-noop"));
  CHECK(scraper.Get("/v1/runs")->status == 404);
  CHECK(server.terminate() == 0);
}

TEST_CASE("a collector that is away costs runs nothing and the server's end little", "[wire][server]") {
  Server server({"--store", "memory", "--workflows", wire_workflows(), "--otlp-endpoint", "http://127.0.0.1:1",
                 "--traces-sampler", "always_on", "--run-log"});
  REQUIRE(server.ready());
  const std::string run = server.create_run("wire-noop");
  CHECK(server.wait_for_end(run).at({"status"}) == "completed");
  CHECK(server.terminate() == 0);
  CHECK_THAT(server.log(),
             Catch::Contains("spans are lost") && Catch::Contains(R"("metricKind":"openwop.run.completed")"));
}

TEST_CASE("without an export nothing is advertised", "[wire][server]") {
  SurfaceRig rig;
  const Answer discovery = rig.get("/.well-known/openwop");
  CHECK(discovery.at({"observability"}).empty());
  CHECK(discovery.at({"capabilities", "observability"}).empty());
}

TEST_CASE("bad telemetry options are refused without their values", "[wire][server]") {
  for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{{"--traces-sampler", "secret-x"},
                                                                                   {"--traces-sampler-arg", "1.5"},
                                                                                   {"--traces-sampler-arg", "secret-x"},
                                                                                   {"--otlp-protocol", "grpc"},
                                                                                   {"--otlp-headers", "secret-x"},
                                                                                   {"--metrics-listen", "secret-x"}}) {
    INFO(bad[0]);
    std::vector<std::string> arguments = {"--store", "memory"};
    arguments.insert(arguments.end(), bad.begin(), bad.end());
    Server server(arguments);
    CHECK(server.wait_for_exit() == 1);
    CHECK_THAT(server.log(), Catch::Contains(bad[0].substr(2)) && !Catch::Contains("secret-x"));
  }
}

TEST_CASE("a scraper that keeps its connection does not hold up the end", "[wire][server]") {
  Server server({"--store", "memory", "--metrics-listen", "127.0.0.1:0"});
  REQUIRE(server.ready());
  const std::string url = metrics_url(server);
  httplib::Client scraper(url.substr(0, url.rfind('/')));
  scraper.set_keep_alive(true);
  REQUIRE(scraper.Get("/metrics"));
  // Less than the minute for which such a connection might be kept.
  CHECK(server.terminate() == 0);
}

TEST_CASE("every answer carries a traceparent: of the caller's trace if it sent one", "[wire]") {
  SurfaceRig rig;
  const auto is_traceparent = [](const Answer& answer) {
    return parse_traceparent(answer.header("traceparent")).has_value();
  };
  CHECK(is_traceparent(rig.get("/.well-known/openwop")));
  CHECK(is_traceparent(rig.get("/v1/nowhere")));
  CHECK(is_traceparent(rig.get("/v1/runs", {}, "")));
  CHECK(is_traceparent(rig.post("/v1/runs", "{}")));
  CHECK(rig.get("/v1/runs").header("traceparent") != rig.get("/v1/runs").header("traceparent"));
  const Answer joined = rig.get("/v1/runs", {{"traceparent", kTraceparent}});
  CHECK(joined.header("traceparent").substr(3, 32) == kTrace);
  CHECK(joined.header("traceparent") != kTraceparent);
  CHECK(joined.header("tracestate").empty());
  CHECK(rig.get("/v1/runs", {{"traceparent", kTraceparent}, {"tracestate", "a=1"}}).header("tracestate") == "a=1");
  const Answer malformed = rig.get("/v1/runs", {{"traceparent", "00-" + kTrace + "-0-01"}});
  CHECK(malformed.status == 200);
  CHECK(malformed.header("traceparent").substr(3, 32) != kTrace);
  const std::string run = rig.run("wire-noop");
  const auto stream = rig.stream("/v1/runs/" + run + "/events", {{"traceparent", kTraceparent}});
  CHECK(http::header(stream->head().headers, "traceparent")->substr(3, 32) == kTrace);
}

TEST_CASE("an idempotent repeat of a traced create is the same run in the same trace", "[wire]") {
  SurfaceRig rig;
  const http::Headers headers = {{"traceparent", kTraceparent}, {"Idempotency-Key", "k"}};
  const Answer first = rig.post("/v1/runs", R"({"workflowId":"wire-noop"})", headers);
  const Answer again = rig.post("/v1/runs", R"({"workflowId":"wire-noop"})", headers);
  CHECK(first.body == again.body);
  CHECK(again.header("traceparent").substr(3, 32) == kTrace);
}
