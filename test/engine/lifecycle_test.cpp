#include "support/engine_rig.h"

using namespace openwop;
using namespace openwop::test;

TEST_CASE("a noop run is created and completed in one commit with the canonical events") {
  EngineRig rig;
  rig.add(WorkflowText("w").node("n", "core.noop"));
  const RunId run = rig.create("w");
  CHECK(rig.history(run) == Lines{"run.started", "node.started(n)", "node.completed(n)", "run.completed"});
  CHECK(rig.status(run) == RunStatus::completed);
  const auto events = rig.events(run);
  for (std::size_t i = 0; i < events.size(); ++i) CHECK(events[i].sequence == i);
}

TEST_CASE("a chain runs its nodes in order") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .node("a", "core.noop")
              .node("b", "core.noop")
              .node("c", "core.noop")
              .edge("a", "b")
              .edge("b", "c"));
  CHECK(rig.history(rig.create("w")) == Lines{"run.started", "node.started(a)", "node.completed(a)", "node.started(b)",
                                              "node.completed(b)", "node.started(c)", "node.completed(c)",
                                              "run.completed"});
}

TEST_CASE("identity keeps the input deep and to the last digit") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .variable(R"({"name":"payload","type":"object","required":true})")
              .node("echo", "core.identity", "{}", R"({"payload":{"type":"variable","variableName":"payload"}})"));
  const std::string payload = R"({"a":[1,1.0,{"b":null}],"big":18446744073709551615,"t":"ü\n"})";
  const RunId run = rig.create("w", R"({"payload":)" + payload + R"(,"unknown":1})");
  CHECK(rig.view(run).state.variables.at("payload") == payload);
  CHECK(rig.count(run, "variable.changed") == 0);
}

TEST_CASE("defaults satisfy required variables, missing and mistyped inputs are refused and store nothing") {
  EngineRig rig;
  rig.add(WorkflowText("d")
              .variable(R"({"name":"n","type":"number","required":true,"defaultValue":7})")
              .node("n", "core.noop"));
  rig.add(WorkflowText("r").variable(R"({"name":"n","type":"string","required":true})").node("n", "core.noop"));
  CHECK(rig.view(rig.create("d")).state.variables.at("n") == "7");
  const std::size_t rows = rig.store->size();
  const auto refused = [&](std::string workflow, std::string inputs) {
    CreateRun request;
    request.workflow_id = std::move(workflow);
    request.inputs = std::move(inputs);
    return rig.engine->create_run(std::move(request)).error();
  };
  CHECK(refused("r", "{}").code == ErrorCode::validation_error);
  CHECK(refused("r", "{}").details == R"({"field":"inputs.n"})");
  CHECK(refused("r", R"({"n":1})").code == ErrorCode::validation_error);
  CHECK(refused("r", "[]").code == ErrorCode::validation_error);
  CHECK(refused("r", "{").code == ErrorCode::validation_error);
  CHECK(refused("nobody", "{}").code == ErrorCode::workflow_not_found);
  CHECK(rig.store->size() == rows);
}

TEST_CASE("a delay waits in the store and completes when its time has come") {
  EngineRig rig;
  rig.add(WorkflowText("w").node("wait", "core.delay", R"({"ms":5000})"));
  const RunId run = rig.create("w");
  CHECK(rig.status(run) == RunStatus::running);
  CHECK(rig.engine->tick(kStartMs + 4999) == kStartMs + 5000);
  rig.advance(4999);
  CHECK(rig.status(run) == RunStatus::running);
  rig.advance(1);
  CHECK(rig.history(run) == Lines{"run.started", "node.started(wait)", "node.completed(wait)", "run.completed"});
  CHECK(rig.engine->tick(rig.clock->now_ms()) == std::nullopt);
}

