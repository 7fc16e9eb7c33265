// What test keys make is marked, and kept apart where the host says so (protocol 01 §4.1).
#include "support/engine_rig.h"
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

struct MarkingRig : SurfaceRig {
  explicit MarkingRig(SurfaceOptions options = {})
      : SurfaceRig(std::move(options), 0, [](SurfaceRig& rig, EngineOptions& for_engine, SurfaceOptions& for_surface) {
          for_surface.test_runs = std::make_shared<TestRuns>(rig.store);
          for_engine.observers = {for_surface.test_runs};
        }) {}

  std::string create(const std::string& key, const std::string& workflow = "wire-noop") {
    const Answer created = post("/v1/runs", R"({"workflowId":")" + workflow + R"("})", {}, key);
    REQUIRE(created.status == 201);
    settle();
    return created.at({"runId"});
  }
  std::string fork(const std::string& run, const std::string& key) {
    const Answer forked = post("/v1/runs/" + run + ":fork", R"({"fromSeq":1,"mode":"branch"})", {}, key);
    REQUIRE(forked.status == 201);
    settle();
    return forked.at({"runId"});
  }
  std::string mark(const std::string& run, const std::string& key = "key-a") {
    return get("/v1/runs/" + run, {}, key).at({"testRun"});
  }
};

struct ApartRig : MarkingRig {
  ApartRig() : MarkingRig({.separate_test_data = true}) {}
};

}  // namespace

TEST_CASE("a run that a test key made says so, in snapshots, streams and listings; others do not", "[wire][keys]") {
  MarkingRig rig;
  const std::string marked = rig.create("key-test");
  const std::string plain = rig.create("key-a");
  CHECK(rig.mark(marked) == "true");
  CHECK(rig.mark(plain).empty());
  const Answer listed = rig.get("/v1/runs");
  CHECK(occurrences(listed.body, "\"testRun\":true") == 1);
  const auto stream = rig.stream("/v1/runs/" + marked + "/events?streamMode=values");
  CHECK_THAT(SurfaceRig::drain(*stream), Catch::Contains("\"testRun\":true"));
  const auto other = rig.stream("/v1/runs/" + plain + "/events?streamMode=values");
  CHECK_THAT(SurfaceRig::drain(*other), !Catch::Contains("testRun"));
}

TEST_CASE("children and forks of a marked run are marked, and what a test key forks", "[wire][keys]") {
  MarkingRig rig;
  const auto caller = WorkflowText("parent").node("n", "core.subWorkflow", R"({"workflowId":"wire-noop"})");
  REQUIRE(rig.engine->register_workflow(caller.json()).ok());
  const std::string parent = rig.create("key-test", "parent");
  const Answer snapshot = rig.get("/v1/runs/" + parent);
  CHECK(snapshot.at({"status"}) == "completed");
  CHECK(occurrences(rig.get("/v1/runs").body, "\"testRun\":true") == 2);  // it and its child
  const std::string plain = rig.create("key-a");
  CHECK(rig.mark(rig.fork(parent, "key-a")) == "true");
  CHECK(rig.mark(rig.fork(plain, "key-test")) == "true");
  CHECK(rig.mark(rig.fork(plain, "key-a")).empty());
  CHECK(rig.mark(plain).empty());
}

TEST_CASE("where test data is kept apart, neither kind of key sees what the other has made", "[wire][keys]") {
  ApartRig rig;
  const std::string of_test = rig.create("key-test", "wire-sleep");
  const std::string live = rig.create("key-a", "wire-sleep");
  CHECK(rig.mark(of_test, "key-test") == "true");
  const std::string absent = "018bcfe5-6800-7000-8000-000000000000";
  const auto cross = [&](const std::string& run, const std::string& key) {
    for (const char* path : {"", "/events", "/events/poll", "/explain", "/debug-bundle"}) {
      INFO(path);
      const Answer foreign = rig.get("/v1/runs/" + run + path, {}, key);
      CHECK(foreign.status == 404);
      CHECK(foreign.body == rig.get("/v1/runs/" + absent + path, {}, key).body);
    }
    CHECK(rig.post("/v1/runs/" + run + "/cancel", "{}", {}, key).status == 404);
    CHECK(rig.post("/v1/runs/" + run + ":fork", R"({"mode":"replay"})", {}, key).status == 404);
    CHECK(rig.get("/v1/runs", {}, key).body.find(run) == std::string::npos);
  };
  cross(of_test, "key-a");
  cross(live, "key-test");
  CHECK(rig.get("/v1/runs/" + live).at({"status"}) == "running");
  CHECK(rig.get("/v1/runs/" + of_test, {}, "key-test").at({"status"}) == "running");
}

TEST_CASE("where test data is kept apart, idempotency keys are too, and a test key may name its tenant",
          "[wire][keys]") {
  ApartRig rig;
  const std::string body = R"({"workflowId":"wire-noop","tenantId":"a"})";
  const Answer live = rig.post("/v1/runs", body, {{"Idempotency-Key", "k"}});
  const Answer of_test = rig.post("/v1/runs", body, {{"Idempotency-Key", "k"}}, "key-test");
  REQUIRE(live.status == 201);
  REQUIRE(of_test.status == 201);
  CHECK(live.at({"runId"}) != of_test.at({"runId"}));
  CHECK(rig.get("/v1/runs?tenantId=a%2Ftest", {}, "key-test").status == 200);
  CHECK(rig.get("/v1/runs?tenantId=a%2Ftest").status == 403);
  CHECK(rig.get("/v1/runs?tenantId=b", {}, "key-test").status == 403);
}

TEST_CASE("unless test data is kept apart, both kinds of key of a tenant share its runs", "[wire][keys]") {
  MarkingRig rig;
  CHECK(rig.get("/v1/runs/" + rig.create("key-test")).status == 200);
  CHECK(rig.get("/v1/runs/" + rig.create("key-a"), {}, "key-test").status == 200);
}
