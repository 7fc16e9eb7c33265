// Runs whose time after their end is over: removed with everything of theirs, in small commits, whatever crashes when.
#include "engine/retention.h"

#include "maintenance/maintenance_rig.h"
#include "openwop/log.h"

namespace openwop::test {

namespace {

constexpr std::int64_t kDayMs = 86'400'000;

/// Counts commits and what they hold, and fails when it is told to.
class WatchedStore final : public Store {
 public:
  explicit WatchedStore(std::shared_ptr<Store> inner) : inner_(std::move(inner)) {}

  Result<std::optional<std::string>> get(std::string_view key) const override {
    ++reads;
    return inner_->get(key);
  }
  Status scan(const ScanRange& range, const RowVisitor& visit) const override {
    ++reads;
    return inner_->scan(range, visit);
  }
  Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group, Durability durability) override {
    if (allowed == 0) {
      died = true;
      return Error{ErrorCode::store_io_error, "the process is gone"};
    }
    if (allowed > 0) --allowed;
    ++commits;
    for (const Transaction* transaction : group) most_entries = std::max(most_entries, transaction->size());
    return inner_->commit(group, durability);
  }

  /// Commits that still succeed; negative: all.
  int allowed = -1;
  bool died = false;
  mutable std::size_t reads = 0;
  std::size_t commits = 0;
  std::size_t most_entries = 0;

 private:
  std::shared_ptr<Store> inner_;
};

struct RetentionRig : ForkEngineRig {
  std::shared_ptr<WatchedStore> watched;

  explicit RetentionRig(std::int64_t retention_ms = kDayMs) {
    options.finished_run_retention_ms = retention_ms;
    add_maker(options.nodes);
    start();
    add(WorkflowText("plain")
            .node("a", "vendor.t.make", "{}", "{}", R"(,"artifactType":"doc")")
            .node("b", "core.noop")
            .edge("a", "b"));
    add(WorkflowText("gate")
            .node("gate", "core.approvalGate", R"({"title":"Ship it?"})")
            .node("end", "core.noop")
            .edge("gate", "end"));
    add(WorkflowText("sleeper").node("wait", "core.delay", R"({"ms":1000})"));
    add(WorkflowText("parent")
            .node("call", "core.subWorkflow", R"({"workflowId":"plain"})")
            .node("gate", "core.approvalGate", R"({"title":"And?"})")
            .edge("call", "gate"));
  }

  /// A new process on the same rows.
  void start() {
    watched = std::make_shared<WatchedStore>(store);
    engine.reset();
    EngineOptions copy = options;
    copy.store = watched;
    copy.clock = clock;
    if (!options.ids) options.ids = std::make_shared<RandomIdSource>(42);
    copy.ids = options.ids;
    auto opened = Engine::open(std::move(copy));
    REQUIRE(opened.ok());
    engine = std::move(*opened);
  }
  /// Rows that name the run in key or value.
  std::size_t rows_of(const RunId& run) const {
    std::size_t count = 0;
    for (const auto& [key, value] : rows_under(*store)) {
      count += key.find(run.view()) != std::string::npos || value.find(run.view()) != std::string::npos ? 1 : 0;
    }
    return count;
  }
  bool known(const RunId& run) const {
    const auto found = engine->run("default", run);
    if (!found.ok()) CHECK(found.error().code == ErrorCode::run_not_found);
    return found.ok();
  }
  std::size_t listed() const { return engine->list_runs({}, "", 1000)->runs.size(); }
};

}  // namespace

