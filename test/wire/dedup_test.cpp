// X-Dedup: enforce (protocol 01 §14.2).
#include <atomic>
#include <thread>

#include "openwop/metric_registry.h"
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

const std::string kSleeper = R"({"workflowId":"wire-sleep","inputs":{"delayMs":60000},"scopeId":"s"})";
const http::Headers kEnforce = {{"X-Dedup", "enforce"}};

}  // namespace

TEST_CASE("a second run of a scope is refused with the first one's id while that lives", "[wire]") {
  SurfaceRig rig;
  const Answer first = rig.post("/v1/runs", kSleeper, kEnforce);
  REQUIRE(first.status == 201);
  const Answer second = rig.post("/v1/runs", kSleeper, kEnforce);
  CHECK(second.status == 409);
  CHECK(second.at({"error"}) == "run_already_active");
  CHECK(second.at({"details", "activeRunId"}) == first.at({"runId"}));
  CHECK(second.at({"details", "activeHost"}) == "cloud");
  CHECK(second.at({"details", "retryAfter"}) == "1");
  CHECK(second.header("Retry-After") == "1");
  CHECK(occurrences(rig.get("/v1/runs").body, "\"runId\"") == 1);
  CHECK(rig.post("/v1/runs", kSleeper).status == 201);  // nobody asked for it
  CHECK(rig.post("/v1/runs", kSleeper, kEnforce, "key-b").status == 201);
  rig.advance(60'000);
  CHECK(rig.post("/v1/runs", kSleeper, kEnforce).status == 201);
}

TEST_CASE("a create that loses against a claim is counted, by transport and tenant", "[wire]") {
  SurfaceOptions options;
  const auto registry = std::make_shared<MetricRegistry>();
  options.metrics = registry;
  SurfaceRig rig(std::move(options));
  REQUIRE(rig.post("/v1/runs", kSleeper, kEnforce).status == 201);
  CHECK(registry->series().empty());
  for (int i = 0; i < 2; ++i) CHECK(rig.post("/v1/runs", kSleeper, kEnforce).status == 409);
  const auto series = registry->series();
  REQUIRE(series.size() == 1);
  CHECK(metric_info(series[0].metric).name == "openwop.run.claim.conflicts");
  CHECK(series[0].value == 2);
  std::map<std::string, std::string> labels(series[0].labels.begin(), series[0].labels.end());
  CHECK(labels == std::map<std::string, std::string>{{"transport", "rest"}, {"openwop.tenant_id", "a"}});
}

TEST_CASE("X-Dedup knows one word, once, and needs a scopeId", "[wire]") {
  SurfaceRig rig;
  CHECK(rig.post("/v1/runs", kSleeper, {{"X-Dedup", "maybe"}}).at({"details", "field"}) == "X-Dedup");
  CHECK(rig.post("/v1/runs", kSleeper, {{"X-Dedup", "enforce"}, {"X-Dedup", "enforce"}}).status == 400);
  CHECK(rig.post("/v1/runs", R"({"workflowId":"wire-noop"})", kEnforce).at({"details", "field"}) == "scopeId");
  CHECK(rig.get("/v1/runs").at({"runs"}) == "[]");
}

TEST_CASE("a keyed repeat is answered before the scope is looked at, also when both race", "[wire]") {
  SurfaceRig rig({}, 2);
  for (int round = 0; round < 10; ++round) {
    const std::string name = std::to_string(round);
    const std::string body = R"({"workflowId":"wire-sleep","inputs":{"delayMs":60000},"scopeId":"s)" + name + "\"}";
    std::atomic<int> created{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([&] {
        http::Headers headers = kEnforce;
        headers.emplace("Authorization", "Bearer key-a");
        headers.emplace("Idempotency-Key", name);
        const Answer answer = rig.answer_of({.method = "POST", .target = "/v1/runs", .headers = headers, .body = body});
        created += answer.status == 201 ? 1 : 0;
      });
    }
    for (std::thread& client : clients) client.join();
    CHECK(created == 4);
  }
  CHECK(occurrences(rig.get("/v1/runs").body, "\"runId\"") == 10);
}
