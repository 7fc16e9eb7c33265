// Sub-workflows: mapping, linkage, status mirror, failure and cancel, crashes between a child's end and its parent's
// learning of it (protocol 03 §6).
#include "support/engine_rig.h"

namespace openwop::test {

namespace {

WorkflowText echo_child() {
  return WorkflowText("child")
      .variable(R"({"name":"given","type":"string","defaultValue":"default"})")
      .variable(R"({"name":"result","type":"string","defaultValue":"none"})")
      .node("set", "core.setVariable", R"({"name":"result"})",
            R"({"value":{"type":"variable","variableName":"given"}})");
}

WorkflowText gate_child() {
  return WorkflowText("gated").node("gate", "core.approvalGate",
                                    R"({"title":"May it?","actions":["accept","reject"]})");
}

WorkflowText parent_of(const std::string& child, const std::string& more = "") {
  return WorkflowText("parent").node("call", "core.subWorkflow", R"({"workflowId":")" + child + "\"" + more + "}");
}

RunId only_child(const EngineRig& rig, const RunId& parent) {
  const RunView view = rig.view(parent);
  REQUIRE(view.state.children.size() == 1);
  return view.state.children.front().run_id;
}

std::string output_of(const EngineRig& rig, const RunId& run, const std::string& node) {
  return rig.view(run).state.nodes.at(node).outputs;
}

void resolve(EngineRig& rig, const RunId& run, const std::string& node, const std::string& value) {
  const auto resolved = rig.answer(run, node, value);
  INFO((resolved.ok() ? std::string() : resolved.error().message));
  REQUIRE(resolved.ok());
}

}  // namespace

TEST_CASE("a sub-workflow gets its inputs and gives its variables back") {
  EngineRig rig;
  rig.add(echo_child());
  rig.add(parent_of("child", R"(,"inputs":{"given":"from config"},"outputMapping":{"answer":"result"})"));
  const RunId run = rig.create("parent");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.view(run).state.variables.at("answer") == R"("from config")");
  const RunId child = only_child(rig, run);
  CHECK(output_of(rig, run, "call") == R"({"childRunId":")" + child.text() + R"(","childStatus":"completed"})");
  const RunView child_view = rig.view(child);
  CHECK(child_view.state.status == RunStatus::completed);
  CHECK(child_view.header.parent_run_id == run);
  CHECK(child_view.header.parent_node_id == "call");
  CHECK(rig.count(run, "node.started") == 1);
  CHECK(rig.count(run, "node.completed") == 1);
}

TEST_CASE("an input mapping overrides the child's default and may name a variable that the child does not declare") {
  EngineRig rig;
  rig.add(echo_child());
  rig.add(parent_of("child",
                    R"(,"inputMapping":{"given":"mine","extra":"mine"},"outputMapping":{"back":"extra","r":"result"})")
              .variable(R"({"name":"mine","type":"string","defaultValue":"handed down"})"));
  const RunId run = rig.create("parent");
  rig.tick();
  CHECK(rig.view(run).state.variables.at("r") == R"("handed down")");
  CHECK(rig.view(run).state.variables.at("back") == R"("handed down")");
}

TEST_CASE("a variable that the child keeps secret reaches the parent masked unless it is secret there as well") {
  EngineRig rig;
  rig.add(WorkflowText("child")
              .variable(R"({"name":"key","type":"string","defaultValue":"k-1","sensitive":true})")
              .node("a", "core.noop"));
  rig.add(parent_of("child", R"(,"outputMapping":{"open":"key","closed":"key"})")
              .variable(R"({"name":"closed","type":"string","sensitive":true,"defaultValue":""})"));
  const RunId run = rig.create("parent");
  rig.tick();
  CHECK(rig.view(run).state.variables.at("open") == R"("[REDACTED]")");
  CHECK(rig.view(run).state.variables.at("closed") == R"("k-1")");
}

