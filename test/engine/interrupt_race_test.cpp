// Many who answer at once, on an engine with threads of its own.
#include <atomic>
#include <thread>

#include "support/engine_rig.h"

namespace openwop::test {

TEST_CASE("of 64 resolvers at once one wins, and 64 voters are all counted") {
  EngineRig rig;
  rig.options.threads = 2;
  rig.options.clock = std::make_shared<SystemClock>();
  rig.options.store = rig.store;
  rig.options.ids = std::make_shared<RandomIdSource>(7);
  auto opened = Engine::open(rig.options);
  REQUIRE(opened.ok());
  Engine& engine = **opened;
  REQUIRE(engine.register_workflow(WorkflowText("one").node("gate", "core.approvalGate").json()).ok());
  REQUIRE(engine
              .register_workflow(
                  WorkflowText("many").node("gate", "core.approvalGate", R"({"requiredApprovals":64})").json())
              .ok());
  for (const std::string workflow : {"one", "many"}) {
    const RunId run = engine.create_run({.workflow_id = workflow})->run_id;
    std::atomic<int> won{0};
    std::atomic<int> late{0};
    std::atomic<int> completed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 64; ++i) {
      threads.emplace_back([&, i] {
        const auto answered = engine.resolve_interrupt({.run_id = run,
                                                        .node_id = "gate",
                                                        .resume_value = R"({"action":"accept"})",
                                                        .principal = "p" + std::to_string(i)});
        if (answered) ++won;
        if (answered && *answered == RunStatus::completed) ++completed;
        if (!answered && answered.error().code == ErrorCode::interrupt_already_resolved) ++late;
      });
    }
    for (auto& thread : threads) thread.join();
    INFO(workflow);
    CHECK(completed == 1);
    CHECK(won == (workflow == "one" ? 1 : 64));
    CHECK(won + late == 64);
  }
}

TEST_CASE("a cancel and a resolution at once: one wins, and the run ends as the winner says") {
  EngineRig rig;
  rig.options.threads = 2;
  rig.options.store = rig.store;
  auto opened = Engine::open(rig.options);
  REQUIRE(opened.ok());
  Engine& engine = **opened;
  REQUIRE(engine.register_workflow(WorkflowText("one").node("gate", "core.approvalGate").json()).ok());
  for (int round = 0; round < 50; ++round) {
    const RunId run = engine.create_run({.workflow_id = "one"})->run_id;
    Result<RunStatus> resolved = RunStatus::pending;
    std::thread resolver([&] {
      resolved = engine.resolve_interrupt({.run_id = run, .node_id = "gate", .resume_value = R"({"action":"accept"})"});
    });
    const auto cancelled = engine.cancel_run({.run_id = run});
    resolver.join();
    REQUIRE(cancelled.ok());
    const RunStatus status = engine.run("default", run)->state.status;
    CHECK(*cancelled == status);
    CHECK(resolved.ok() == (status == RunStatus::completed));
    if (!resolved) CHECK(resolved.error().code == ErrorCode::interrupt_cancelled);
  }
}

}  // namespace openwop::test
