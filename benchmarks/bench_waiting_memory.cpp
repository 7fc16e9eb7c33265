// Resident memory of runs that wait. Each figure comes from a process of its own.
#include <fmt/core.h>

#include <thread>

#include "engine_rig.h"
#include "openwop/memory_store.h"

using namespace openwop;
using namespace openwop::bench;

namespace {

std::size_t run_count() { return settings().quick ? 20'000 : 100'000; }

void settle() { std::this_thread::sleep_for(std::chrono::milliseconds(settings().quick ? 200 : 1000)); }

/// Growth of resident memory for each run that waits in a delay. The store's own buffers, which do not grow with runs,
/// are small and filled before the first look.
double waiting_bytes(std::shared_ptr<Store> store) {
  const auto engine = open_engine(engine_options(std::move(store), Durability::async, 1), kHourWorkflow);
  create_runs(*engine, run_count() / 5);
  settle();
  const double before = resident_bytes();
  create_runs(*engine, run_count());
  settle();
  return (resident_bytes() - before) / static_cast<double>(run_count());
}

Figures waiting_in_memory() {
  return {{"bytes", in_child_process([] { return waiting_bytes(std::make_shared<MemoryStore>()); })}};
}

Figures waiting_in_rocksdb() {
  const TempFolder folder;
  return {{"bytes", in_child_process([&] { return waiting_bytes(open_store(folder, Buffers::small)); })}};
}

/// Resident memory of a process that has just opened a folder of waiting runs, above that of one with an empty folder.
Figures reopened_in_rocksdb() {
  const auto resident_when_open = [](const TempFolder& folder) {
    const auto engine =
        open_engine(engine_options(open_store(folder, Buffers::small), Durability::async, 1), kHourWorkflow);
    settle();
    return resident_bytes();
  };
  const TempFolder empty;
  const TempFolder full;
  static_cast<void>(in_child_process([&] {
    const auto engine =
        open_engine(engine_options(open_store(full, Buffers::small), Durability::async, 1), kHourWorkflow);
    create_runs(*engine, run_count());
    return 0.0;
  }));
  const double without = in_child_process([&] { return resident_when_open(empty); });
  const double with = in_child_process([&] { return resident_when_open(full); });
  return {{"bytes", std::max(0.0, with - without) / static_cast<double>(run_count())}};
}

void add_sides() {
  add_side("rocksdb", settings().quick ? 1 : 2, waiting_in_rocksdb);
  add_side("reopened", settings().quick ? 1 : 2, reopened_in_rocksdb);
  add_side("memory", 1, waiting_in_memory);
}

std::vector<Row> rows() {
  const auto what = [](std::string_view where) {
    return fmt::format("resident per run, {} in a delay, {}", run_count(), where);
  };
  return {{.what = what("RocksDB"), .figure = "rocksdb:bytes", .unit = Unit::bytes},
          {.what = what("RocksDB reopened"), .figure = "reopened:bytes", .unit = Unit::bytes},
          {.what = what("memory store"), .figure = "memory:bytes", .unit = Unit::bytes}};
}

}  // namespace

int main(int argc, char** argv) { return run_benchmarks(argc, argv, add_sides, rows); }