TEST_CASE("a parent shows what its child waits for and runs on when the child does") {
  EngineRig rig;
  rig.add(gate_child());
  rig.add(parent_of("gated"));
  const RunId run = rig.create("parent");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::waiting_approval);
  CHECK(*rig.view(run).state.latest_suspended() == "call");
  ResolveInterrupt at_parent;
  at_parent.run_id = run;
  at_parent.node_id = "call";
  at_parent.resume_value = R"({"action":"accept"})";
  const auto refused = rig.engine->resolve_interrupt(at_parent);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::interrupt_not_found);
  resolve(rig, only_child(rig, run), "gate", R"({"action":"accept"})");
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("a failed child fails its parent, or is absorbed") {
  for (const bool absorb : {false, true}) {
    EngineRig rig;
    rig.add(WorkflowText("child").node("f", "core.fail"));
    rig.add(parent_of("child", absorb ? R"(,"onChildFailure":"absorb","outputMapping":{"x":"y"})" : ""));
    const RunId run = rig.create("parent");
    rig.tick();
    CHECK(rig.status(run) == (absorb ? RunStatus::completed : RunStatus::failed));
    if (absorb) {
      CHECK(json::member(output_of(rig, run, "call"), "childStatus") == R"("failed")");
    } else {
      const std::string error = rig.view(run).state.error;
      CHECK(json::member(error, "code") == R"("child_failed")");
      CHECK(json::member(*json::member(error, "details"), "childStatus") == R"("failed")");
      CHECK(json::member(output_of(rig, run, "call"), "childStatus") == R"("failed")");
      CHECK(json::member(output_of(rig, run, "call"), "childRunId") == "\"" + only_child(rig, run).text() + "\"");
    }
  }
}

TEST_CASE("the older name of the sub-workflow type is the same type") {
  EngineRig rig;
  rig.add(echo_child());
  rig.add(WorkflowText("parent").node("call", "core.control.subWorkflow", R"({"workflowId":"child"})"));
  const RunId run = rig.create("parent");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.view(only_child(rig, run)).header.parent_run_id == run);
}

TEST_CASE("cancelling a parent cancels its descendants and their interrupts are gone") {
  EngineRig rig;
  rig.add(gate_child());
  rig.add(WorkflowText("middle").node("call", "core.subWorkflow", R"({"workflowId":"gated"})"));
  rig.add(parent_of("middle"));
  const RunId run = rig.create("parent");
  rig.tick();
  const RunId middle = only_child(rig, run);
  const RunId leaf = only_child(rig, middle);
  CHECK(rig.status(run) == RunStatus::waiting_approval);
  REQUIRE(rig.engine->cancel_run({.run_id = run, .reason = "enough"}).ok());
  rig.tick();
  CHECK(rig.status(run) == RunStatus::cancelled);
  for (const RunId& child : {middle, leaf}) {
    CHECK(rig.status(child) == RunStatus::cancelled);
    const auto last = rig.events(child).back();
    CHECK(json::member(last.payload, "reason") == R"("parent-cancelled")");
    CHECK(json::member(last.payload, "parentRunId").has_value());
  }
  ResolveInterrupt late;
  late.run_id = leaf;
  late.node_id = "gate";
  late.resume_value = R"({"action":"accept"})";
  CHECK(rig.engine->resolve_interrupt(late).error().code == ErrorCode::interrupt_gone);
}

TEST_CASE("a detached child survives the cancel of its parent") {
  EngineRig rig;
  rig.add(gate_child());
  rig.add(parent_of("gated", R"(,"propagateCancellation":false)"));
  const RunId run = rig.create("parent");
  rig.tick();
  const RunId child = only_child(rig, run);
  REQUIRE(rig.engine->cancel_run({.run_id = run}).ok());
  rig.tick();
  CHECK(rig.status(child) == RunStatus::waiting_approval);
  resolve(rig, child, "gate", R"({"action":"accept"})");
  CHECK(rig.status(child) == RunStatus::completed);
  CHECK(rig.status(run) == RunStatus::cancelled);
}

TEST_CASE("a child that is cancelled by itself cancels its parent") {
  EngineRig rig;
  rig.add(gate_child());
  rig.add(parent_of("gated"));
  const RunId run = rig.create("parent");
  rig.tick();
  REQUIRE(rig.engine->cancel_run({.run_id = only_child(rig, run)}).ok());
  rig.tick();
  CHECK(rig.status(run) == RunStatus::cancelled);
  CHECK(rig.count(run, "node.cancelled") == 1);
}

