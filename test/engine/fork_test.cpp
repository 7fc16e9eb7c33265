// Forks: what they share, what they cost, what is refused, and branches.
#include "engine/fork_plan.h"
#include "openwop/log.h"
#include "openwop/run_diff.h"
#include "support/fork_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

WorkflowText three_nodes() {
  return WorkflowText("three")
      .node("a", "core.noop")
      .node("b", "core.setVariable", R"({"name":"v","value":7})")
      .node("c", "core.noop")
      .edge("a", "b")
      .edge("b", "c");
}

std::size_t rows_of(const MemoryStore& store) {
  std::size_t rows = 0;
  REQUIRE(store.scan({}, [&](std::string_view, std::string_view) { return ++rows > 0; }).ok());
  return rows;
}

}  // namespace

TEST_CASE("a branch from any sequence inherits the events below it and ends as the source did", "[engine][fork]") {
  ForkEngineRig rig;
  rig.add(three_nodes());
  const RunId source = rig.create("three");
  const Lines whole = rig.story(source);
  for (std::uint64_t from = 0; from < whole.size(); ++from) {
    INFO("from " << from);
    rig.advance(1'000);
    const RunId fork = rig.branch(source, from);
    const auto events = rig.events(fork);
    REQUIRE(events.size() == whole.size());
    CHECK(rig.history(fork) == rig.history(source));
    for (std::uint64_t i = 0; i < from; ++i) CHECK(rig.story(fork)[i] == whole[i]);
    CHECK(rig.status(fork) == RunStatus::completed);
    CHECK(rig.view(fork).state.variables.at("v") == "7");
  }
  CHECK(rig.story(source) == whole);
}

TEST_CASE("a fork says where it comes from, and keeps tenant, workflow and options of its source", "[engine][fork]") {
  ForkEngineRig rig;
  rig.add(three_nodes());
  CreateRun create;
  create.workflow_id = "three";
  create.configurable = R"({"recursionLimit":50,"x":1})";
  create.tags = {"t1"};
  create.metadata = R"({"m":1})";
  const RunId source = rig.create(std::move(create));
  ForkRun request;
  request.source_run = source;
  request.from_sequence = 3;
  request.mode = ForkMode::branch;
  request.configurable = R"({"x":2,"y":3})";
  request.tags = std::vector<std::string>{"t2"};
  const auto forked = rig.engine->fork_run(std::move(request));
  REQUIRE(forked.ok());
  rig.tick();
  const RunHeader header = rig.view(forked->run_id).header;
  REQUIRE(header.fork.has_value());
  CHECK(header.fork->source_run == source);
  CHECK(header.fork->from_sequence == 3);
  CHECK(header.fork->mode == ForkMode::branch);
  CHECK(header.fork->root() == source);
  CHECK(header.workflow_id == "three");
  CHECK(json::equal(header.configurable, R"({"recursionLimit":50,"x":2,"y":3})"));
  CHECK(header.max_node_executions == 50);
  CHECK(header.tags == std::vector<std::string>{"t2"});
  CHECK(header.metadata == R"({"m":1})");
}

TEST_CASE("forks that cannot be are refused and leave nothing", "[engine][fork]") {
  ForkEngineRig rig;
  rig.add(three_nodes());
  const RunId source = rig.create("three");
  const std::uint64_t length = rig.length(source);
  const std::size_t rows = rows_of(*rig.store);
  const auto code = [&](const RunId& run, std::uint64_t from, ForkMode mode) {
    const auto forked = rig.try_fork(run, from, mode);
    REQUIRE_FALSE(forked.ok());
    return forked.error().code;
  };
  CHECK(code(source, length, ForkMode::replay) == ErrorCode::fork_refused);
  CHECK(code(source, length + 1'000'000, ForkMode::branch) == ErrorCode::fork_refused);
  CHECK(code(RunId{}, 0, ForkMode::branch) == ErrorCode::run_not_found);
  ForkRun request;
  request.source_run = source;
  request.mode = ForkMode::replay;
  request.tags = std::vector<std::string>{};
  auto refused = rig.engine->fork_run(request);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::validation_error);
  request = {};
  request.source_run = source;
  request.tenant = "somebody-else";
  CHECK(rig.engine->fork_run(request).error().code == ErrorCode::run_not_found);
  request = {};
  request.source_run = source;
  request.configurable = R"({"recursionLimit":"many"})";
  CHECK(rig.engine->fork_run(request).error().code == ErrorCode::validation_error);
  request.configurable = "[1]";
  CHECK(rig.engine->fork_run(request).error().code == ErrorCode::validation_error);
  CHECK(rows_of(*rig.store) == rows);
}

