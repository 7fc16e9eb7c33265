// Time to go on with unfinished runs after a restart.
#include <fmt/core.h>

#include <thread>

#include "engine_rig.h"

using namespace openwop;
using namespace openwop::bench;

namespace {

std::size_t run_count() { return settings().quick ? 20'000 : 100'000; }

/// Counts the handlers of "bench.pending", which never answer.
struct Handlers {
  std::atomic<std::size_t> started{0};

  void add_to(EngineOptions& options) {
    options.drain_timeout_ms = 0;
    options.nodes.add(
        {"bench.pending", AsyncHandler([this](const std::shared_ptr<NodeContext>&, const Completion&) { ++started; })});
  }
  void wait_for_all() const {
    while (started.load() < run_count()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
};

/// Creates runs, closes everything with them unfinished, and opens it again.
Figures recover(std::string_view workflow, bool with_handlers) {
  const TempFolder folder;
  {
    Handlers handlers;
    auto options = engine_options(open_store(folder), Durability::async, 2);
    handlers.add_to(options);
    const auto engine = open_engine(std::move(options), workflow);
    create_runs(*engine, run_count());
    if (with_handlers) handlers.wait_for_all();
  }
  Handlers handlers;
  const StopWatch watch;
  const auto store = open_store(folder);
  const double store_open = watch.seconds();
  auto options = engine_options(store, Durability::sync, 2);
  handlers.add_to(options);
  const auto engine = must(Engine::open(std::move(options)));
  const double engine_open = watch.seconds();
  if (with_handlers) handlers.wait_for_all();
  return {{"store", store_open}, {"engine", engine_open - store_open}, {"handlers", watch.seconds() - store_open}};
}

void add_sides() {
  const int rounds = settings().quick ? 1 : 2;
  add_side("delay", rounds, [] { return recover(kHourWorkflow, false); });
  add_side("handler", rounds, [] { return recover(kPendingWorkflow, true); });
}

std::vector<Row> rows() {
  const auto what = [](std::string_view rest) { return fmt::format("recover {} runs {}", run_count(), rest); };
  return {{.what = what("in a delay: store opened"), .figure = "delay:store", .unit = Unit::seconds},
          {.what = what("in a delay: engine opened"), .figure = "delay:engine", .unit = Unit::seconds},
          {.what = what("in a handler: store opened"), .figure = "handler:store", .unit = Unit::seconds},
          {.what = what("in a handler: engine opened"), .figure = "handler:engine", .unit = Unit::seconds},
          {.what = what("in a handler: all dispatched"), .figure = "handler:handlers", .unit = Unit::seconds}};
}

}  // namespace

int main(int argc, char** argv) { return run_benchmarks(argc, argv, add_sides, rows); }
