// Forks of runs that wait for somebody: conversations, approvals, children, decisions (protocol 03 §5.3, §5.4).
#include "support/fork_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

std::size_t waiting_interrupts(const EngineRig& rig) {
  const auto page = rig.engine->list_interrupts({}, {}, 100);
  REQUIRE(page.ok());
  return page->interrupts.size();
}

std::size_t runs_of(const EngineRig& rig, const std::string& workflow) {
  RunFilter filter;
  filter.workflow_id = workflow;
  const auto page = rig.engine->list_runs(filter, {}, 1'000);
  REQUIRE(page.ok());
  return page->runs.size();
}

/// Replays from every event of the source are the source again, ids and all, and ask nobody.
void check_replays(ForkEngineRig& rig, const RunId& source) {
  const Lines whole = rig.story(source);
  const auto channels = rig.view(source).state.channels;
  const std::size_t asked = waiting_interrupts(rig);
  for (std::uint64_t from = 0; from < whole.size(); ++from) {
    INFO("from " << from);
    const RunId fork = rig.replay(source, from);
    CHECK(rig.story(fork) == whole);
    CHECK(rig.view(fork).state.channels == channels);
  }
  CHECK(waiting_interrupts(rig) == asked);
}

WorkflowText talk(const std::string& config) {
  return WorkflowText("talk")
      .node("convo", "core.conversationGate", config)
      .root(R"(,"channels":{"conversation":{"reducer":"message"}})");
}

WorkflowText asking() {
  return WorkflowText("asking")
      .node("gate", "core.approvalGate", R"({"title":"May it?","actions":["accept","reject"],"timeoutMs":60000})")
      .node("yes", "core.noop")
      .node("no", "core.noop")
      .edge("gate", "yes")
      .edge("gate", "no", R"(,"sourceOutput":"reject")");
}

WorkflowText child() {
  return WorkflowText("child")
      .variable(R"({"name":"result","type":"string","defaultValue":"none"})")
      .node("gate", "core.approvalGate", R"({"title":"May it?","actions":["accept","reject"]})")
      .node("set", "core.setVariable", R"({"name":"result","value":"done"})")
      .edge("gate", "set");
}

WorkflowText parent() {
  return WorkflowText("parent").node("call", "core.subWorkflow",
                                     R"({"workflowId":"child","outputMapping":{"answer":"result"}})");
}

RunId only_child(const EngineRig& rig, const RunId& run) {
  const RunView view = rig.view(run);
  REQUIRE(view.state.children.size() == 1);
  return view.state.children.front().run_id;
}

std::uint64_t sequence_of(const EngineRig& rig, const RunId& run, const std::string& type) {
  for (const auto& event : rig.events(run)) {
    if (event.type == type) return event.sequence;
  }
  FAIL("no " << type);
  return 0;
}

}  // namespace

