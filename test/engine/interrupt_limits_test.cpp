// Interrupts at their limits: no timeout, no round of clarification, and an answer at the moment of the deadline.
#include <thread>

#include "support/engine_rig.h"

namespace openwop::test {

TEST_CASE("an interrupt whose timeout is 0 has none") {
  EngineRig rig;
  rig.add(WorkflowText("gate").node("n", "core.approvalGate", R"({"timeoutMs":0})"));
  rig.add(
      WorkflowText("ask").node("n", "core.interrupt", R"({"kind":"custom","data":{"customKind":"c"},"timeoutMs":0})"));
  const RunId gate = rig.create("gate");
  const RunId ask = rig.create("ask");
  rig.tick();
  rig.advance(std::int64_t{10} * 365 * 24 * 3'600 * 1'000);
  rig.open();
  rig.tick();
  CHECK(rig.status(gate) == RunStatus::waiting_approval);
  CHECK(rig.status(ask) == RunStatus::waiting_input);
  REQUIRE(rig.answer(gate, "n", R"({"action":"accept"})").ok());
  REQUIRE(rig.answer(ask, "n", "1").ok());
  CHECK(rig.status(gate) == RunStatus::completed);
  CHECK(rig.status(ask) == RunStatus::completed);
}

TEST_CASE("a host that allows no round of clarification asks nothing") {
  EngineRig rig;
  rig.options.max_clarification_rounds = 0;
  rig.add(WorkflowText("ask").node("n", "core.clarificationGate", R"({"questions":[{"id":"q","question":"?"}]})"));
  rig.add(WorkflowText("gate").node("n", "core.approvalGate"));
  const RunId run = rig.create("ask");
  CHECK(rig.history(run) == Lines{"run.started", "node.started(n)", "cap.breached(n)", "node.failed(n)", "run.failed"});
  CHECK(rig.events(run)[2].payload == R"({"kind":"clarification","limit":0,"observed":1,"nodeId":"n"})");
  CHECK(rig.status(rig.create("gate")) == RunStatus::waiting_approval);
}

TEST_CASE("an answer at the moment of the deadline: one of the two wins, and the run ends as the winner says") {
  constexpr std::int64_t kTimeoutMs = 2;
  EngineRig rig;
  rig.options.threads = 2;
  rig.options.store = rig.store;
  const auto clock = std::make_shared<SystemClock>();
  rig.options.clock = clock;
  auto opened = Engine::open(rig.options);
  REQUIRE(opened.ok());
  Engine& engine = **opened;
  REQUIRE(engine
              .register_workflow(
                  WorkflowText("short")
                      .node("gate", "core.approvalGate", R"({"timeoutMs":)" + std::to_string(kTimeoutMs) + "}")
                      .json())
              .ok());
  for (int round = 0; round < 100; ++round) {
    const RunId run = engine.create_run({.workflow_id = "short"})->run_id;
    // From a little before the deadline to a little behind it.
    const std::int64_t until_ms = clock->now_ms() + round % (2 * kTimeoutMs);
    while (clock->now_ms() < until_ms) std::this_thread::yield();
    const auto answered =
        engine.resolve_interrupt({.run_id = run, .node_id = "gate", .resume_value = R"({"action":"accept"})"});
    RunStatus status = RunStatus::running;
    // Nothing but the engine's own timer is waited for.
    for (const std::int64_t end_ms = clock->now_ms() + 10'000; clock->now_ms() < end_ms && !is_terminal(status);) {
      status = engine.run("default", run)->state.status;
    }
    CHECK(status == (answered.ok() ? RunStatus::completed : RunStatus::failed));
    if (!answered) CHECK(answered.error().code == ErrorCode::interrupt_already_resolved);
    std::size_t ends = 0;
    REQUIRE(engine
                .read_events("default", run, 0,
                             [&](const EventView& event) {
                               if (event.type == EventType::approval_received) ++ends;
                               if (event.type == EventType::interrupt_resolved) CHECK(answered.ok());
                               return true;
                             })
                .ok());
    CHECK(ends == 1);
  }
}

}  // namespace openwop::test
