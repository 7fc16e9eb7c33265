// Pause and resume in every state: both drain policies, delays, retries, handlers, suspended nodes, restarts.
#include "support/engine_rig.h"

namespace openwop::test {

namespace {

struct Pauses : EngineRig {
  struct Held {
    std::shared_ptr<NodeContext> context;
    Completion done;
  };
  std::vector<Held> held;

  Pauses() {
    options.nodes.add({"t.hold", AsyncHandler([this](std::shared_ptr<NodeContext> context, Completion done) {
                         held.push_back({std::move(context), std::move(done)});
                       })});
    add(WorkflowText("delay")
            .node("wait", "core.delay", R"({"ms":30000})")
            .node("after", "core.noop")
            .edge("wait", "after"));
    add(WorkflowText("work").node("hold", "t.hold").node("after", "core.noop").edge("hold", "after"));
    add(WorkflowText("gate").node("gate", "core.approvalGate"));
  }

  Result<RunStatus> pause(const RunId& run, DrainPolicy policy = DrainPolicy::drain_current_node) {
    return engine->pause_run({.run_id = run, .reason = "tea", .drain_policy = policy});
  }
  Result<RunStatus> resume(const RunId& run) { return engine->resume_run({.run_id = run}); }
  std::string conflict(const Result<RunStatus>& result) {
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.error().code == ErrorCode::conflict);
    return json::as_string(json::member(result.error().details, "runStatus").value_or("null")).value_or("");
  }
  Lines tail(const RunId& run, std::size_t from) {
    const Lines all = history(run);
    return Lines(all.begin() + static_cast<std::ptrdiff_t>(from), all.end());
  }
};

}  // namespace

TEST_CASE("a delay has nothing to drain: it ends early, and after the resume the run goes on behind it") {
  Pauses rig;
  const RunId run = rig.create("delay");
  REQUIRE(rig.pause(run).ok());
  CHECK(rig.status(run) == RunStatus::paused);
  CHECK(rig.tail(run, 2) == Lines{"node.completed(wait)", "run.paused"});
  rig.open();
  rig.advance(100'000);
  CHECK(rig.status(run) == RunStatus::paused);
  const auto resumed = rig.resume(run);
  REQUIRE(resumed.ok());
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.tail(run, 4) == Lines{"run.resumed", "node.started(after)", "node.completed(after)", "run.completed"});
}