TEST_CASE("a replay repeats a conversation with the source's ids, made-up or held by people", "[engine][replay]") {
  ForkEngineRig rig;
  rig.add(talk(R"({"mockAutoResume":true,"turnCount":3})"));
  const RunId made_up = rig.create("talk");
  rig.tick();
  REQUIRE(rig.status(made_up) == RunStatus::completed);
  check_replays(rig, made_up);

  rig.add(talk(R"({"prompt":"Hello?"})"));
  const RunId held = rig.create("talk");
  rig.tick();
  REQUIRE(rig.answer(held, "convo", R"({"operation":"exchange","turn":{"content":"one"}})").ok());
  rig.advance(1'000);
  REQUIRE(rig.answer(held, "convo", R"({"operation":"close","outcome":{"done":true}})").ok());
  REQUIRE(rig.status(held) == RunStatus::completed);
  check_replays(rig, held);
}

TEST_CASE("a replay of a conversation that goes on waits where the source waits", "[engine][replay]") {
  ForkEngineRig rig;
  rig.add(talk(R"({"prompt":"Hello?"})"));
  const RunId source = rig.create("talk");
  rig.tick();
  const RunId fork = rig.replay(source);
  CHECK(rig.status(fork) == rig.status(source));
  CHECK(rig.divergence(fork).empty());
  CHECK(waiting_interrupts(rig) == 2);
}

TEST_CASE("a replay takes the answer of an approval from the source; a branch asks again", "[engine][fork]") {
  ForkEngineRig rig;
  rig.add(asking());
  const RunId source = rig.create("asking");
  rig.tick();
  rig.advance(5'000);
  REQUIRE(rig.answer(source, "gate", R"({"action":"accept"})").ok());
  REQUIRE(rig.status(source) == RunStatus::completed);
  check_replays(rig, source);

  for (std::uint64_t from = 1; from <= sequence_of(rig, source, "interrupt.resolved"); ++from) {
    INFO("from " << from);
    const RunId branch = rig.branch(source, from);
    REQUIRE(rig.status(branch) == RunStatus::waiting_approval);
    const auto asked = rig.engine->pending_interrupt("default", branch, "gate");
    REQUIRE(asked.ok());
    const auto first = rig.events(source)[sequence_of(rig, source, "interrupt.requested")].payload;
    CHECK(asked->interrupt.id != json::as_string(json::member(first, "interruptId").value_or("")).value_or(""));
    // The deadline begins anew.
    rig.advance(59'000);
    REQUIRE(rig.status(branch) == RunStatus::waiting_approval);
    REQUIRE(rig.answer(branch, "gate", R"({"action":"reject"})").ok());
    CHECK(rig.status(branch) == RunStatus::completed);
    CHECK(rig.count(branch, "node.completed") == rig.count(source, "node.completed"));
    CHECK(rig.view(branch).state.nodes.at("yes").status == NodeStatus::skipped);
  }
  CHECK(rig.view(source).state.nodes.at("yes").status == NodeStatus::completed);

  // Behind the answer nobody is asked again.
  for (std::uint64_t from = sequence_of(rig, source, "interrupt.resolved") + 1; from < rig.length(source); ++from) {
    INFO("from " << from);
    const RunId branch = rig.branch(source, from);
    CHECK(rig.status(branch) == RunStatus::completed);
    CHECK(rig.view(branch).state.nodes.at("yes").status == NodeStatus::completed);
    CHECK(rig.count(branch, "interrupt.resolved") == 1);
  }
}

TEST_CASE("a branch past its interrupt's deadline has one of its own; unanswered, it times out", "[engine][fork]") {
  ForkEngineRig rig;
  rig.add(asking());
  const RunId source = rig.create("asking");
  rig.tick();
  rig.advance(60'001);
  REQUIRE(rig.status(source) == RunStatus::failed);
  check_replays(rig, source);
  const RunId branch = rig.branch(source, sequence_of(rig, source, "interrupt.requested") + 1);
  REQUIRE(rig.status(branch) == RunStatus::waiting_approval);
  rig.advance(60'001);
  CHECK(rig.status(branch) == RunStatus::failed);
}

TEST_CASE("a replay takes a child's outcome from the source and starts none; a branch starts its own",
          "[engine][fork]") {
  ForkEngineRig rig;
  rig.add(child());
  rig.add(parent());
  const RunId source = rig.create("parent");
  rig.tick();
  const RunId first = only_child(rig, source);
  REQUIRE(rig.answer(first, "gate", R"({"action":"accept"})").ok());
  REQUIRE(rig.status(source) == RunStatus::completed);
  check_replays(rig, source);
  CHECK(runs_of(rig, "child") == 1);

  const std::size_t length = rig.events(source).size();
  for (std::uint64_t from = 1; from < length; ++from) {
    INFO("from " << from);
    const RunId branch = rig.branch(source, from);
    rig.tick();
    const auto inherited = rig.events(source)[from - 1];
    if (inherited.payload.find("is completed") != std::string::npos || from + 2 >= length) {
      // It had ended: its outcome is history.
      CHECK(rig.status(branch) == RunStatus::completed);
      CHECK(rig.view(branch).state.variables.at("answer") == R"("done")");
      CHECK(only_child(rig, branch) == first);
      continue;
    }
    REQUIRE_FALSE(is_terminal(rig.status(branch)));
    const RunId own = rig.view(branch).state.children.back().run_id;
    CHECK(own != first);
    CHECK(rig.view(own).header.parent_run_id == branch);
    REQUIRE(rig.answer(own, "gate", R"({"action":"accept"})").ok());
    CHECK(rig.status(branch) == RunStatus::completed);
    CHECK(rig.view(branch).state.variables.at("answer") == R"("done")");
  }
  CHECK(rig.status(first) == RunStatus::completed);
}

TEST_CASE("cancelling a branch leaves the source's child alone", "[engine][fork]") {
  ForkEngineRig rig;
  rig.add(child());
  rig.add(parent());
  const RunId source = rig.create("parent");
  rig.tick();
  const RunId first = only_child(rig, source);
  const RunId branch = rig.branch(source, rig.length(source) - 1);
  rig.tick();
  CancelRun cancel;
  cancel.run_id = branch;
  REQUIRE(rig.engine->cancel_run(std::move(cancel)).ok());
  rig.tick();
  CHECK(rig.status(branch) == RunStatus::cancelled);
  CHECK_FALSE(is_terminal(rig.status(first)));
  REQUIRE(rig.answer(first, "gate", R"({"action":"accept"})").ok());
  CHECK(rig.status(source) == RunStatus::completed);
}

TEST_CASE("a replay reads an orchestrator's decisions and starts no worker", "[engine][replay]") {
  ForkEngineRig rig;
  rig.add(WorkflowText("conformance-noop").node("n", "core.noop"));
  rig.add(WorkflowText("team")
              .node("supervisor", "core.orchestrator.supervisor", "{}")
              .node("dispatch", "core.dispatch", "{}")
              .edge("supervisor", "dispatch")
              .edge("dispatch", "supervisor"));
  const RunId source = rig.create("team");
  rig.tick();
  REQUIRE(rig.status(source) == RunStatus::completed);
  check_replays(rig, source);
  CHECK(runs_of(rig, "conformance-noop") == 1);
  const RunId branch = rig.branch(source, 1);
  CHECK(rig.status(branch) == RunStatus::completed);
  CHECK(runs_of(rig, "conformance-noop") == 2);
}

TEST_CASE("a replay keeps to its source's decisions when the supervisor's plan has changed", "[engine][replay]") {
  ForkEngineRig rig;
  bool writes_more = false;
  rig.options.nodes.add({"t.pure", PureHandler([&](const NodeInvocation&) -> NodeOutcome {
                           NodeCompleted completed;
                           if (writes_more) completed.variables.push_back({"v", "1"});
                           return completed;
                         })});
  const auto team = [](const std::string& plan) {
    return WorkflowText("team")
        .node("first", "t.pure")
        .node("supervisor", "core.orchestrator.supervisor", R"({"mockDecisions":[)" + plan + "]}")
        .node("dispatch", "core.dispatch", "{}")
        .edge("first", "supervisor")
        .edge("supervisor", "dispatch")
        .edge("dispatch", "supervisor");
  };
  for (const char* id : {"old", "new"}) rig.add(WorkflowText(id).node("n", "core.noop"));
  rig.add(team(R"({"kind":"next-worker","nextWorkerIds":["old"]},{"kind":"next-worker","nextWorkerIds":["old"]})"));
  const RunId source = rig.create("team");
  rig.tick();
  REQUIRE(rig.status(source) == RunStatus::completed);
  REQUIRE(runs_of(rig, "old") == 2);
  rig.add(team(R"({"kind":"next-worker","nextWorkerIds":["new"]})"));
  check_replays(rig, source);

  // Also once the two have gone different ways.
  writes_more = true;
  const RunId lost = rig.replay(source);
  CHECK(rig.status(lost) == RunStatus::completed);
  CHECK(rig.member(rig.divergence(lost), "divergenceKind") == R"("extra")");
  Lines decisions[2];
  for (const auto& [run, into] : {std::pair(source, 0), std::pair(lost, 1)}) {
    for (const auto& event : rig.events(run)) {
      if (event.type == "runOrchestrator.decided") decisions[into].push_back(event.payload);
    }
  }
  CHECK(decisions[0].size() == 3);
  CHECK(decisions[1] == decisions[0]);
  CHECK(runs_of(rig, "old") == 2);
  CHECK(runs_of(rig, "new") == 0);

  // A branch decides anew.
  const RunId branch = rig.branch(source, 1);
  CHECK(rig.status(branch) == RunStatus::completed);
  CHECK(runs_of(rig, "new") == 1);
}

TEST_CASE("a replay does not pause, and says nothing of the source's pauses", "[engine][replay]") {
  ForkEngineRig rig;
  rig.add(WorkflowText("w").node("a", "core.delay", R"({"ms":5000})").node("b", "core.noop").edge("a", "b"));
  const RunId source = rig.create("w");
  rig.tick();
  PauseRun pause;
  pause.run_id = source;
  REQUIRE(rig.engine->pause_run(std::move(pause)).ok());
  rig.advance(10'000);
  ResumeRun resume;
  resume.run_id = source;
  REQUIRE(rig.engine->resume_run(std::move(resume)).ok());
  rig.tick();
  REQUIRE(rig.status(source) == RunStatus::completed);
  const RunId fork = rig.replay(source);
  CHECK(rig.status(fork) == RunStatus::completed);
  CHECK(rig.divergence(fork).empty());
  CHECK(rig.count(fork, "run.paused") == 0);
}

TEST_CASE("a branch behind a pause of its source runs on", "[engine][fork]") {
  ForkEngineRig rig;
  rig.add(WorkflowText("w").node("a", "core.delay", R"({"ms":5000})").node("b", "core.noop").edge("a", "b"));
  for (const DrainPolicy policy : {DrainPolicy::drain_current_node, DrainPolicy::immediate}) {
    const RunId source = rig.create("w");
    rig.tick();
    REQUIRE(rig.engine->pause_run({.run_id = source, .drain_policy = policy}).ok());
    REQUIRE(rig.status(source) == RunStatus::paused);
    const std::uint64_t paused = sequence_of(rig, source, "run.paused");
    const RunId branch = rig.branch(source, paused);
    // The branch's history ends with the pause itself only where something came behind it.
    REQUIRE(rig.engine->resume_run({.run_id = source}).ok());
    const RunId behind = rig.branch(source, paused + 1);
    CHECK(rig.view(behind).state.next_sequence > paused);
    rig.advance(5'000);
    for (const RunId& run : {source, branch, behind}) CHECK(rig.status(run) == RunStatus::completed);
    CHECK(rig.count(branch, "run.paused") == 0);
    CHECK(rig.count(behind, "run.paused") == 1);
    CHECK(rig.count(behind, "run.resumed") == 0);
    CHECK(rig.events(behind)[paused].type == "run.paused");
  }
}
