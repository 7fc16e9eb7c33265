// Suspension and resolution in the engine: order of events, who wins, what each kind asks of an answer, and timeouts.
#include "support/engine_rig.h"

namespace openwop::test {

namespace {

const std::string kGate = R"({"title":"Ship it?","actions":["accept","reject","refine","edit-accept","ask"]})";

struct Interrupts : EngineRig {
  Interrupts() {
    add(WorkflowText("approval").node("gate", "core.approvalGate", kGate));
    add(WorkflowText("quorum").node("gate", "core.approvalGate",
                                    R"({"requiredApprovals":3,"rejectionPolicy":"majority","approversList":[]})"));
    add(WorkflowText("ask").node(
        "ask", "core.clarificationGate",
        R"({"questions":[{"id":"q1","question":"Colour?"},{"id":"q2","question":"How many?","schema":{"type":"integer"}}]})"));
    add(WorkflowText("event").node(
        "wait", "core.interrupt",
        R"({"kind":"external-event","data":{"eventType":"paid","correlation":{"order":7,"who":{"a":1,"b":2}}},"timeoutMs":60000})"));
  }

  Result<RunStatus> resolve(const RunId& run, const std::string& node, const std::string& value,
                            const std::string& principal = "ann") {
    return engine->resolve_interrupt({.run_id = run, .node_id = node, .resume_value = value, .principal = principal});
  }
  std::string error(const Result<RunStatus>& result) {
    return result.ok() ? "ok" : std::string(error_name(result.error().code));
  }
  std::string payload(const RunId& run, std::string_view type) {
    std::string last;
    for (const Seen& event : events(run)) {
      if (event.type == type) last = event.payload;
    }
    return last;
  }
  std::string outputs(const RunId& run, const std::string& node) { return view(run).state.nodes.at(node).outputs; }
};

std::string text(std::string_view object, std::string_view name) {
  return json::as_string(json::member(object, name).value_or("null")).value_or("");
}

}  // namespace

TEST_CASE("a gate suspends and resumes with the events of the protocol in their order, the status with them") {
  Interrupts rig;
  const RunId run = rig.create("approval");
  CHECK(rig.status(run) == RunStatus::waiting_approval);
  CHECK(rig.history(run) == Lines{"run.started", "node.started(gate)", "node.suspended(gate)",
                                  "interrupt.requested(gate)", "approval.requested(gate)"});
  const std::string requested = rig.payload(run, "interrupt.requested");
  CHECK(text(requested, "runId") == run.text());
  CHECK(text(requested, "kind") == "approval");
  CHECK(text(requested, "key") == run.text() + ":gate:0");
  CHECK(text(*json::member(requested, "data"), "artifactId") == run.text() + ":gate");
  CHECK(text(*json::member(requested, "data"), "title") == "Ship it?");
  CHECK_FALSE(text(requested, "requestedAt").empty());

  const auto resolved = rig.resolve(run, "gate", R"({"action":"accept"})");
  REQUIRE(resolved.ok());
  CHECK(*resolved == RunStatus::completed);
  const Lines history = rig.history(run);
  CHECK(Lines(history.begin() + 5, history.end()) == Lines{"interrupt.resolved(gate)", "approval.received(gate)",
                                                           "node.resumed(gate)", "node.completed(gate)",
                                                           "run.completed"});
  CHECK(text(rig.payload(run, "approval.received"), "decidedBy") == "ann");
  CHECK(text(rig.payload(run, "interrupt.resolved"), "resolvedBy") == "ann");
  CHECK(text(rig.outputs(run, "gate"), "action") == "accept");
}

TEST_CASE("a resolved interrupt refuses a second resolution, an unknown node has none, another tenant sees no run") {
  Interrupts rig;
  const RunId run = rig.create("approval");
  CHECK(rig.error(rig.resolve(run, "nowhere", R"({"action":"accept"})")) == "interrupt_not_found");
  auto foreign = rig.engine->resolve_interrupt(
      {.tenant = "other", .run_id = run, .node_id = "gate", .resume_value = R"({"action":"accept"})"});
  CHECK(rig.error(foreign) == "run_not_found");
  CHECK(rig.resolve(run, "gate", R"({"action":"accept"})").ok());
  const std::size_t before = rig.events(run).size();
  CHECK(rig.error(rig.resolve(run, "gate", R"({"action":"accept"})")) == "interrupt_already_resolved");
  CHECK(rig.events(run).size() == before);
}

TEST_CASE("an answer that is not one leaves the approval as it was") {
  Interrupts rig;
  const RunId run = rig.create("approval");
  const std::size_t before = rig.events(run).size();
  for (const char* value :
       {"null", "1", "{}", R"({"action":"maybe"})", R"({"action":1})", R"({"action":"timeout"})",
        R"({"action":"refine"})", R"({"action":"refine","refineFeedback":{"scope":"section"}})",
        R"({"action":"refine","refineFeedback":{"scope":"items","itemIds":[]}})", R"({"action":"edit-accept"})",
        R"({"action":"ask"})", R"({"decision":"timeout"})", "{", ""}) {
    INFO(value);
    CHECK(rig.error(rig.resolve(run, "gate", value)) == "validation_error");
  }
  CHECK(rig.events(run).size() == before);
  CHECK(rig.status(run) == RunStatus::waiting_approval);
}

TEST_CASE("a rejected gate fails its run unless an edge takes the rejection") {
  Interrupts rig;
  const RunId plain = rig.create("approval");
  CHECK(*rig.resolve(plain, "gate", R"({"action":"reject","feedback":"no"})") == RunStatus::failed);
  CHECK(text(rig.view(plain).state.error, "code") == "interrupt_rejected");

  rig.add(WorkflowText("handled")
              .node("gate", "core.approvalGate", R"({"actions":["accept","reject"]})")
              .node("yes", "core.noop")
              .node("no", "core.noop")
              .edge("gate", "yes")
              .edge("gate", "no", R"(,"sourceOutput":"reject")"));
  const RunId handled = rig.create("handled");
  CHECK(*rig.resolve(handled, "gate", R"({"action":"reject"})") == RunStatus::completed);
  CHECK(rig.view(handled).state.nodes.at("no").status == NodeStatus::completed);
  CHECK(rig.view(handled).state.nodes.at("yes").status == NodeStatus::skipped);
}

TEST_CASE("the older spelling `decision` is understood") {
  Interrupts rig;
  const RunId yes = rig.create("approval");
  CHECK(*rig.resolve(yes, "gate", R"({"decision":"approved"})") == RunStatus::completed);
  const RunId no = rig.create("approval");
  CHECK(*rig.resolve(no, "gate", R"({"decision":"rejected"})") == RunStatus::failed);
  const RunId change = rig.create("approval");
  CHECK(*rig.resolve(change, "gate", R"({"decision":"rejected","feedback":"shorter"})") == RunStatus::waiting_approval);
  CHECK(text(*json::member(rig.payload(change, "approval.received"), "refineFeedback"), "text") == "shorter");
}

TEST_CASE("an edited artifact comes out of the gate, and questions leave the approval waiting") {
  Interrupts rig;
  const RunId run = rig.create("approval");
  const std::size_t before = rig.count(run, "approval.received");
  CHECK(*rig.resolve(run, "gate", R"({"action":"ask","question":"why?"})") == RunStatus::waiting_approval);
  CHECK(*rig.resolve(run, "gate", R"({"action":"ask","question":"when?"})") == RunStatus::waiting_approval);
  CHECK(rig.count(run, "approval.received") == before);
  const std::string asked = rig.view(run).state.variables.at("_askExchanges:gate");
  CHECK(asked.find("why?") < asked.find("when?"));
  CHECK(*rig.resolve(run, "gate", R"({"action":"edit-accept","editedArtifactData":{"x":2}})") == RunStatus::completed);
  CHECK(json::member(rig.outputs(run, "gate"), "editedArtifactData") == R"({"x":2})");
}

TEST_CASE("changes that are asked for without an edge ask again, as often as the workflow's loops may run") {
  Interrupts rig;
  rig.add(WorkflowText("twice")
              .node("gate", "core.approvalGate", R"({"actions":["accept","refine"]})")
              .settings(R"({"maxLoopbackIterations":2})"));
  const RunId run = rig.create("twice");
  const std::string refine = R"({"action":"refine","refineFeedback":{"scope":"whole","text":"again"}})";
  const std::string first = rig.view(run).state.find_interrupt("gate")->id;
  CHECK(*rig.resolve(run, "gate", refine) == RunStatus::waiting_approval);
  CHECK(rig.view(run).state.find_interrupt("gate")->id != first);
  CHECK(rig.view(run).state.find_interrupt("gate")->key == run.text() + ":gate:1");
  CHECK(*rig.resolve(run, "gate", refine) == RunStatus::waiting_approval);
  CHECK(*rig.resolve(run, "gate", refine) == RunStatus::failed);
  CHECK(rig.count(run, "workflow.loopback-limit") == 1);

  rig.add(WorkflowText("loop")
              .node("write", "core.noop")
              .node("gate", "core.approvalGate", R"({"actions":["accept","refine"]})")
              .edge("write", "gate")
              .edge("gate", "write", R"(,"sourceOutput":"refine")"));
  const RunId looped = rig.create("loop");
  CHECK(*rig.resolve(looped, "gate", refine) == RunStatus::waiting_approval);
  CHECK(*rig.resolve(looped, "gate", R"({"action":"accept"})") == RunStatus::completed);
  CHECK(rig.view(looped).state.nodes.at("write").iteration == 1);
}

TEST_CASE("votes are counted by voter: three make a quorum, a repeated one nothing, a changed one replaces") {
  Interrupts rig;
  const RunId run = rig.create("quorum");
  const auto vote = [&](const std::string& voter, const std::string& action) {
    return rig.resolve(run, "gate", R"({"action":")" + action + R"(","voter":")" + voter + "\"}");
  };
  CHECK(*vote("v1", "accept") == RunStatus::waiting_approval);
  CHECK(*vote("v1", "accept") == RunStatus::waiting_approval);
  CHECK(rig.count(run, "approval.received") == 1);
  CHECK(*vote("v2", "reject") == RunStatus::waiting_approval);
  CHECK(*vote("v2", "accept") == RunStatus::waiting_approval);
  rig.open();  // votes are in the log, not in memory
  CHECK(*vote("v3", "accept") == RunStatus::completed);
  CHECK(rig.error(vote("v4", "accept")) == "interrupt_already_resolved");
  CHECK(text(rig.payload(run, "approval.received"), "decidedBy") == "v3");