TEST_CASE("a child is paused and resumed with its parent") {
  EngineRig rig;
  rig.add(WorkflowText("slow")
              .node("wait", "core.delay", R"({"ms":1000})")
              .node("b", "core.delay", R"({"ms":1000})")
              .edge("wait", "b"));
  rig.add(parent_of("slow"));
  const RunId run = rig.create("parent");
  rig.tick();
  REQUIRE(rig.engine->pause_run({.run_id = run, .drain_policy = DrainPolicy::immediate}).ok());
  rig.tick();
  const RunId child = only_child(rig, run);
  CHECK(rig.status(run) == RunStatus::paused);
  CHECK(rig.status(child) == RunStatus::paused);
  rig.advance(10'000);
  CHECK(rig.status(child) == RunStatus::paused);
  REQUIRE(rig.engine->resume_run({.run_id = run}).ok());
  rig.tick();
  rig.advance(10'000);
  rig.advance(10'000);
  CHECK(rig.status(child) == RunStatus::completed);
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("a workflow may not start itself through its children, nor one that is not there") {
  EngineRig rig;
  rig.add(WorkflowText("b").node("call", "core.subWorkflow", R"({"workflowId":"a","onChildFailure":"fail-parent"})"));
  rig.add(WorkflowText("a").node("call", "core.subWorkflow", R"({"workflowId":"b"})"));
  rig.add(WorkflowText("c").node("call", "core.subWorkflow", R"({"workflowId":"nowhere"})"));
  const RunId run = rig.create("a");
  const RunId lost = rig.create("c");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::failed);
  CHECK(json::member(rig.view(only_child(rig, run)).state.error, "code") == R"("sub_workflow_cycle")");
  CHECK(json::member(rig.view(lost).state.error, "code") == R"("unknown_child_workflow")");
}

TEST_CASE("workflows call each other at most max_child_depth levels deep") {
  EngineRig rig;
  rig.options.max_child_depth = 2;
  for (int i = 0; i < 4; ++i) {
    rig.add(WorkflowText("w" + std::to_string(i))
                .node("call", i == 3 ? "core.noop" : "core.subWorkflow",
                      i == 3 ? "{}" : R"({"workflowId":"w)" + std::to_string(i + 1) + "\"}"));
  }
  const RunId fits = rig.create("w1");
  const RunId deep = rig.create("w0");
  rig.tick();
  CHECK(rig.status(fits) == RunStatus::completed);
  CHECK(rig.status(deep) == RunStatus::failed);
}

TEST_CASE("a child keeps the definition that was current when it was started") {
  EngineRig rig;
  rig.add(WorkflowText("child").node("wait", "core.delay", R"({"ms":1000})").node("a", "core.noop").edge("wait", "a"));
  rig.add(parent_of("child"));
  const RunId run = rig.create("parent");
  rig.tick();
  rig.add(WorkflowText("child").node("f", "core.fail"));
  rig.open();
  rig.advance(2'000);
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("a loop starts a child for each iteration") {
  EngineRig rig;
  rig.add(WorkflowText("child").node("a", "core.noop"));
  rig.add(WorkflowText("parent")
              .node("loop", "core.loop", R"({"maxIterations":3})")
              .node("call", "core.subWorkflow", R"({"workflowId":"child"})")
              .edge("loop", "call", R"(,"sourceOutput":"body")")
              .edge("call", "loop"));
  const RunId run = rig.create("parent");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
  const auto children = rig.view(run).state.children;
  REQUIRE(children.size() == 3);
  CHECK(children[0].run_id != children[1].run_id);
}

TEST_CASE("a timeout of the invoking node cancels its child") {
  EngineRig rig;
  rig.add(gate_child());
  rig.add(WorkflowText("parent").node("call", "core.subWorkflow", R"({"workflowId":"gated"})", "{}",
                                      R"(,"settings":{"timeoutMs":500})"));
  const RunId run = rig.create("parent");
  rig.tick();
  const RunId child = only_child(rig, run);
  rig.advance(1'000);
  CHECK(rig.status(run) == RunStatus::failed);
  CHECK(rig.status(child) == RunStatus::cancelled);
}

TEST_CASE("a config of a sub-workflow that makes no sense is refused at registration") {
  EngineRig rig;
  rig.open();
  for (const char* config :
       {R"({})", R"({"workflowId":""})", R"({"workflowId":"x","waitForCompletion":false})",
        R"({"workflowId":"x","onChildFailure":"ignore"})", R"({"workflowId":"x","outputMapping":{"a":1}})",
        R"({"workflowId":"x","propagateCancellation":"no"})", R"({"workflowId":"x","inputs":[]})"}) {
    INFO(config);
    CHECK_FALSE(rig.engine->register_workflow(WorkflowText("p").node("call", "core.subWorkflow", config).json()).ok());
  }
}

}  // namespace openwop::test
