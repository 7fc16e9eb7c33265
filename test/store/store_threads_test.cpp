// Every member of a store may be called from any thread at any time.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "store/store_backends.h"

namespace openwop::test {
namespace {

constexpr int kThreads = 4;
constexpr int kIncrementsPerThread = 300;

// Catch2 assertions are not thread-safe: threads count failures, the test checks the count.

bool increment(Store& store) {
  while (true) {
    const auto now = store.get("counter");
    if (!now) return false;
    Transaction transaction;
    if (*now) transaction.require_equals("counter", **now);
    if (!*now) transaction.require_absent("counter");
    transaction.put("counter", std::to_string(*now ? std::stoi(**now) + 1 : 1));
    const auto outcome = store.commit(transaction, Durability::async);
    if (!outcome) return false;
    if (*outcome == CommitOutcome::committed) return true;
  }
}

TEST_CASE("compare-and-set increments from many threads lose none", "[store][threads]") {
  for (const auto& backend : store_backends()) {
    DYNAMIC_SECTION(backend.name) {
      const auto fixture = backend.make();
      Store& store = fixture->store();
      std::atomic<int> failures{0};
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&] {
          for (int i = 0; i < kIncrementsPerThread; ++i) failures += increment(store) ? 0 : 1;
        });
      }
      for (auto& thread : threads) thread.join();
      CHECK(failures == 0);
      CHECK(value_of(store, "counter") == std::to_string(kThreads * kIncrementsPerThread));
    }
  }
}

/// Writers move the rows of a pair together; a scan that sees the pair differ saw half a transaction.
bool pair_is_whole(const Store& store) {
  std::vector<std::string> values;
  const auto done = store.scan({.begin = "pair/", .end = "pair0"}, [&](std::string_view, std::string_view value) {
    values.emplace_back(value);
    return true;
  });
  return done.ok() && values.size() == 2 && values[0] == values[1];
}

TEST_CASE("a reader during writes sees whole transactions and never an older state than before", "[store][threads]") {
  for (const auto& backend : store_backends()) {
    DYNAMIC_SECTION(backend.name) {
      const auto fixture = backend.make();
      Store& store = fixture->store();
      const auto write_pair = [&](int n) {
        Transaction transaction;
        transaction.put("pair/left", std::to_string(n));
        transaction.put("pair/right", std::to_string(n));
        return store.commit(transaction, Durability::async).ok();
      };
      REQUIRE(write_pair(0));
      std::atomic<bool> writing{true};
      std::atomic<int> failures{0};
      std::vector<std::thread> readers;
      for (int t = 0; t < 2; ++t) {
        readers.emplace_back([&] {
          int last = 0;
          while (writing) {
            failures += pair_is_whole(store) ? 0 : 1;
            const auto now = store.get("pair/left");
            if (!now || !*now || std::stoi(**now) < last) {
              ++failures;
            } else {
              last = std::stoi(**now);
            }
          }
        });
      }
      for (int n = 1; n <= 500; ++n) failures += write_pair(n) ? 0 : 1;
      writing = false;
      for (auto& reader : readers) reader.join();
      CHECK(failures == 0);
    }
  }
}

TEST_CASE("a committed write is visible to another thread as soon as commit returns", "[store][threads]") {
  for (const auto& backend : store_backends()) {
    DYNAMIC_SECTION(backend.name) {
      const auto fixture = backend.make();
      Store& store = fixture->store();
      constexpr int kWrites = 300;
      std::atomic<int> written{0};
      std::atomic<int> missing{0};
      std::thread reader([&] {
        int seen = 0;
        while (seen < kWrites) {
          seen = written.load();
          if (seen == 0) continue;
          const auto row = store.get("row" + std::to_string(seen));
          if (!row || !*row) ++missing;
        }
      });
      for (int n = 1; n <= kWrites; ++n) {
        commit_one(store, put_of("row" + std::to_string(n), "value"));
        written = n;
      }
      reader.join();
      CHECK(missing == 0);
    }
  }
}

}  // namespace
}  // namespace openwop::test
