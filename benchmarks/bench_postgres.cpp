// The PostgreSQL store: commits of groups, reads, and runs of one core.noop node, on the server that the environment
// variable OPENWOP_BENCH_POSTGRES names by its connection string (benchmarks/postgres.sh starts one). It makes the
// tables there, and leaves rows in them.
#include <fmt/core.h>

#include <cstdlib>
#include <thread>

#include "append_sides.h"
#include "engine_rig.h"
#include "openwop/postgres_store.h"
#include "openwop/random_text.h"

using namespace openwop;
using namespace openwop::bench;

namespace {

constexpr std::array kGroups = {std::size_t{1}, std::size_t{16}, std::size_t{128}, std::size_t{1024}};
constexpr std::array kInFlight = {std::size_t{1}, std::size_t{8}, std::size_t{64}, std::size_t{512}, std::size_t{2048}};
constexpr std::size_t kValueBytes = 300;

std::shared_ptr<Store> open_shared() {
  const char* dsn = std::getenv("OPENWOP_BENCH_POSTGRES");
  return must(open_postgres_store({.dsn = dsn != nullptr ? dsn : ""}));
}

/// Transactions per second of one store object: each makes a row that must be absent, in the log of one of 64 runs.
double commit_groups(Store& store, std::size_t group_size, Durability durability) {
  const Window window;
  const StopWatch watch;
  const std::string nonce = "L" + random_hex(16).substr(0, 14);
  const std::string value(kValueBytes, 'v');
  std::size_t made = 0;
  while (window.open()) {
    std::vector<Transaction> group(group_size);
    std::vector<const Transaction*> pointers;
    for (auto& transaction : group) {
      const auto key = fmt::format("{}{:02}{:012}", nonce, made % 64, made / 64);
      transaction.require_absent(key);
      transaction.put(key, value);
      pointers.push_back(&transaction);
      ++made;
    }
    const auto outcomes = must(store.commit(pointers, durability));
    if (outcomes.back() != CommitOutcome::committed) fail("a row was there already");
  }
  return static_cast<double>(made) / watch.seconds();
}

/// The same from several store objects at once, as several hosts would.
double commit_groups_of_hosts(std::size_t hosts, std::size_t group_size) {
  std::vector<double> rates(hosts);
  std::vector<std::thread> threads;
  threads.reserve(hosts);
  for (auto& rate : rates) {
    threads.emplace_back([&] { rate = commit_groups(*open_shared(), group_size, Durability::sync); });
  }
  for (auto& thread : threads) thread.join();
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

double read_rows(Store& store) {
  Transaction transaction;
  for (int i = 0; i < 100; ++i) transaction.put(fmt::format("Ubench{}", i), std::string(kValueBytes, 'v'));
  must(store.commit(transaction, Durability::async));
  const Window window;
  const StopWatch watch;
  std::size_t count = 0;
  for (; window.open(); ++count) must(store.get(fmt::format("Ubench{}", count % 100)));
  return static_cast<double>(count) / watch.seconds();
}

double noop_runs(std::size_t in_flight, Durability durability) {
  auto options = engine_options(open_shared(), durability, 1);
  const auto engine = open_engine(std::move(options), kNoopWorkflow);
  const Window window;
  const StopWatch watch;
  CreateLoop loop(*engine, [&] { return window.open(); });
  return static_cast<double>(loop.run(in_flight)) / watch.seconds();
}

void add_sides() {
  for (const std::size_t size : kGroups) {
    add_rate(fmt::format("commit/{}", size), [=] { return commit_groups(*open_shared(), size, Durability::sync); });
  }
  add_rate("commit/async/1", [] { return commit_groups(*open_shared(), 1, Durability::async); });
  add_rate("hosts/1/128", [] { return commit_groups_of_hosts(1, 128); });
  add_rate("hosts/4/128", [] { return commit_groups_of_hosts(4, 128); });
  add_rate("get", [] { return read_rows(*open_shared()); });
  for (const std::size_t in_flight : kInFlight) {
    add_rate(fmt::format("noop/{}", in_flight), [=] { return noop_runs(in_flight, Durability::sync); });
  }
  add_rate("noop/async/64", [] { return noop_runs(64, Durability::async); });
  add_rate("file/1", [] { return append_file(1); });
}

std::vector<Row> rows() {
  std::vector<Row> all;
  all.reserve(kGroups.size() + kInFlight.size() + 4);
  for (const std::size_t size : kGroups) {
    all.push_back({.what = fmt::format("transactions, sync, groups of {}", size),
                   .figure = fmt::format("commit/{}", size),
                   .against = "file/1",
                   .against_name = "write+fdatasync of 1"});
  }
  all.push_back({.what = "transactions, async, groups of 1", .figure = "commit/async/1"});
  all.push_back({.what = "transactions, sync, groups of 128, 4 store objects",
                 .figure = "hosts/4/128",
                 .against = "hosts/1/128",
                 .against_name = "1 store object"});
  all.push_back({.what = "get, 1 thread", .figure = "get"});
  for (const std::size_t in_flight : kInFlight) {
    all.push_back(
        {.what = fmt::format("noop runs, sync, {} in flight", in_flight), .figure = fmt::format("noop/{}", in_flight)});
  }
  all.push_back({.what = "noop runs, async, 64 in flight", .figure = "noop/async/64"});
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  if (std::getenv("OPENWOP_BENCH_POSTGRES") == nullptr) {
    fmt::print(stderr, "OPENWOP_BENCH_POSTGRES has to be a connection string; see benchmarks/postgres.sh\n");
    return 1;
  }
  return run_benchmarks(argc, argv, add_sides, rows);
}
