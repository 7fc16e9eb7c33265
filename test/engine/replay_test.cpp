// Replays: what they take from the source, what they execute, and where they say that they differ.
#include "support/fork_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

/// Two branches with handlers that answer in another order than they were asked, a retry, a delay and a join.
struct BusyRig : ForkEngineRig {
  int calls = 0;
  std::vector<std::pair<Completion, std::shared_ptr<NodeContext>>> open_calls;

  BusyRig() {
    options.nodes.add({"host.slow", AsyncHandler([this](std::shared_ptr<NodeContext> node, const Completion& done) {
                         ++calls;
                         open_calls.emplace_back(done, std::move(node));
                       })});
    options.nodes.add({"host.flaky", SyncHandler([this](NodeContext& node) -> NodeOutcome {
                         ++calls;
                         if (node.invocation().attempt == 0) return Failure{"busy", "try later", {}, true};
                         NodeCompleted completed{.outputs = R"({"n":)" + std::to_string(node.random()) + "}"};
                         completed.variables = {{"drawn", std::to_string(node.random() % 1000)}};
                         completed.channels = {{"log", R"("drawn")"}};
                         completed.events.push_back({.type = EventType::log_appended, .payload = R"({"message":"m"})"});
                         completed.port = "left";
                         return completed;
                       })});
    add(WorkflowText("busy")
            .settings(R"({"maxRetries":2})")
            .node("s1", "host.slow")
            .node("s2", "host.slow")
            .node("f", "host.flaky")
            .node("left", "core.setVariable", R"({"name":"way","value":"left"})")
            .node("right", "core.setVariable", R"({"name":"way","value":"right"})")
            .node("d", "core.delay", R"({"ms":5000})")
            .node("join", "core.merge")
            .edge("s1", "join")
            .edge("s2", "join")
            .edge("f", "left", R"(,"sourceOutput":"left")")
            .edge("f", "right", R"(,"sourceOutput":"right")")
            .edge("left", "d")
            .edge("d", "join"));
  }

  RunId run() {
    const RunId run = create("busy");
    tick();
    advance(10);
    answer(1, R"({"who":"s2"})");
    advance(200);
    answer(0, R"({"who":"s1"})");
    advance(10'000);
    REQUIRE(status(run) == RunStatus::completed);
    return run;
  }
  void answer(std::size_t which, std::string outputs) {
    open_calls[which].first(NodeCompleted{.outputs = std::move(outputs)});
    tick();
  }
};

/// A process's way to a store: after so many commits the process is gone.
class DyingStore final : public Store {
 public:
  DyingStore(std::shared_ptr<Store> store, std::size_t commits) : store_(std::move(store)), left_(commits) {}
  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override { return store_->get(key); }
  [[nodiscard]] Status scan(const ScanRange& range, const RowVisitor& visit) const override {
    return store_->scan(range, visit);
  }
  [[nodiscard]] Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                          Durability durability) override {
    if (left_ == 0) return Error{ErrorCode::store_io_error, "gone"};
    --left_;
    return store_->commit(group, durability);
  }

 private:
  std::shared_ptr<Store> store_;
  std::size_t left_;
};

}  // namespace

TEST_CASE("a replay from any sequence repeats the source event for event, without calling anybody",
          "[engine][replay]") {
  BusyRig rig;
  const RunId source = rig.run();
  const int calls = rig.calls;
  const Lines whole = rig.story(source);
  for (std::uint64_t from = 0; from < whole.size(); ++from) {
    INFO("from " << from);
    const RunId fork = rig.replay(source, from);
    CHECK(rig.story(fork) == whole);
    CHECK(rig.divergence(fork).empty());
  }
  CHECK(rig.calls == calls);
  CHECK(rig.story(source) == whole);
}

