// A process that dies between any two commits of a parent and its children: the child is created once, the parent
// learns of its end once, orders arrive.
#include "support/engine_rig.h"

namespace openwop::test {

namespace {

/// Fails every commit after the first `allowed`: for the engine above, the moment at which its process died.
class DyingStore final : public Store {
 public:
  DyingStore(std::shared_ptr<Store> inner, std::size_t allowed) : inner_(std::move(inner)), allowed_(allowed) {}

  Result<std::optional<std::string>> get(std::string_view key) const override { return inner_->get(key); }
  Status scan(const ScanRange& range, const RowVisitor& visit) const override { return inner_->scan(range, visit); }
  Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group, Durability durability) override {
    if (allowed_ == 0) {
      died_ = true;
      return Error{ErrorCode::store_io_error, "the process is gone"};
    }
    --allowed_;
    return inner_->commit(group, durability);
  }
  [[nodiscard]] bool died() const { return died_; }

 private:
  std::shared_ptr<Store> inner_;
  std::size_t allowed_;
  bool died_ = false;
};

struct World {
  std::shared_ptr<MemoryStore> disk = std::make_shared<MemoryStore>();
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>(kStartMs);
  std::shared_ptr<IdSource> ids = std::make_shared<RandomIdSource>(7);
  std::unique_ptr<Engine> engine;

  void open(std::shared_ptr<Store> store) {
    engine.reset();
    EngineOptions options{.store = std::move(store), .threads = 0, .clock = clock, .ids = ids};
    add_builtin_nodes(options.nodes);
    auto opened = Engine::open(std::move(options));
    REQUIRE(opened.ok());
    engine = std::move(*opened);
  }
  void add(const WorkflowText& text) { REQUIRE(engine->register_workflow(text.json()).ok()); }
  RunView view(const RunId& run) const {
    auto found = engine->run("default", run);
    REQUIRE(found.ok());
    return std::move(*found);
  }
  void settle() {
    for (int i = 0; i < 4; ++i) engine->tick(clock->now_ms());
  }
  /// All runs of a workflow.
  std::vector<RunSummary> runs(const std::string& workflow) const {
    auto page = engine->list_runs({.workflow_id = workflow}, {}, 100);
    REQUIRE(page.ok());
    return page->runs;
  }
  std::size_t rows(char prefix) const {
    std::size_t count = 0;
    const std::string from(1, prefix);
    REQUIRE(
        disk->scan({from, prefix_end(from), false}, [&](std::string_view, std::string_view) { return ++count != 0; })
            .ok());
    return count;
  }
};

void add_family(World& world) {
  world.add(WorkflowText("leaf")
                .variable(R"({"name":"v","type":"string","defaultValue":"from below"})")
                .node("wait", "core.delay", R"({"ms":100})"));
  world.add(
      WorkflowText("middle").node("call", "core.subWorkflow", R"({"workflowId":"leaf","outputMapping":{"v":"v"}})"));
  world.add(
      WorkflowText("top").node("call", "core.subWorkflow", R"({"workflowId":"middle","outputMapping":{"v":"v"}})"));
}

}  // namespace

TEST_CASE("a family of runs ends the same wherever its process dies") {
  for (std::size_t allowed = 0;; ++allowed) {
    INFO("dies after commit " << allowed);
    World world;
    world.open(world.disk);
    add_family(world);
    // The first commit creates the run; everything behind it may be lost.
    const auto dying = std::make_shared<DyingStore>(world.disk, allowed + 1);
    world.open(dying);
    const auto created = world.engine->create_run({.workflow_id = "top"});
    REQUIRE(created.ok());
    world.settle();
    world.clock->advance(150);
    world.settle();
    world.open(world.disk);
    world.settle();
    world.clock->advance(150);
    world.settle();
    const RunView top = world.view(created->run_id);
    CHECK(top.state.status == RunStatus::completed);
    CHECK(top.state.variables.at("v") == R"("from below")");
    CHECK(world.runs("middle").size() == 1);
    CHECK(world.runs("leaf").size() == 1);
    CHECK(world.rows('X') == 0);
    CHECK(world.rows('N') == 0);
    CHECK(world.rows('A') == 0);
    if (!dying->died()) break;
    REQUIRE(allowed < 50);
  }
}

TEST_CASE("a cancel reaches every descendant wherever the process dies") {
  for (std::size_t allowed = 0;; ++allowed) {
    INFO("dies after commit " << allowed);
    World world;
    world.open(world.disk);
    add_family(world);
    const auto created = world.engine->create_run({.workflow_id = "top"});
    REQUIRE(created.ok());
    world.settle();
    const auto dying = std::make_shared<DyingStore>(world.disk, allowed + 1);
    world.open(dying);
    REQUIRE(world.engine->cancel_run({.run_id = created->run_id}).ok());
    world.settle();
    world.open(world.disk);
    world.settle();
    for (const char* workflow : {"top", "middle", "leaf"}) {
      REQUIRE(world.runs(workflow).size() == 1);
      CHECK(world.runs(workflow).front().status == RunStatus::cancelled);
    }
    CHECK(world.rows('X') == 0);
    CHECK(world.rows('N') == 0);
    if (!dying->died()) break;
    REQUIRE(allowed < 50);
  }
}

TEST_CASE("a store that fails for a moment between a child's end and its parent does not lose the end") {
  for (std::size_t allowed = 0; allowed < 10; ++allowed) {
    INFO("fails once after commit " << allowed);
    // The engine lives on; its commits fail once and succeed again.
    class FailingOnce final : public Store {
     public:
      FailingOnce(std::shared_ptr<Store> inner, std::size_t at) : inner_(std::move(inner)), at_(at) {}
      Result<std::optional<std::string>> get(std::string_view key) const override { return inner_->get(key); }
      Status scan(const ScanRange& range, const RowVisitor& visit) const override { return inner_->scan(range, visit); }
      Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                Durability durability) override {
        if (at_-- == 0) {
          // The write took effect, and its acknowledgement was lost.
          static_cast<void>(inner_->commit(group, durability));
          return Error{ErrorCode::store_io_error, "lost"};
        }
        return inner_->commit(group, durability);
      }

     private:
      std::shared_ptr<Store> inner_;
      std::size_t at_;
    };
    World world;
    world.open(world.disk);
    add_family(world);
    // The first commit creates the run.
    world.open(std::make_shared<FailingOnce>(world.disk, allowed + 1));
    const auto created = world.engine->create_run({.workflow_id = "top"});
    REQUIRE(created.ok());
    for (int i = 0; i < 10; ++i) {
      world.settle();
      world.clock->advance(1'100);
    }
    world.settle();
    CHECK(world.view(created->run_id).state.status == RunStatus::completed);
    CHECK(world.runs("leaf").size() == 1);
    CHECK(world.rows('X') == 0);
    CHECK(world.rows('N') == 0);
  }
}

}  // namespace openwop::test
