// Agents in runs: who acts, what is told of their reasoning, escalation, orchestrators and dispatch (protocol 03 §7 to
// §9).
#include "openwop/agents.h"
#include "support/engine_rig.h"

namespace openwop::test {

namespace {

std::string agent(const std::string& id) { return R"(,"agent":{"agentId":")" + id + R"(","modelClass":"chat"})"; }

std::string kind_of(const EngineRig::Seen& event) {
  const auto decision = json::member(event.payload, "decision");
  return decision ? json::as_string(json::member(*decision, "kind").value_or("null")).value_or("") : "";
}

std::vector<std::string> decisions(const EngineRig& rig, const RunId& run) {
  std::vector<std::string> kinds;
  for (const auto& event : rig.events(run)) {
    if (event.type == "runOrchestrator.decided") kinds.push_back(kind_of(event));
  }
  return kinds;
}

WorkflowText orchestrated(const std::string& supervisor, const std::string& dispatch = "{}") {
  return WorkflowText("team")
      .node("supervisor", "core.orchestrator.supervisor", supervisor)
      .node("dispatch", "core.dispatch", dispatch)
      .edge("supervisor", "dispatch")
      .edge("dispatch", "supervisor");
}

WorkflowText noop(const std::string& id) { return WorkflowText(id).node("n", "core.noop"); }

}  // namespace

TEST_CASE("a run shows the agent of the node that started last, and keeps it") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .node("a", "core.noop", "{}", "{}", agent("core.first"))
              .node("b", "core.delay", R"({"ms":100})")
              .node("c", "core.noop", "{}", "{}", agent("core.second"))
              .edge("a", "b")
              .edge("b", "c"));
  const RunId run = rig.create("w");
  rig.tick();
  RunView view = rig.view(run);
  CHECK(agent_id_of(active_agent(*view.workflow, view.state)) == "core.first");
  rig.advance(1'000);
  view = rig.view(run);
  CHECK(view.state.status == RunStatus::completed);
  CHECK(agent_id_of(active_agent(*view.workflow, view.state)) == "core.second");
  CHECK(run_orchestrator(*view.workflow, view.state).empty());
  REQUIRE(rig.count(run, "agent.handoff") == 1);
  for (const auto& event : rig.events(run)) {
    if (event.type != "agent.handoff") continue;
    CHECK(json::member(event.payload, "agentId") == R"("core.first")");
    CHECK(json::member(event.payload, "toAgentId") == R"("core.second")");
  }
}

TEST_CASE("reasoning is told as the run asks") {
  const auto reasoned = [](const std::string& configurable, std::size_t limit) {
    EngineRig rig;
    rig.options.reasoning_token_limit = limit;
    rig.add(WorkflowText("conformance-w")
                .node("a", "core.conformance.mock-agent",
                      R"({"mockReasoning":{"summary":"a long thought","tokenCount":3}})", "{}", agent("core.thinker")));
    CreateRun request;
    request.workflow_id = "conformance-w";
    request.configurable = configurable;
    const RunId run = rig.create(std::move(request));
    rig.tick();
    CHECK(rig.status(run) == RunStatus::completed);
    for (const auto& event : rig.events(run)) {
      if (event.type == "agent.reasoned") return event.payload;
    }
    return std::string();
  };
  CHECK(json::member(reasoned("", 512), "reasoning") == R"("a long thought")");
  CHECK(json::member(reasoned("", 1), "reasoning") == R"("a lo")");
  CHECK(json::member(reasoned(R"({"reasoningVerbosity":"full"})", 1), "reasoning") == R"("a long thought")");
  CHECK(reasoned(R"({"reasoningVerbosity":"off"})", 512).empty());
}

TEST_CASE("a tool's answer names the call that caused it") {
  EngineRig rig;
  rig.add(WorkflowText("w").node("a", "core.identity", R"({"emitReasoningTrace":true})", "{}", agent("core.thinker")));
  const RunId run = rig.create("w");
  rig.tick();
  std::optional<std::uint64_t> called;
  std::optional<std::uint64_t> cause;
  REQUIRE(rig.engine
              ->read_events("default", run, 0,
                            [&](const EventView& event) {
                              if (event.type == EventType::agent_tool_called) called = event.sequence;
                              if (event.type == EventType::agent_tool_returned) cause = event.caused_by;
                              return true;
                            })
              .ok());
  REQUIRE(called);
  CHECK(cause == called);
  CHECK(rig.history(run) == Lines{"run.started", "node.started(a)", "agent.reasoned(a)", "agent.toolCalled(a)",
                                  "agent.toolReturned(a)", "agent.handoff(a)", "agent.decided(a)", "node.completed(a)",
                                  "run.completed"});
}

TEST_CASE("an agent's event without an agent fails the node") {
  EngineRig rig;
  rig.options.nodes.add({"vendor.test.anonymous", PureHandler([](const NodeInvocation&) -> NodeOutcome {
                           Event event;
                           event.type = EventType::agent_decided;
                           event.payload = R"({"decision":{}})";
                           return NodeCompleted{.events = {event}};
                         })});
  rig.add(WorkflowText("w").node("a", "vendor.test.anonymous"));
  const RunId run = rig.create("w");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::failed);
}

