// The database goes away and comes back, in every way it can, under the same store objects.
#include <map>

#include "store/postgres_rig.h"

namespace openwop::test {
namespace {

using enum CommitOutcome;

TEST_CASE("without the database every call gives store_io_error, and with it again all goes on", "[store][postgres]") {
  if (!have_postgres()) return;
  PostgresServer server;
  const auto store = open_quick(quick(server.new_schema()));
  commit_one(*store, put_of("before", "1"), Durability::sync);
  for (const auto how : {PostgresServer::Stop::fast, PostgresServer::Stop::immediate}) {
    server.stop(how);
    for (int i = 0; i < 3; ++i) {
      const auto outcome = store->commit(put_of("meanwhile", "1"), Durability::sync);
      REQUIRE_FALSE(outcome);
      CHECK(outcome.error().code == ErrorCode::store_io_error);
      CHECK(http_status(outcome.error().code) == 503);
      const auto read = store->get("before");
      REQUIRE_FALSE(read);
      CHECK(read.error().code == ErrorCode::store_io_error);
      CHECK_FALSE(store->scan({}, [](std::string_view, std::string_view) { return true; }));
    }
    server.start();
    CHECK(value_of(*store, "before") == "1");
    CHECK_FALSE(value_of(*store, "meanwhile").has_value());
    CHECK(commit_one(*store, put_of("after", "1"), Durability::sync) == committed);
  }
}

TEST_CASE("a server that stops answering is given up in time and found again", "[store][postgres]") {
  if (!have_postgres()) return;
  PostgresServer server;
  auto options = quick(server.new_schema());
  options.network_timeout_ms = 200;
  options.max_attempts = 1;
  const auto store = open_quick(options);
  commit_one(*store, put_of("key", "1"));
  server.freeze();
  const auto outcome = store->commit(put_of("key", "2"), Durability::sync);
  server.thaw();
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code == ErrorCode::store_io_error);
  // Whichever it is now, it stays so.
  const auto read = value_of(*store, "key");
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(value_of(*store, "key") == read);
  CHECK(commit_one(*store, put_of("key", "3")) == committed);
}

TEST_CASE("an open finds no database and says so; an open with a wrong password does not crash", "[store][postgres]") {
  if (!have_postgres()) return;
  auto options = quick("host=/nonexistent user=nobody dbname=none");
  options.max_attempts = 2;
  const auto opened = open_postgres_store(options);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::store_io_error);
}

struct Tally {
  std::atomic<int> committed{0};
  std::atomic<int> wrong{0};
  std::atomic<int> unknown{0};
};

/// Adds one to a counter, in the commit that makes a row of its own: what is counted and what is there must agree.
void increment_once(Store& store, const std::string& own_row, Tally& tally) {
  for (int tries = 0; tries < 1'000; ++tries) {
    const auto now = store.get("counter");
    if (!now) continue;
    Transaction transaction = create_of(own_row, "x");
    transaction.require_equals("counter", now->value_or(""));
    transaction.put("counter", std::to_string(std::stoi(now->value_or("0")) + 1));
    const auto outcome = store.commit(transaction, Durability::async);
    const auto row = store.get(own_row);
    if (!outcome) ++tally.unknown;
    if (outcome && row && row->has_value() != (*outcome == committed)) ++tally.wrong;
    const bool done = outcome ? *outcome == committed : row.ok() && row->has_value();
    if (done) {
      ++tally.committed;
      return;
    }
    // Not known even now: this row must not be tried again by the name of another outcome.
    if (!row) return;
  }
}

TEST_CASE("connections cut at random times lose no acknowledged commit and repeat none", "[store][postgres]") {
  if (!have_postgres()) return;
  auto& server = PostgresServer::shared();
  auto options = quick(server.new_schema());
  options.max_attempts = 20;
  const std::vector<std::shared_ptr<Store>> stores = {open_quick(options), open_quick(options)};
  commit_one(*stores[0], put_of("counter", "0"));
  Tally tally;
  std::atomic<bool> working{true};
  std::vector<std::thread> threads;
  constexpr int kThreadsPerStore = 2;
  constexpr int kIncrements = 300;
  for (std::size_t t = 0; t < stores.size() * kThreadsPerStore; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kIncrements; ++i) {
        increment_once(*stores[t % stores.size()], "row/" + std::to_string(t) + "/" + std::to_string(i), tally);
      }
    });
  }
  int cuts = 0;
  std::thread cutter([&] {
    while (working) {
      static_cast<void>(
          server.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                     "application_name = 'openwop' AND random() < 0.7"));
      ++cuts;
    }
  });
  for (auto& thread : threads) thread.join();
  working = false;
  cutter.join();
  INFO(cuts << " cuts, " << tally.unknown << " outcomes not known");
  CHECK(cuts > 3);
  CHECK(tally.wrong == 0);
  const auto rows = rows_of(*stores[0], {.begin = "row/", .end = "row0"}).size();
  CHECK(value_of(*stores[1], "counter") == std::to_string(rows));
  CHECK(rows >= static_cast<std::size_t>(tally.committed.load()));
}

}  // namespace
}  // namespace openwop::test
