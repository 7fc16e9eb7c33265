#include "engine_rig.h"

namespace openwop::bench {

const std::string_view kNoopWorkflow = R"({
  "id": "benchmark", "name": "Noop", "version": "1.0", "metadata": {}, "settings": {}, "variables": [],
  "triggers": [{"id": "manual", "type": "manual"}], "edges": [],
  "nodes": [{"id": "noop", "typeId": "core.noop", "name": "Noop", "position": {"x": 0, "y": 0}, "config": {}, "inputs": {}}]
})";

const std::string_view kHourWorkflow = R"({
  "id": "benchmark", "name": "Hour", "version": "1.0", "metadata": {}, "settings": {}, "variables": [],
  "triggers": [{"id": "manual", "type": "manual"}], "edges": [],
  "nodes": [{"id": "rest", "typeId": "core.delay", "name": "Rest", "position": {"x": 0, "y": 0},
             "config": {"ms": 3600000}, "inputs": {}}]
})";

const std::string_view kPendingWorkflow = R"({
  "id": "benchmark", "name": "Pending", "version": "1.0", "metadata": {}, "settings": {}, "variables": [],
  "triggers": [{"id": "manual", "type": "manual"}], "edges": [],
  "nodes": [{"id": "wait", "typeId": "bench.pending", "name": "Wait", "position": {"x": 0, "y": 0},
             "config": {}, "inputs": {}}]
})";

std::shared_ptr<Store> open_store(const TempFolder& folder, Buffers buffers) {
  RocksDbOptions options{.path = folder.path()};
  if (buffers == Buffers::small) {
    options.write_buffer_bytes = std::size_t{2} << 20;
    options.max_write_buffers = 2;
    options.block_cache_bytes = std::size_t{1} << 20;
  }
  return must(open_rocksdb_store(options));
}

EngineOptions engine_options(std::shared_ptr<Store> store, Durability durability, std::size_t threads) {
  EngineOptions options{.store = std::move(store), .threads = threads, .durability = durability};
  options.max_active_runs = std::size_t{1} << 30;
  options.on_error = [](const Error& error) { fail(error.message); };
  add_builtin_nodes(options.nodes);
  return options;
}

std::unique_ptr<Engine> open_engine(EngineOptions options, std::string_view workflow) {
  auto engine = must(Engine::open(std::move(options)));
  must(engine->register_workflow(workflow));
  return engine;
}

std::size_t CreateLoop::run(std::size_t in_flight) {
  open_ = in_flight;
  for (std::size_t i = 0; i < in_flight; ++i) create();
  if (engine_.options().threads == 0) {
    while (open_ > 0) engine_.tick(engine_.options().clock->now_ms());
    return created_.load();
  }
  std::unique_lock lock(mutex_);
  all_ended_.wait(lock, [this] { return open_ == 0; });
  return created_.load();
}

void CreateLoop::create() {
  if (!go_on_()) return ended();
  engine_.create_run({.workflow_id = kWorkflowId}, [this](const Result<CreatedRun>& run) { answered(run); });
}

void CreateLoop::answered(const Result<CreatedRun>& run) {
  if (!run) fail(run.error().message);
  created_.fetch_add(1, std::memory_order_relaxed);
  create();
}

void CreateLoop::ended() {
  // Notify under the lock: the waiter destroys this object as soon as it sees that all have ended.
  const std::lock_guard lock(mutex_);
  if (--open_ == 0) all_ended_.notify_one();
}

void create_runs(Engine& engine, std::size_t count) {
  constexpr std::size_t kInFlight = 512;
  std::atomic<std::size_t> begun{0};
  CreateLoop loop(engine, [&] { return begun.fetch_add(1) < count; });
  if (loop.run(kInFlight) != count) fail("not every run was created");
}

}  // namespace openwop::bench
