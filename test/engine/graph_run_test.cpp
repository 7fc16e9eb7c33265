#include "support/engine_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

std::string set_config(const std::string& name, const std::string& value) {
  return R"({"name":")" + name + R"(","value":)" + value + "}";
}

NodeStatus node_status(const EngineRig& rig, const RunId& run, const std::string& id) {
  return rig.view(run).state.nodes.at(id).status;
}

}  // namespace

TEST_CASE("a conditional takes one branch, the other is skipped, and the join starts") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .variable(R"({"name":"n","type":"number","required":true})")
              .node("if", "core.conditional", R"({"expression":"variables.n > 10"})")
              .node("big", "core.noop")
              .node("small", "core.noop")
              .node("join", "core.merge")
              .edge("if", "big", R"(,"sourceOutput":"true")")
              .edge("if", "small", R"(,"sourceOutput":"false")")
              .edge("big", "join")
              .edge("small", "join"));
  const RunId big = rig.create("w", R"({"n":11})");
  CHECK(rig.status(big) == RunStatus::completed);
  CHECK(node_status(rig, big, "big") == NodeStatus::completed);
  CHECK(node_status(rig, big, "small") == NodeStatus::skipped);
  CHECK(node_status(rig, big, "join") == NodeStatus::completed);
  const RunId small = rig.create("w", R"({"n":1})");
  CHECK(node_status(rig, small, "big") == NodeStatus::skipped);
  CHECK(node_status(rig, small, "small") == NodeStatus::completed);
}

TEST_CASE("edge conditions of every type decide on the source's output") {
  EngineRig rig;
  const auto taken = [&](const std::string& condition) {
    static int serial = 0;
    const std::string id = "w" + std::to_string(++serial);
    rig.add(WorkflowText(id)
                .node("s", "core.setVariable", set_config("x", R"({"tags":["a","b"],"name":"order-17","n":3})"))
                .node("t", "core.noop")
                .edge("s", "t", R"(,"condition":)" + condition));
    return node_status(rig, rig.create(id), "t") == NodeStatus::completed;
  };
  CHECK(taken(R"({"type":"equals","left":"output.value.n","right":3})"));
  CHECK_FALSE(taken(R"({"type":"equals","left":"output.value.n","right":4})"));
  CHECK(taken(R"({"type":"notEquals","left":"output.value.n","right":4})"));
  CHECK(taken(R"({"type":"contains","left":"output.value.tags","right":"b"})"));
  CHECK_FALSE(taken(R"({"type":"contains","left":"output.value.tags","right":"z"})"));
  CHECK(taken(R"({"type":"regex","left":"output.value.name","right":"^order-[0-9]+$"})"));
  CHECK(taken(R"({"type":"expression","expression":"variables.x.n * 2 == 6 && len(output.value.tags) == 2"})"));
}

TEST_CASE("parallel branches run side by side and a merge waits for all of them") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .node("fork", "core.parallel")
              .node("a", "core.delay", R"({"ms":10})")
              .node("b", "core.delay", R"({"ms":20})")
              .node("join", "core.merge")
              .edge("fork", "a")
              .edge("fork", "b")
              .edge("a", "join")
              .edge("b", "join"));
  const RunId run = rig.create("w");
  CHECK(node_status(rig, run, "a") == NodeStatus::sleeping);
  CHECK(node_status(rig, run, "b") == NodeStatus::sleeping);
  rig.advance(10);
  CHECK(rig.view(run).state.find_node("join") == nullptr);
  rig.advance(10);
  CHECK(node_status(rig, run, "join") == NodeStatus::completed);
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("each trigger rule starts its target exactly when it should") {
  // a completes, b fails (handled by its own any_failed edge), c is skipped.
  struct Row {
    const char* rule;
    std::vector<const char*> sources;
    bool starts;
  };
  const std::vector<Row> rows = {
      {"all_success", {"a"}, true},      {"all_success", {"a", "c"}, true},  {"all_success", {"a", "b"}, false},
      {"any_success", {"a", "b"}, true}, {"any_success", {"b", "c"}, false}, {"all_complete", {"a", "b", "c"}, true},
      {"none_failed", {"a", "c"}, true}, {"none_failed", {"a", "b"}, false}, {"any_failed", {"a", "b"}, true},
      {"any_failed", {"a", "c"}, false},
  };
  int serial = 0;
  for (const Row& row : rows) {
    EngineRig rig;
    const std::string id = "w" + std::to_string(++serial);
    WorkflowText text(id);
    text.node("root", "core.noop")
        .node("a", "core.noop")
        .node("b", "core.fail")
        .node("c", "core.noop", "{}", "{}", R"(,"disabled":true)");
    text.node("handler", "core.noop").node("t", "core.noop");
    text.edge("root", "a").edge("root", "b").edge("root", "c").edge("b", "handler", R"(,"triggerRule":"any_failed")");
    for (const char* source : row.sources) text.edge(source, "t", std::string(R"(,"triggerRule":")") + row.rule + "\"");
    rig.add(text);
    const RunId run = rig.create(id);
    INFO(row.rule << " of " << row.sources.size());
    CHECK(rig.status(run) == RunStatus::completed);
    CHECK(node_status(rig, run, "t") == (row.starts ? NodeStatus::completed : NodeStatus::skipped));
  }
}