TEST_CASE("a message that is written twice stands in its channel once") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .node("a", "core.identity", R"({"emitDuplicateMessageId":true})")
              .root(R"(,"channels":{"messages":{"reducer":"message"}})"));
  const RunId run = rig.create("w");
  rig.tick();
  CHECK(rig.count(run, "channel.written") == 2);
  std::size_t entries = 0;
  json::for_each_element(rig.view(run).state.channels.at("messages"), [&](std::string_view) { return ++entries != 0; });
  CHECK(entries == 1);
}

TEST_CASE("a decision of low confidence waits for somebody to ratify it") {
  EngineRig rig;
  rig.add(WorkflowText("w").node("a", "core.identity", R"({"mockConfidence":0.5})", "{}", agent("core.unsure")));
  const RunId run = rig.create("w");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::waiting_approval);
  std::string suspended;
  for (const auto& event : rig.events(run)) {
    if (event.type == "node.suspended") suspended = event.payload;
  }
  CHECK(json::member(suspended, "reason") == R"("low-confidence")");
  CHECK(json::member(suspended, "threshold") == "0.7");
  CHECK(json::member(suspended, "observed") == "0.5");
  CHECK(rig.count(run, "agent.decided") == 1);
  REQUIRE(rig.answer(run, "a", R"({"action":"accept"})").ok());
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.count(run, "agent.decided") == 2);

  CreateRun request;
  request.workflow_id = "w";
  request.configurable = R"({"escalationThreshold":0.5})";
  const RunId confident = rig.create(std::move(request));
  rig.tick();
  CHECK(rig.status(confident) == RunStatus::completed);
}

TEST_CASE("an unconfigured orchestrator sends one worker and terminates") {
  EngineRig rig;
  rig.add(noop("conformance-noop"));
  rig.add(orchestrated("{}"));
  const RunId run = rig.create("team");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(decisions(rig, run) == Lines{"next-worker", "terminate"});
  const RunView view = rig.view(run);
  CHECK(run_orchestrator(*view.workflow, view.state) == R"({"agentId":"host:supervisor"})");
  REQUIRE(view.state.children.size() == 1);
  CHECK(rig.status(view.state.children[0].run_id) == RunStatus::completed);
}

TEST_CASE("a decision comes before its effect, and what a dispatch does names it as the cause") {
  EngineRig rig;
  rig.add(noop("conformance-noop"));
  rig.add(orchestrated("{}"));
  const RunId run = rig.create("team");
  rig.tick();
  std::uint64_t decided = 0;
  REQUIRE(rig.engine
              ->read_events("default", run, 0,
                            [&](const EventView& event) {
                              if (event.type == EventType::run_orchestrator_decided) {
                                decided = event.sequence;
                                CHECK(json::member(event.payload, "agentId") == R"("host:supervisor")");
                              }
                              if (event.node_id == "dispatch") CHECK(event.caused_by == decided);
                              return true;
                            })
              .ok());
}

TEST_CASE("workers of one decision run one after the other; the first that fails fails the run") {
  EngineRig rig;
  rig.add(noop("first"));
  rig.add(WorkflowText("second").node("f", "core.fail"));
  rig.add(noop("third"));
  rig.add(orchestrated(R"({"mockDecisions":[{"kind":"next-worker","nextWorkerIds":["first","second","third"]}]})"));
  const RunId run = rig.create("team");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::failed);
  CHECK(rig.view(run).state.children.size() == 2);
  CHECK(json::member(rig.view(run).state.error, "code") == R"("child_failed")");
}

TEST_CASE("a dispatch that takes one worker at a time refuses several") {
  EngineRig rig;
  rig.add(noop("first"));
  rig.add(orchestrated(R"({"mockDecisions":[{"kind":"next-worker","nextWorkerIds":["first","first"]}]})",
                       R"({"fanOutPolicy":"reject"})"));
  const RunId run = rig.create("team");
  rig.tick();
  CHECK(json::member(rig.view(run).state.error, "code") == R"("fan_out_unsupported")");
}

TEST_CASE("a dispatch past its cap breaches it") {
  EngineRig rig;
  rig.add(noop("first"));
  std::string plan;
  for (int i = 0; i < 5; ++i)
    plan += std::string(i > 0 ? "," : "") + R"({"kind":"next-worker","nextWorkerIds":["first"]})";
  rig.add(orchestrated(R"({"mockDecisions":[)" + plan + "]}", R"({"iterationCap":3})"));
  const RunId run = rig.create("team");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::failed);
  CHECK(rig.view(run).state.children.size() == 3);
  REQUIRE(rig.count(run, "cap.breached") == 1);
  for (const auto& event : rig.events(run)) {
    if (event.type != "cap.breached") continue;
    CHECK(event.payload == R"({"kind":"dispatch-iterations","limit":3,"observed":4,"nodeId":"dispatch"})");
  }
}

