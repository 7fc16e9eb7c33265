// Events folded per second: the log of a real run of about 1,000 events, from memory, and read from a store.
#include <fmt/core.h>

#include "engine_rig.h"
#include "openwop/log.h"
#include "openwop/memory_store.h"
#include "openwop/run_fold.h"

using namespace openwop;
using namespace openwop::bench;

namespace {

/// Three events for each node, two for the run.
constexpr std::size_t kNodes = 333;

std::string chain_of_assignments() {
  std::string nodes;
  std::string edges;
  for (std::size_t i = 0; i < kNodes; ++i) {
    nodes += fmt::format(R"({}{{"id":"set{}","typeId":"core.setVariable","name":"Set","position":{{"x":0,"y":0}},)"
                         R"("config":{{"name":"v{}","value":"the value number {}"}},"inputs":{{}}}})",
                         i == 0 ? "" : ",", i, i % 10, i);
    if (i == 0) continue;
    edges += fmt::format(R"({}{{"id":"e{}","sourceNodeId":"set{}","targetNodeId":"set{}"}})", i == 1 ? "" : ",", i,
                         i - 1, i);
  }
  return R"({"id":"benchmark","name":"Chain","version":"1.0","metadata":{},"settings":{},"variables":[],)"
         R"("triggers":[{"id":"manual","type":"manual"}],"nodes":[)" +
         nodes + R"(],"edges":[)" + edges + "]}";
}

/// A store that holds one run's log.
struct OneRun {
  explicit OneRun(std::shared_ptr<Store> in) : store(std::move(in)) {
    auto options = engine_options(store, Durability::async, 0);
    options.max_node_executions = kNodes + 1;
    const auto engine = open_engine(std::move(options), chain_of_assignments());
    run = must(engine->create_run(CreateRun{.workflow_id = kWorkflowId})).run_id;
    while (engine->tick(engine->options().clock->now_ms())) {
    }
    const auto view = must(engine->run("default", run));
    if (view.state.status != RunStatus::completed) fail("the run did not complete: " + view.state.error);
    events = view.state.next_sequence;
  }

  std::shared_ptr<Store> store;
  RunId run;
  std::uint64_t events = 0;
};

void fold_from_store(const OneRun& one) {
  RunState state;
  const auto read = Log(*one.store).read(one.run, 0, [&](const EventView& event) {
    fold(state, event);
    return true;
  });
  if (!read || state.status != RunStatus::completed) fail("the log does not fold");
}

/// Calls `fold_all` for a window: events per second.
template <class FoldAll>
double folds(std::uint64_t events, FoldAll fold_all) {
  const Window window;
  const StopWatch watch;
  std::uint64_t folded = 0;
  for (; window.open(); folded += events) fold_all();
  return static_cast<double>(folded) / watch.seconds();
}

double fold_in_memory() {
  const OneRun one(std::make_shared<MemoryStore>());
  struct Kept {
    std::string node_id, payload, hidden;
    EventView view;
  };
  std::vector<Kept> log;
  must(Log(*one.store).read(one.run, 0, [&](const EventView& event) {
    log.push_back({std::string(event.node_id), std::string(event.payload), std::string(event.hidden), event});
    return true;
  }));
  for (Kept& kept : log) {
    kept.view.node_id = kept.node_id;
    kept.view.payload = kept.payload;
    kept.view.hidden = kept.hidden;
  }
  return folds(one.events, [&] {
    RunState state;
    for (const Kept& kept : log) fold(state, kept.view);
    if (state.status != RunStatus::completed) fail("the log does not fold");
  });
}

double fold_from_memory_store() {
  const OneRun one(std::make_shared<MemoryStore>());
  return folds(one.events, [&] { fold_from_store(one); });
}

double fold_from_rocksdb() {
  const TempFolder folder;
  const OneRun one(open_store(folder));
  return folds(one.events, [&] { fold_from_store(one); });
}

void add_sides() {
  add_rate("fold/events", fold_in_memory);
  add_rate("fold/memory", fold_from_memory_store);
  add_rate("fold/rocksdb", fold_from_rocksdb);
}

std::vector<Row> rows() {
  return {{.what = "fold, log of 1,001 events at hand", .figure = "fold/events"},
          {.what = "read and fold, log of 1,001 events, memory store", .figure = "fold/memory"},
          {.what = "read and fold, log of 1,001 events, RocksDB", .figure = "fold/rocksdb"}};
}

}  // namespace

int main(int argc, char** argv) { return run_benchmarks(argc, argv, add_sides, rows); }
