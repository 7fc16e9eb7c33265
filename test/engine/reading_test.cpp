#include <set>

#include "support/engine_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

std::vector<std::uint64_t> drain(EventSubscription& subscription, std::size_t portion = 100) {
  std::vector<std::uint64_t> seen;
  while (true) {
    const auto read = subscription.read(portion, [&](const EventView& event) {
      seen.push_back(event.sequence);
      return true;
    });
    REQUIRE(read.ok());
    if (*read == 0) return seen;
  }
}

}  // namespace

TEST_CASE(
    "a subscription gives the backlog, then live events, without gap or duplicate, and ends with the terminal one") {
  EngineRig rig;
  rig.add(WorkflowText("w").node("a", "core.noop").node("b", "core.delay", R"({"ms":10})").edge("a", "b"));
  const RunId run = rig.create("w");
  auto subscription = rig.engine->subscribe("default", run, 1);
  REQUIRE(subscription.ok());
  int told = 0;
  (*subscription)->on_ready([&] { ++told; });
  CHECK(drain(**subscription, 1) == std::vector<std::uint64_t>{1, 2, 3});
  CHECK_FALSE((*subscription)->complete());
  rig.advance(10);
  CHECK(told == 1);
  CHECK(drain(**subscription) == std::vector<std::uint64_t>{4, 5});
  CHECK((*subscription)->complete());
  auto late = rig.engine->subscribe("default", run, 99);
  CHECK(drain(**late).empty());
}

TEST_CASE("subscriptions are bounded") {
  EngineRig rig;
  rig.options.max_subscriptions = 1;
  rig.add(WorkflowText("w").node("a", "core.delay"));
  const RunId run = rig.create("w");
  auto first = rig.engine->subscribe("default", run, 0);
  CHECK(rig.engine->subscribe("default", run, 0).error().code == ErrorCode::service_unavailable);
  first = Error{};
  CHECK(rig.engine->subscribe("default", run, 0).ok());
}

TEST_CASE("runs are listed newest first by status, workflow, tag, time and tenant, page by page") {
  EngineRig rig;
  rig.add(WorkflowText("quick").node("n", "core.noop"));
  rig.add(WorkflowText("slow").node("n", "core.delay", R"({"ms":100000})"));
  std::vector<RunId> all;
  for (int i = 0; i < 30; ++i) {
    CreateRun request;
    request.workflow_id = i % 3 == 0 ? "slow" : "quick";
    if (i % 5 == 0) request.tags = {"fifth", "n" + std::to_string(i)};
    all.push_back(rig.create(request));
    rig.clock->advance(10);
  }
  CreateRun foreign;
  foreign.workflow_id = "quick";
  foreign.tenant = "other";
  rig.create(foreign);

  const auto list = [&](RunFilter filter, std::size_t limit) {
    std::vector<RunId> found;
    std::string cursor;
    do {
      auto page = rig.engine->list_runs(filter, cursor, limit);
      REQUIRE(page.ok());
      CHECK(page->runs.size() <= limit);
      for (const auto& run : page->runs) found.push_back(run.run_id);
      cursor = page->cursor;
    } while (!cursor.empty());
    CHECK(std::is_sorted(found.rbegin(), found.rend()));
    return found.size();
  };
  CHECK(list({}, 7) == 30);
  CHECK(list({}, 30) == 30);
  CHECK(list({.status = RunStatus::completed}, 3) == 20);
  CHECK(list({.status = RunStatus::running}, 100) == 10);
  CHECK(list({.workflow_id = "slow"}, 4) == 10);
  CHECK(list({.tag = "fifth"}, 2) == 6);
  CHECK(list({.workflow_id = "slow", .tag = "fifth"}, 2) == 2);
  CHECK(list({.status = RunStatus::completed, .tag = "n5"}, 2) == 1);
  CHECK(list({.created_from_ms = kStartMs + 100}, 8) == 20);
  CHECK(list({.created_before_ms = kStartMs + 100}, 8) == 10);
  CHECK(list({.created_from_ms = kStartMs + 50, .created_before_ms = kStartMs + 100}, 8) == 5);
  CHECK(list({.tenant = "other"}, 8) == 1);
  CHECK(rig.engine->list_runs({}, "not-a-cursor", 5).error().code == ErrorCode::validation_error);
  CHECK(rig.engine->list_runs({}, "", 0).error().code == ErrorCode::validation_error);
  rig.advance(200000);
  CHECK(list({.status = RunStatus::running}, 100) == 0);
  CHECK(list({.status = RunStatus::completed}, 100) == 30);
}

TEST_CASE("explain says what a run waits for, since when, until when, and who may act") {
  EngineRig rig;
  rig.options.nodes.add({"vendor.t.slow", AsyncHandler([](std::shared_ptr<NodeContext>, Completion) {})});
  rig.add(WorkflowText("w")
              .settings(R"({"timeout":9000})")
              .node("p", "core.parallel")
              .node("d", "core.delay", R"({"ms":5000})")
              .node("h", "vendor.t.slow", "{}", "{}", R"(,"settings":{"timeoutMs":700})")
              .edge("p", "d")
              .edge("p", "h"));
  const RunId run = rig.create("w");
  const auto explained = rig.engine->explain("default", run);
  REQUIRE(explained.ok());
  CHECK(explained->status == RunStatus::running);
  CHECK(explained->timeout_at_ms == kStartMs + 9000);
  REQUIRE(explained->waits.size() == 2);
  CHECK(explained->waits[0].node_id == "d");
  CHECK(explained->waits[0].kind == RunWait::Kind::delay);
  CHECK(explained->waits[0].since_ms == kStartMs);
  CHECK(explained->waits[0].until_ms == kStartMs + 5000);
  CHECK(explained->waits[1].kind == RunWait::Kind::handler);
  CHECK(explained->waits[1].actor == "handler of vendor.t.slow");
  CHECK(explained->waits[1].until_ms == kStartMs + 700);
  CHECK(json::check(explained->to_json()).ok());
  CHECK(rig.engine->explain("other", run).error().code == ErrorCode::run_not_found);
}

TEST_CASE("the state at a sequence is the fold up to it") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .node("a", "core.setVariable", R"({"name":"x","value":1})")
              .node("b", "core.setVariable", R"({"name":"x","value":2})")
              .edge("a", "b"));
  const RunId run = rig.create("w");
  const auto x_at = [&](std::uint64_t sequence) {
    const auto view = rig.engine->run_at("default", run, sequence);
    REQUIRE(view.ok());
    const auto x = view->state.variables.find("x");
    return x == view->state.variables.end() ? std::string("none") : x->second;
  };
  CHECK(x_at(0) == "none");
  CHECK(x_at(2) == "1");
  CHECK(x_at(1000) == "2");
}

TEST_CASE("a run keeps the workflow it started with when a newer one is registered") {
  EngineRig rig;
  rig.add(WorkflowText("w").node("a", "core.delay", R"({"ms":10})").node("old", "core.noop").edge("a", "old"));
  const RunId before = rig.create("w");
  rig.add(WorkflowText("w").node("a", "core.delay", R"({"ms":10})").node("new", "core.noop").edge("a", "new"));
  const RunId after = rig.create("w");
  rig.open();
  rig.advance(10);
  CHECK(rig.view(before).state.nodes.contains("old"));
  CHECK(rig.view(after).state.nodes.contains("new"));
  CHECK(rig.engine->workflow_ids() == std::vector<std::string>{"w"});
}
