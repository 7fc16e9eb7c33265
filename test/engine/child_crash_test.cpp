// A process that dies at any commit of a parent and its children, or loses one: the child is created once, the parent
// learns of its end once, orders arrive, and nothing of them is left.
#include "openwop/testing.h"
#include "support/engine_rig.h"

namespace openwop::test {

namespace {

using testing::Host;
using testing::Report;
using testing::Scenario;

/// Faults take some seconds of virtual time; what has to last, lasts longer.
constexpr std::int64_t kLeafMs = 3'600'000;
constexpr std::int64_t kSettleMs = 30'000;

Scenario family(std::function<void(Host&)> act) {
  return {.workflows = {WorkflowText("leaf")
                            .variable(R"({"name":"v","type":"string","defaultValue":"from below"})")
                            .node("wait", "core.delay", R"({"ms":)" + std::to_string(kLeafMs) + "}")
                            .json(),
                        WorkflowText("middle")
                            .node("call", "core.subWorkflow", R"({"workflowId":"leaf","outputMapping":{"v":"v"}})")
                            .json(),
                        WorkflowText("top")
                            .node("call", "core.subWorkflow", R"({"workflowId":"middle","outputMapping":{"v":"v"}})")
                            .json()},
          .act = std::move(act)};
}

/// Runs of a workflow; those that the store does not tell just now are asked for again.
std::vector<RunSummary> runs_of(Host& host, const std::string& workflow) {
  for (;;) {
    if (host.engine() == nullptr) return {};
    auto page = host.engine()->list_runs({.workflow_id = workflow}, {}, 100);
    if (page) return page->runs;
    host.pass(0);
  }
}

}  // namespace

TEST_CASE("a family of runs ends the same wherever its process dies") {
  const Report report = crash_at_every_commit(family([](Host& host) {
    const RunId top = host.create({.workflow_id = "top"});
    host.expect(host.run_to_end(top) == RunStatus::completed, "the top run is completed");
    const auto view = host.view(top);
    host.expect(view && view->state.variables.at("v") == R"("from below")", "the value comes up");
    for (const char* workflow : {"middle", "leaf"}) {
      host.expect(runs_of(host, workflow).size() == 1, std::string(workflow) + " is created once");
    }
  }));
  INFO(report.text());
  CHECK(report.ok());
  CHECK(report.crashes > 10);
}

TEST_CASE("a dispatch starts each of its workers once wherever its process dies") {
  Scenario scenario;
  scenario.workflows = {WorkflowText("worker").node("wait", "core.delay", R"({"ms":100})").json(),
                        WorkflowText("team")
                            .node("supervisor", "core.orchestrator.supervisor",
                                  R"({"mockDecisions":[{"kind":"next-worker","nextWorkerIds":["worker","worker"]},)"
                                  R"({"kind":"next-worker","nextWorkerIds":["worker"]}]})")
                            .node("dispatch", "core.dispatch")
                            .edge("supervisor", "dispatch")
                            .edge("dispatch", "supervisor")
                            .json()};
  scenario.act = [](Host& host) {
    const RunId team = host.create({.workflow_id = "team"});
    host.expect(host.run_to_end(team) == RunStatus::completed, "the team is completed");
    const auto view = host.view(team);
    host.expect(view && view->state.agents.decisions == 3, "three decisions");
    host.expect(view && view->state.agents.dispatches == 3, "three dispatches");
    const auto workers = runs_of(host, "worker");
    host.expect(workers.size() == 3, "three workers");
    for (const RunSummary& worker : workers)
      host.expect(worker.status == RunStatus::completed, "a worker is completed");
  };
  const Report report = crash_at_every_commit(scenario);
  INFO(report.text());
  CHECK(report.ok());
  CHECK(report.crashes > 10);
}

TEST_CASE("a parent that works meanwhile learns of its child's end, whatever becomes of its commits") {
  Scenario scenario;
  scenario.workflows = {WorkflowText("quick").node("n", "core.noop").json(),
                        WorkflowText("busy")
                            .node("call", "core.subWorkflow", R"({"workflowId":"quick"})")
                            .node("work", "vendor.test.work")
                            .node("more", "vendor.test.work")
                            .edge("work", "more")
                            .json()};
  scenario.set_up = [](EngineOptions& options) {
    options.max_events_per_commit = 1;
    options.nodes.add({"vendor.test.work", SyncHandler([](NodeContext&) -> NodeOutcome { return NodeCompleted{}; })});
  };
  scenario.act = [](Host& host) {
    const RunId run = host.create({.workflow_id = "busy"});
    host.expect(host.run_to_end(run) == RunStatus::completed, "the run is completed");
    host.expect(runs_of(host, "quick").size() == 1, "the child is created once");
  };
  const Report crashes = crash_at_every_commit(scenario);
  INFO(crashes.text());
  CHECK(crashes.ok());
  const Report storms = simulate(scenario, {.seeds = 200});
  INFO(storms.text());
  CHECK(storms.ok());
}

TEST_CASE("a cancel reaches every descendant wherever the process dies") {
  const Report report = crash_at_every_commit(family([](Host& host) {
    const RunId top = host.create({.workflow_id = "top"});
    host.pass(kSettleMs);
    host.expect(runs_of(host, "leaf").size() == 1, "the leaf is there");
    host.expect(host.cancel(top) == RunStatus::cancelled, "the top run is cancelled");
    host.pass(kSettleMs);
    for (const char* workflow : {"middle", "leaf"}) {
      const auto runs = runs_of(host, workflow);
      host.expect(runs.size() == 1 && runs.front().status == RunStatus::cancelled,
                  std::string(workflow) + " is cancelled with it");
    }
  }));
  INFO(report.text());
  CHECK(report.ok());
}

}  // namespace openwop::test
