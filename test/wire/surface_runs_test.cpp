// Runs through the surface: creation, snapshots, cancellation, idempotency keys, lists.
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {
constexpr const char* kReplay = "openwop-Idempotent-Replay";

http::Headers keyed(const std::string& key) { return {{"Idempotency-Key", key}}; }
}  // namespace

TEST_CASE("a created run answers 201 with the state at acceptance, and its snapshot is there at once", "[wire]") {
  SurfaceRig rig;
  const Answer created = rig.post("/v1/runs", R"({"workflowId":"wire-noop"})");
  REQUIRE(created.status == 201);
  CHECK(created.at({"status"}) == "running");
  CHECK(created.at({"eventsUrl"}) == "/v1/runs/" + created.at({"runId"}) + "/events");
  CHECK(created.header("Location") == created.at({"statusUrl"}));
  CHECK(created.header(kReplay).empty());
  rig.settle();
  const Answer snapshot = rig.get(created.at({"statusUrl"}));
  CHECK(snapshot.at({"status"}) == "completed");
  CHECK(snapshot.at({"workflowId"}) == "wire-noop");
  CHECK(snapshot.at({"nodeStates", "only", "status"}) == "completed");
  CHECK(snapshot.at({"eventLogSchemaVersion"}) == "2");
  CHECK(snapshot.at({"engineVersion"}) == "1");
  CHECK_FALSE(snapshot.at({"completedAt"}).empty());
  CHECK(snapshot.at({"error"}).empty());
}

TEST_CASE("inputs come back as they were sent, numbers and nesting included", "[wire]") {
  SurfaceRig rig;
  const std::string payload = R"({"a":[1,2.50,-0,{"b":null}],"big":12345678901234567890,"text":"\u00e9\n"})";
  const std::string run = rig.run("wire-echo", R"({"payload":)" + payload + "}");
  const Answer snapshot = rig.get("/v1/runs/" + run);
  CHECK(json::equal(snapshot.at({"variables", "payload"}), payload));
  CHECK_THAT(snapshot.body, Catch::Contains("12345678901234567890"));
}

TEST_CASE("sensitive variables are masked in the snapshot and in its stream", "[wire]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-secret", R"({"token":"hush-hush","plain":"seen"})");
  const Answer snapshot = rig.get("/v1/runs/" + run);
  CHECK(snapshot.at({"variables", "token"}) == "[REDACTED]");
  CHECK(snapshot.at({"variables", "plain"}) == "seen");
  for (const char* mode : {"values", "debug"}) {
    const auto stream = rig.stream("/v1/runs/" + run + "/events?streamMode=" + mode);
    CHECK(SurfaceRig::drain(*stream).find("hush-hush") == std::string::npos);
  }
}

TEST_CASE("a failed run shows a closed error", "[wire]") {
  SurfaceRig rig;
  const Answer snapshot = rig.get("/v1/runs/" + rig.run("wire-fails"));
  CHECK(snapshot.at({"status"}) == "failed");
  CHECK(snapshot.at({"error"}) == R"({"code":"conformance_test_failure","message":"Intentional conformance failure"})");
}

TEST_CASE("the definition of a workflow is read back byte for byte", "[wire]") {
  SurfaceRig rig;
  const Answer answer = rig.get("/v1/workflows/wire-echo");
  CHECK(answer.status == 200);
  CHECK(answer.body == (*rig.engine->workflow("wire-echo"))->source);
  CHECK(rig.get("/v1/workflows/nowhere").at({"error"}) == "workflow_not_found");
}

TEST_CASE("cancelling is idempotent, and an ended run keeps its status", "[wire]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-sleep");
  const std::string path = "/v1/runs/" + run + "/cancel";
  CHECK(rig.get("/v1/runs/" + run).at({"status"}) == "running");
  for (const char* bad : {"[]", R"({"reason":5})", "{", R"("x")"}) CHECK(rig.post(path, bad).status == 400);
  const Answer cancelled = rig.post(path, R"({"reason":"enough","anything":1})");
  CHECK(cancelled.status == 200);
  CHECK(cancelled.at({"status"}) == "cancelled");
  const std::string log = rig.get("/v1/runs/" + run + "/events", {{"Accept", "application/json"}}).body;
  CHECK_THAT(log, Catch::Contains(R"("reason":"enough")"));
  CHECK(rig.call({.method = "POST", .target = path}).at({"status"}) == "cancelled");
  CHECK(rig.get("/v1/runs/" + run + "/events", {{"Accept", "application/json"}}).body == log);

  const std::string ended = rig.run("wire-noop");
  CHECK(rig.post("/v1/runs/" + ended + "/cancel", "").at({"status"}) == "completed");
}

TEST_CASE("a keyed create takes effect once, and its repeats get the same answer", "[wire][idempotency]") {
  SurfaceRig rig;
  const std::string body = R"({"workflowId":"wire-nonce","inputs":{"nonce":"1"}})";
  const Answer first = rig.post("/v1/runs", body, keyed("k"));
  REQUIRE(first.status == 201);
  CHECK(first.header(kReplay) == "false");
  rig.settle();
  for (int i = 0; i < 5; ++i) {
    const Answer again = rig.post("/v1/runs", body, keyed("k"));
    CHECK(again.status == 201);
    CHECK(again.body == first.body);
    CHECK(again.header(kReplay) == "true");
  }
  const Answer other_body = rig.post("/v1/runs", R"({"workflowId":"wire-nonce","inputs":{"nonce":"2"}})", keyed("k"));
  CHECK(other_body.status == 409);
  CHECK(other_body.at({"error"}) == "idempotency_key_mismatch");
  CHECK(rig.post("/v1/runs", body, keyed("k"), "key-b").at({"runId"}) != first.at({"runId"}));
  CHECK(rig.post("/v1/runs", body, keyed("other")).at({"runId"}) != first.at({"runId"}));
  CHECK(occurrences(rig.get("/v1/runs").body, "runId") == 2);
}