TEST_CASE("a run is removed with everything of it when its time after its end is over, and not before") {
  RetentionRig rig;
  CreateRun request{.workflow_id = "plain", .tags = {"red", "blue"}};
  const RunId run = rig.create(request);
  const RunId waits = rig.create("gate");
  REQUIRE(rig.engine->artifact("default", run, "a").ok());
  rig.advance(kDayMs - 1);
  CHECK(rig.known(run));
  CHECK(check(rig.store).lines == Lines{});
  rig.advance(1);
  CHECK_FALSE(rig.known(run));
  CHECK(rig.rows_of(run) == 0);
  CHECK(rig.known(waits));
  CHECK(check(rig.store).lines == Lines{});

  const auto code = [](const auto& result) {
    return result.ok() ? std::string("ok") : std::string(error_name(result.error().code));
  };
  CHECK(code(rig.engine->progress("default", run)) == "run_not_found");
  CHECK(code(rig.engine->tenant_of(run)) == "run_not_found");
  CHECK(code(rig.engine->explain("default", run)) == "run_not_found");
  CHECK(code(rig.engine->subscribe("default", run, 0)) == "run_not_found");
  CHECK(code(rig.engine->read_events("default", run, 0, [](const EventView&) { return true; })) == "run_not_found");
  CHECK(code(rig.engine->artifact("default", run, "a")) == "artifact_not_found");
  CHECK(code(rig.engine->cancel_run({.run_id = run})) == "run_not_found");
  CHECK(code(rig.engine->fork_run({.source_run = run})) == "run_not_found");
  CHECK(rig.listed() == 1);
  CHECK(rig.engine->list_runs({.tag = "red"}, "", 10)->runs.empty());
  CHECK(rig.engine->list_runs({.workflow_id = "plain"}, "", 10)->runs.empty());
  // A run that waits has no age.
  rig.advance(40 * kDayMs);
  CHECK(rig.known(waits));
}

