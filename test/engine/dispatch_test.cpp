// Orchestrators and dispatch at their edges: who may decide, what a dispatch takes as its config and gives as its
// output, and decisions whose confidence is none (protocol 03 §7.4, §8, §9).
#include "openwop/agents.h"
#include "support/engine_rig.h"

namespace openwop::test {

namespace {

std::string agent(const std::string& id) { return R"(,"agent":{"agentId":")" + id + "\"}"; }

WorkflowText team(const std::string& supervisor, const std::string& dispatch = "{}") {
  return WorkflowText("team")
      .node("supervisor", "core.orchestrator.supervisor", supervisor, "{}", agent("core.boss"))
      .node("dispatch", "core.dispatch", dispatch)
      .edge("supervisor", "dispatch")
      .edge("dispatch", "supervisor");
}

std::string member(std::string_view object, std::string_view name) {
  return std::string(json::member(object, name).value_or("nothing"));
}

/// The payload of the first event of a type at a node.
std::string first_payload(const EngineRig& rig, const RunId& run, std::string_view type, std::string_view node) {
  for (const auto& event : rig.events(run)) {
    if (event.type == type && event.node == node) return event.payload;
  }
  return "{}";
}

/// Decides in a run in the name of `as`, whoever the run's orchestrator is.
void add_decider(EngineRig& rig, const std::string& as, const std::string& decision) {
  rig.options.nodes.add({"t.decides", PureHandler([=](const NodeInvocation& node) -> NodeOutcome {
                           Event decided{.type = EventType::run_orchestrator_decided};
                           decided.node_id = node.node_id;
                           decided.payload = R"({"agentId":")" + as + R"(","decision":)" + decision + "}";
                           return NodeCompleted{.events = {decided}};
                         })});
}

}  // namespace

TEST_CASE("nobody but the run's orchestrator decides in it, and nobody once it has terminated the run") {
  const std::string next = R"({"kind":"next-worker","nextWorkerIds":["worker"]})";
  for (const auto& [as, decision] : {std::pair<std::string, std::string>{"core.other", next},
                                     {"core.boss", R"({"kind":"next-worker"})"},
                                     {"", next}}) {
    INFO(as << " " << decision);
    EngineRig rig;
    add_decider(rig, as, decision);
    rig.add(WorkflowText("worker").node("n", "core.noop"));
    rig.add(
        team(R"({"mockDecisions":[{"kind":"terminate"}]})").node("usurper", "t.decides").edge("usurper", "supervisor"));
    const RunId run = rig.create("team");
    rig.tick();
    CHECK(rig.status(run) == RunStatus::failed);
    CHECK(member(rig.view(run).state.error, "code") == R"("validation_error")");
    CHECK(rig.count(run, "runOrchestrator.decided") == 0);
    CHECK(rig.view(run).state.children.empty());
  }

  // The orchestrator itself may, from another node too; its identity stays.
  EngineRig rig;
  add_decider(rig, "core.boss", next);
  rig.add(WorkflowText("worker").node("n", "core.noop"));
  rig.add(team(R"({"mockDecisions":[{"kind":"terminate"}]})").node("deputy", "t.decides").edge("deputy", "supervisor"));
  const RunId run = rig.create("team");
  rig.tick();
  CHECK(rig.count(run, "runOrchestrator.decided") == 2);
  const RunView view = rig.view(run);
  CHECK(agent_id_of(run_orchestrator(*view.workflow, view.state)) == "core.boss");

  EngineRig late;
  add_decider(late, "core.boss", next);
  late.add(WorkflowText("team")
               .node("supervisor", "core.orchestrator.supervisor", R"({"mockDecisions":[{"kind":"terminate"}]})", "{}",
                     agent("core.boss"))
               .node("again", "t.decides")
               .edge("supervisor", "again"));
  const RunId ended = late.create("team");
  late.tick();
  CHECK(late.status(ended) == RunStatus::failed);
  CHECK(late.count(ended, "runOrchestrator.decided") == 1);
}