TEST_CASE("a delay takes its time from config.ms, config.delayMs, the input, then 100 ms") {
  EngineRig rig;
  const std::string input = R"({"delayMs":{"type":"static","value":30}})";
  rig.add(WorkflowText("a").node("n", "core.delay", R"({"ms":10,"delayMs":20})", input));
  rig.add(WorkflowText("b").node("n", "core.delay", R"({"delayMs":20})", input));
  rig.add(WorkflowText("c").node("n", "core.delay", "{}", input));
  rig.add(WorkflowText("d").node("n", "core.delay"));
  rig.add(WorkflowText("bad").node("n", "core.delay", R"({"ms":"soon"})"));
  const auto due = [&](const char* workflow) {
    return rig.view(rig.create(workflow)).state.nodes.at("n").due_ms - kStartMs;
  };
  CHECK(due("a") == 10);
  CHECK(due("b") == 20);
  CHECK(due("c") == 30);
  CHECK(due("d") == 100);
  CHECK(rig.status(rig.create("bad")) == RunStatus::failed);
}

TEST_CASE("a failing node fails its run, both events carry code and message") {
  EngineRig rig;
  rig.add(WorkflowText("w").node("f", "core.fail"));
  const RunId run = rig.create("w");
  CHECK(rig.history(run) == Lines{"run.started", "node.started(f)", "node.failed(f)", "run.failed"});
  for (const auto& event : rig.events(run)) {
    if (event.type != "node.failed" && event.type != "run.failed") continue;
    const auto error = json::member(event.payload, "error");
    REQUIRE(error);
    CHECK(json::member(*error, "code") == "\"conformance_test_failure\"");
    CHECK(json::member(*error, "message") == "\"Intentional conformance failure\"");
  }
}

TEST_CASE("a missing capability refuses the node before it starts") {
  EngineRig rig;
  rig.add(WorkflowText("w").node("n", "conformance.requiresMissing"));
  const RunId run = rig.create("w");
  CHECK(rig.history(run) == Lines{"run.started", "node.failed(n)", "run.failed"});
  CHECK(rig.view(run).state.error.find("capability_not_provided") != std::string::npos);
  CHECK(rig.view(run).state.error.find("conformance.never-provided") != std::string::npos);
}

TEST_CASE("the recursion limit lets exactly that many nodes start") {
  EngineRig rig;
  WorkflowText text("w");
  for (int i = 1; i <= 6; ++i) text.node("n" + std::to_string(i), "core.noop");
  for (int i = 1; i < 6; ++i) text.edge("n" + std::to_string(i), "n" + std::to_string(i + 1));
  rig.add(text);
  CreateRun request;
  request.workflow_id = "w";
  request.configurable = R"({"recursionLimit":3})";
  const RunId run = rig.create(request);
  CHECK(rig.count(run, "node.started") == 3);
  const auto events = rig.events(run);
  const auto& breach = events[events.size() - 2];
  CHECK(breach.type == "cap.breached");
  CHECK(breach.payload == R"({"kind":"node-executions","limit":3,"observed":4,"nodeId":"n4"})");
  CHECK(events.back().type == "run.failed");
  CHECK(rig.view(run).state.error.find("recursion_limit_exceeded") != std::string::npos);
  CHECK(rig.count(run, "node.failed") == 0);

  CHECK(rig.status(rig.create("w")) == RunStatus::completed);
  request.configurable = R"({"recursionLimit":1000000})";
  CHECK(rig.view(rig.create(request)).header.max_node_executions == 100);
  request.configurable = R"({"recursionLimit":18446744073709551615})";
  CHECK(rig.view(rig.create(request)).header.max_node_executions == 100);
  for (const char* bad : {R"({"recursionLimit":0})", R"({"recursionLimit":1.5})", R"({"recursionLimit":"3"})", "[]"}) {
    request.configurable = bad;
    CHECK(rig.engine->create_run(request).error().code == ErrorCode::validation_error);
  }
}

