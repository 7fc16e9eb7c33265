// Several hosts on one store: who carries out which run, and what happens to those who no longer do.
#include <set>

#include "engine/child_rows.h"
#include "engine/cluster_rig.h"
#include "openwop/lease.h"

using namespace openwop;
using namespace openwop::test;

namespace {

constexpr const char* kHeld = "held";

WorkflowText held() {
  return WorkflowText(kHeld).node("work", "test.held").node("end", "core.noop").edge("work", "end");
}
WorkflowText gate() {
  return WorkflowText("gate").node("gate", "core.approvalGate", R"({"actions":["accept","reject"],"title":"?"})");
}

/// Every partition is one host's, and by whom.
void check_all_claimed_once(const ClusterRig& rig, const std::vector<std::size_t>& which) {
  std::set<std::size_t> seen;
  for (const std::size_t i : which) {
    const auto view = rig.hosts[i]->engine->cluster();
    for (const std::size_t partition : view->claimed) CHECK(seen.insert(partition).second);
  }
  CHECK(seen.size() == kRunPartitions);
}

/// Two hosts with their shares, and the workflows of these tests.
struct TwoHosts : ClusterRig {
  TwoHosts() {
    add_host();
    add_host();
    add_workflow(held());
    add_workflow(gate());
    add_workflow(WorkflowText("delay").node("wait", "core.delay", R"({"ms":60000})"));
    add_workflow(WorkflowText("stepping").node("work", "test.stepping"));
    add_workflow(WorkflowText("noop").node("a", "core.noop"));
    settle();
  }

  Result<RunStatus> resolve(std::size_t host, const RunId& run) {
    ResolveInterrupt request;
    request.run_id = run;
    request.node_id = "gate";
    request.resume_value = R"({"action":"accept"})";
    return hosts[host]->engine->resolve_interrupt(std::move(request));
  }
};

std::string told(const Error& error, std::string_view name) {
  return json::as_string(json::member(error.details, name).value_or("null")).value_or("");
}

}  // namespace

TEST_CASE("hosts share the partitions evenly, and a host that joins gets its share", "[cluster]") {
  ClusterRig rig;
  rig.add_host();
  CHECK(rig[0].claimed() == kRunPartitions);
  rig.add_host();
  CHECK(rig[1].claimed() == 0);
  rig.settle();
  CHECK(rig[0].claimed() == 32);
  CHECK(rig[1].claimed() == 32);
  check_all_claimed_once(rig, {0, 1});
  rig.add_host();
  rig.settle();
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(rig[i].claimed() >= 21);
    CHECK(rig[i].claimed() <= 22);
    CHECK(rig[i].engine->cluster()->hosts.size() == 3);
  }
  check_all_claimed_once(rig, {0, 1, 2});
  CHECK_FALSE(rig[2].changes.empty());
}

TEST_CASE("a host that closes gives its partitions back at once", "[cluster]") {
  TwoHosts rig;
  rig[0].engine->close();
  rig.advance(ClusterRig::kHeartbeatMs, {1});
  CHECK(rig[1].claimed() == kRunPartitions);
  CHECK(rig[1].engine->cluster()->hosts.size() == 1);
}

TEST_CASE("new runs are their host's own, and every other host says whose they are", "[cluster]") {
  TwoHosts rig;
  for (int i = 0; i < 50; ++i) {
    const std::size_t mine = static_cast<std::size_t>(i % 2);
    const RunId run = rig.create_on(mine, kHeld);
    CHECK(rig[mine].has(run));
    CHECK_FALSE(rig[1 - mine].has(run));
  }
  const RunId run = rig.create_on(0, kHeld);
  const std::size_t rows = rig.store->size();
  const auto refused = rig[1].engine->cancel_run({.run_id = run});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::not_owner);
  CHECK(told(refused.error(), "host") == "host-1");
  CHECK(told(refused.error(), "address") == "http://host-1:8080");
  CHECK(rig[1].engine->pause_run({.run_id = run}).error().code == ErrorCode::not_owner);
  CHECK(rig[1].engine->resume_run({.run_id = run}).error().code == ErrorCode::not_owner);
  CHECK(rig[1]
            .engine->write_channel({.run_id = run, .channel = "c", .value = "1", .source_engine_id = "e"})
            .error()
            .code == ErrorCode::not_owner);
  CHECK(rig.store->size() == rows);
  CHECK(rig[1].status(run) == RunStatus::running);  // reading is everybody's
}

