// What grows with the number of stored runs, and what must not: the latency of a commit, the start of a host, the
// memory of waiting runs. Takes minutes; OPENWOP_BENCH_RUNS sets the largest number (default 1,000,000).
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "engine_rig.h"

using namespace openwop;
using namespace openwop::bench;

namespace {

std::size_t largest() {
  if (settings().quick) return 100'000;
  const char* given = std::getenv("OPENWOP_BENCH_RUNS");  // NOLINT(concurrency-mt-unsafe): before any thread
  return given == nullptr ? 1'000'000 : std::strtoull(given, nullptr, 10);
}

/// 10^4, 10^5, … up to the largest.
std::vector<std::size_t> steps() {
  std::vector<std::size_t> all;
  for (std::size_t runs = 10'000; runs < largest(); runs *= 10) all.push_back(runs);
  all.push_back(largest());
  return all;
}

/// Creates runs one after the other and gives the named percentiles of the time of one, in seconds.
void time_creates(Engine& engine, const std::string& prefix, Figures& figures) {
  const std::size_t count = settings().quick ? 1'000 : 2'000;
  std::vector<double> seconds;
  seconds.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const StopWatch watch;
    static_cast<void>(must(engine.create_run({.workflow_id = kWorkflowId})));
    seconds.push_back(watch.seconds());
  }
  std::sort(seconds.begin(), seconds.end());
  figures[prefix + "p50"] = seconds[seconds.size() / 2];
  figures[prefix + "p99"] = seconds[seconds.size() * 99 / 100];
}

/// One store that grows; after each step, commits with and without a sync are timed.
Figures grow() {
  const TempFolder folder;
  Figures figures;
  std::size_t stored = 0;
  for (const std::size_t runs : steps()) {
    {
      const auto engine = open_engine(engine_options(open_store(folder), Durability::async, 1), kNoopWorkflow);
      create_runs(*engine, runs - stored);
      stored = runs;
      time_creates(*engine, fmt::format("async{}", runs), figures);
    }
    const auto engine = open_engine(engine_options(open_store(folder), Durability::sync, 1), kNoopWorkflow);
    time_creates(*engine, fmt::format("sync{}", runs), figures);
  }
  // A host that starts with all that, and a tenth of it waiting.
  RunId waiting;
  {
    const auto engine = open_engine(engine_options(open_store(folder), Durability::async, 1), kHourWorkflow);
    create_runs(*engine, largest() / 10);
    waiting = must(engine->create_run({.workflow_id = kWorkflowId})).run_id;
  }
  const StopWatch watch;
  const auto engine = must(Engine::open(engine_options(open_store(folder), Durability::sync, 2)));
  if (must(engine->run("default", waiting)).state.status != RunStatus::running) fail("a waiting run does not run");
  figures["start"] = watch.seconds();
  return figures;
}

std::size_t waiting_runs() { return std::min<std::size_t>(largest(), 1'000'000); }

/// As bench_waiting_memory does it, with more runs. With small buffers ten million took more than ten minutes of
/// compaction, and say no more.
Figures waiting() {
  const TempFolder folder;
  return {{"bytes", in_child_process([&] {
             const auto engine =
                 open_engine(engine_options(open_store(folder, Buffers::small), Durability::async, 1), kHourWorkflow);
             create_runs(*engine, waiting_runs() / 5);
             std::this_thread::sleep_for(std::chrono::seconds(1));
             const double before = resident_bytes();
             create_runs(*engine, waiting_runs());
             std::this_thread::sleep_for(std::chrono::seconds(1));
             return std::max(0.0, resident_bytes() - before) / static_cast<double>(waiting_runs());
           })}};
}

void add_sides() {
  // Each in a process of its own: RocksDB's threads of one would not be there in the child of the other.
  add_side("grow", 1, [] { return in_child_process(grow); });
  add_side("waiting", 1, waiting);
}

std::vector<Row> rows() {
  std::vector<Row> all;
  for (const std::string mode : {"sync", "async"}) {
    for (const std::string percentile : {"p50", "p99"}) {
      const std::string first = fmt::format("grow:{}{}{}", mode, steps().front(), percentile);
      for (const std::size_t runs : steps()) {
        Row row{.what = fmt::format("commit, {}, {}, {} runs stored", mode, percentile, runs),
                .figure = fmt::format("grow:{}{}{}", mode, runs, percentile),
                .unit = Unit::seconds};
        if (runs != steps().front()) {
          row.against = first;
          row.against_name = fmt::format("{} stored", steps().front());
          row.aim_ratio = percentile == "p99" ? 2 : 0;
        }
        all.push_back(std::move(row));
      }
    }
  }
  all.push_back({.what = fmt::format("start to first answer, {} ended, {} waiting", largest(), largest() / 10),
                 .figure = "grow:start",
                 .unit = Unit::seconds,
                 .aim_value = 5});
  all.push_back({.what = fmt::format("resident per run, {} in a delay, RocksDB", waiting_runs()),
                 .figure = "waiting:bytes",
                 .unit = Unit::bytes,
                 .aim_value = 200});
  return all;
}

}  // namespace

int main(int argc, char** argv) { return run_benchmarks(argc, argv, add_sides, rows); }