TEST_CASE("an immediate pause keeps a delay, which counts on while the run is paused and ends at the resume") {
  Pauses rig;
  const RunId early = rig.create("delay");
  const RunId late = rig.create("delay");
  REQUIRE(rig.pause(early, DrainPolicy::immediate).ok());
  REQUIRE(rig.pause(late, DrainPolicy::immediate).ok());
  rig.advance(10'000);
  REQUIRE(rig.resume(early).ok());
  CHECK(rig.status(early) == RunStatus::running);
  rig.advance(20'000);
  CHECK(rig.status(early) == RunStatus::completed);
  CHECK(rig.count(early, "node.started") == 2);
  CHECK(rig.status(late) == RunStatus::paused);
  REQUIRE(rig.resume(late).ok());
  CHECK(rig.status(late) == RunStatus::completed);
}

TEST_CASE("draining lets the handler at work answer, starts no other, and then pauses") {
  Pauses rig;
  const RunId run = rig.create("work");
  rig.tick();
  REQUIRE(rig.held.size() == 1);
  CHECK(*rig.pause(run) == RunStatus::running);
  CHECK_FALSE(rig.held[0].context->cancelled());
  CHECK(rig.conflict(rig.pause(run)) == "paused");
  rig.held[0].done(NodeCompleted{});
  rig.tick();
  CHECK(rig.status(run) == RunStatus::paused);
  CHECK(rig.tail(run, 2) == Lines{"log.appended", "node.completed(hold)", "run.paused"});
  REQUIRE(rig.resume(run).ok());
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("a pause that drains survives a restart, and can be withdrawn or overtaken by an immediate one") {
  Pauses rig;
  const RunId run = rig.create("work");
  const RunId withdrawn = rig.create("work");
  const RunId overtaken = rig.create("work");
  rig.tick();
  for (const RunId& each : {run, withdrawn, overtaken}) REQUIRE(rig.pause(each).ok());
  CHECK(rig.resume(withdrawn).ok());
  REQUIRE(rig.pause(overtaken, DrainPolicy::immediate).ok());
  CHECK(rig.status(overtaken) == RunStatus::paused);
  rig.held.clear();
  rig.open();
  rig.tick();
  REQUIRE(rig.held.size() == 2);
  for (auto& held : rig.held) held.done(NodeCompleted{});
  rig.tick();
  CHECK(rig.status(run) == RunStatus::paused);
  CHECK(rig.status(withdrawn) == RunStatus::completed);
  CHECK(rig.status(overtaken) == RunStatus::paused);
}

TEST_CASE("an immediate pause stops the handler; its late answer does not count, and it begins again") {
  Pauses rig;
  const RunId run = rig.create("work");
  rig.tick();
  REQUIRE(rig.pause(run, DrainPolicy::immediate).ok());
  CHECK(rig.status(run) == RunStatus::paused);
  REQUIRE(rig.held.size() == 1);
  CHECK(rig.held[0].context->cancelled());
  auto late = rig.held[0].done;
  rig.open();
  rig.tick();
  CHECK(rig.held.size() == 1);
  REQUIRE(rig.resume(run).ok());
  rig.tick();
  REQUIRE(rig.held.size() == 2);
  CHECK(rig.held[1].context->invocation().attempt == 0);
  late(Failure{"late", "late"});
  rig.tick();
  CHECK(rig.status(run) == RunStatus::running);
  rig.held[1].done(NodeCompleted{});
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.count(run, "node.started") == 2);
}

TEST_CASE("the answer of a handler that an immediate pause stopped does not count while the engine stays up") {
  Pauses rig;
  const RunId run = rig.create("work");
  rig.tick();
  REQUIRE(rig.pause(run, DrainPolicy::immediate).ok());
  rig.held[0].done(NodeCompleted{});
  rig.tick();
  CHECK(rig.status(run) == RunStatus::paused);
  REQUIRE(rig.resume(run).ok());
  rig.tick();
  REQUIRE(rig.held.size() == 2);
  rig.held[1].done(NodeCompleted{});
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("a retry stays parked while the run is paused, whatever its time") {
  Pauses rig;
  rig.add(WorkflowText("retry").node("hold", "t.hold", "{}", "{}", R"(,"settings":{"maxRetries":3})"));
  const RunId run = rig.create("retry");
  rig.tick();
  rig.held[0].done(Failure{"x", "x", {}, true});
  rig.tick();
  REQUIRE(rig.view(run).state.nodes.at("hold").status == NodeStatus::retrying);
  REQUIRE(rig.pause(run).ok());
  rig.advance(1'000'000);
  CHECK(rig.status(run) == RunStatus::paused);
  CHECK(rig.held.size() == 1);
  REQUIRE(rig.resume(run).ok());
  rig.tick();
  REQUIRE(rig.held.size() == 2);
  CHECK(rig.held[1].context->invocation().attempt == 1);
}

TEST_CASE("what cannot be paused or resumed is refused with the status of the run") {
  Pauses rig;
  const RunId waiting = rig.create("gate");
  CHECK(rig.conflict(rig.pause(waiting)) == "waiting-approval");
  CHECK(rig.conflict(rig.resume(waiting)) == "waiting-approval");
  REQUIRE(rig.engine->cancel_run({.run_id = waiting}).ok());
  CHECK(rig.conflict(rig.pause(waiting)) == "cancelled");
  CHECK(rig.conflict(rig.resume(waiting)) == "cancelled");

  const RunId run = rig.create("delay");
  CHECK(rig.conflict(rig.resume(run)) == "running");
  REQUIRE(rig.pause(run).ok());
  const auto again = rig.pause(run);
  CHECK(rig.conflict(again) == "paused");
  CHECK(json::member(again.error().details, "pausedAt"));
  CHECK(rig.engine->pause_run({.tenant = "other", .run_id = run}).error().code == ErrorCode::run_not_found);
  CHECK(rig.engine->cancel_run({.run_id = run}).ok());
  CHECK(rig.status(run) == RunStatus::cancelled);
}

TEST_CASE("a node that suspends while the run drains is paused with it, and answered after the resume") {
  Pauses rig;
  const RunId run = rig.create("work");
  rig.tick();
  REQUIRE(rig.pause(run).ok());
  rig.held[0].done(NodeSuspend{.kind = InterruptKind::approval,
                               .data = R"({"artifactId":"a","artifactType":"b","title":"c","actions":["accept"]})",
                               .timeout_ms = 1'000});
  rig.tick();
  CHECK(rig.status(run) == RunStatus::paused);
  ResolveInterrupt answer{.run_id = run, .node_id = "hold", .resume_value = R"({"action":"accept"})"};
  CHECK(rig.conflict(rig.engine->resolve_interrupt(answer)) == "paused");
  rig.advance(500);
  REQUIRE(rig.resume(run).ok());
  CHECK(rig.status(run) == RunStatus::waiting_approval);
  REQUIRE(rig.engine->resolve_interrupt(answer).ok());
  rig.tick();
  REQUIRE(rig.held.size() == 2);
  rig.held[1].done(NodeCompleted{});
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("an interrupt's deadline that passes while the run is paused takes effect with the resume") {
  Pauses rig;
  const auto ask = NodeSuspend{.kind = InterruptKind::approval,
                               .data = R"({"artifactId":"a","artifactType":"b","title":"c","actions":["accept"]})",
                               .timeout_ms = 1'000};
  const RunId late = rig.create("work");
  const RunId early = rig.create("work");
  rig.tick();
  REQUIRE(rig.held.size() == 2);
  for (const RunId& run : {late, early}) REQUIRE(rig.pause(run).ok());
  for (auto& held : rig.held) held.done(ask);
  rig.tick();
  rig.advance(999);
  REQUIRE(rig.resume(early).ok());
  CHECK(rig.status(early) == RunStatus::waiting_approval);
  rig.advance(1);
  CHECK(rig.status(early) == RunStatus::failed);
  rig.advance(100'000);
  CHECK(rig.status(late) == RunStatus::paused);
  CHECK(rig.count(late, "node.failed") == 0);
  // Nothing of it is kept in memory.
  rig.open();
  rig.tick();
  CHECK(rig.status(late) == RunStatus::paused);
  REQUIRE(rig.resume(late).ok());
  CHECK(rig.status(late) == RunStatus::failed);
  for (const RunId& run : {late, early}) {
    CHECK(json::member(rig.view(run).state.error, "code") == R"("interrupt_timeout")");
  }
  const Lines end = rig.tail(late, rig.history(late).size() - 4);
  CHECK(end == Lines{"run.resumed", "approval.received(hold)", "node.failed(hold)", "run.failed"});
}

TEST_CASE("the run's timeout does not count the time that it was paused") {
  Pauses rig;
  rig.add(WorkflowText("limited").node("hold", "t.hold").settings(R"({"timeout":10000})"));
  const RunId run = rig.create("limited");
  rig.advance(6'000);
  REQUIRE(rig.pause(run, DrainPolicy::immediate).ok());
  rig.advance(60'000);
  REQUIRE(rig.resume(run).ok());
  rig.advance(3'999);
  CHECK(rig.status(run) == RunStatus::running);
  rig.advance(1);
  CHECK(rig.status(run) == RunStatus::failed);
}

TEST_CASE("a keyed pause is remembered in the commit of its effect") {
  Pauses rig;
  const RunId run = rig.create("delay");
  const std::string row = Ledger::row_key("pause", "key");
  PauseRun request{.run_id = run};
  request.claim = LedgerClaim{
      .row_key = row, .outcome = [](const RunId&, RunStatus status) { return std::string(status_name(status)); }};
  REQUIRE(rig.engine->pause_run(request).ok());
  auto entry = rig.engine->find_ledger_entry(row);
  REQUIRE((entry.ok() && entry->has_value()));
  CHECK((*entry)->entry.outcome == "paused");
}

}  // namespace openwop::test