TEST_CASE("a failure that no edge handles cancels what is in flight and fails the run") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .node("root", "core.noop")
              .node("slow", "core.delay", R"({"ms":1000})")
              .node("bad", "core.fail")
              .edge("root", "slow")
              .edge("root", "bad"));
  const RunId run = rig.create("w");
  CHECK(rig.history(run) == Lines{"run.started", "node.started(root)", "node.completed(root)", "node.started(slow)",
                                  "node.started(bad)", "node.failed(bad)", "node.cancelled(slow)", "run.failed"});
  CHECK(rig.engine->tick(kStartMs + 5000) == std::nullopt);
}

TEST_CASE("a loop runs its body once for each item and goes on behind it") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .variable(R"({"name":"items","type":"array","required":true})")
              .node("loop", "core.loop", R"({"maxIterations":10})",
                    R"({"items":{"type":"variable","variableName":"items"}})")
              .node("body", "core.channelWrite", R"({"channelName":"seen"})",
                    R"({"value":{"type":"connection","nodeId":"loop","outputKey":"item"}})")
              .node("after", "core.noop")
              .edge("loop", "body", R"(,"sourceOutput":"body")")
              .edge("body", "loop")
              .edge("loop", "after", R"(,"sourceOutput":"done")"));
  const RunId run = rig.create("w", R"({"items":["x","y","z"]})");
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.view(run).state.variables.at("seen") == R"(["x","y","z"])");
  CHECK(node_status(rig, run, "after") == NodeStatus::completed);
  CHECK(rig.count(run, "node.skipped") == 0);
  const RunId none = rig.create("w", R"({"items":[]})");
  CHECK(rig.status(none) == RunStatus::completed);
  CHECK(node_status(rig, none, "body") == NodeStatus::skipped);
}

TEST_CASE("an inner loop counts anew in each iteration of the outer one") {
  EngineRig rig;
  rig.options.max_node_executions = 1000;
  rig.add(WorkflowText("w")
              .node("outer", "core.loop", R"({"maxIterations":3})")
              .node("inner", "core.loop", R"({"maxIterations":2})")
              .node("body", "core.channelWrite", R"({"channelName":"n","reducer":"counter","value":1})")
              .node("end", "core.end")
              .edge("outer", "inner", R"(,"sourceOutput":"body")")
              .edge("inner", "body", R"(,"sourceOutput":"body")")
              .edge("body", "inner")
              .edge("inner", "outer", R"(,"sourceOutput":"done")")
              .edge("outer", "end", R"(,"sourceOutput":"done")"));
  const RunId run = rig.create("w");
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.view(run).state.variables.at("n") == "6");
}

TEST_CASE("a loopback by condition ends at maxLoopbackIterations with its event and a failed run") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .settings(R"({"maxLoopbackIterations":3})")
              .node("draft", "core.channelWrite", R"({"channelName":"n","reducer":"counter","value":1})")
              .node("review", "core.noop")
              .node("done", "core.noop")
              .edge("draft", "review")
              .edge("review", "draft", R"(,"condition":{"type":"expression","expression":"variables.n < 3"})")
              .edge("review", "done", R"(,"condition":{"type":"expression","expression":"variables.n >= 3"})"));
  const RunId good = rig.create("w");
  CHECK(rig.status(good) == RunStatus::completed);
  CHECK(rig.view(good).state.variables.at("n") == "3");
  CHECK(node_status(rig, good, "done") == NodeStatus::completed);
  CHECK(rig.count(good, "node.skipped") == 0);

  rig.add(WorkflowText("x")
              .settings(R"({"maxLoopbackIterations":3})")
              .node("draft", "core.noop")
              .node("review", "core.noop")
              .edge("draft", "review")
              .edge("review", "draft", R"(,"condition":{"type":"expression","expression":"true"})"));
  const RunId bad = rig.create("x");
  CHECK(rig.count(bad, "workflow.loopback-limit") == 1);
  CHECK(rig.count(bad, "node.started") == 8);
  CHECK(rig.view(bad).state.error.find("loopback_limit_exceeded") != std::string::npos);
}

