#include <atomic>

#include "support/engine_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

/// Counts calls and fails the first `failures` of them.
SyncHandler flaky(std::shared_ptr<int> calls, int failures, bool retryable = true) {
  return [=](NodeContext&) -> NodeOutcome {
    if ((*calls)++ < failures) return Failure{"upstream_down", "not now", {}, retryable};
    return NodeCompleted{R"({"ok":true})"};
  };
}

/// A node that answers when the test says so.
struct Held {
  std::shared_ptr<NodeContext> context;
  Completion complete;
};
AsyncHandler hold(std::shared_ptr<std::vector<Held>> held) {
  return [held](std::shared_ptr<NodeContext> context, Completion complete) {
    held->push_back({std::move(context), std::move(complete)});
  };
}

}  // namespace

TEST_CASE("a retryable failure is tried again after a growing delay, with one node.started for each attempt") {
  EngineRig rig;
  auto calls = std::make_shared<int>(0);
  rig.options.nodes.add({"vendor.t.flaky", flaky(calls, 2)});
  rig.add(WorkflowText("w").settings(R"({"maxRetries":3})").node("n", "vendor.t.flaky"));
  const RunId run = rig.create("w");
  CHECK(*calls == 1);
  CHECK(rig.view(run).state.nodes.at("n").status == NodeStatus::retrying);
  const std::int64_t first = rig.view(run).state.nodes.at("n").due_ms - rig.clock->now_ms();
  CHECK(first > 75 - 1);
  CHECK(first <= 100);
  rig.advance(first);
  CHECK(*calls == 2);
  const std::int64_t second = rig.view(run).state.nodes.at("n").due_ms - rig.clock->now_ms();
  CHECK(second > 150 - 1);
  CHECK(second <= 200);
  rig.advance(second);
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.history(run) == Lines{"run.started", "node.started(n)", "node.retried(n)", "node.started(n)",
                                  "node.retried(n)", "node.started(n)", "node.completed(n)", "run.completed"});
}