TEST_CASE("an idempotency key is forgotten when its time is over", "[wire][idempotency]") {
  SurfaceRig rig;
  const std::string body = R"({"workflowId":"wire-noop"})";
  const Answer first = rig.post("/v1/runs", body, keyed("k"));
  rig.advance(86'399'000);
  CHECK(rig.post("/v1/runs", body, keyed("k")).header(kReplay) == "true");
  rig.advance(1'001);
  const Answer fresh = rig.post("/v1/runs", body, keyed("k"));
  CHECK(fresh.status == 201);
  CHECK(fresh.header(kReplay) == "false");
  CHECK(fresh.at({"runId"}) != first.at({"runId"}));
  CHECK(rig.post("/v1/runs", body, keyed("k")).at({"runId"}) == fresh.at({"runId"}));
}

TEST_CASE("refused requests do not use up their key", "[wire][idempotency]") {
  SurfaceRig rig;
  CHECK(rig.post("/v1/runs", "{", keyed("k")).status == 400);
  CHECK(rig.post("/v1/runs", R"({"workflowId":"nowhere"})", keyed("k")).status == 400);
  CHECK(rig.post("/v1/runs", R"({"workflowId":"wire-noop"})", keyed("k")).status == 201);
  for (const std::string& key : {std::string(), std::string(256, 'x'), std::string("a b"), std::string("\xC3\xA9")}) {
    CHECK(rig.post("/v1/runs", R"({"workflowId":"wire-noop"})", keyed(key)).at({"error"}) == "validation_error");
  }
  CHECK(rig.post("/v1/runs", R"({"workflowId":"wire-noop"})", keyed(std::string(255, 'x'))).status == 201);
}

TEST_CASE("one key on the cancel routes of two runs is two operations", "[wire][idempotency]") {
  SurfaceRig rig;
  const std::string one = rig.run("wire-sleep");
  const std::string two = rig.run("wire-sleep");
  CHECK(rig.post("/v1/runs/" + one + "/cancel", "", keyed("k")).header(kReplay) == "false");
  CHECK(rig.post("/v1/runs/" + one + "/cancel", "", keyed("k")).header(kReplay) == "true");
  CHECK(rig.post("/v1/runs/" + two + "/cancel", "", keyed("k")).at({"runId"}) == two);
  CHECK(rig.get("/v1/runs/" + two).at({"status"}) == "cancelled");
}

TEST_CASE("runs are listed newest first, filtered and in pages", "[wire]") {
  SurfaceRig rig;
  std::vector<std::string> runs;
  for (int i = 0; i < 5; ++i) {
    rig.advance(1000);
    const std::string tag = i % 2 == 0 ? "even" : "odd";
    runs.push_back(rig.post("/v1/runs", R"({"workflowId":"wire-noop","tags":[")" + tag + "\"]}").at({"runId"}));
  }
  rig.run("wire-sleep");
  CHECK(occurrences(rig.get("/v1/runs").body, "runId") == 6);
  CHECK(occurrences(rig.get("/v1/runs?status=completed").body, "runId") == 5);
  CHECK(occurrences(rig.get("/v1/runs?status=running&workflowId=wire-sleep").body, "runId") == 1);
  CHECK(occurrences(rig.get("/v1/runs?tag=even").body, "runId") == 3);
  std::vector<std::string> seen;
  std::string cursor;
  do {
    const Answer page = rig.get("/v1/runs?workflowId=wire-noop&limit=2&cursor=" + cursor);
    REQUIRE(page.status == 200);
    json::for_each_element(page.at({"runs"}), [&](std::string_view run) {
      seen.push_back(*json::as_string(*json::member(run, "runId")));
      return true;
    });
    cursor = page.at({"nextCursor"});
  } while (!cursor.empty());
  std::reverse(runs.begin(), runs.end());
  CHECK(seen == runs);
  const Answer created = rig.get("/v1/runs/" + runs.front());
  CHECK(occurrences(rig.get("/v1/runs?createdFrom=" + created.at({"startedAt"})).body, "runId") == 2);
  CHECK(occurrences(rig.get("/v1/runs?createdBefore=" + created.at({"startedAt"})).body, "runId") == 4);
  for (const char* bad : {"status=x", "limit=0", "limit=1001", "limit=x", "cursor=zz", "createdFrom=yesterday"}) {
    CHECK(rig.get(std::string("/v1/runs?") + bad).at({"error"}) == "validation_error");
  }
}

TEST_CASE("a run that waits explains itself", "[wire]") {
  SurfaceRig rig;
  const Answer answer = rig.get("/v1/runs/" + rig.run("wire-sleep") + "/explain");
  CHECK(answer.status == 200);
  CHECK_THAT(answer.at({"waits"}), Catch::Contains(R"("nodeId":"wait")") && Catch::Contains(R"("kind":"delay")"));
}
