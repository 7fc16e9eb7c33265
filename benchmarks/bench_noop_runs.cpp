// Runs of one core.noop node per second, from create to completed, in-process.
#include <fmt/core.h>

#include "append_sides.h"
#include "engine_rig.h"
#include "openwop/memory_store.h"

using namespace openwop;
using namespace openwop::bench;

namespace {

enum class Backend : std::uint8_t { memory, rocksdb_async, rocksdb_sync };
constexpr std::array<std::string_view, 3> kBackendNames = {"memory", "async", "sync"};

/// Counts the transactions that reach a store.
class CountingStore final : public Store {
 public:
  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override { return store_.get(key); }
  [[nodiscard]] Status scan(const ScanRange& range, const RowVisitor& visit) const override {
    return store_.scan(range, visit);
  }
  using Store::commit;
  [[nodiscard]] Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                          Durability durability) override {
    transactions += group.size();
    return store_.commit(group, durability);
  }
  std::size_t transactions = 0;

 private:
  MemoryStore store_;
};

void expect_all_completed(const Engine& engine) {
  const auto page = must(engine.list_runs({}, {}, 100));
  for (const RunSummary& run : page.runs) {
    if (run.status != RunStatus::completed) fail("a noop run did not complete");
  }
}

double noop_runs(Backend backend, std::size_t threads, std::size_t in_flight) {
  const TempFolder folder;
  std::shared_ptr<Store> store;
  if (backend == Backend::memory) {
    store = std::make_shared<MemoryStore>();
  } else {
    store = open_store(folder);
  }
  const auto durability = backend == Backend::rocksdb_sync ? Durability::sync : Durability::async;
  const auto engine = open_engine(engine_options(store, durability, threads), kNoopWorkflow);
  const Window window;
  const StopWatch watch;
  CreateLoop loop(*engine, [&] { return window.open(); });
  const auto created = static_cast<double>(loop.run(in_flight));
  const double rate = created / watch.seconds();
  expect_all_completed(*engine);
  return rate;
}

Figures commits_per_run() {
  constexpr std::size_t kRuns = 1000;
  const auto store = std::make_shared<CountingStore>();
  const auto engine = open_engine(engine_options(store, Durability::sync, 0), kNoopWorkflow);
  const std::size_t before = store->transactions;
  create_runs(*engine, kRuns);
  return {{"count", static_cast<double>(store->transactions - before) / kRuns}};
}

std::string side_name(Backend backend, std::size_t threads, std::size_t in_flight) {
  return fmt::format("noop/{}/{}/{}", kBackendNames[static_cast<std::size_t>(backend)], threads, in_flight);
}

template <class Visit>
void for_each_side(Visit visit) {
  for (const auto backend : {Backend::rocksdb_sync, Backend::rocksdb_async, Backend::memory}) {
    for (const std::size_t in_flight : {std::size_t{64}, std::size_t{1}}) {
      for (const std::size_t threads : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
        visit(backend, threads, in_flight);
      }
    }
  }
}

void add_sides() {
  for_each_side([](Backend backend, std::size_t threads, std::size_t in_flight) {
    add_rate(side_name(backend, threads, in_flight), [=] { return noop_runs(backend, threads, in_flight); });
  });
  // What the disk gives, in the same minutes.
  add_rate("file/1", [] { return append_file(1); });
  add_rate("file/64", [] { return append_file(64); });
  add_side("commits", 1, commits_per_run);
}

std::vector<Row> rows() {
  std::vector<Row> all;
  for_each_side([&](Backend backend, std::size_t threads, std::size_t in_flight) {
    const auto mode = threads == 0 ? "driven" : fmt::format("threads={}", threads);
    const bool aimed_at = backend == Backend::rocksdb_sync && in_flight == 64;
    all.push_back({.what = fmt::format("noop runs, {}, {} in flight, {}",
                                       kBackendNames[static_cast<std::size_t>(backend)], in_flight, mode),
                   .figure = side_name(backend, threads, in_flight),
                   .against = backend == Backend::rocksdb_sync ? fmt::format("file/{}", in_flight) : "",
                   .against_name = fmt::format("write+fdatasync of {}", in_flight),
                   .aim_value = aimed_at ? 50'000.0 : 0.0});
  });
  all.push_back({.what = "commits of one noop run", .figure = "commits:count", .unit = Unit::count, .aim_value = 1});
  return all;
}

}  // namespace

int main(int argc, char** argv) { return run_benchmarks(argc, argv, add_sides, rows); }
