// The backends that the store contract is tested on, by name. A new backend joins the suite by one line in
// store_backends().
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "openwop/memory_store.h"
#include "openwop/postgres_store.h"
#include "openwop/rocksdb_store.h"
#include "support/catch.h"
#include "support/postgres_server.h"
#include "support/temp_dir.h"

namespace openwop::test {

/// One open store and whatever it needs to live in.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual Store& store() = 0;
  /// Closes and opens the store again; does nothing where nothing outlives a close.
  virtual void reopen() {}
};

class MemoryUnderTest final : public StoreUnderTest {
 public:
  Store& store() override { return store_; }

 private:
  MemoryStore store_;
};

class RocksDbUnderTest final : public StoreUnderTest {
 public:
  explicit RocksDbUnderTest(RocksDbOptions options = {}) : options_(std::move(options)) {
    options_.path = folder_.file("store");
    reopen();
  }
  Store& store() override { return *store_; }
  void reopen() override {
    store_.reset();
    auto opened = open_rocksdb_store(options_);
    if (!opened) FAIL(opened.error().message);
    store_ = std::move(*opened);
  }

 private:
  TempDir folder_;
  RocksDbOptions options_;
  std::unique_ptr<Store> store_;
};

/// A schema of its own on the server that the tests share.
class PostgresUnderTest final : public StoreUnderTest {
 public:
  explicit PostgresUnderTest(PostgresOptions options = {}) : options_(std::move(options)) {
    options_.dsn = PostgresServer::shared().new_schema();
    reopen();
  }
  Store& store() override { return *store_; }
  void reopen() override {
    store_.reset();
    store_ = open_another();
  }
  /// One more store object on the same rows.
  [[nodiscard]] std::unique_ptr<Store> open_another() const {
    auto opened = open_postgres_store(options_);
    if (!opened) FAIL(opened.error().message);
    return *std::move(opened);
  }
  [[nodiscard]] const PostgresOptions& options() const { return options_; }

 private:
  PostgresOptions options_;
  std::unique_ptr<Store> store_;
};

struct StoreBackend {
  std::string name;
  std::function<std::unique_ptr<StoreUnderTest>()> make;
  /// Sequences of the model check: what about two seconds allow.
  std::uint64_t model_seeds;
};

inline const std::vector<StoreBackend>& store_backends() {
  static const std::vector<StoreBackend> backends = [] {
    std::vector<StoreBackend> all = {
        {"memory", [] { return std::make_unique<MemoryUnderTest>(); }, 5'000},
        {"rocksdb", [] { return std::make_unique<RocksDbUnderTest>(); }, 500},
        {"rocksdb without guard cache",
         [] { return std::make_unique<RocksDbUnderTest>(RocksDbOptions{.path = {}, .guard_cache_entries = 0}); }, 500},
        // Hints for the keys of the model, which begin with `s` and the seed.
        {"rocksdb with kinds in order",
         [] {
           return std::make_unique<RocksDbUnderTest>(
               RocksDbOptions{.path = {}, .ordered_kinds = {{"s1"}, {"s", true}}});
         },
         500},
        // Two slots: nearly every precondition meets a slot that another key took.
        {"rocksdb with a tiny guard cache",
         [] { return std::make_unique<RocksDbUnderTest>(RocksDbOptions{.path = {}, .guard_cache_entries = 2}); }, 500},
    };
    const auto built = open_postgres_store({.dsn = "host=/nonexistent", .max_attempts = 1});
    if (built.error().code == ErrorCode::not_implemented || !PostgresServer::installed()) return all;
    all.push_back({"postgres", [] { return std::make_unique<PostgresUnderTest>(); }, 150});
    // As a database that spreads the rows has them, and with pages so small that scans have many.
    all.push_back({"postgres with partitions and small pages",
                   [] {
                     return std::make_unique<PostgresUnderTest>(
                         PostgresOptions{.hash_partitions = 4, .scan_page_rows = 1, .change_hints = false});
                   },
                   100});
    return all;
  }();
  return backends;
}

using Rows = std::vector<std::pair<std::string, std::string>>;

inline Rows rows_of(const Store& store, const ScanRange& range) {
  Rows rows;
  const auto done = store.scan(range, [&](std::string_view key, std::string_view value) {
    rows.emplace_back(key, value);
    return true;
  });
  if (!done) FAIL(done.error().message);
  return rows;
}

inline std::optional<std::string> value_of(const Store& store, std::string_view key) {
  auto value = store.get(key);
  if (!value) FAIL(value.error().message);
  return *value;
}

inline CommitOutcome commit_one(Store& store, const Transaction& transaction,
                                Durability durability = Durability::async) {
  const auto outcome = store.commit(transaction, durability);
  if (!outcome) FAIL(outcome.error().message);
  return *outcome;
}

inline std::vector<CommitOutcome> commit_group(Store& store, const std::vector<Transaction>& transactions,
                                               Durability durability = Durability::async) {
  std::vector<const Transaction*> group;
  for (const auto& transaction : transactions) group.push_back(&transaction);
  auto outcomes = store.commit(group, durability);
  if (!outcomes) FAIL(outcomes.error().message);
  return *outcomes;
}

inline Transaction put_of(std::string_view key, std::string_view value) {
  Transaction transaction;
  transaction.put(key, value);
  return transaction;
}

}  // namespace openwop::test