  const RunId rejected = rig.create("quorum");
  const auto reject = [&](const std::string& who) {
    return rig.resolve(rejected, "gate", R"({"action":"reject"})", who);
  };
  CHECK(*reject("ann") == RunStatus::waiting_approval);
  CHECK(*reject("ann") == RunStatus::waiting_approval);
  CHECK(*reject("bob") == RunStatus::failed);
  CHECK(text(rig.view(rejected).state.error, "code") == "interrupt_rejected");
}

TEST_CASE("votes of nobody in particular add up") {
  Interrupts rig;
  const RunId run = rig.create("quorum");
  const auto vote = [&] { return rig.resolve(run, "gate", R"({"action":"accept"})", ""); };
  CHECK(*vote() == RunStatus::waiting_approval);
  CHECK(*vote() == RunStatus::waiting_approval);
  CHECK(*vote() == RunStatus::completed);
  CHECK(text(rig.payload(run, "approval.received"), "decidedBy") == "quorum:3-of-3");
}

TEST_CASE("only the approvers of a gate may answer, and only for those that the host lets them speak for") {
  Interrupts rig;
  rig.add(WorkflowText("listed").node("gate", "core.approvalGate", R"({"approversList":["ann","bob"]})"));
  const RunId run = rig.create("listed");
  CHECK(rig.error(rig.resolve(run, "gate", R"({"action":"maybe"})", "eve")) == "forbidden");
  CHECK(rig.error(rig.resolve(run, "gate", R"({"action":"accept"})", "eve")) == "forbidden");
  const auto as_bob =
      rig.engine->resolve_interrupt({.run_id = run,
                                     .node_id = "gate",
                                     .resume_value = R"({"action":"accept","voter":"bob"})",
                                     .principal = "eve",
                                     .may_act_as = [](std::string_view voter) { return voter == "eve"; }});
  CHECK(rig.error(as_bob) == "forbidden");
  CHECK(*rig.resolve(run, "gate", R"({"action":"accept"})", "ann") == RunStatus::completed);
}

