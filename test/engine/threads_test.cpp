#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "support/engine_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

struct ThreadedRig : EngineRig {
  ThreadedRig() {
    options.threads = 2;
    options.retry_initial_ms = 1;
  }
  void open_threaded() {
    EngineOptions copy = options;
    copy.store = store;
    auto opened = Engine::open(std::move(copy));
    REQUIRE(opened.ok());
    engine = std::move(*opened);
  }
  /// Reads the run's events as they come until it has ended.
  std::vector<std::uint64_t> follow(const RunId& run) {
    auto subscription = engine->subscribe("default", run, 0);
    REQUIRE(subscription.ok());
    std::vector<std::uint64_t> seen;
    while (!(*subscription)->complete()) {
      auto read = (*subscription)->read(3, [&](const EventView& event) {
        seen.push_back(event.sequence);
        return true;
      });
      REQUIRE(read.ok());
      if (*read == 0) REQUIRE((*subscription)->wait(30'000));
    }
    return seen;
  }
};

}  // namespace

TEST_CASE("many threads create, follow and cancel runs at once, and every run ends exactly once") {
  ThreadedRig rig;
  std::atomic<int> calls{0};
  rig.options.nodes.add({"vendor.t.work", SyncHandler([&](NodeContext& context) -> NodeOutcome {
                           if (calls.fetch_add(1) % 7 == 0) return Failure{"flaky", "again", {}, true};
                           (void)context.step("s", []() -> Result<std::string> { return std::string("1"); });
                           return NodeCompleted{};
                         })});
  rig.open_threaded();
  rig.add(WorkflowText("w")
              .settings(R"({"maxRetries":50})")
              .node("p", "core.parallel")
              .node("a", "vendor.t.work")
              .node("b", "vendor.t.work")
              .node("d", "core.delay", R"({"ms":1})")
              .node("m", "core.merge")
              .edge("p", "a")
              .edge("p", "b")
              .edge("p", "d")
              .edge("a", "m")
              .edge("b", "m")
              .edge("d", "m"));
  std::mutex mutex;
  std::set<RunId> ids;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 40; ++i) {
        CreateRun request;
        request.workflow_id = "w";
        const auto created = rig.engine->create_run(std::move(request));
        if (!created) continue;
        {
          const std::lock_guard lock(mutex);
          ids.insert(created->run_id);
        }
        if ((t + i) % 5 == 0) {
          CancelRun cancel;
          cancel.run_id = created->run_id;
          (void)rig.engine->cancel_run(cancel);
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(ids.size() == 320);
  for (const RunId& run : ids) {
    const auto seen = rig.follow(run);
    for (std::size_t i = 0; i < seen.size(); ++i) REQUIRE(seen[i] == i);
    REQUIRE(is_terminal(rig.status(run)));
    REQUIRE(rig.count(run, "run.completed") + rig.count(run, "run.cancelled") == 1);
  }
  rig.engine->close();
  CHECK(rig.engine->create_run({.workflow_id = "w"}).error().code == ErrorCode::service_unavailable);
}

TEST_CASE("timers fire on the engine's own threads while nobody calls") {
  ThreadedRig rig;
  rig.open_threaded();
  rig.add(
      WorkflowText("w").node("a", "core.delay", R"({"ms":30})").node("b", "core.delay", R"({"ms":1})").edge("a", "b"));
  const RunId run = rig.create("w");
  CHECK(rig.follow(run).size() == 6);
}

TEST_CASE("handlers run on the executor that the host hands in") {
  struct Recorder final : Executor {
    std::mutex mutex;
    std::vector<std::thread> threads;
    void post(std::function<void()> task) override {
      const std::lock_guard lock(mutex);
      threads.emplace_back(std::move(task));
    }
    ~Recorder() override {
      for (auto& thread : threads) thread.join();
    }
  };
  auto executor = std::make_shared<Recorder>();
  ThreadedRig rig;
  rig.options.executor = executor;
  rig.options.nodes.add({"vendor.t.n", SyncHandler([](NodeContext&) -> NodeOutcome { return NodeCompleted{}; })});
  rig.open_threaded();
  rig.add(WorkflowText("w").node("n", "vendor.t.n"));
  rig.follow(rig.create("w"));
  CHECK(executor->threads.size() == 1);
}

TEST_CASE("closing waits for handlers in flight and leaves what does not end to the next open") {
  ThreadedRig rig;
  std::mutex mutex;
  std::condition_variable changed;
  bool let_go = false;
  rig.options.drain_timeout_ms = 20;
  rig.options.nodes.add({"vendor.t.stuck", AsyncHandler([&](std::shared_ptr<NodeContext> context, Completion complete) {
                           const std::lock_guard lock(mutex);
                           if (let_go) complete(NodeCompleted{});
                           context->on_cancel([&] { changed.notify_all(); });
                         })});
  rig.open_threaded();
  rig.add(WorkflowText("w").node("n", "vendor.t.stuck"));
  const RunId run = rig.create("w");
  rig.engine->close();
  CHECK(rig.status(run) == RunStatus::running);
  {
    const std::lock_guard lock(mutex);
    let_go = true;
  }
  rig.open_threaded();
  rig.follow(run);
  CHECK(rig.history(run) ==
        Lines{"run.started", "node.started(n)", "run.resumed", "node.completed(n)", "run.completed"});
}
