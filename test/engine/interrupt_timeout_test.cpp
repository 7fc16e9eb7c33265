// Interrupts that nobody answers in time: the node fails, or its handler is told and decides (protocol 03 §2.1, §2.9).
#include "support/fork_rig.h"

namespace openwop::test {

namespace {

std::string code_of(const RunView& view) {
  return json::as_string(json::member(view.state.error, "code").value_or("null")).value_or("");
}

/// Asks the manager, then the owner, and gives up when neither answers.
NodeOutcome escalate(const NodeInvocation& node) {
  NodeCompleted done;
  for (const char* who : {"manager", "owner"}) {
    if (const auto answer = node.answer(who)) {
      json::ObjectWriter(done.outputs).string("by", who).raw("answer", *answer);
      return done;
    }
    if (node.timed_out(who)) continue;
    return NodeSuspend{.kind = InterruptKind::custom,
                       .data = R"({"customKind":"release"})",
                       .timeout_ms = 1'000,
                       .raises_timeout = true,
                       .key = who};
  }
  return Failure{"nobody_answered", "neither of them answered"};
}

void add_escalation(EngineRig& rig) {
  rig.options.nodes.add({"t.pure", PureHandler(escalate)});
  rig.options.nodes.add({"t.sync", SyncHandler([](NodeContext& context) { return escalate(context.invocation()); })});
  rig.options.nodes.add({"t.async", AsyncHandler([](std::shared_ptr<NodeContext> context, Completion done) {
                           done(escalate(context->invocation()));
                         })});
}

}  // namespace

TEST_CASE("a handler that asked to be told of a timeout decides what comes of it") {
  for (const std::string type : {"t.pure", "t.sync", "t.async"}) {
    INFO(type);
    EngineRig rig;
    add_escalation(rig);
    rig.add(WorkflowText("w").node("n", type));
    const RunId run = rig.create("w");
    rig.tick();
    REQUIRE(rig.status(run) == RunStatus::waiting_input);
    const std::string first = rig.view(run).state.find_interrupt("n")->id;
    rig.open();
    rig.advance(1'000);
    rig.tick();
    REQUIRE(rig.status(run) == RunStatus::waiting_input);
    const InterruptState second = *rig.view(run).state.find_interrupt("n");
    CHECK(second.node_key == "owner");
    CHECK(rig.count(run, "interrupt.requested") == 2);
    CHECK(rig.count(run, "interrupt.resolved") == 0);
    const auto late =
        rig.engine->resolve_interrupt({.run_id = run, .node_id = "n", .interrupt_id = first, .resume_value = "1"});
    REQUIRE_FALSE(late.ok());
    CHECK(late.error().code == ErrorCode::interrupt_already_resolved);
    rig.open();
    REQUIRE(rig.answer(run, "n", "7").ok());
    rig.tick();
    CHECK(rig.status(run) == RunStatus::completed);
    CHECK(rig.view(run).state.nodes.at("n").outputs == R"({"by":"owner","answer":7})");
  }
}

TEST_CASE("a timeout that is told resumes the node without a value; what the handler says then counts") {
  EngineRig rig;
  add_escalation(rig);
  rig.add(WorkflowText("w").node("n", "t.pure"));
  const RunId run = rig.create("w");
  rig.advance(1'000);
  rig.advance(1'000);
  CHECK(rig.history(run) == Lines{"run.started", "node.started(n)", "node.suspended(n)", "interrupt.requested(n)",
                                  "node.resumed(n)", "node.suspended(n)", "interrupt.requested(n)", "node.resumed(n)",
                                  "node.failed(n)", "run.failed"});
  CHECK_FALSE(json::member(rig.events(run)[4].payload, "resumeValue"));
  CHECK(code_of(rig.view(run)) == "nobody_answered");
  CHECK(rig.view(run).state.find_interrupt("n")->outcome == InterruptOutcome::timed_out);
}

TEST_CASE("an approval whose timeout is told says so first, and may be asked again under another name") {
  EngineRig rig;
  rig.options.nodes.add({"t.ask", PureHandler([](const NodeInvocation& node) -> NodeOutcome {
                           if (node.timed_out("a")) return NodeCompleted{};
                           return NodeSuspend{.kind = InterruptKind::approval,
                                              .data = R"({"artifactId":"x","artifactType":"t","title":"?",)"
                                                      R"("actions":["accept"]})",
                                              .timeout_ms = 10,
                                              .raises_timeout = true,
                                              .key = "a"};
                         })});
  rig.add(WorkflowText("w").node("n", "t.ask"));
  const RunId run = rig.create("w");
  rig.advance(10);
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.history(run) == Lines{"run.started", "node.started(n)", "node.suspended(n)", "interrupt.requested(n)",
                                  "approval.requested(n)", "approval.received(n)", "node.resumed(n)",
                                  "node.completed(n)", "run.completed"});
}

TEST_CASE("a replay goes through its source's timeouts; a branch waits for its own", "[fork]") {
  ForkEngineRig rig;
  add_escalation(rig);
  rig.open();
  rig.add(WorkflowText("w").node("n", "t.pure"));
  const RunId source = rig.create("w");
  rig.advance(1'000);
  REQUIRE(rig.answer(source, "n", "7").ok());
  REQUIRE(rig.status(source) == RunStatus::completed);
  const Lines whole = rig.story(source);
  for (std::uint64_t from = 0; from < whole.size(); ++from) {
    INFO("from " << from);
    CHECK(rig.story(rig.replay(source, from)) == whole);
  }
  const RunId branch = rig.branch(source, 3);
  REQUIRE(rig.status(branch) == RunStatus::waiting_input);
  rig.advance(999);
  CHECK(rig.view(branch).state.find_interrupt("n")->node_key == "manager");
  rig.advance(1);
  CHECK(rig.view(branch).state.find_interrupt("n")->node_key == "owner");
  REQUIRE(rig.answer(branch, "n", "8").ok());
  CHECK(rig.view(branch).state.nodes.at("n").outputs == R"({"by":"owner","answer":8})");
}

}  // namespace openwop::test
