// Engines for benchmarks: opened on a store of choice, and kept busy with a number of creations in flight.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "openwop/engine.h"
#include "openwop/rocksdb_store.h"
#include "rig.h"

namespace openwop::bench {

/// One core.noop node.
extern const std::string_view kNoopWorkflow;
/// One core.delay of an hour.
extern const std::string_view kHourWorkflow;
/// One node of the type "bench.pending".
extern const std::string_view kPendingWorkflow;
/// The id of all of them.
inline constexpr const char* kWorkflowId = "benchmark";

/// A RocksDB store in the folder; small buffers keep what the store holds out of a measurement of memory.
enum class Buffers : std::uint8_t { standard, small };
[[nodiscard]] std::shared_ptr<Store> open_store(const TempFolder& folder, Buffers buffers = Buffers::standard);

/// Options with the built-in nodes, and no limit on active runs that a benchmark would meet.
[[nodiscard]] EngineOptions engine_options(std::shared_ptr<Store> store, Durability durability, std::size_t threads);

[[nodiscard]] std::unique_ptr<Engine> open_engine(EngineOptions options, std::string_view workflow);

/// Keeps `in_flight` creations under way, each answer making the next, for as long as `go_on` says.
class CreateLoop {
 public:
  CreateLoop(Engine& engine, std::function<bool()> go_on) : engine_(engine), go_on_(std::move(go_on)) {}

  /// Returns when the last answer is there: the number of runs created.
  std::size_t run(std::size_t in_flight);

 private:
  void create();
  void answered(const Result<CreatedRun>& run);
  void ended();

  Engine& engine_;
  std::function<bool()> go_on_;
  std::atomic<std::size_t> created_{0};
  std::mutex mutex_;
  std::condition_variable all_ended_;
  std::size_t open_ = 0;
};

/// Creates exactly `count` runs.
void create_runs(Engine& engine, std::size_t count);

}  // namespace openwop::bench