TEST_CASE("retries end at maxRetries, and failures that are not retryable are not tried again") {
  EngineRig rig;
  auto calls = std::make_shared<int>(0);
  rig.options.nodes.add({"vendor.t.down", flaky(calls, 100)});
  rig.options.nodes.add({"vendor.t.wrong", flaky(calls, 100, false)});
  rig.add(WorkflowText("w").settings(R"({"maxRetries":2})").node("n", "vendor.t.down"));
  rig.add(WorkflowText("x").settings(R"({"maxRetries":2})").node("n", "vendor.t.wrong"));
  rig.add(WorkflowText("own").node("n", "vendor.t.down", "{}", "{}", R"(,"settings":{"maxRetries":1})"));
  const RunId run = rig.create("w");
  for (int i = 0; i < 10; ++i) rig.advance(100'000);
  CHECK(*calls == 3);
  CHECK(rig.status(run) == RunStatus::failed);
  CHECK(rig.events(run)[rig.events(run).size() - 2].payload.find(R"("attempts":3)") != std::string::npos);
  CHECK(rig.status(rig.create("x")) == RunStatus::failed);
  CHECK(*calls == 4);
  rig.create("own");
  for (int i = 0; i < 10; ++i) rig.advance(100'000);
  CHECK(*calls == 6);
}

TEST_CASE("a node that takes too long times out, its context is cancelled, its late answer is dropped") {
  EngineRig rig;
  auto held = std::make_shared<std::vector<Held>>();
  rig.options.nodes.add({"vendor.t.slow", hold(held)});
  rig.add(WorkflowText("w").node("n", "vendor.t.slow", "{}", "{}", R"(,"settings":{"timeoutMs":500})"));
  const RunId run = rig.create("w");
  REQUIRE(held->size() == 1);
  bool told = false;
  held->front().context->on_cancel([&] { told = true; });
  rig.advance(499);
  CHECK_FALSE(told);
  rig.advance(1);
  CHECK(told);
  CHECK(held->front().context->cancelled());
  CHECK(rig.view(run).state.error.find("node_timeout") != std::string::npos);
  held->front().complete(NodeCompleted{});
  rig.tick();
  CHECK(rig.events(run).back().type == "run.failed");
}

TEST_CASE("the run's timeout fails it, and time is counted from its start") {
  EngineRig rig;
  rig.add(WorkflowText("w").settings(R"({"timeout":1000})").node("n", "core.delay", R"({"ms":5000})"));
  const RunId run = rig.create("w");
  rig.advance(999);
  CHECK(rig.status(run) == RunStatus::running);
  rig.advance(1);
  CHECK(rig.status(run) == RunStatus::failed);
  CHECK(rig.view(run).state.error.find("run_timeout") != std::string::npos);
  CHECK(rig.history(run) == Lines{"run.started", "node.started(n)", "node.cancelled(n)", "run.failed"});
}

TEST_CASE("cancel ends a run in a delay, in a handler and in a retry, and tells the handler") {
  EngineRig rig;
  auto held = std::make_shared<std::vector<Held>>();
  auto calls = std::make_shared<int>(0);
  rig.options.nodes.add({"vendor.t.slow", hold(held)});
  rig.options.nodes.add({"vendor.t.down", flaky(calls, 100)});
  rig.add(WorkflowText("delay").node("n", "core.delay", R"({"ms":5000})"));
  rig.add(WorkflowText("handler").node("n", "vendor.t.slow"));
  rig.add(WorkflowText("retry").settings(R"({"maxRetries":9})").node("n", "vendor.t.down"));
  for (const char* workflow : {"delay", "handler", "retry"}) {
    const RunId run = rig.create(workflow);
    CancelRun cancel;
    cancel.run_id = run;
    cancel.reason = "changed my mind";
    CHECK(*rig.engine->cancel_run(cancel) == RunStatus::cancelled);
    CHECK(rig.status(run) == RunStatus::cancelled);
    const auto events = rig.events(run);
    CHECK(events.back().type == "run.cancelled");
    CHECK(events[events.size() - 2].type == "node.cancelled");
    CHECK(events.back().payload.find(R"("reason":"changed my mind")") != std::string::npos);
    CHECK(*rig.engine->cancel_run(cancel) == RunStatus::cancelled);
    CHECK(rig.events(run).size() == events.size());
  }
  CHECK(held->front().context->cancelled());
  held->front().complete(NodeCompleted{});
  for (int i = 0; i < 20; ++i) rig.advance(10'000);
  CHECK(*calls == 1);
}

TEST_CASE("cancel of an unknown or another tenant's run is run_not_found") {
  EngineRig rig;
  rig.add(WorkflowText("w").node("n", "core.delay", R"({"ms":5000})"));
  CancelRun cancel;
  cancel.run_id = rig.create("w");
  cancel.tenant = "other";
  CHECK(rig.engine->cancel_run(cancel).error().code == ErrorCode::run_not_found);
  CHECK(rig.engine->run("other", cancel.run_id).error().code == ErrorCode::run_not_found);
  CHECK(rig.engine->subscribe("other", cancel.run_id, 0).error().code == ErrorCode::run_not_found);
  CHECK(rig.status(cancel.run_id) == RunStatus::running);
}

TEST_CASE("a recorded step is not repeated when the handler runs again after a restart") {
  EngineRig rig;
  auto effects = std::make_shared<int>(0);
  auto held = std::make_shared<std::vector<Held>>();
  auto seen = std::make_shared<std::vector<std::string>>();
  rig.options.nodes.add(
      {"vendor.t.charge", AsyncHandler([=](std::shared_ptr<NodeContext> context, Completion complete) {
         const auto charged = context->step("charge", [&]() -> Result<std::string> {
           ++*effects;
           return std::string(R"({"receipt":1})");
         });
         seen->push_back(*charged + std::to_string(context->random()) + std::to_string(context->now_ms()) +
                         std::string(context->invocation().inputs));
         held->push_back({std::move(context), std::move(complete)});
       })});
  rig.add(WorkflowText("w").node("n", "vendor.t.charge", "{}", R"({"a":{"type":"static","value":1}})"));
  const RunId run = rig.create("w");
  rig.clock->advance(1000);
  rig.open();
  rig.tick();
  CHECK(*effects == 1);
  REQUIRE(seen->size() == 2);
  CHECK((*seen)[0] == (*seen)[1]);
  // The first engine is gone: its handler's answer goes nowhere.
  (*held)[0].complete(Failure{"stale", "from the dead"});
  (*held)[1].complete(NodeCompleted{});
  rig.tick();
  CHECK(rig.history(run) ==
        Lines{"run.started", "node.started(n)", "run.resumed", "node.completed(n)", "run.completed"});
}

TEST_CASE("a failed step is remembered like a successful one, per attempt") {
  EngineRig rig;
  int effects = 0;
  rig.options.nodes.add({"vendor.t.n", SyncHandler([&](NodeContext& context) -> NodeOutcome {
                           const auto one = context.step("k", [&]() -> Result<std::string> {
                             ++effects;
                             return Error{ErrorCode::conflict, "no", R"({"a":1})"};
                           });
                           const auto two =
                               context.step("k", [&]() -> Result<std::string> { return std::string("never"); });
                           CHECK(two.error().message == "no");
                           CHECK(two.error().details == R"({"a":1})");
                           return Failure{"x", one.error().message, {}, true};
                         })});
  rig.add(WorkflowText("w").settings(R"({"maxRetries":1})").node("n", "vendor.t.n"));
  rig.create("w");
  rig.advance(1000);
  CHECK(effects == 2);
}

TEST_CASE("host rows are written with the completion and not with a failure") {
  EngineRig rig;
  rig.options.nodes.add({"vendor.t.ok", SyncHandler([](NodeContext&) -> NodeOutcome {
                           NodeCompleted completed;
                           completed.host_writes = {{"balance", "42"}, {"gone", std::nullopt}};
                           return completed;
                         })});
  rig.add(WorkflowText("w").node("n", "vendor.t.ok"));
  CHECK(*rig.engine->host_get("balance") == std::nullopt);
  rig.create("w");
  CHECK(*rig.engine->host_get("balance") == "42");
}

TEST_CASE("a handler that throws has failed, and the engine goes on") {
  EngineRig rig;
  rig.options.nodes.add(
      {"vendor.t.sync", SyncHandler([](NodeContext&) -> NodeOutcome { throw std::runtime_error("boom"); })});
  rig.options.nodes.add({"vendor.t.async", AsyncHandler([](std::shared_ptr<NodeContext>, Completion) { throw 7; })});
  rig.options.nodes.add({"vendor.t.pure", PureHandler([](const NodeInvocation&) -> NodeOutcome {
                           throw std::runtime_error("pure boom");
                         })});
  for (const char* type : {"sync", "async", "pure"}) {
    rig.add(WorkflowText(type).node("n", std::string("vendor.t.") + type));
    const RunId run = rig.create(type);
    CHECK(rig.view(run).state.error.find("handler_exception") != std::string::npos);
  }
}

TEST_CASE("a node may emit its own events but none that the engine folds") {
  EngineRig rig;
  auto type = std::make_shared<EventType>(EventType::log_appended);
  rig.options.nodes.add({"vendor.t.n", SyncHandler([=](NodeContext&) -> NodeOutcome {
                           NodeCompleted completed;
                           Event event;
                           event.type = *type;
                           event.node_id = "n";
                           event.payload = R"({"level":"info","message":"hi"})";
                           completed.events = {event};
                           return completed;
                         })});
  rig.add(WorkflowText("w").node("n", "vendor.t.n"));
  const RunId good = rig.create("w");
  CHECK(rig.count(good, "log.appended") == 1);
  CHECK(rig.status(good) == RunStatus::completed);
  *type = EventType::run_completed;
  const RunId bad = rig.create("w");
  CHECK(rig.status(bad) == RunStatus::failed);
  CHECK(rig.count(bad, "run.completed") == 0);
}

TEST_CASE("outputs and state beyond their limits fail the node with payload_too_large") {
  EngineRig rig;
  rig.options.max_event_payload_bytes = 1000;
  rig.options.max_run_state_bytes = 1500;
  rig.options.nodes.add({"vendor.t.big", PureHandler([](const NodeInvocation&) -> NodeOutcome {
                           return NodeCompleted{R"({"x":")" + std::string(1000, 'x') + "\"}"};
                         })});
  rig.add(WorkflowText("w").node("n", "vendor.t.big"));
  CHECK(rig.view(rig.create("w")).state.error.find("payload_too_large") != std::string::npos);
  const std::string half = "\"" + std::string(800, 'y') + "\"";
  rig.add(WorkflowText("x")
              .node("a", "core.setVariable", R"({"name":"a","value":)" + half + "}")
              .node("b", "core.setVariable", R"({"name":"b","value":)" + half + "}")
              .edge("a", "b"));
  CHECK(rig.view(rig.create("x")).state.error.find("max_run_state_bytes") != std::string::npos);
}

TEST_CASE("random numbers of a handler are the same in a re-run and differ between runs") {
  EngineRig rig;
  std::vector<std::uint64_t> drawn;
  rig.options.nodes.add({"vendor.t.n", SyncHandler([&](NodeContext& context) -> NodeOutcome {
                           drawn.push_back(context.random());
                           return NodeCompleted{};
                         })});
  rig.add(WorkflowText("w").node("n", "vendor.t.n"));
  rig.create("w");
  rig.create("w");
  REQUIRE(drawn.size() == 2);
  CHECK(drawn[0] != drawn[1]);
}

TEST_CASE("a cancel callback is not called once the handler has answered") {
  EngineRig rig;
  int called = 0;
  std::shared_ptr<NodeContext> kept;
  rig.options.nodes.add({"vendor.t.n", AsyncHandler([&](std::shared_ptr<NodeContext> context, Completion complete) {
                           context->on_cancel([&] { ++called; });
                           kept = context;
                           complete(NodeCompleted{});
                         })});
  rig.add(WorkflowText("w").node("n", "vendor.t.n"));
  CHECK(rig.status(rig.create("w")) == RunStatus::completed);
  rig.engine->close();
  kept->on_cancel([&] { ++called; });
  CHECK(called == 0);
}

TEST_CASE("what a handler gives has to be JSON of the right shape, or the node fails and leaves nothing behind") {
  EngineRig rig;
  NodeCompleted answer;
  rig.options.nodes.add({"vendor.t.n", SyncHandler([&](NodeContext&) -> NodeOutcome { return answer; })});
  rig.add(WorkflowText("w").variable(R"({"name":"n","type":"number"})").node("n", "vendor.t.n"));
  Event bad_event;
  bad_event.type = EventType::log_appended;
  bad_event.payload = "{";
  std::vector<NodeCompleted> bad(9);
  bad[0].outputs = "{\"cut\":";
  bad[1].outputs = "[1]";
  bad[2].variables = {{"good", "1"}, {"bad", "{\"a\":1},\"injected\":{}"}};
  bad[3].variables = {{"good", "1"}, {"n", "\"text\""}};
  bad[4].variables = {{"good", "1"}, {"\xff", "1"}};
  bad[5].channels = {{.channel = "c", .value = "nul"}};
  bad[6].events = {bad_event};
  bad[7].host_writes = {{std::string(513, 'k'), "v"}};
  bad[8].host_writes = {{"k", std::string(rig.options.max_event_payload_bytes + 1, 'v')}};
  for (const NodeCompleted& completed : bad) {
    answer = completed;
    const RunId run = rig.create("w");
    CHECK(rig.status(run) == RunStatus::failed);
    CHECK(rig.history(run) == Lines{"run.started", "node.started(n)", "node.failed(n)", "run.failed"});
    CHECK_FALSE(rig.view(run).state.variables.contains("good"));
    for (const auto& event : rig.events(run)) CHECK(json::check(event.payload).ok());
  }
}

TEST_CASE("a failure's texts are stored as valid, bounded JSON whatever the handler put there") {
  EngineRig rig;
  rig.options.nodes.add({"vendor.t.n", SyncHandler([](NodeContext&) -> NodeOutcome {
                           return Failure{"c\xff", std::string(100'000, '\xc3'), "not json", false};
                         })});
  rig.add(WorkflowText("w").node("n", "vendor.t.n"));
  const RunId run = rig.create("w");
  CHECK(rig.status(run) == RunStatus::failed);
  for (const auto& event : rig.events(run)) {
    CHECK(json::check(event.payload).ok());
    CHECK(event.payload.size() < 20'000);
  }
}

TEST_CASE("a handler node in a loop sees the loop's index, and its conditions see the whole run") {
  EngineRig rig;
  std::vector<std::uint32_t> seen;
  rig.options.nodes.add({"vendor.t.n", SyncHandler([&](NodeContext& context) -> NodeOutcome {
                           seen.push_back(context.invocation().iteration);
                           return NodeCompleted{R"({"k":1})"};
                         })});
  rig.add(WorkflowText("w")
              .node("loop", "core.loop", R"({"maxIterations":3})")
              .node("n", "vendor.t.n")
              .node("if", "core.conditional", R"({"expression":"nodes.n.outputs.k == 1 && run.workflowId == 'w'"})")
              .node("yes", "core.noop")
              .edge("loop", "n", R"(,"sourceOutput":"body")")
              .edge("n", "loop")
              .edge("loop", "if", R"(,"sourceOutput":"done")")
              .edge("if", "yes", R"(,"sourceOutput":"true")"));
  const RunId run = rig.create("w");
  CHECK(seen == std::vector<std::uint32_t>{0, 1, 2});
  CHECK(rig.view(run).state.nodes.at("yes").status == NodeStatus::completed);
}

TEST_CASE("a run whose handler type is gone after a restart fails instead of waiting for ever") {
  EngineRig rig;
  rig.options.nodes.add({"vendor.t.n", AsyncHandler([](std::shared_ptr<NodeContext>, Completion) {})});
  rig.add(WorkflowText("w").node("n", "vendor.t.n"));
  const RunId run = rig.create("w");
  rig.options.nodes = {};
  add_builtin_nodes(rig.options.nodes);
  rig.open();
  rig.tick();
  CHECK(rig.view(run).state.error.find("unsupported_node_type") != std::string::npos);
}
