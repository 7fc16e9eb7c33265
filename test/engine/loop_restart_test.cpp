// A loop that begins again while nodes of its body still work: they are stopped, and what they had begun with them.
#include "support/fork_rig.h"

namespace openwop::test {

namespace {

/// The join goes with the faster of two branches, and once back to the head; `slow` is still at work then.
WorkflowText racing(const std::string& type, const std::string& config) {
  return WorkflowText("racing")
      .node("head", "core.channelWrite", R"({"channelName":"n","reducer":"counter","value":1})")
      .node("slow", type, config)
      .node("fast", "core.noop")
      .node("join", "core.noop")
      .edge("head", "slow")
      .edge("head", "fast")
      .edge("slow", "join", R"(,"triggerRule":"any_success")")
      .edge("fast", "join", R"(,"triggerRule":"any_success")")
      .edge("join", "head", R"(,"condition":{"type":"expression","expression":"variables.n < 2"})");
}

}  // namespace

TEST_CASE("a gate in a body that begins again is asked for anew, and the old question is cancelled") {
  EngineRig rig;
  rig.add(racing("core.approvalGate", "{}"));
  const RunId run = rig.create("racing");
  CHECK(rig.count(run, "node.cancelled") == 1);
  CHECK(rig.count(run, "interrupt.requested") == 2);
  const auto events = rig.events(run);
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].type != "node.cancelled") continue;
    CHECK(events[i].payload == R"({"nodeId":"slow","reason":"loop-restarted"})");
    CHECK(events[i - 1].type == "node.completed");
  }
  const auto page = rig.engine->list_interrupts({}, {}, 10);
  REQUIRE(page.ok());
  CHECK(page->interrupts.size() == 1);
  CHECK(rig.status(run) == RunStatus::waiting_approval);
  REQUIRE(rig.answer(run, "slow", R"({"action":"accept"})").ok());
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("a child whose node begins again is cancelled, and the node starts another") {
  EngineRig rig;
  rig.add(WorkflowText("gated").node("gate", "core.approvalGate"));
  rig.add(racing("core.subWorkflow", R"({"workflowId":"gated"})"));
  const RunId run = rig.create("racing");
  rig.tick();
  const auto children = rig.view(run).state.children;
  REQUIRE(children.size() == 2);
  CHECK(rig.status(children[0].run_id) == RunStatus::cancelled);
  CHECK(rig.events(children[0].run_id).back().payload.find("parent-loop-restarted") != std::string::npos);
  REQUIRE(rig.status(children[1].run_id) == RunStatus::waiting_approval);
  REQUIRE(rig.answer(children[1].run_id, "gate", R"({"action":"accept"})").ok());
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("a handler in a body that begins again is told to stop, and its answer does not count") {
  EngineRig rig;
  int starts = 0;
  std::vector<std::pair<std::shared_ptr<NodeContext>, Completion>> at_work;
  rig.options.nodes.add({"t.slow", AsyncHandler([&](std::shared_ptr<NodeContext> context, Completion done) {
                           ++starts;
                           at_work.emplace_back(std::move(context), std::move(done));
                         })});
  rig.add(racing("t.slow", "{}"));
  const RunId run = rig.create("racing");
  rig.tick();
  // The first one's start and its end come in one commit or in two; in both cases it must not count.
  for (std::size_t i = 0; i + 1 < at_work.size(); ++i) CHECK(at_work[i].first->cancelled());
  REQUIRE_FALSE(at_work.empty());
  CHECK_FALSE(at_work.back().first->cancelled());
  for (auto& [context, done] : at_work) {
    const bool last = &context == &at_work.back().first;
    done(NodeCompleted{.outputs = last ? R"({"n":2})" : R"({"n":1})"});
    rig.tick();
  }
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.view(run).state.nodes.at("slow").outputs == R"({"n":2})");
  at_work.clear();
}

TEST_CASE("replays and branches of a run whose loop cut its body short", "[fork]") {
  ForkEngineRig rig;
  rig.add(racing("core.approvalGate", "{}"));
  const RunId source = rig.create("racing");
  REQUIRE(rig.answer(source, "slow", R"({"action":"accept"})").ok());
  REQUIRE(rig.status(source) == RunStatus::completed);
  const Lines whole = rig.story(source);
  for (std::uint64_t from = 0; from < whole.size(); ++from) {
    INFO("from " << from);
    CHECK(rig.story(rig.replay(source, from)) == whole);
    const RunId branch = rig.branch(source, from);
    if (rig.status(branch) == RunStatus::waiting_approval) {
      REQUIRE(rig.answer(branch, "slow", R"({"action":"accept"})").ok());
    }
    CHECK(rig.status(branch) == RunStatus::completed);
    CHECK(rig.count(branch, "node.cancelled") == 1);
  }
}

}  // namespace openwop::test