TEST_CASE("an undeclared channel keeps stamped entries in the variable of its name and drops those past their ttl") {
  EngineRig rig;
  WorkflowText text("w");
  for (const char* value : {"a", "b", "c", "d"}) {
    text.node(std::string("write-") + value, "core.channelWrite",
              std::string(R"({"channelName":"events","reducer":"append","ttlMs":200,"value":")") + value + "\"}");
  }
  text.node("wait", "core.delay", R"({"ms":300})");
  text.edge("write-a", "write-b").edge("write-b", "write-c").edge("write-c", "wait").edge("wait", "write-d");
  rig.add(text);
  const RunId run = rig.create("w");
  CHECK(rig.view(run).state.variables.at("events") ==
        R"([{"value":"a","_ts":1700000000000},{"value":"b","_ts":1700000000000},{"value":"c","_ts":1700000000000}])");
  rig.advance(300);
  CHECK(rig.view(run).state.variables.at("events") == R"([{"value":"d","_ts":1700000000300}])");
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("declared channels reduce by their declaration and refuse writes through variables") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .root(R"(,"channels":{"sum":{"reducer":"counter"},"list":{"reducer":"append","maxSize":2}})")
              .node("a", "core.channelWrite", R"({"channelName":"sum","value":2})")
              .node("b", "core.channelWrite", R"({"channelName":"sum","value":40})")
              .node("c", "core.channelWrite", R"({"channelName":"list","value":1})")
              .node("d", "core.channelWrite", R"({"channelName":"list","value":2})")
              .node("e", "core.channelWrite", R"({"channelName":"list","value":3})")
              .edge("a", "b")
              .edge("b", "c")
              .edge("c", "d")
              .edge("d", "e"));
  const RunId run = rig.create("w");
  CHECK(rig.view(run).state.channels.at("sum") == "42");
  CHECK(rig.view(run).state.channels.at("list") == "[2,3]");
  rig.add(WorkflowText("x")
              .root(R"(,"channels":{"sum":{"reducer":"counter"}})")
              .node("s", "core.setVariable", R"({"name":"sum","value":1})"));
  CHECK(rig.view(rig.create("x")).state.error.find("validation_error") != std::string::npos);
  rig.add(WorkflowText("y")
              .root(R"(,"channels":{"sum":{"reducer":"counter"}})")
              .node("s", "core.channelWrite", R"({"channelName":"sum","value":"x"})"));
  CHECK(rig.status(rig.create("y")) == RunStatus::failed);
}

TEST_CASE("sensitive variables are masked in events and kept real in the state across a restart") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .variable(R"({"name":"secret","type":"string","sensitive":true})")
              .node("s", "core.setVariable", R"({"name":"secret","value":"hunter2"})")
              .node("d", "core.delay")
              .edge("s", "d"));
  const RunId run = rig.create("w");
  rig.open();
  CHECK(rig.view(run).state.variables.at("secret") == "\"hunter2\"");
  for (const auto& event : rig.events(run)) {
    if (event.type == "variable.changed") CHECK(event.payload.find("hunter2") == std::string::npos);
  }
}

TEST_CASE("tags, metadata and texts beyond their limits are refused") {
  EngineRig rig;
  rig.add(WorkflowText("w").node("n", "core.noop"));
  const auto refused = [&](auto change) {
    CreateRun request;
    request.workflow_id = "w";
    change(request);
    auto created = rig.engine->create_run(std::move(request));
    return !created.ok() && created.error().code == ErrorCode::validation_error;
  };
  CHECK(refused([](CreateRun& r) { r.tags.assign(101, "t"); }));
  CHECK(refused([](CreateRun& r) { r.tags = {""}; }));
  CHECK(refused([](CreateRun& r) { r.tags = {std::string(257, 'x')}; }));
  CHECK(refused([](CreateRun& r) { r.tags = {"\xff"}; }));
  CHECK(refused([](CreateRun& r) { r.metadata = R"({"a":{"b":{"c":{"d":{}}}}})"; }));
  CHECK(refused([](CreateRun& r) { r.metadata = R"({"a":")" + std::string(8192, 'x') + "\"}"; }));
  CHECK(refused([](CreateRun& r) { r.tenant = ""; }));
  CHECK(refused([](CreateRun& r) { r.scope_id = std::string("a\0b", 3); }));
  // The limit counts characters, not bytes.
  std::string wide;
  for (int i = 0; i < 256; ++i) wide += "ü";
  CHECK_FALSE(refused([&](CreateRun& r) { r.tags = {wide}; }));
  CHECK_FALSE(refused([](CreateRun& r) { r.metadata = R"({"a":{"b":{"c":{"d":1}}}})"; }));
}
