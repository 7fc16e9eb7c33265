// Idempotency keys: one effect, one answer, for as long as promised (protocol 01 §6).
#include <thread>

#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

const std::string kNoop = R"({"workflowId":"wire-noop"})";

http::Headers keyed(const std::string& key) { return {{"Idempotency-Key", key}}; }

std::string replay_of(const Answer& answer) { return answer.header("openwop-Idempotent-Replay"); }

std::size_t run_count(SurfaceRig& rig) { return occurrences(rig.get("/v1/runs").body, "\"runId\""); }

}  // namespace

TEST_CASE("a repeat gets the first answer, headers included, and has no effect", "[wire]") {
  SurfaceRig rig;
  const Answer first = rig.post("/v1/runs", kNoop, keyed("k"));
  REQUIRE(first.status == 201);
  CHECK(replay_of(first) == "false");
  for (int i = 0; i < 5; ++i) {
    const Answer again = rig.post("/v1/runs", kNoop, keyed("k"));
    CHECK(again.status == 201);
    CHECK(again.body == first.body);
    CHECK(again.header("Location") == first.header("Location"));
    CHECK_FALSE(again.header("Location").empty());
    CHECK(replay_of(again) == "true");
  }
  CHECK(run_count(rig) == 1);
  CHECK(replay_of(rig.post("/v1/runs", kNoop)).empty());
  CHECK(run_count(rig) == 2);
}

TEST_CASE("another body, another path and another tenant are other requests", "[wire]") {
  SurfaceRig rig;
  const Answer first = rig.post("/v1/runs", kNoop, keyed("k"));
  const Answer other = rig.post("/v1/runs", R"({"workflowId":"wire-noop","tags":["x"]})", keyed("k"));
  CHECK(other.status == 409);
  CHECK(other.at({"error"}) == "idempotency_key_mismatch");
  CHECK(rig.post("/v1/runs", kNoop, keyed("k"), "key-b").at({"runId"}) != first.at({"runId"}));
  const Answer cancel = rig.post(first.at({"statusUrl"}) + "/cancel", "", keyed("k"));
  CHECK(cancel.status == 200);
  CHECK(replay_of(cancel) == "false");
  CHECK(run_count(rig) == 1);
}

TEST_CASE("a refusal of the operation is remembered, also after a restart; a bad request is not", "[wire]") {
  SurfaceRig rig;
  const std::string absent = "/v1/runs/01m84eg61bbkpgpmj4x7bjqfcv/cancel";
  const Answer first = rig.post(absent, "", keyed("k"));
  CHECK(first.status == 404);
  CHECK(replay_of(first) == "false");
  const Answer again = rig.post(absent, "", keyed("k"));
  CHECK(again.status == 404);
  CHECK(again.body == first.body);
  CHECK(replay_of(again) == "true");
  CHECK(rig.post(absent, R"({"reason":"x"})", keyed("k")).at({"error"}) == "idempotency_key_mismatch");

  const Answer bad = rig.post("/v1/runs", "{}", keyed("b"));
  CHECK(bad.status == 400);
  CHECK(rig.post("/v1/runs", kNoop, keyed("b")).status == 201);
  CHECK(rig.post("/v1/runs", kNoop, keyed("r"), "key-reader").status == 403);
  CHECK(rig.post("/v1/runs", kNoop, keyed("r")).status == 201);
}

TEST_CASE("a key is fresh again when its time is over", "[wire]") {
  SurfaceRig rig;
  const Answer first = rig.post("/v1/runs", kNoop, keyed("k"));
  rig.advance(86'400'000 - 1);
  CHECK(replay_of(rig.post("/v1/runs", kNoop, keyed("k"))) == "true");
  rig.advance(1);
  const Answer fresh = rig.post("/v1/runs", R"({"workflowId":"wire-echo","inputs":{"payload":{}}})", keyed("k"));
  CHECK(fresh.status == 201);
  CHECK(replay_of(fresh) == "false");
  CHECK(fresh.at({"runId"}) != first.at({"runId"}));
}

TEST_CASE("keys are 1 to 255 visible characters, once", "[wire]") {
  SurfaceRig rig;
  for (const std::string& key : {std::string(), std::string(256, 'k'), std::string("a b"), std::string("\xC3\xA4")}) {
    const Answer refused = rig.post("/v1/runs", kNoop, keyed(key));
    CHECK(refused.status == 400);
    CHECK(refused.at({"details", "field"}) == "Idempotency-Key");
  }
  CHECK(rig.post("/v1/runs", kNoop, {{"Idempotency-Key", "a"}, {"idempotency-key", "a"}}).status == 400);
  CHECK(rig.post("/v1/runs", kNoop, keyed(std::string(255, 'k'))).status == 201);
  CHECK(run_count(rig) == 1);
  // Reading neither needs nor honours a key.
  CHECK(rig.get("/v1/runs", keyed(std::string(300, 'k'))).status == 200);
}

TEST_CASE("a passing refusal is the answer until its Retry-After, then the request is executed", "[wire]") {
  SurfaceRig rig({.retry_after_s = 5});
  const std::string body = R"({"workflowId":"wire-sleep","inputs":{"delayMs":1000},"scopeId":"s"})";
  const Answer holder = rig.post("/v1/runs", body, {{"X-Dedup", "enforce"}});
  REQUIRE(holder.status == 201);
  http::Headers headers = keyed("k");
  headers.emplace("X-Dedup", "enforce");
  const Answer refused = rig.post("/v1/runs", body, headers);
  CHECK(refused.at({"error"}) == "run_already_active");
  REQUIRE(rig.post(holder.at({"statusUrl"}) + "/cancel", "").status == 200);
  rig.advance(4'999);
  const Answer early = rig.post("/v1/runs", body, headers);
  CHECK(early.status == 409);
  CHECK(early.body == refused.body);
  CHECK(replay_of(early) == "true");
  CHECK(rig.post("/v1/runs", kNoop, headers).at({"error"}) == "idempotency_key_mismatch");
  rig.advance(1);
  const Answer late = rig.post("/v1/runs", body, headers);
  CHECK(late.status == 201);
  CHECK(replay_of(late) == "false");
  CHECK(replay_of(rig.post("/v1/runs", body, headers)) == "true");
}

TEST_CASE("of ten requests with one key at once one is executed and all get its answer", "[wire]") {
  SurfaceRig rig({}, 2);
  for (int round = 0; round < 10; ++round) {
    std::vector<Answer> answers(10);
    std::vector<std::thread> clients;
    for (Answer& answer : answers) {
      clients.emplace_back([&rig, &answer, round] {
        answer = rig.answer_of(
            {.method = "POST",
             .target = "/v1/runs",
             .headers = {{"Authorization", "Bearer key-a"}, {"Idempotency-Key", "round-" + std::to_string(round)}},
             .body = kNoop});
      });
    }
    for (std::thread& client : clients) client.join();
    int executed = 0;
    for (const Answer& answer : answers) {
      CHECK(answer.status == 201);
      CHECK(answer.at({"runId"}) == answers[0].at({"runId"}));
      executed += replay_of(answer) == "false" ? 1 : 0;
    }
    CHECK(executed == 1);
  }
}