TEST_CASE("an exit edge that was dead in one iteration is taken in a later one") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .node("loop", "core.loop", R"({"maxIterations":4})")
              .node("body", "core.channelWrite", R"({"channelName":"n","reducer":"counter","value":1})")
              .node("alarm", "core.noop")
              .node("after", "core.noop")
              .edge("loop", "body", R"(,"sourceOutput":"body")")
              .edge("body", "loop")
              .edge("loop", "alarm",
                    R"(,"sourceOutput":"done","condition":{"type":"expression","expression":"variables.n >= 4"})")
              .edge("alarm", "after"));
  const RunId run = rig.create("w");
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(node_status(rig, run, "after") == NodeStatus::completed);
}

TEST_CASE("inputs come from constants, expressions, connections, variables and edges") {
  EngineRig rig;
  rig.add(
      WorkflowText("w")
          .variable(R"({"name":"v","type":"number","defaultValue":5})")
          .node("src", "core.setVariable", set_config("made", R"({"k":9})"))
          .node(
              "dst", "core.end", "{}",
              R"({"s":{"type":"static","value":[1]},"e":{"type":"expression","expression":"variables.v + 1"},)"
              R"("c":{"type":"connection","nodeId":"src","outputKey":"value"},"v":{"type":"variable","variableName":"v"},)"
              R"("o":{"type":"variable","variableName":"nope","optional":true}})")
          .edge("src", "dst", R"(,"sourceOutput":"value","targetInput":"fromEdge")"));
  const RunId run = rig.create("w");
  CHECK(json::equal(rig.view(run).state.outputs, R"({"s":[1],"e":6,"c":{"k":9},"v":5,"fromEdge":{"k":9}})"));
  rig.add(WorkflowText("x").node("n", "core.identity", "{}", R"({"p":{"type":"variable","variableName":"nope"}})"));
  const RunId failed = rig.create("x");
  CHECK(rig.history(failed) == Lines{"run.started", "node.failed(n)", "run.failed"});
}

TEST_CASE("a long stretch of pure nodes is split into several commits without a gap") {
  EngineRig rig;
  rig.options.max_node_executions = 5000;
  rig.options.max_events_per_commit = 10;
  rig.add(WorkflowText("w")
              .node("loop", "core.loop", R"({"maxIterations":100})")
              .node("body", "core.noop")
              .edge("loop", "body", R"(,"sourceOutput":"body")")
              .edge("body", "loop"));
  const RunId run = rig.create("w");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.count(run, "node.completed") == 201);
}

TEST_CASE("a loop over a failure that comes before the node starts ends at maxLoopbackIterations") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .settings(R"({"maxLoopbackIterations":3})")
              .node("n", "core.noop", "{}", R"({"x":{"type":"variable","variableName":"nope"}})")
              .edge("n", "n", R"(,"triggerRule":"any_failed","condition":{"type":"expression","expression":"true"})"));
  const RunId run = rig.create("w");
  CHECK(rig.view(run).state.error.find("loopback_limit_exceeded") != std::string::npos);
  CHECK(rig.count(run, "node.failed") == 4);
}

TEST_CASE("timeouts beyond any calendar are no timeouts") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .settings(R"({"timeout":9223372036854775807})")
              .node("n", "core.delay", R"({"ms":10})", "{}", R"(,"settings":{"timeoutMs":9223372036854775807})"));
  const RunId run = rig.create("w");
  rig.advance(10);
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("tags of any allowed length can be listed by") {
  EngineRig rig;
  rig.add(WorkflowText("w").node("n", "core.noop"));
  std::string wide;
  for (int i = 0; i < 256; ++i) wide += "\xF0\x9F\x98\x80";
  CreateRun request;
  request.workflow_id = "w";
  request.tags = {wide, "short"};
  rig.create(request);
  RunFilter filter;
  filter.tag = wide;
  CHECK(rig.engine->list_runs(filter, "", 10)->runs.size() == 1);
}