TEST_CASE("a gate that asks for a bearer key takes no token") {
  Interrupts rig;
  rig.add(WorkflowText("bearer").node("gate", "core.approvalGate", R"({"profile":"openwop-interrupt-auth-required"})"));
  const RunId run = rig.create("bearer");
  const auto by_token = rig.engine->resolve_interrupt(
      {.run_id = run, .node_id = "gate", .resume_value = R"({"action":"accept"})", .by_token = true});
  CHECK(rig.error(by_token) == "auth_elevation_required");
  CHECK(rig.resolve(run, "gate", R"({"action":"accept"})").ok());
}

TEST_CASE("a clarification takes its answers as a map or as a list, all of them and each as its schema asks") {
  Interrupts rig;
  const RunId run = rig.create("ask");
  CHECK(rig.status(run) == RunStatus::waiting_input);
  for (const char* value :
       {R"({})", R"({"answers":{"q1":"blue"}})", R"({"answers":{"q1":1,"q2":2}})",
        R"({"answers":{"q1":"blue","q2":"two"}})", R"({"answers":[{"id":"q1","answer":"blue"}]})",
        R"({"answers":[{"id":"q1"}]})",
        R"({"answers":[{"id":"q1","answer":"a"},{"id":"q1","answer":"b"},{"id":"q2","answer":1}]})"}) {
    INFO(value);
    CHECK(rig.error(rig.resolve(run, "ask", value)) == "validation_error");
  }
  CHECK(*rig.resolve(run, "ask", R"({"answers":[{"id":"q1","answer":"blue"},{"id":"q2","answer":2}]})") ==
        RunStatus::completed);
  CHECK(json::member(rig.payload(run, "clarification.resolved"), "answers") == R"({"q1":"blue","q2":2})");
  CHECK(rig.outputs(run, "ask") == R"({"answers":{"q1":"blue","q2":2}})");
  const RunId map = rig.create("ask");
  CHECK(*rig.resolve(map, "ask", R"({"answers":{"q1":"red","q2":3,"q9":1}})") == RunStatus::completed);
}

