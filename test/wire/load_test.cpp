// Rate limits and bounded admission (protocol 01 §9).
#include <thread>

#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

TEST_CASE("beyond its rate a key gets the whole 429 envelope, before its scopes are looked at", "[wire]") {
  SurfaceRig rig({.rate_limit_per_s = 2, .rate_limit_burst = 3});
  for (int i = 0; i < 3; ++i) CHECK(rig.get("/v1/runs", {}, "key-reader").status == 200);
  const Answer refused = rig.post("/v1/runs", "{}", {}, "key-reader");
  CHECK(refused.status == 429);
  CHECK(refused.at({"error"}) == "rate_limited");
  CHECK(refused.at({"details"}) == R"({"retryAfterMs":500,"scope":"key","limit":2,"observedRate":4})");
  CHECK(refused.header("Retry-After") == "1");
  // Each key has its own; discovery has none; a bad key is 401 however often it comes.
  CHECK(rig.get("/v1/runs").status == 200);
  CHECK(rig.get("/.well-known/openwop", {}, "key-reader").status == 200);
  for (int i = 0; i < 9; ++i) CHECK(rig.get("/v1/runs", {}, "nobody").status == 401);
  rig.advance(499);
  CHECK(rig.get("/v1/runs", {}, "key-reader").status == 429);
  rig.advance(1);
  CHECK(rig.get("/v1/runs", {}, "key-reader").status == 200);
  CHECK(rig.get("/v1/runs", {}, "key-reader").status == 429);
  rig.advance(1'000'000);
  for (int i = 0; i < 3; ++i) CHECK(rig.get("/v1/runs", {}, "key-reader").status == 200);
  CHECK(rig.get("/v1/runs", {}, "key-reader").status == 429);
}

TEST_CASE("a rate limit is not remembered for the Idempotency-Key", "[wire]") {
  SurfaceRig rig({.rate_limit_per_s = 1});
  const http::Headers keyed = {{"Idempotency-Key", "k"}};
  CHECK(rig.get("/v1/runs").status == 200);
  CHECK(rig.post("/v1/runs", R"({"workflowId":"wire-noop"})", keyed).status == 429);
  rig.advance(1000);
  const Answer created = rig.post("/v1/runs", R"({"workflowId":"wire-noop"})", keyed);
  CHECK(created.status == 201);
  CHECK(created.header("openwop-Idempotent-Replay") == "false");
}

TEST_CASE("a clock that goes back neither fills nor drains", "[wire]") {
  SurfaceRig rig({.rate_limit_per_s = 1});
  CHECK(rig.get("/v1/runs").status == 200);
  rig.clock->advance(-5000);
  CHECK(rig.get("/v1/runs").status == 429);
  rig.clock->advance(1000);
  CHECK(rig.get("/v1/runs").status == 200);
}

TEST_CASE("forced rate limits meet a client that hammers discovery, and nobody else", "[wire]") {
  SurfaceRig rig({.force_rate_limit = true});
  std::size_t refused = 0;
  for (int i = 0; i < 200; ++i) {
    const Answer answer = rig.get("/.well-known/openwop", {}, "");
    if (answer.status == 200) continue;
    ++refused;
    CHECK(answer.status == 429);
    CHECK(answer.at({"details", "scope"}) == "route");
    CHECK(answer.header("Retry-After") == "1");
  }
  CHECK(refused == 100);
  CHECK(rig.get("/v1/runs").status == 200);
  rig.advance(1000);
  CHECK(rig.get("/.well-known/openwop", {}, "").status == 200);
}

TEST_CASE("with no place left requests are turned away by name; discovery always passes", "[wire]") {
  SurfaceRig rig({.max_in_flight = 0, .max_waiting_requests = 0, .retry_after_s = 7});
  const Answer busy = rig.get("/v1/runs");
  CHECK(busy.status == 503);
  CHECK(busy.at({"error"}) == "service_unavailable");
  CHECK(busy.at({"details", "retryAfter"}) == "7");
  CHECK(busy.header("Retry-After") == "7");
  CHECK_FALSE(busy.at({"details", "correlationId"}).empty());
  CHECK(rig.get("/v1/nothing").status == 503);
  CHECK(rig.get("/.well-known/openwop").status == 200);
  CHECK(rig.get("/v1/openapi.json").status == 200);
}

TEST_CASE("a request that finds no place waits for one, in a bounded queue", "[wire]") {
  SurfaceRig rig({.max_in_flight = 1, .max_waiting_requests = 64, .admission_wait_ms = 60'000}, 2);
  std::atomic<int> created{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&] {
      const Answer answer = rig.answer_of({.method = "POST",
                                           .target = "/v1/runs",
                                           .headers = {{"Authorization", "Bearer key-a"}},
                                           .body = R"({"workflowId":"wire-noop"})"});
      created += answer.status == 201 ? 1 : 0;
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(created == 16);
  SurfaceRig impatient({.max_in_flight = 0, .max_waiting_requests = 1, .admission_wait_ms = 1});
  CHECK(impatient.get("/v1/runs").status == 503);
}