TEST_CASE("mappings of later versions are refused unless they are empty") {
  EngineRig rig;
  rig.open();
  for (const char* name : {"inputMapping", "outputMapping", "perWorkerInputMappings", "perWorkerOutputMappings"}) {
    INFO(name);
    const std::string member = std::string("{\"") + name + "\":";
    CHECK(rig.engine->register_workflow(team("{}", member + "{}}").json()).ok());
    for (const char* value : {R"({"a":"b"})", "[]", "null"}) {
      const auto refused = rig.engine->register_workflow(team("{}", member + value + "}").json());
      REQUIRE_FALSE(refused.ok());
      CHECK(refused.error().code == ErrorCode::validation_error);
    }
  }
}

TEST_CASE("a worker that is no workflow here fails the dispatch and the run") {
  EngineRig rig;
  rig.add(WorkflowText("worker").node("n", "core.noop"));
  rig.add(team(R"({"mockDecisions":[{"kind":"next-worker","nextWorkerIds":["worker","nobody"]}]})"));
  const RunId run = rig.create("team");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::failed);
  CHECK(member(rig.view(run).state.error, "code") == R"("unknown_child_workflow")");
  CHECK(rig.view(run).state.nodes.at("dispatch").status == NodeStatus::failed);
  CHECK(rig.view(run).state.children.size() == 1);
}

TEST_CASE("a dispatch gives the last child, the user's answer, or how the run ended") {
  for (const std::string routing : {"conversation", "clarification"}) {
    INFO(routing);
    EngineRig rig;
    rig.add(team(R"({"mockDecisions":[{"kind":"ask-user","prompt":"Which one?"}]})",
                 R"({"askUserRouting":")" + routing + "\"}"));
    const RunId run = rig.create("team");
    rig.tick();
    const bool talks = routing == "conversation";
    REQUIRE(rig.answer(run, "dispatch", talks ? R"("the blue one")" : R"({"answers":{"answer":"the blue one"}})").ok());
    const std::string completed = first_payload(rig, run, "node.completed", "dispatch");
    CHECK(member(completed, "outputs") == R"({"answer":"the blue one"})");
    CHECK(rig.view(run).state.nodes.at("dispatch").outputs == R"({"outcome":"terminated","reason":"goal-reached"})");
  }
  EngineRig rig;
  rig.add(WorkflowText("worker").node("n", "core.noop"));
  rig.add(team(R"({"mockDecisions":[{"kind":"next-worker","nextWorkerIds":["worker","worker"]}]})"));
  const RunId run = rig.create("team");
  rig.tick();
  const RunView view = rig.view(run);
  REQUIRE(view.state.children.size() == 2);
  CHECK(member(first_payload(rig, run, "node.completed", "dispatch"), "outputs") ==
        R"({"childRunId":")" + view.state.children.back().run_id.text() + R"(","childStatus":"completed"})");
}

TEST_CASE("a confidence that is no number of 0 to 1 holds up nobody, and the log says what it was") {
  for (const std::string confidence : {R"("high")", "null", "-0.5", "1.5", R"({"p":0.1})"}) {
    INFO(confidence);
    EngineRig rig;
    rig.add(WorkflowText("w").node("a", "core.identity", R"({"mockConfidence":)" + confidence + "}", "{}",
                                   agent("core.unsure")));
    const RunId run = rig.create("w");
    rig.tick();
    CHECK(rig.status(run) == RunStatus::completed);
    const std::string decided = first_payload(rig, run, "agent.decided", "a");
    CHECK(member(decided, "confidence") == "nothing");
    CHECK(member(decided, "ignoredConfidence") == confidence);
    CHECK(member(decided, "agentId") == R"("core.unsure")");
  }
  EngineRig rig;
  rig.add(WorkflowText("w").node("a", "core.identity", R"({"mockConfidence":1})", "{}", agent("core.sure")));
  const RunId run = rig.create("w");
  rig.tick();
  CHECK(member(first_payload(rig, run, "agent.decided", "a"), "confidence") == "1");
  CHECK(member(first_payload(rig, run, "agent.decided", "a"), "ignoredConfidence") == "nothing");
}

}  // namespace openwop::test