TEST_CASE("an external event belongs to its interrupt if every member of the correlation is in it") {
  Interrupts rig;
  const RunId run = rig.create("event");
  CHECK(rig.status(run) == RunStatus::waiting_external);
  for (const char* value : {"null", "{}", R"({"order":8,"who":{"a":1,"b":2}})", R"({"order":7,"who":{"a":1}})",
                            R"({"order":"7","who":{"a":1,"b":2}})"}) {
    INFO(value);
    CHECK(rig.error(rig.resolve(run, "wait", value, "")) == "correlation_mismatch");
  }
  CHECK(rig.status(run) == RunStatus::waiting_external);
  CHECK(*rig.resolve(run, "wait", R"({"who":{"b":2,"a":1},"order":7,"amount":12})", "") == RunStatus::completed);
  CHECK(json::member(rig.outputs(run, "wait"), "amount") == "12");
  CHECK(text(rig.payload(run, "interrupt.resolved"), "resolvedBy") ==
        "token:" + text(rig.payload(run, "interrupt.requested"), "interruptId"));
  const RunId wrapped = rig.create("event");
  CHECK(rig.resolve(wrapped, "wait", R"({"eventPayload":{"who":{"b":2,"a":1},"order":7}})").ok());
}

TEST_CASE("a resume schema is applied before the node sees the value") {
  Interrupts rig;
  rig.add(WorkflowText("schema").node(
      "wait", "core.interrupt",
      R"({"kind":"custom","data":{"customKind":"pick"},"resumeSchema":{"$defs":{"n":{"type":"integer"}},"type":"object",)"
      R"("properties":{"n":{"$ref":"#/$defs/n"},"definitions":{"type":"string"}},"required":["n"],"additionalProperties":false}})"));
  const RunId run = rig.create("schema");
  CHECK(rig.status(run) == RunStatus::waiting_input);
  for (const char* value : {"1", "{}", R"({"n":"x"})", R"({"n":1,"m":1})", R"({"n":1,"definitions":2})"}) {
    INFO(value);
    CHECK(rig.error(rig.resolve(run, "wait", value)) == "validation_error");
  }
  CHECK(*rig.resolve(run, "wait", R"({"n":1,"definitions":"d"})") == RunStatus::completed);
}

TEST_CASE("a workflow whose interrupt could not be asked for is refused at registration") {
  Interrupts rig;
  const auto refused = [&](const std::string& type, const std::string& config) {
    auto added = rig.engine->register_workflow(WorkflowText("bad").node("n", type, config).json());
    return !added.ok() && added.error().code == ErrorCode::validation_error;
  };
  CHECK(refused("core.approvalGate", R"({"actions":["edit"]})"));
  CHECK(refused("core.approvalGate", R"({"actions":[]})"));
  CHECK(refused("core.approvalGate", R"({"requiredApprovals":0})"));
  CHECK(refused("core.approvalGate", R"({"requiredApprovals":2,"approversList":["ann"]})"));
  CHECK(refused("core.approvalGate", R"({"rejectionPolicy":"never"})"));
  CHECK(refused("core.clarificationGate", "{}"));
  CHECK(refused("core.clarificationGate", R"({"questions":[{"id":"a","question":"?"},{"id":"a","question":"?"}]})"));
  CHECK(refused("core.interrupt", "{}"));
  CHECK(refused("core.interrupt", R"({"kind":"nope","data":{}})"));
  CHECK(refused("core.interrupt", R"({"kind":"external-event","data":{"eventType":"x"}})"));
  CHECK(refused("core.interrupt", R"({"kind":"conversation.start","data":{"conversationId":"c"}})"));
  CHECK(refused("core.interrupt", R"({"kind":"custom","data":{"customKind":"x"},"timeoutMs":-1})"));
  CHECK(refused("core.interrupt", R"({"kind":"custom","data":{"customKind":"x"},"resumeSchema":{"$ref":"#"}})"));
  CHECK(refused("core.interrupt", R"({"kind":"custom","data":{"customKind":"x"},"resumeSchema":{"type":7}})"));
  CHECK(refused("core.interrupt",
                R"({"kind":"custom","data":{"customKind":"x"},"resumeSchema":{"$ref":"http://e.x/"}})"));
}

TEST_CASE("every kind of interrupt that waits can be asked for, and the status says what is waited for") {
  Interrupts rig;
  const std::pair<const char*, RunStatus> kinds[] = {
      {R"("kind":"approval","data":{"title":"t"})", RunStatus::waiting_approval},
      {R"("kind":"clarification","data":{"questions":[{"id":"q","question":"?"}]})", RunStatus::waiting_input},
      {R"("kind":"external-event","data":{"eventType":"e","correlation":{}})", RunStatus::waiting_external},
      {R"("kind":"custom","data":{"customKind":"c","payload":[1]})", RunStatus::waiting_input},
      {R"("kind":"conversation.exchange","data":{"conversationId":"c","prompt":"p"})", RunStatus::waiting_input},
      {R"("kind":"low-confidence","data":{"agentId":"a.b","threshold":0.7,"observed":0.2})",
       RunStatus::waiting_approval},
  };
  for (const auto& [config, status] : kinds) {
    INFO(config);
    rig.add(WorkflowText("kind").node("wait", "core.interrupt", "{" + std::string(config) + "}"));
    const RunId run = rig.create("kind");
    CHECK(rig.status(run) == status);
    CHECK(rig.count(run, "interrupt.requested") == 1);
  }
}

TEST_CASE("an interrupt times out once its time is over, also after a restart; an approval says so first") {
  Interrupts rig;
  const RunId event = rig.create("event");
  rig.add(WorkflowText("short").node("gate", "core.approvalGate", R"({"timeoutMs":5000})"));
  const RunId gate = rig.create("short");
  rig.advance(4'999);
  CHECK(rig.status(gate) == RunStatus::waiting_approval);
  rig.open();
  rig.advance(1);
  CHECK(rig.status(gate) == RunStatus::failed);
  CHECK(text(rig.view(gate).state.error, "code") == "interrupt_timeout");
  const std::string received = rig.payload(gate, "approval.received");
  CHECK(text(received, "action") == "timeout");
  CHECK_FALSE(json::member(received, "decidedBy"));
  CHECK(rig.error(rig.resolve(gate, "gate", R"({"action":"accept"})")) == "interrupt_already_resolved");
  rig.advance(55'000);
  CHECK(rig.status(event) == RunStatus::failed);
  CHECK(rig.count(event, "approval.received") == 0);
}

TEST_CASE("a cancelled run's interrupt is cancelled, whatever words its caller gives as the reason") {
  Interrupts rig;
  const RunId direct = rig.create("approval");
  REQUIRE(rig.engine->cancel_run({.run_id = direct, .reason = "enough"}).ok());
  CHECK(rig.error(rig.resolve(direct, "gate", R"({"action":"accept"})")) == "interrupt_cancelled");
  const RunId orphan = rig.create("approval");
  REQUIRE(rig.engine->cancel_run({.run_id = orphan, .reason = "parent-cancelled"}).ok());
  CHECK(rig.error(rig.resolve(orphan, "gate", R"({"action":"accept"})")) == "interrupt_cancelled");
}

TEST_CASE("branches wait side by side, and the run shows the latest until none is left") {
  Interrupts rig;
  rig.add(WorkflowText("both")
              .node("fork", "core.parallel")
              .node("a", "core.approvalGate")
              .node("b", "core.clarificationGate", R"({"questions":[{"id":"q","question":"?"}]})")
              .edge("fork", "a")
              .edge("fork", "b"));
  const RunId run = rig.create("both");
  CHECK(rig.status(run) == RunStatus::waiting_input);
  CHECK(*rig.view(run).state.latest_suspended() == "b");
  CHECK(*rig.resolve(run, "b", R"({"answers":{"q":"x"}})") == RunStatus::waiting_approval);
  CHECK(*rig.view(run).state.latest_suspended() == "a");
  CHECK(*rig.resolve(run, "a", R"({"action":"accept"})") == RunStatus::completed);
}

TEST_CASE("a handler of any kind may ask several questions one after the other, across restarts") {
  EngineRig rig;
  int calls = 0;
  const auto handle = [&calls](const NodeInvocation& node) -> NodeOutcome {
    ++calls;
    for (const char* key : {"first", "second"}) {
      if (node.answer(key)) continue;
      return NodeSuspend{.kind = InterruptKind::custom, .data = R"({"customKind":"q"})", .key = key};
    }
    NodeCompleted completed;
    json::ObjectWriter(completed.outputs)
        .raw("a", *node.answer("first"))
        .raw("b", *node.resumed())
        .raw("in", node.inputs);
    return completed;
  };
  rig.options.nodes.add({"t.pure", PureHandler(handle)});
  rig.options.nodes.add({"t.sync", SyncHandler([&](NodeContext& context) { return handle(context.invocation()); })});
  rig.options.nodes.add({"t.async", AsyncHandler([&](std::shared_ptr<NodeContext> context, Completion done) {
                           done(handle(context->invocation()));
                         })});
  for (const char* type : {"t.pure", "t.sync", "t.async"}) {
    INFO(type);
    calls = 0;
    rig.add(WorkflowText("asks").node("n", type, "{}", R"({"x":{"type":"static","value":1}})"));
    const RunId run = rig.create("asks");
    rig.tick();
    CHECK(rig.status(run) == RunStatus::waiting_input);
    rig.open();
    REQUIRE(rig.engine->resolve_interrupt({.run_id = run, .node_id = "n", .resume_value = "1"}).ok());
    rig.tick();
    CHECK(rig.status(run) == RunStatus::waiting_input);
    CHECK(rig.view(run).state.find_interrupt("n")->key == run.text() + ":n:second");
    REQUIRE(rig.engine->resolve_interrupt({.run_id = run, .node_id = "n", .resume_value = "2"}).ok());
    rig.tick();
    CHECK(rig.status(run) == RunStatus::completed);
    CHECK(rig.view(run).state.nodes.at("n").outputs == R"({"a":1,"b":2,"in":{"x":1}})");
    CHECK(calls == 3);
    CHECK(rig.count(run, "node.started") == 1);
    CHECK(rig.count(run, "interrupt.requested") == 2);
  }
}

TEST_CASE("a node that asks wrongly, again, or too often fails and says why") {
  EngineRig rig;
  NodeSuspend suspend;
  rig.options.nodes.add({"t.ask", PureHandler([&](const NodeInvocation&) -> NodeOutcome { return suspend; })});
  rig.options.max_interrupt_rounds = 3;
  rig.add(WorkflowText("w").node("n", "t.ask"));

  suspend = {.kind = InterruptKind::approval, .data = "{}"};
  const RunId shape = rig.create("w");
  CHECK(rig.status(shape) == RunStatus::failed);
  CHECK(rig.count(shape, "node.suspend-failed") == 1);

  suspend = {.kind = InterruptKind::custom, .data = R"({"customKind":"q"})", .key = "k"};
  const RunId again = rig.create("w");
  REQUIRE(rig.engine->resolve_interrupt({.run_id = again, .node_id = "n"}).ok());
  CHECK(rig.status(again) == RunStatus::failed);

  suspend.key.clear();
  const RunId often = rig.create("w");
  for (int i = 0; i < 3; ++i) REQUIRE(rig.engine->resolve_interrupt({.run_id = often, .node_id = "n"}).ok());
  CHECK(rig.status(often) == RunStatus::failed);
  CHECK(text(rig.view(often).state.error, "code") == "suspension_limit_exceeded");

  suspend = {.kind = InterruptKind::clarification, .data = R"({"questions":[{"id":"q","question":"?"}]})"};
  rig.options.max_interrupt_rounds = 100;
  rig.open();
  const RunId rounds = rig.create("w");
  for (int i = 0; i < 3; ++i) {
    REQUIRE(
        rig.engine->resolve_interrupt({.run_id = rounds, .node_id = "n", .resume_value = R"({"answers":{"q":"x"}})"})
            .ok());
  }
  CHECK(rig.status(rounds) == RunStatus::failed);
  CHECK(rig.count(rounds, "cap.breached") == 1);
}

TEST_CASE("pending interrupts are listed by age, page by page, and found by id, kind and correlation") {
  Interrupts rig;
  std::vector<RunId> runs;
  for (int i = 0; i < 5; ++i) {
    runs.push_back(rig.create(i % 2 == 0 ? "approval" : "event"));
    rig.advance(10);
  }
  const auto list = [&](InterruptFilter filter) {
    std::vector<RunId> found;
    std::string cursor;
    do {
      auto page = rig.engine->list_interrupts(filter, cursor, 2);
      REQUIRE(page.ok());
      for (const auto& entry : page->interrupts) found.push_back(entry.run_id);
      cursor = page->cursor;
    } while (!cursor.empty());
    return found;
  };
  CHECK(list({}) == runs);
  CHECK(list({.kind = "external-event"}) == std::vector<RunId>{runs[1], runs[3]});
  CHECK(list({.workflow_id = "approval"}) == std::vector<RunId>{runs[0], runs[2], runs[4]});
  CHECK(list({.correlation_key = "order", .correlation_value = "7"}) == std::vector<RunId>{runs[1], runs[3]});
  CHECK(list({.correlation_key = "order", .correlation_value = "8"}).empty());
  CHECK(list({.interrupt_id = rig.view(runs[2]).state.find_interrupt("gate")->id}) == std::vector<RunId>{runs[2]});
  CHECK(list({.requested_from_ms = kStartMs + 20, .requested_before_ms = kStartMs + 40}) ==
        std::vector<RunId>{runs[2], runs[3]});
  CHECK(list({.tenant = "other"}).empty());
  CHECK_FALSE(rig.engine->list_interrupts({}, "x", 2).ok());

  REQUIRE(rig.resolve(runs[0], "gate", R"({"action":"accept"})").ok());
  REQUIRE(rig.engine->cancel_run({.run_id = runs[1]}).ok());
  rig.open();
  rig.advance(70'000);
  CHECK(list({}) == std::vector<RunId>{runs[2], runs[4]});
}

}  // namespace openwop::test