TEST_CASE("a chain of forks ends at max_fork_ancestors", "[engine][fork]") {
  ForkEngineRig rig;
  rig.options.max_fork_ancestors = 4;
  rig.add(three_nodes());
  RunId run = rig.create("three");
  std::uint64_t from = 1;
  for (; from < 5; ++from) run = rig.branch(run, from);
  const auto refused = rig.try_fork(run, from, ForkMode::branch);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::fork_refused);
  CHECK_THAT(refused.error().message, Catch::Contains("max_fork_ancestors"));
  CHECK(rig.try_fork(run, 1, ForkMode::branch).ok());
}

TEST_CASE("a fork of a long run is a few small rows", "[engine][fork]") {
  ForkEngineRig rig;
  rig.options.max_node_executions = 100'000;
  rig.options.max_completion_bytes = std::size_t{64} << 20;
  rig.options.nodes.add({"host.chatty", SyncHandler([](NodeContext&) -> NodeOutcome {
                           NodeCompleted completed;
                           for (int i = 0; i < 50'000; ++i) {
                             completed.events.push_back(
                                 {.type = EventType::log_appended, .payload = R"({"message":"x"})"});
                           }
                           return completed;
                         })});
  rig.add(WorkflowText("chatty").node("a", "host.chatty").node("b", "core.noop").edge("a", "b"));
  const RunId source = rig.create("chatty");
  rig.tick();
  REQUIRE(rig.status(source) == RunStatus::completed);
  const std::size_t rows = rows_of(*rig.store);
  std::size_t bytes = 0;
  const auto count_bytes = [&] {
    std::size_t total = 0;
    REQUIRE(rig.store
                ->scan({},
                       [&](std::string_view key, std::string_view value) {
                         total += key.size() + value.size();
                         return true;
                       })
                .ok());
    return total;
  };
  bytes = count_bytes();
  // Without a tick the fork is only made, not begun.
  ForkRun request;
  request.source_run = source;
  request.from_sequence = rig.length(source) - 3;  // behind all that was said
  request.mode = ForkMode::branch;
  const auto forked = rig.engine->fork_run(std::move(request));
  REQUIRE(forked.ok());
  CHECK(rows_of(*rig.store) < rows + 16);
  CHECK(count_bytes() < bytes + 4'096);
  rig.tick();
  CHECK(rig.status(forked->run_id) == RunStatus::completed);
}

TEST_CASE("whoever deletes runs finds the forks that need their events", "[engine][fork]") {
  ForkEngineRig rig;
  rig.add(three_nodes());
  const RunId a = rig.create("three");
  const RunId b = rig.branch(a, 4);
  const RunId c = rig.branch(b, 6);
  const RunId d = rig.replay(b, 1);
  const auto forks = [&](const RunId& run) {
    std::map<RunId, std::uint64_t> found;
    REQUIRE(runtime::forks_of(*rig.store, run, [&](const RunId& fork, std::uint64_t needs_below) {
              found.emplace(fork, needs_below);
              return true;
            }).ok());
    return found;
  };
  constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();
  CHECK(forks(a) == std::map<RunId, std::uint64_t>{{b, 4}, {c, 4}, {d, 4}});
  CHECK(forks(b) == std::map<RunId, std::uint64_t>{{c, 6}, {d, kAll}});
  CHECK(forks(c).empty());
}

TEST_CASE("a branch repeats outside effects under its own ids; a delay goes on with what was left of it",
          "[engine][fork]") {
  ForkEngineRig rig;
  std::vector<std::string> calls;
  rig.options.nodes.add({"host.pay", SyncHandler([&](NodeContext& node) -> NodeOutcome {
                           auto paid = node.step("pay", [&]() -> Result<std::string> {
                             calls.push_back(node.invocation_id("pay"));
                             return std::string("1");
                           });
                           return NodeCompleted{.outputs = R"({"paid":)" + *paid + "}"};
                         })});
  rig.add(
      WorkflowText("pay").node("wait", "core.delay", R"({"ms":10000})").node("pay", "host.pay").edge("wait", "pay"));
  const RunId source = rig.create("pay");
  rig.advance(4'000);
  REQUIRE(rig.length(source) == 2);
  // A running run may be forked; the source is at its delay, a second after the fork point of nobody.
  const RunId early = rig.branch(source, 1);
  rig.advance(6'000);
  CHECK(rig.status(source) == RunStatus::completed);
  CHECK(calls.size() == 1);
  rig.advance(60'000);
  CHECK(rig.status(early) == RunStatus::completed);
  CHECK(calls.size() == 2);
  CHECK(calls[0] != calls[1]);

  const RunId late = rig.branch(source, 2);  // in the middle of the delay: all of it is left at its start
  CHECK(rig.view(late).state.nodes.at("wait").status == NodeStatus::sleeping);
  rig.advance(9'999);
  CHECK(rig.status(late) == RunStatus::running);
  rig.advance(1);
  CHECK(rig.status(late) == RunStatus::completed);
  CHECK(calls.size() == 3);
}

TEST_CASE("a branch whose history has decided the end ends so", "[engine][fork]") {
  ForkEngineRig rig;
  rig.add(WorkflowText("fails").node("a", "core.noop").node("f", "core.fail").edge("a", "f"));
  rig.add(WorkflowText("sleeps").node("a", "core.delay", R"({"ms":1000})"));
  const RunId failed = rig.create("fails");
  for (std::uint64_t from = 0; from < rig.length(failed); ++from) {
    INFO("from " << from);
    CHECK(rig.history(rig.branch(failed, from)) == rig.history(failed));
  }
  const RunId cancelled = rig.create("sleeps");
  REQUIRE(rig.engine->cancel_run({.run_id = cancelled, .reason = "enough"}).ok());
  const std::uint64_t last = rig.length(cancelled) - 1;
  CHECK(rig.status(rig.branch(cancelled, last)) == RunStatus::cancelled);
  // Before the nodes were cancelled nobody has decided anything.
  const RunId free = rig.branch(cancelled, 2);
  rig.advance(1'000);
  CHECK(rig.status(free) == RunStatus::completed);
}

TEST_CASE("a fork that was made but not begun begins after a restart", "[engine][fork][recovery]") {
  ForkEngineRig rig;
  rig.add(three_nodes());
  const RunId source = rig.create("three");
  // The rows of the fork alone, as a crash right behind its commit leaves them.
  ForkRun request;
  request.source_run = source;
  request.from_sequence = 4;
  request.mode = ForkMode::branch;
  const auto plan = runtime::plan_fork(*rig.store, rig.engine->options(), request, rig.clock->now_ms(),
                                       [&](std::string_view id) { return rig.engine->workflow(id); });
  REQUIRE(plan.ok());
  const RunId fork = rig.options.ids->next(rig.clock->now_ms());
  Transaction transaction;
  runtime::put_fork(transaction, fork, *plan);
  const auto committed = rig.store->commit(transaction, Durability::sync);
  REQUIRE(committed.ok());
  REQUIRE(*committed == CommitOutcome::committed);
  CHECK(rig.events(fork).size() == 4);
  rig.open();
  rig.tick();
  CHECK(rig.status(fork) == RunStatus::completed);
  CHECK(rig.history(fork) == rig.history(source));
}

TEST_CASE("a fork runs the newest definition; what history took stays taken", "[engine][fork]") {
  ForkEngineRig rig;
  rig.add(three_nodes());
  const RunId source = rig.create("three");
  rig.add(WorkflowText("three")
              .node("z", "core.setVariable", R"({"name":"z","value":1})")
              .node("a", "core.noop")
              .node("b", "core.setVariable", R"({"name":"v","value":8})")
              .edge("a", "b")
              .edge("b", "z"));
  const RunId fork = rig.branch(source, 3);
  CHECK(rig.status(fork) == RunStatus::completed);
  CHECK(rig.view(fork).state.variables.at("v") == "8");
  CHECK(rig.view(fork).header.fork->source_workflow_digest == rig.view(source).header.workflow_digest);
  CHECK(rig.view(fork).header.workflow_digest != rig.view(source).header.workflow_digest);
}

TEST_CASE("a fork of a run whose workflow is not registered any more is refused", "[engine][fork]") {
  ForkEngineRig rig;
  rig.add(three_nodes());
  const RunId source = rig.create("three");
  // No call takes a definition away; a host that prunes its store does.
  rig.damages_rows = true;
  std::vector<std::string> keys;
  REQUIRE(rig.store
              ->scan({"Wl", "Wm", false},
                     [&](std::string_view key, std::string_view) {
                       keys.emplace_back(key);
                       return true;
                     })
              .ok());
  REQUIRE(keys.size() == 1);
  Transaction pruned;
  pruned.erase(keys.front());
  REQUIRE(rig.store->commit(pruned, Durability::sync).ok());
  rig.open();
  for (const ForkMode mode : {ForkMode::replay, ForkMode::branch}) {
    const auto refused = rig.try_fork(source, 1, mode);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::fork_refused);
    CHECK(http_status(refused.error().code) == 422);
    CHECK(json::member(refused.error().details, "sourceRunId") == json::quoted(source.text()));
  }
  CHECK(rig.status(source) == RunStatus::completed);
}

TEST_CASE("state_at gives the state after any event; a diff names what differs and the first differing event",
          "[engine][fork]") {
  ForkEngineRig rig;
  rig.add(three_nodes());
  const RunId source = rig.create("three");
  for (std::uint64_t sequence = 0; sequence < rig.length(source); ++sequence) {
    const auto state = rig.engine->state_at("default", source, sequence);
    REQUIRE(state.ok());
    CHECK(state->next_sequence == sequence + 1);
  }
  CHECK(rig.engine->state_at("default", RunId{}, 0).error().code == ErrorCode::run_not_found);

  auto diff = diff_runs(*rig.engine, "default", {source, 3}, {source, 4});
  REQUIRE(diff.ok());
  CHECK(json::equal(*json::member(*diff, "variables"), R"({"v":{"to":7}})"));
  CHECK(json::equal(
      *json::member(*diff, "events"),
      R"({"equal":4,"from":4,"to":5,"first":{"sequence":4,"to":{"type":"variable.changed","nodeId":"b"}}})"));
  CHECK_FALSE(json::member(*diff, "status").has_value());

  const RunId same = rig.replay(source, 2);
  diff = diff_runs(*rig.engine, "default", {source}, {same});
  REQUIRE(diff.ok());
  for (const char* member : {"status", "variables", "channels", "nodes"}) CHECK_FALSE(json::member(*diff, member));
  CHECK_FALSE(json::member(*json::member(*diff, "events"), "first").has_value());
  CHECK_FALSE(diff_runs(*rig.engine, "default", {source}, {RunId{}}).ok());
}