TEST_CASE("without options for a cluster there are no rows of one", "[cluster]") {
  EngineRig rig;
  rig.open();
  CHECK_FALSE(rig.engine->cluster().has_value());
  CHECK(rig.store->size() == 0);
  CHECK_FALSE(rig.engine->tick(kStartMs).has_value());
}

TEST_CASE("times of a cluster that make no sense are refused", "[cluster]") {
  for (const auto& [ttl, heartbeat] : {std::pair{30'000, 15'001}, {30'000, 0}, {0, 0}}) {
    EngineOptions options;
    options.store = std::make_shared<MemoryStore>();
    options.threads = 0;
    options.cluster = ClusterOptions{.claim_ttl_ms = ttl, .heartbeat_ms = heartbeat};
    auto opened = Engine::open(std::move(options));
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == ErrorCode::validation_error);
  }
}

TEST_CASE("the runs of a host that died go on elsewhere, and the log shows it", "[cluster]") {
  TwoHosts rig;
  const RunId run = rig.create_on(0, kHeld);
  REQUIRE(rig[0].held.size() == 1);
  rig.advance(ClusterRig::kTtlMs / 2, {1});
  CHECK(rig[1].claimed() == 32);  // not before its time
  rig.advance(ClusterRig::kTtlMs, {1});
  CHECK(rig[1].claimed() == kRunPartitions);
  REQUIRE(rig[1].held.size() == 1);
  CHECK(rig[1].held[0].context->invocation().attempt == 0);
  rig[1].held[0].done(NodeCompleted{});
  rig[1].tick();
  CHECK(rig[1].history(run) == Lines{"run.started", "node.started", "run.resumed", "node.completed", "node.started",
                                     "node.completed", "run.completed"});
}

TEST_CASE("a host that wakes late finds its handlers cancelled and their outcomes not counted", "[cluster]") {
  TwoHosts rig;
  const RunId run = rig.create_on(0, kHeld);
  rig.create_on(0, kHeld);  // still at work
  rig.advance(2 * ClusterRig::kTtlMs, {1});
  REQUIRE(rig[1].held.size() == 2);
  const std::size_t again = rig[1].held[0].context->invocation().run_id == run ? 0 : 1;
  // Its clock goes on with it.
  rig[0].clock->set(rig[1].clock->now_ms());
  rig[0].held[0].done(NodeCompleted{R"({"late":true})"});
  CHECK(rig[0].engine->cancel_run({.run_id = run}).error().code == ErrorCode::not_owner);
  rig[0].tick();
  CHECK(rig[0].held[1].context->cancelled());
  CHECK(rig[1].count(run, "node.completed") == 0);
  rig[1].held[again].done(NodeCompleted{R"({"late":false})"});
  rig[1].tick();
  CHECK(rig[1].count(run, "run.completed") == 1);
  // And it finds its place again.
  rig.settle();
  CHECK(rig[0].claimed() == 32);
  check_all_claimed_once(rig, {0, 1});
}

TEST_CASE("the store refuses every write of a host that believes in its old claims", "[cluster]") {
  TwoHosts rig;
  const RunId work = rig.create_on(0, kHeld);
  const RunId stepping = rig.create_on(0, "stepping");
  const RunId waiting = rig.create_on(0, "gate");
  const RunId delayed = rig.create_on(0, "delay");
  REQUIRE(rig[0].held.size() == 2);
  // Host 0 stands still, its clock too; host 1 takes everything over, and each run has moved on or not.
  rig.advance(2 * ClusterRig::kTtlMs, {1});
  REQUIRE(rig[1].claimed() == kRunPartitions);
  const std::size_t rows = rig.store->size();
  const auto events = [&](const RunId& run) { return rig[1].history(run).size(); };
  const std::size_t before = events(work) + events(stepping) + events(waiting) + events(delayed);
  REQUIRE(rig[0].has(work));

  SECTION("cancel") { CHECK(rig[0].engine->cancel_run({.run_id = work}).error().code == ErrorCode::not_owner); }
  SECTION("pause") {
    CHECK(rig[0].engine->pause_run({.run_id = work, .drain_policy = DrainPolicy::immediate}).error().code ==
          ErrorCode::not_owner);
  }
  SECTION("an answer") { CHECK(rig.resolve(0, waiting).error().code == ErrorCode::not_owner); }
  SECTION("a handler's outcome") { rig[0].held[0].done(NodeCompleted{}); }
  SECTION("a handler's failure") { rig[0].held[0].done(Failure{"late", "late"}); }
  SECTION("a handler's events") {
    Event event;
    event.type = EventType::log_appended;
    event.payload = R"({"level":"info","message":"late"})";
    static_cast<void>(rig[0].held[0].context->emit(event));
  }
  SECTION("a recorded step") {
    const auto step = rig[0].held[1].context->step("another", [] { return Result<std::string>("late"); });
    REQUIRE_FALSE(step.ok());
  }
  SECTION("a version") { CHECK_FALSE(rig[0].held[1].context->version("change", 1, 2).ok()); }
  SECTION("the memory of its agents") {
    NodeMemory* memory = rig[0].held[1].context->memory();
    REQUIRE(memory != nullptr);
    CHECK(memory->put("notes", {.id = "a", .content = "late"}).error().code == ErrorCode::not_owner);
    CHECK(memory->remove("notes", "a").error().code == ErrorCode::not_owner);
  }
  rig[0].tick();
  CHECK(events(work) + events(stepping) + events(waiting) + events(delayed) == before);
  CHECK(rig.store->size() <= rows + 1);  // its host row may be back
}

TEST_CASE("a timer that fires on a host which has lost the run changes nothing", "[cluster]") {
  TwoHosts rig;
  rig.add_workflow(WorkflowText("short").node("wait", "core.delay", R"({"ms":5000})"));
  const RunId run = rig.create_on(0, "short");
  // Taken over by one whose clock runs ahead.
  const std::string name = "run-partition/" + std::to_string(partition_of(run, kRunPartitions));
  const auto taken = Leases(*rig.store).acquire(name, "thief", kStartMs + 10 * ClusterRig::kTtlMs, ClusterRig::kTtlMs);
  REQUIRE(taken.ok());
  REQUIRE(rig[0].has(run));
  rig[0].clock->advance(6'000);
  rig[0].tick();
  CHECK(rig[1].history(run) == Lines{"run.started", "node.started"});
  CHECK_FALSE(rig[0].has(run));
  CHECK(rig[0].claimed() == 31);
}

TEST_CASE("what a refused host was asked to create or fork is created in a partition that it has, or not at all",
          "[cluster]") {
  const bool keyed = GENERATE(false, true);
  TwoHosts rig;
  const RunId source = rig.create_on(1, "noop");
  rig.advance(2 * ClusterRig::kTtlMs, {1});
  CreateRun request;
  request.workflow_id = "noop";
  if (keyed) {
    const auto outcome = [](const RunId& run, RunStatus) { return run.text(); };
    request.claim = LedgerClaim{Ledger::row_key(kRequestScope, "key"), "digest", kStartMs + 86'400'000, {}, outcome};
  }
  // All its partitions are gone, and it learns it by the refused commit of each.
  const auto created = rig[0].engine->create_run(std::move(request));
  REQUIRE_FALSE(created.ok());
  CHECK(created.error().code == ErrorCode::not_owner);
  CHECK(told(created.error(), "host") == "host-2");
  ForkRun fork;
  fork.source_run = source;
  fork.from_sequence = 1;
  CHECK(rig[0].engine->fork_run(std::move(fork)).error().code == ErrorCode::not_owner);
  const auto runs = rig[1].engine->list_runs({}, {}, 100);
  REQUIRE(runs.ok());
  CHECK(runs->runs.size() == 1);
}

TEST_CASE("a host that cannot renew stops by its own clock, and takes up its runs again", "[cluster]") {
  TwoHosts rig;
  const RunId run = rig.create_on(0, kHeld);
  rig[0].store->fails = true;
  rig.advance(ClusterRig::kTtlMs - ClusterRig::kHeartbeatMs - 1'000, {0});
  CHECK(rig[0].claimed() == 32);
  rig.advance(ClusterRig::kHeartbeatMs + 2'000, {0});
  CHECK(rig[0].claimed() == 0);
  CHECK(rig[0].held[0].context->cancelled());
  // Nobody else was awake to take over.
  rig[0].store->fails = false;
  rig.advance(2'000, {0});
  CHECK(rig[0].has(run));
  REQUIRE(rig[0].held.size() == 2);
  rig[0].held[0].done(Failure{"stale", "of the handler before"});
  rig[0].held[1].done(NodeCompleted{});
  rig[0].tick();
  CHECK(rig[0].status(run) == RunStatus::completed);
  CHECK(rig[0].count(run, "run.resumed") == 1);
}

TEST_CASE("a lost answer to a renewal costs no claim", "[cluster]") {
  TwoHosts rig;
  const std::size_t changes = rig[0].changes.size();
  // The renewal is in the store, and the host does not know.
  Leases leases(*rig.store);
  const auto view = rig[0].engine->cluster();
  for (const std::size_t partition : view->claimed) {
    auto lease = leases.find("run-partition/" + std::to_string(partition));
    REQUIRE(lease.ok());
    REQUIRE(leases.renew(**lease, rig[0].clock->now_ms() + 1, ClusterRig::kTtlMs).ok());
  }
  rig.settle();
  CHECK(rig[0].claimed() == 32);
  CHECK(rig[0].changes.size() == changes);
  check_all_claimed_once(rig, {0, 1});
}

TEST_CASE("what is handed over to a host that joins goes on there with one run.resumed", "[cluster]") {
  ClusterRig rig;
  rig.add_host();
  rig.add_workflow(held());
  std::vector<RunId> runs;
  for (int i = 0; i < 64; ++i) runs.push_back(rig.create_on(0, kHeld));
  REQUIRE(rig[0].held.size() == 64);
  rig.add_host();
  rig.settle();
  CHECK(rig[1].claimed() == 32);
  std::size_t moved = 0;
  for (const RunId& run : runs) {
    const bool has_moved = rig[1].has(run);
    moved += has_moved ? 1 : 0;
    CHECK(rig[0].count(run, "run.resumed") == (has_moved ? 1 : 0));
  }
  CHECK(moved > 0);
  CHECK(rig[1].held.size() == moved);
  for (auto& each : rig[0].held) each.done(NodeCompleted{});
  for (auto& each : rig[1].held) each.done(NodeCompleted{});
  rig.advance(500);
  for (const RunId& run : runs) {
    CHECK(rig[0].count(run, "run.started") == 1);
    CHECK(rig[0].count(run, "node.completed") == 2);
    CHECK(rig[0].status(run) == RunStatus::completed);
  }
}

TEST_CASE("a recorded step is not done again by the host that takes over", "[cluster]") {
  TwoHosts rig;
  const RunId run = rig.create_on(0, "stepping");
  CHECK(rig[0].effects == 1);
  rig.advance(2 * ClusterRig::kTtlMs, {1});
  REQUIRE(rig[1].held.size() == 1);
  CHECK(rig[1].effects == 0);
  // Nor is one begun by a host that has lost the run and knows it.
  rig[0].clock->set(rig[1].clock->now_ms());
  int effects = 0;
  CHECK_FALSE(
      rig[0].held[0].context->step("next", [&] { return Result<std::string>(std::to_string(++effects)); }).ok());
  CHECK(effects == 0);
  rig[1].held[0].done(NodeCompleted{});
  rig[1].tick();
  CHECK(rig[1].status(run) == RunStatus::completed);
}

TEST_CASE("each timer fires on one host, also on the one that took over", "[cluster]") {
  TwoHosts rig;
  std::vector<RunId> runs;
  for (int i = 0; i < 20; ++i) runs.push_back(rig.create_on(static_cast<std::size_t>(i % 2), "delay"));
  SECTION("both are there") { rig.advance(61'000); }
  SECTION("one has died") { rig.advance(61'000, {1}); }
  SECTION("one has died and is back when they are due") {
    rig.advance(ClusterRig::kTtlMs + ClusterRig::kHeartbeatMs, {1});
    rig[0].clock->set(rig[1].clock->now_ms());
    rig.advance(61'000);
  }
  for (const RunId& run : runs) {
    CHECK(rig[1].status(run) == RunStatus::completed);
    CHECK(rig[1].count(run, "node.completed") == 1);
    CHECK(rig[1].count(run, "run.completed") == 1);
  }
}

TEST_CASE("a host asks for time of its own when it drives: heartbeats are due work", "[cluster]") {
  ClusterRig rig;
  rig.add_host();
  const auto next = rig[0].engine->tick(kStartMs);
  REQUIRE(next.has_value());
  CHECK(*next > kStartMs);
  CHECK(*next <= kStartMs + ClusterRig::kHeartbeatMs);
}

TEST_CASE("a key that is used on two hosts gives one run", "[cluster]") {
  TwoHosts rig;
  const auto keyed = [&](std::size_t host) {
    CreateRun request;
    request.workflow_id = "noop";
    request.claim = LedgerClaim{
        Ledger::row_key(kRequestScope, "key"), "digest", kStartMs + 86'400'000, {}, [](const RunId& run, RunStatus) {
          return run.text();
        }};
    return rig[host].engine->create_run(std::move(request));
  };
  const auto first = keyed(0);
  REQUIRE(first.ok());
  const auto second = keyed(1);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == ErrorCode::precondition_failed);
  const auto entry = rig[1].engine->find_ledger_entry(Ledger::row_key(kRequestScope, "key"));
  REQUIRE((entry.ok() && entry->has_value()));
  CHECK((*entry)->entry.outcome == first->run_id.text());
}

TEST_CASE("of answers on two hosts one wins", "[cluster]") {
  TwoHosts rig;
  for (int i = 0; i < 10; ++i) {
    const RunId run = rig.create_on(static_cast<std::size_t>(i % 2), "gate");
    const auto here = rig.resolve(0, run);
    const auto there = rig.resolve(1, run);
    CHECK(here.ok() != there.ok());
    const Error& error = here.ok() ? there.error() : here.error();
    CHECK((error.code == ErrorCode::not_owner || error.code == ErrorCode::interrupt_already_resolved));
    CHECK(rig[0].count(run, "interrupt.resolved") == 1);
  }
}

TEST_CASE("children live in their parent's partition and move with it", "[cluster]") {
  TwoHosts rig;
  rig.add_workflow(WorkflowText("parent").node("call", "core.subWorkflow", R"({"workflowId":"held"})"));
  for (int i = 0; i < 5; ++i) {
    const RunId run = rig.create_on(0, "parent");
    const auto view = rig[0].engine->run("default", run);
    REQUIRE(view.ok());
    REQUIRE(view->state.children.size() == 1);
    CHECK(partition_of(view->state.children[0].run_id, kRunPartitions) == partition_of(run, kRunPartitions));
  }
  const RunId run = rig.create_on(0, "parent");
  rig.advance(2 * ClusterRig::kTtlMs, {1});
  REQUIRE(rig[1].held.size() == 6);
  for (auto& each : rig[1].held) each.done(NodeCompleted{});
  rig[1].tick();
  CHECK(rig[1].status(run) == RunStatus::completed);
}

TEST_CASE("what a run wants of one on another host reaches it there", "[cluster]") {
  TwoHosts rig;
  const RunId run = rig.create_on(0, kHeld);
  // As a parent of an older build, whose children lay anywhere, would leave it.
  Transaction order;
  order.put(runtime::child_order_key(run, runtime::kControlOrder),
            runtime::encode_order(command::CancelRun{"parent-cancelled", {}, {}, {}}));
  REQUIRE(rig.store->commit(order, Durability::sync).ok());
  rig.advance(ClusterRig::kHeartbeatMs + 2'000);
  CHECK(rig[1].status(run) == RunStatus::cancelled);
  CHECK(rig[1].count(run, "run.cancelled") == 1);
}

TEST_CASE("a run is followed on any host", "[cluster]") {
  TwoHosts rig;
  const RunId run = rig.create_on(0, kHeld);
  auto followed = rig[1].engine->subscribe("default", run, 0);
  REQUIRE(followed.ok());
  std::vector<std::string> seen;
  const auto read = [&] {
    return (*followed)->read(100, [&](const EventView& event) {
      seen.emplace_back(event.type_name);
      return true;
    });
  };
  int told = 0;
  (*followed)->on_ready([&] { ++told; });
  REQUIRE(read().ok());
  CHECK(seen.size() == 2);
  rig[0].held[0].done(NodeCompleted{});
  rig[0].tick();
  rig.advance(2'000);
  CHECK(told > 0);
  REQUIRE(read().ok());
  CHECK((*followed)->complete());
  CHECK(seen.back() == "run.completed");
  followed->reset();
  const int before = told;
  rig.advance(5'000);
  CHECK(told == before);
}

TEST_CASE("a definition that one host gets is what all create runs with", "[cluster]") {
  TwoHosts rig;
  REQUIRE(rig[1].engine->workflow("noop").ok());
  const auto newer = rig[0].engine->register_workflow(
      WorkflowText("noop").node("a", "core.noop").node("b", "core.noop").edge("a", "b").json());
  REQUIRE(newer.ok());
  const auto seen = rig[1].engine->workflow("noop");
  REQUIRE(seen.ok());
  CHECK((*seen)->digest == (*newer)->digest);
  const RunId run = rig.create_on(1, "noop");
  CHECK(rig[0].count(run, "node.completed") == 2);
}
