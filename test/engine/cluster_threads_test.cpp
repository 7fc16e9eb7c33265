// Hosts with threads on one store: partitions change hands while runs are created, work and are cancelled.
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "openwop/ai_provider.h"
#include "support/engine_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

std::unique_ptr<Engine> open_host(const std::shared_ptr<Store>& store) {
  EngineOptions options;
  options.store = store;
  options.threads = 2;
  options.executor_threads = 2;
  // The claims outlast what a busy machine may do to a heartbeat, and the test does not wait for one to lapse.
  options.cluster = ClusterOptions{.claim_ttl_ms = 20'000, .heartbeat_ms = 50, .follow_poll_ms = 20};
  add_builtin_nodes(options.nodes);
  options.nodes.add({"test.work", SyncHandler([](NodeContext& context) -> NodeOutcome {
                       const auto step = context.step("one", [] { return Result<std::string>("1"); });
                       if (!step) return Failure{"step", step.error().message};
                       return NodeCompleted{};
                     })});
  auto opened = Engine::open(std::move(options));
  REQUIRE(opened.ok());
  REQUIRE((*opened)
              ->register_workflow(WorkflowText("w")
                                      .node("a", "test.work")
                                      .node("d", "core.delay", R"({"ms":5})")
                                      .node("b", "test.work")
                                      .edge("a", "d")
                                      .edge("d", "b")
                                      .json())
              .ok());
  return std::move(*opened);
}

struct Created {
  std::mutex mutex;
  std::vector<RunId> runs;
};

void create_some(Engine& engine, int count, Created& created) {
  for (int i = 0; i < count; ++i) {
    CreateRun request;
    request.workflow_id = "w";
    auto run = engine.create_run(std::move(request));
    if (!run) continue;  // it has nothing yet
    if (i % 10 == 0) static_cast<void>(engine.cancel_run({.run_id = run->run_id}));
    const std::lock_guard lock(created.mutex);
    created.runs.push_back(run->run_id);
  }
}

/// True once it holds; false when a generous time is over.
bool eventually(const std::function<bool()>& holds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

bool all_ended(const Engine& engine, const std::vector<RunId>& runs) {
  return std::all_of(runs.begin(), runs.end(), [&](const RunId& run) {
    const auto progress = engine.progress("default", run);
    return progress && is_terminal(progress->status);
  });
}

void check_log(const Engine& engine, const RunId& run) {
  std::vector<std::string> types;
  REQUIRE(engine
              .read_events("default", run, 0,
                           [&](const EventView& event) {
                             CHECK(event.sequence == types.size());
                             types.emplace_back(event.type_name);
                             return true;
                           })
              .ok());
  CHECK(std::count(types.begin(), types.end(), "run.started") == 1);
  const auto ends = std::count_if(types.begin(), types.end(), [](const std::string& type) {
    return type == "run.completed" || type == "run.cancelled" || type == "run.failed";
  });
  CHECK(ends == 1);
  CHECK(types.back() != "run.failed");
}

}  // namespace

TEST_CASE("runs keep their promises while hosts with threads join and leave", "[cluster][threads]") {
  const auto store = std::make_shared<MemoryStore>();
  auto stays = open_host(store);
  Created created;
  std::atomic<bool> stop{false};
  std::thread steady([&] {
    while (!stop) create_some(*stays, 20, created);
  });
  for (int round = 0; round < 4; ++round) {
    auto guest = open_host(store);
    CHECK(eventually([&] { return !guest->cluster()->claimed.empty(); }));
    create_some(*guest, 100, created);
    guest->close();
  }
  stop = true;
  steady.join();
  CHECK(eventually([&] { return all_ended(*stays, created.runs); }));
  CHECK(created.runs.size() >= 400);
  for (const RunId& run : created.runs) check_log(*stays, run);
  CHECK(eventually([&] { return stays->cluster()->claimed.size() == kRunPartitions; }));
}