TEST_CASE("a dispatch loop may run more often than loops of refinement") {
  EngineRig rig;
  rig.add(noop("first"));
  std::string plan;
  for (int i = 0; i < 8; ++i)
    plan += std::string(i > 0 ? "," : "") + R"({"kind":"next-worker","nextWorkerIds":["first"]})";
  rig.add(orchestrated(R"({"mockDecisions":[)" + plan + "]}"));
  const RunId run = rig.create("team");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.view(run).state.children.size() == 8);
}

TEST_CASE("an orchestrator asks the user, by conversation or by clarification") {
  for (const std::string routing : {"conversation", "clarification"}) {
    EngineRig rig;
    rig.add(orchestrated(R"({"mockDecisions":[{"kind":"ask-user","prompt":"Which one?"}]})",
                         R"({"askUserRouting":")" + routing + "\"}"));
    const RunId run = rig.create("team");
    rig.tick();
    CHECK(is_waiting(rig.status(run)));
    CHECK(rig.count(run, "conversation.opened") == (routing == "conversation" ? 1U : 0U));
    CHECK(rig.count(run, "clarification.requested") == (routing == "conversation" ? 0U : 1U));
    REQUIRE(rig.answer(run, "dispatch",
                       routing == "conversation" ? R"("the blue one")" : R"({"answers":{"answer":"the blue one"}})")
                .ok());
    CHECK(rig.status(run) == RunStatus::completed);
    CHECK(decisions(rig, run) == Lines{"ask-user", "terminate"});
  }
}

TEST_CASE("a supervisor of low confidence holds its decision until it is ratified") {
  EngineRig rig;
  rig.add(noop("first"));
  rig.add(
      orchestrated(R"({"mockConfidence":0.5,"mockPendingDecision":{"kind":"next-worker","nextWorkerIds":["first"]}})"));
  const RunId run = rig.create("team");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::waiting_approval);
  CHECK(decisions(rig, run).empty());
  CHECK_FALSE(rig.answer(run, "supervisor", R"({"kind":"next-worker","nextWorkerIds":[]})").ok());
  CHECK(rig.status(run) == RunStatus::waiting_approval);
  REQUIRE(rig.answer(run, "supervisor", R"({"kind":"next-worker","nextWorkerIds":["first"]})").ok());
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(decisions(rig, run) == Lines{"next-worker", "terminate"});
}

TEST_CASE("terminate ends the run and cancels what is still at work") {
  EngineRig rig;
  rig.add(WorkflowText("team")
              .node("start", "core.noop")
              .node("gate", "core.approvalGate", R"({"title":"t","actions":["accept"]})")
              .node("supervisor", "core.orchestrator.supervisor", R"({"mockDecisions":[{"kind":"terminate"}]})")
              .node("dispatch", "core.dispatch")
              .edge("start", "gate")
              .edge("start", "supervisor")
              .edge("supervisor", "dispatch")
              .edge("dispatch", "supervisor"));
  const RunId run = rig.create("team");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.count(run, "node.cancelled") == 1);
  CHECK(decisions(rig, run) == Lines{"terminate"});
}

TEST_CASE("workflows whose agents do not fit together are refused") {
  EngineRig rig;
  rig.open();
  const auto refused = [&](const WorkflowText& text) { return !rig.engine->register_workflow(text.json()).ok(); };
  CHECK(refused(WorkflowText("w").node("d", "core.dispatch")));
  CHECK(refused(orchestrated("{}", R"({"workerDispatchModel":"same-run"})")));
  CHECK(refused(orchestrated("{}", R"({"surprise":1})")));
  CHECK(refused(orchestrated("{}", R"({"iterationCap":0})")));
  CHECK(refused(orchestrated(R"({"mockDecisions":[{"kind":"next-worker","nextWorkerIds":[]}]})")));
  CHECK(refused(orchestrated(R"({"mockDecisions":[{"kind":"terminate","extra":1}]})")));
  CHECK(refused(WorkflowText("w")
                    .node("s", "core.orchestrator.supervisor", "{}", "{}", agent("core.one"))
                    .node("t", "core.orchestrator.supervisor", "{}", "{}", agent("core.two"))
                    .node("d", "core.dispatch")));
  CHECK(refused(WorkflowText("w").node("a", "core.conformance.mock-agent")));
  CHECK_FALSE(refused(orchestrated("{}")));
}

TEST_CASE("a dispatch without a decision fails") {
  EngineRig rig;
  rig.add(WorkflowText("w")
              .node("d", "core.dispatch")
              .node("s", "core.orchestrator.supervisor", R"({"mockDecisions":[{"kind":"terminate"}]})")
              .edge("d", "s"));
  const RunId run = rig.create("w");
  rig.tick();
  CHECK(json::member(rig.view(run).state.error, "code") == R"("no_pending_decision")");
}

}  // namespace openwop::test