TEST_CASE("with a retention of 0 runs stay, and a negative one is refused") {
  RetentionRig rig(0);
  const RunId run = rig.create("plain");
  rig.advance(10'000 * kDayMs);
  CHECK(rig.known(run));
  CHECK(rows_under(*rig.store, "E").empty());
  rig.options.finished_run_retention_ms = -1;
  EngineOptions copy = rig.options;
  copy.store = rig.store;
  CHECK_FALSE(Engine::open(std::move(copy)).ok());
}

TEST_CASE("nothing is done while nothing is due, and tick says when something will be") {
  RetentionRig rig;
  rig.create("plain");
  rig.advance(1000);
  rig.create("plain");
  rig.tick();
  const std::size_t reads = rig.watched->reads;
  const std::size_t commits = rig.watched->commits;
  rig.clock->advance(kDayMs / 2);
  CHECK(rig.engine->tick(rig.clock->now_ms()) == kStartMs + kDayMs);
  CHECK(rig.watched->reads == reads);
  CHECK(rig.watched->commits == commits);
  rig.clock->advance(kDayMs / 2 - 1000);
  CHECK(rig.engine->tick(rig.clock->now_ms()) == kStartMs + 1000 + kDayMs);
  CHECK(rig.listed() == 1);
  rig.clock->advance(1000);
  CHECK_FALSE(rig.engine->tick(rig.clock->now_ms()).has_value());
  CHECK(rig.listed() == 0);
}

TEST_CASE("what a branch needs of its source stays until the branch goes") {
  RetentionRig rig;
  const RunId source = rig.create("gate");
  REQUIRE(rig.answer(source, "gate", R"({"action":"accept"})").ok());
  const std::uint64_t length = rig.view(source).state.next_sequence;
  const RunId branch = rig.fork(source, 3, ForkMode::branch);
  const RunId second = rig.fork(branch, 2, ForkMode::branch);
  const Lines story = rig.history(branch);
  rig.advance(kDayMs);
  CHECK_FALSE(rig.known(source));
  CHECK(rig.history(branch) == story);
  CHECK(check(rig.store).lines == Lines{});
  // The source's own part has gone: no event of it at or behind the latest fork point is there.
  std::uint64_t left = 0;
  REQUIRE(Log(*rig.store)
              .read_own(source, 0, [&](const EventView& event) { return (left = event.sequence + 1) != 0; })
              .ok());
  CHECK(left >= 3);
  CHECK(left < length);

  // The fork of a fork refers to the same source, also when it is made after the source has gone.
  const RunId late = rig.fork(branch, 2, ForkMode::branch);
  REQUIRE(rig.answer(branch, "gate", R"({"action":"accept"})").ok());
  REQUIRE(rig.answer(second, "gate", R"({"action":"accept"})").ok());
  rig.advance(kDayMs);
  CHECK_FALSE(rig.known(branch));
  CHECK_FALSE(rig.known(second));
  CHECK(rig.history(late).size() >= 5);
  CHECK(rig.rows_of(second) == 0);
  CHECK(check(rig.store).lines == Lines{});
  REQUIRE(rig.engine->cancel_run({.run_id = late}).ok());
  rig.advance(kDayMs);
  for (const RunId& run : {source, branch, second, late}) CHECK(rig.rows_of(run) == 0);
  CHECK(check(rig.store).lines == Lines{});
}

TEST_CASE("a replay keeps the whole log and the artifacts of its source") {
  RetentionRig rig;
  const RunId source = rig.create("plain");
  rig.advance(kDayMs / 2);
  const RunId replay = rig.fork(source, 2, ForkMode::replay);
  REQUIRE(rig.status(replay) == RunStatus::completed);
  const std::string artifact = *rig.engine->artifact("default", replay, "a");
  const Lines story = rig.history(replay);
  rig.advance(kDayMs / 2);
  CHECK_FALSE(rig.known(source));
  CHECK(rig.history(replay) == story);
  CHECK(*rig.engine->artifact("default", replay, "a") == artifact);
  CHECK(check(rig.store).lines == Lines{});
  // Its time counts from when it was made, although its events carry the source's times.
  rig.advance(kDayMs / 2 - 1);
  CHECK(rig.known(replay));
  rig.advance(1);
  CHECK_FALSE(rig.known(replay));
  CHECK(rig.rows_of(source) == 0);
  CHECK(rig.rows_of(replay) == 0);
  CHECK(check(rig.store).lines == Lines{});
}

TEST_CASE("a child goes after its parent") {
  RetentionRig rig;
  const RunId parent = rig.create("parent");
  rig.tick();
  REQUIRE(rig.status(parent) == RunStatus::waiting_approval);
  const RunId child = rig.view(parent).state.children.front().run_id;
  REQUIRE(rig.status(child) == RunStatus::completed);
  rig.advance(3 * kDayMs);
  CHECK(rig.known(child));
  CHECK(check(rig.store).lines == Lines{});
  rig.start();
  rig.tick();
  REQUIRE(rig.answer(parent, "gate", R"({"action":"accept"})").ok());
  rig.advance(kDayMs - 1);
  CHECK(rig.known(child));
  rig.advance(1);
  CHECK_FALSE(rig.known(parent));
  CHECK_FALSE(rig.known(child));
  CHECK(rig.rows_of(parent) == 0);
  CHECK(rig.rows_of(child) == 0);
  CHECK(check(rig.store).lines == Lines{});
}

TEST_CASE("runs that ended before there was a retention are found, and those that end while there is none are later") {
  RetentionRig rig(0);
  std::vector<RunId> runs;
  for (int i = 0; i < 300; ++i) runs.push_back(rig.create("plain"));
  rig.options.finished_run_retention_ms = kDayMs;
  rig.start();
  rig.tick();
  CHECK(rows_under(*rig.store, "Em").size() == 1);
  CHECK(check(rig.store).lines == Lines{});
  rig.options.finished_run_retention_ms = 0;
  rig.start();
  rig.tick();
  CHECK(rows_under(*rig.store, "Em").empty());
  runs.push_back(rig.create("plain"));
  rig.advance(2 * kDayMs);
  CHECK(rig.listed() == 301);
  rig.options.finished_run_retention_ms = kDayMs;
  rig.start();
  rig.tick();
  CHECK(rig.listed() == 0);
  for (const RunId& run : runs) CHECK(rig.rows_of(run) == 0);
  CHECK(check(rig.store).lines == Lines{});
}

TEST_CASE("a retention that is made longer or shorter holds for runs that have ended already") {
  RetentionRig rig;
  const RunId run = rig.create("plain");
  rig.options.finished_run_retention_ms = 3 * kDayMs;
  rig.start();
  rig.advance(3 * kDayMs - 1);
  CHECK(rig.known(run));
  rig.options.finished_run_retention_ms = 2 * kDayMs;
  rig.start();
  rig.tick();
  CHECK_FALSE(rig.known(run));
}

TEST_CASE("a long run goes in commits of bounded size") {
  RetentionRig rig;
  rig.options.max_events_per_commit = 1;
  rig.options.max_node_executions = 2'000;
  rig.start();
  WorkflowText text("long");
  for (int i = 0; i < 400; ++i) {
    text.node("n" + std::to_string(i), "core.noop");
    if (i > 0) text.edge("n" + std::to_string(i - 1), "n" + std::to_string(i));
  }
  rig.add(text);
  const RunId run = rig.create("long");
  rig.tick();
  REQUIRE(rig.status(run) == RunStatus::completed);
  REQUIRE(rows_under(*rig.store, Log::run_prefix(run) + '\x02').size() > runtime::Retention::kRowsPerCommit);
  rig.watched->most_entries = 0;
  const std::size_t commits = rig.watched->commits;
  rig.advance(kDayMs);
  CHECK(rig.rows_of(run) == 0);
  CHECK(rig.watched->most_entries <= runtime::Retention::kRowsPerCommit + 4);
  CHECK(rig.watched->commits - commits >= 3);
}

TEST_CASE("a store that fails for a moment is asked again, and a run that is damaged is kept") {
  RetentionRig rig;
  const RunId run = rig.create("plain");
  const RunId damaged = rig.create("plain");
  rig.damages_rows = true;
  put_row(*rig.store, Log::header_key(damaged), "{");
  rig.watched->allowed = 0;
  rig.advance(kDayMs);
  CHECK(rig.watched->died);
  CHECK(rig.known(run));
  rig.watched->allowed = -1;
  rig.tick();
  CHECK(rig.known(run));
  rig.advance(rig.options.store_retry_ms);
  CHECK_FALSE(rig.known(run));
  CHECK(rig.rows_of(damaged) > 0);
}

TEST_CASE("removal is finished by the next process wherever one dies, and at each point the store is sound") {
  for (int allowed = 0;; ++allowed) {
    INFO("dies after commit " << allowed);
    RetentionRig rig;
    rig.options.max_events_per_commit = 2;
    rig.start();
    const RunId source = rig.create("gate");
    REQUIRE(rig.answer(source, "gate", R"({"action":"accept"})").ok());
    const RunId branch = rig.fork(source, 3, ForkMode::branch);
    REQUIRE(rig.answer(branch, "gate", R"({"action":"accept"})").ok());
    const RunId replay = rig.fork(source, 0, ForkMode::replay);
    const RunId kept = rig.fork(source, 2, ForkMode::branch);
    const RunId parent = rig.create("parent");
    rig.tick();
    const RunId child = rig.view(parent).state.children.front().run_id;
    REQUIRE(rig.answer(parent, "gate", R"({"action":"accept"})").ok());
    const Lines story = rig.history(kept);
    rig.clock->advance(kDayMs);
    rig.watched->allowed = allowed;
    rig.tick();
    CHECK(check(rig.store).lines == Lines{});
    const bool died = rig.watched->died;
    rig.start();
    CHECK(rig.history(kept) == story);
    rig.tick();
    for (const RunId& run : {source, branch, replay, parent, child}) CHECK_FALSE(rig.known(run));
    for (const RunId& run : {branch, replay, parent, child}) CHECK(rig.rows_of(run) == 0);
    CHECK(rig.history(kept) == story);
    CHECK(check(rig.store).lines == Lines{});
    REQUIRE(rig.engine->cancel_run({.run_id = kept}).ok());
    rig.advance(kDayMs);
    CHECK(rig.rows_of(source) == 0);
    CHECK(rig.rows_of(kept) == 0);
    if (!died) break;
    REQUIRE(allowed < 100);
  }
}

TEST_CASE("with threads, runs are removed beside others that go on") {
  auto store = std::make_shared<MemoryStore>();
  EngineOptions options{.store = store, .threads = 2};
  options.finished_run_retention_ms = 1;
  add_builtin_nodes(options.nodes);
  auto engine = Engine::open(std::move(options));
  REQUIRE(engine.ok());
  REQUIRE((*engine)->register_workflow(WorkflowText("plain").node("a", "core.noop").json()).ok());
  for (int i = 0; i < 500; ++i) REQUIRE((*engine)->create_run({.workflow_id = "plain"}).ok());
  (*engine)->close();
  engine->reset();
  // What the close left is due at the next open.
  EngineOptions again{
      .store = store, .threads = 0, .clock = std::make_shared<ManualClock>(SystemClock().now_ms() + 1000)};
  again.finished_run_retention_ms = 1;
  auto driven = Engine::open(std::move(again));
  REQUIRE(driven.ok());
  (*driven)->tick((*driven)->now_ms());
  CHECK(rows_under(*store, "L").empty());
  CHECK(check(store).lines == Lines{});
}

}  // namespace openwop::test