TEST_CASE("a replay of a replay, and of a branch, repeats what was executed first", "[engine][replay]") {
  BusyRig rig;
  const RunId source = rig.run();
  const RunId again = rig.replay(source, 5);
  const RunId third = rig.replay(again, 3);
  CHECK(rig.story(third) == rig.story(source));
  CHECK(rig.view(third).header.fork->root() == source);

  // f is executed anew in the branch and draws other numbers; its replay draws those of the branch.
  const RunId branch = rig.branch(source, 1);
  rig.tick();
  rig.advance(10);
  for (const auto& open : std::vector(rig.open_calls)) open.first(NodeCompleted{});
  rig.advance(1'000);
  rig.advance(20'000);
  REQUIRE(rig.status(branch) == RunStatus::completed);
  const RunId copy = rig.replay(branch, 0);
  CHECK(rig.story(copy) == rig.story(branch));
  CHECK(rig.divergence(copy).empty());
}

TEST_CASE("events of a replay carry the source's times", "[engine][replay]") {
  BusyRig rig;
  const RunId source = rig.run();
  rig.advance(1'000'000);
  const RunId fork = rig.replay(source);
  const auto times = [&](const RunId& run) {
    std::vector<std::int64_t> found;
    REQUIRE(rig.engine
                ->read_events("default", run, 0,
                              [&](const EventView& event) {
                                found.push_back(event.time_ms);
                                return true;
                              })
                .ok());
    return found;
  };
  CHECK(times(fork) == times(source));
}

TEST_CASE("a pure node that computes something else is found at its first differing event", "[engine][replay]") {
  ForkEngineRig rig;
  std::string value = "1";
  rig.options.nodes.add({"host.pure", PureHandler([&](const NodeInvocation&) -> NodeOutcome {
                           return NodeCompleted{.outputs = R"({"v":)" + value + "}"};
                         })});
  rig.add(WorkflowText("pure")
              .node("a", "core.noop")
              .node("p", "host.pure")
              .node("z", "core.noop")
              .edge("a", "p")
              .edge("p", "z"));
  const RunId source = rig.create("pure");
  value = "2";
  const RunId fork = rig.replay(source);
  CHECK(rig.status(fork) == RunStatus::completed);
  const std::string note = rig.divergence(fork);
  CHECK(rig.member(note, "sourceRunId") == json::quoted(source.text()));
  CHECK(rig.member(note, "divergenceKind") == R"("output")");
  CHECK(rig.member(note, "atSequence") == "4");
  CHECK(rig.member(note, "originalEventId") == json::quoted(event_id(source, 4)));
  CHECK(rig.member(note, "replayEventId") == json::quoted(event_id(fork, 4)));
  CHECK(rig.member(note, "divergencePoint") == R"("node.completed")");
  const Lines history = rig.history(fork);
  CHECK(history[4] == "node.completed(p)");
  CHECK(history[5] == "replay.diverged");
  CHECK(history.back() == "run.completed");
  // The note shifts the fork's sequences, not the comparison: what follows agrees with the source.
  CHECK(rig.story(fork, 6) == rig.story(source, 5));
  // Behind the point nothing can differ.
  CHECK(rig.divergence(rig.replay(source, 5)).empty());
  // The same divergence, event for event, in a second replay.
  const RunId second = rig.replay(source);
  CHECK(rig.history(second) == history);
}

TEST_CASE("kinds of divergence: another type, an event too few, an event too many", "[engine][replay]") {
  ForkEngineRig rig;
  std::string mode = "completes";
  rig.options.nodes.add({"host.pure", PureHandler([&](const NodeInvocation&) -> NodeOutcome {
                           if (mode == "fails") return Failure{"no", "no"};
                           NodeCompleted completed;
                           if (mode != "writes less") completed.variables.push_back({"v", "1"});
                           if (mode == "writes more") completed.variables.push_back({"w", "1"});
                           return completed;
                         })});
  rig.add(WorkflowText("pure").node("p", "host.pure").node("z", "core.noop").edge("p", "z"));
  const RunId source = rig.create("pure");
  const auto replayed = [&](const char* as) {
    mode = as;
    const RunId fork = rig.replay(source);
    CHECK(is_terminal(rig.status(fork)));
    const auto history = rig.history(fork);
    CHECK(history.back() != "replay.diverged");
    const std::string note = rig.divergence(fork);
    return rig.member(note, "divergenceKind") + " at " + rig.member(note, "atSequence") + " " +
           rig.member(note, "divergencePoint");
  };
  CHECK(replayed("fails") == R"("type-mismatch" at 2 "variable.changed")");
  CHECK(replayed("writes less") == R"("missing" at 2 "variable.changed")");
  CHECK(replayed("writes more") == R"("extra" at 3 "node.completed")");
}

TEST_CASE("behind a divergence events name the causes that the source names", "[engine][replay]") {
  ForkEngineRig rig;
  std::string value = "1";
  rig.options.nodes.add({"host.pure", PureHandler([&](const NodeInvocation&) -> NodeOutcome {
                           return NodeCompleted{.outputs = R"({"v":)" + value + "}"};
                         })});
  rig.add(WorkflowText("w").node("convo", "core.conversationGate", R"({"prompt":"Hello?"})").node("p", "host.pure"));
  const RunId source = rig.create("w");
  rig.tick();
  for (const char* turn :
       {R"({"operation":"exchange","turn":{"content":"hi"}})", R"({"operation":"close","outcome":{}})"}) {
    REQUIRE(rig.answer(source, "convo", turn).ok());
  }
  REQUIRE(rig.status(source) == RunStatus::completed);
  value = "2";
  const RunId fork = rig.replay(source);
  REQUIRE_FALSE(rig.divergence(fork).empty());
  const auto causes = [&](const RunId& run) {
    Lines told;
    std::vector<std::string> names;
    REQUIRE(rig.engine
                ->read_events("default", run, 0,
                              [&](const EventView& event) {
                                names.push_back(std::string(event.type_name) + "(" + std::string(event.node_id) + ")");
                                if (event.caused_by) told.push_back(names.back() + " by " + names.at(*event.caused_by));
                                return true;
                              })
                .ok());
    return told;
  };
  CHECK(causes(source).size() == 4);
  CHECK(causes(fork) == causes(source));
}

TEST_CASE("an event that is missing at the end is told before the end", "[engine][replay]") {
  ForkEngineRig rig;
  rig.add(WorkflowText("short").node("a", "core.noop").node("b", "core.noop").edge("a", "b"));
  const RunId source = rig.create("short");
  rig.add(WorkflowText("short").node("a", "core.noop"));
  const RunId fork = rig.replay(source);
  CHECK(rig.history(fork) ==
        Lines{"run.started", "node.started(a)", "node.completed(a)", "replay.diverged", "run.completed"});
  const std::string note = rig.divergence(fork);
  CHECK(rig.member(note, "divergenceKind") == R"("missing")");
  CHECK(rig.member(note, "atSequence") == "3");
  CHECK(rig.member(note, "replayEventId") == json::quoted(event_id(fork, 4)));
}

TEST_CASE("after a divergence handlers still get what the source recorded for them", "[engine][replay]") {
  ForkEngineRig rig;
  bool extra = false;
  int calls = 0;
  rig.options.nodes.add({"host.pure", PureHandler([&](const NodeInvocation&) -> NodeOutcome {
                           NodeCompleted completed;
                           if (extra) completed.variables.push_back({"v", "1"});
                           return completed;
                         })});
  rig.options.nodes.add({"host.call", SyncHandler([&](NodeContext&) -> NodeOutcome {
                           return NodeCompleted{.outputs = R"({"call":)" + std::to_string(++calls) + "}"};
                         })});
  rig.add(WorkflowText("mixed")
              .node("p", "host.pure")
              .node("c1", "host.call")
              .node("d", "core.delay", R"({"ms":60000})")
              .node("c2", "host.call")
              .edge("p", "c1")
              .edge("c1", "d")
              .edge("d", "c2"));
  const RunId source = rig.create("mixed");
  rig.tick();
  rig.advance(60'000);
  REQUIRE(rig.status(source) == RunStatus::completed);
  extra = true;
  const RunId fork = rig.replay(source);
  CHECK(rig.status(fork) == RunStatus::completed);
  CHECK(calls == 2);
  CHECK(rig.view(fork).state.nodes.at("c2").outputs == R"({"call":2})");
}

TEST_CASE("a replay of a run that still works waits where the source waits; unrecorded effects are refused",
          "[engine][replay]") {
  ForkEngineRig rig;
  int effects = 0;
  std::vector<Completion> open;
  rig.options.nodes.add({"host.pay", AsyncHandler([&](std::shared_ptr<NodeContext> node, const Completion& done) {
                           auto first = node->step("first", [&]() -> Result<std::string> {
                             ++effects;
                             return std::string("1");
                           });
                           if (!first) return done(Failure{"first", first.error().message});
                           if (effects == 1 && open.empty()) return open.push_back(done);
                           auto second = node->step("second", [&]() -> Result<std::string> {
                             ++effects;
                             return std::string("2");
                           });
                           if (!second) return done(Failure{"second", second.error().message});
                           done(NodeCompleted{});
                         })});
  rig.add(WorkflowText("pay").node("p", "host.pay"));
  rig.add(WorkflowText("wait").node("d", "core.delay", R"({"ms":5000})").node("z", "core.noop").edge("d", "z"));
  const RunId source = rig.create("pay");
  rig.tick();
  REQUIRE(rig.status(source) == RunStatus::running);
  const RunId fork = rig.replay(source);
  rig.tick();
  // The first step is the source's; the second has never happened.
  CHECK(effects == 1);
  CHECK(rig.status(fork) == RunStatus::failed);
  CHECK_THAT(rig.view(fork).state.error, Catch::Contains("replay_source_missing"));
  CHECK(rig.divergence(fork).empty());

  const RunId sleeping = rig.create("wait");
  const RunId beside = rig.replay(sleeping);
  CHECK(rig.status(beside) == RunStatus::running);
  rig.advance(5'000);
  CHECK(rig.status(beside) == RunStatus::completed);
  CHECK(rig.divergence(beside).empty());
}

TEST_CASE("failures, caught failures, loops, cancels, timeouts and limits replay as they were", "[engine][replay]") {
  ForkEngineRig rig;
  rig.options.nodes.add({"host.boom", SyncHandler([](NodeContext&) -> NodeOutcome { return Failure{"boom", "b"}; })});
  rig.options.nodes.add({"host.never", AsyncHandler([](const std::shared_ptr<NodeContext>&, const Completion&) {})});
  rig.add(WorkflowText("boom").node("a", "core.noop").node("b", "host.boom").edge("a", "b"));
  rig.add(WorkflowText("caught")
              .node("b", "host.boom")
              .node("r", "core.noop")
              .edge("b", "r", R"(,"triggerRule":"any_failed")"));
  rig.add(WorkflowText("loop")
              .node("l", "core.loop", R"({"maxIterations":3})")
              .node("x", "core.channelWrite", R"({"channelName":"c","value":1})")
              .node("z", "core.noop")
              .edge("l", "x", R"(,"sourceOutput":"body")")
              .edge("x", "l")
              .edge("l", "z", R"(,"sourceOutput":"done")"));
  rig.add(WorkflowText("never").settings(R"({"timeout":1000})").node("n", "host.never"));
  rig.add(WorkflowText("asleep").node("d", "core.delay", R"({"ms":100000})"));
  std::vector<RunId> sources;
  for (const char* id : {"boom", "caught", "loop", "never", "asleep"}) sources.push_back(rig.create(id));
  CreateRun limited;
  limited.workflow_id = "loop";
  limited.configurable = R"({"recursionLimit":3})";
  sources.push_back(rig.create(std::move(limited)));
  rig.tick();
  rig.advance(2'000);
  REQUIRE(rig.engine->cancel_run({.run_id = sources[4], .reason = "enough"}).ok());
  for (const RunId& source : sources) {
    REQUIRE(is_terminal(rig.status(source)));
    const Lines whole = rig.story(source);
    INFO(rig.view(source).header.workflow_id);
    for (std::uint64_t from = 0; from < whole.size(); ++from) {
      INFO("from " << from);
      const RunId fork = rig.replay(source, from);
      CHECK(rig.story(fork) == whole);
    }
  }
}

TEST_CASE("a replay goes on after a restart, in the middle of anything", "[engine][replay][recovery]") {
  BusyRig rig;
  const RunId source = rig.run();
  const Lines whole = rig.story(source);
  rig.options.max_events_per_commit = 2;
  for (std::size_t commits = 1; commits <= whole.size(); ++commits) {
    INFO("the process ends after " << commits << " commits");
    rig.engine.reset();
    EngineOptions dying = rig.options;
    dying.store = std::make_shared<DyingStore>(rig.store, commits);
    dying.clock = rig.clock;
    auto engine = Engine::open(std::move(dying));
    REQUIRE(engine.ok());
    ForkRun request;
    request.source_run = source;
    request.from_sequence = 2;
    request.mode = ForkMode::replay;
    const auto forked = (*engine)->fork_run(std::move(request));
    REQUIRE(forked.ok());
    engine->reset();
    rig.open();
    rig.tick();
    CHECK(rig.story(forked->run_id) == whole);
  }
}

TEST_CASE("a run of an older engine version replays without a difference", "[engine][replay]") {
  ForkEngineRig rig;
  rig.options.engine_version = 1;
  rig.add(WorkflowText("w")
              .node("a", "core.noop")
              .node("b", "core.setVariable", R"({"name":"v","value":1})")
              .edge("a", "b"));
  const RunId source = rig.create("w");
  rig.options.engine_version = 2;
  rig.open();
  for (std::uint64_t from : {std::uint64_t{0}, std::uint64_t{3}}) {
    const RunId fork = rig.replay(source, from);
    CHECK(rig.story(fork) == rig.story(source));
    CHECK(rig.view(fork).header.engine_version == 2);
    CHECK(rig.view(fork).header.fork->source_engine_version == 1);
  }
  const RunId branch = rig.branch(source, 3);
  CHECK(rig.status(branch) == RunStatus::completed);
}
