// Headers against misuse by browsers and caches, on every kind of answer. Those of the timeline page: ui_test.cpp;
// under TLS: tls_test.cpp.
#include <unistd.h>

#include "support/catch.h"
#include "support/server.h"

using namespace openwop;
using namespace openwop::test;

namespace {

void check(const Answer& answer, int status, const std::string& cache_control) {
  CHECK(answer.status == status);
  CHECK(answer.header("X-Content-Type-Options") == "nosniff");
  CHECK(answer.headers.count("X-Content-Type-Options") == 1);
  CHECK(answer.header("Cache-Control") == cache_control);
  CHECK(answer.headers.count("Cache-Control") == 1);
  CHECK(answer.header("Strict-Transport-Security").empty());  // only TLS may say it
}

}  // namespace

TEST_CASE("no answer is guessed at or kept, unless the protocol says that it may be", "[wire][server]") {
  Server server({"--store", "memory", "--workflows", wire_workflows(), "--fixtures", "--ui"});
  REQUIRE(server.ready());
  const Answer created = server.post("/v1/runs", R"({"workflowId":"wire-noop","inputs":{}})");
  check(created, 201, "no-store");
  const std::string run = "/v1/runs/" + created.at({"runId"});
  CHECK(server.wait_for_end(created.at({"runId"})).at({"status"}) == "completed");
  check(server.get(run), 200, "no-store");
  check(server.get("/v1/runs"), 200, "no-store");
  check(server.get(run + "/events"), 200, "no-store");
  check(server.get(run + "/events", {{"Accept", "text/event-stream"}}), 200, "no-cache");
  check(server.get(run + "/events/poll?lastSequence=0"), 200, "no-store");
  check(server.get(run + "/debug-bundle"), 200, "no-store");
  check(server.get("/v1/runs", {}, "wrong"), 401, "no-store");
  check(server.get("/v1/runs/none"), 404, "no-store");
  check(server.post("/v1/runs", "{"), 400, "no-store");
  check(server.send("PATCH", run), 405, "no-store");
  check(server.post("/v1/runs", std::string(2'000'000, ' ')), 413, "no-store");
  // What is public may be kept, as the protocol has it.
  CHECK_THAT(server.get("/.well-known/openwop").header("Cache-Control"), Catch::Contains("max-age=300"));
  CHECK(server.get("/.well-known/openwop").header("X-Content-Type-Options") == "nosniff");
  check(server.get("/v1/openapi.json"), 200, "public, max-age=300");
}

TEST_CASE("answers to what is no request, and to clients beyond the limit, have them too", "[wire][server]") {
  Server server({"--store", "memory", "--max-connections", "1"});
  REQUIRE(server.ready());
  const std::string lines = "X-Content-Type-Options: nosniff\r\n";
  const std::string bad = server.raw("NONSENSE\r\n\r\n", Server::After::keep_open);
  CHECK_THAT(bad, Catch::StartsWith("HTTP/1.1 400") && Catch::Contains(lines) &&
                      Catch::Contains("Cache-Control: no-store\r\n"));
  // The server lets go of a connection in its own time: until then the one that is to keep the only thread is refused.
  std::vector<int> held;
  std::string busy;
  while (!busy.starts_with("HTTP/1.1 503") && held.size() < 200) {
    held.push_back(server.connect());
    REQUIRE(held.back() >= 0);
    busy = server.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", Server::After::keep_open);
  }
  for (const int fd : held) ::close(fd);
  CHECK_THAT(busy, Catch::StartsWith("HTTP/1.1 503") && Catch::Contains(lines) &&
                       Catch::Contains("Cache-Control: no-store\r\n") && Catch::Contains("Retry-After: 1\r\n"));
}

TEST_CASE("metrics are not kept by caches either", "[wire][server]") {
  Server server({"--store", "memory", "--metrics-listen", "127.0.0.1:0"});
  REQUIRE(server.ready());
  const std::string log = server.log();
  const auto at = log.find("http://127.0.0.1:");
  REQUIRE(at != std::string::npos);
  httplib::Client client("127.0.0.1", std::stoi(log.substr(at + 17)));
  const auto metrics = client.Get("/metrics");
  REQUIRE(metrics);
  CHECK(metrics->get_header_value("X-Content-Type-Options") == "nosniff");
  CHECK(metrics->get_header_value("Cache-Control") == "no-store");
}
