// Several store objects on one database, as several hosts have them.
#include <barrier>

#include "store/postgres_rig.h"

namespace openwop::test {
namespace {

using enum CommitOutcome;

/// Two stores that commit at the same moment, again and again.
template <class Round>
void race(int rounds, Round round) {
  const auto options = quick(PostgresServer::shared().new_schema());
  const auto left = open_quick(options);
  const auto right = open_quick(options);
  for (int i = 0; i < rounds; ++i) round(i, *left, *right);
}

struct Outcomes {
  CommitOutcome left = refused;
  CommitOutcome right = refused;
  bool failed = false;
};

Outcomes commit_both(Store& left, const Transaction& of_left, Store& right, const Transaction& of_right) {
  Outcomes outcomes;
  std::barrier start(2);
  std::atomic<bool> failed{false};
  const auto commit = [&](Store& store, const Transaction& transaction, CommitOutcome& outcome) {
    start.arrive_and_wait();
    const auto got = store.commit(transaction, Durability::async);
    if (got) outcome = *got;
    if (!got) failed = true;
  };
  std::thread other([&] { commit(left, of_left, outcomes.left); });
  commit(right, of_right, outcomes.right);
  other.join();
  outcomes.failed = failed;
  return outcomes;
}

TEST_CASE("of two hosts that create one row exactly one does", "[store][postgres]") {
  if (!have_postgres()) return;
  race(200, [](int i, Store& left, Store& right) {
    const std::string key = "key" + std::to_string(i);
    const auto got = commit_both(left, create_of(key, "left"), right, create_of(key, "right"));
    REQUIRE_FALSE(got.failed);
    REQUIRE((got.left == committed) != (got.right == committed));
    REQUIRE(value_of(left, key) == (got.left == committed ? "left" : "right"));
  });
}

TEST_CASE("of two hosts that change one row from the same value exactly one does", "[store][postgres]") {
  if (!have_postgres()) return;
  race(200, [](int, Store& left, Store& right) {
    commit_one(left, put_of("head", "old"));
    const auto change = [](std::string_view value) {
      auto transaction = put_of("head", value);
      transaction.require_equals("head", "old");
      return transaction;
    };
    const auto got = commit_both(left, change("left"), right, change("right"));
    REQUIRE_FALSE(got.failed);
    REQUIRE((got.left == committed) != (got.right == committed));
    REQUIRE(value_of(right, "head") == (got.left == committed ? "left" : "right"));
  });
}

TEST_CASE("a guard that one host reads and another changes is not passed by both", "[store][postgres]") {
  if (!have_postgres()) return;
  // Each requires what the other takes away: done one after the other, the second is refused.
  race(60, [](int, Store& left, Store& right) {
    Transaction reset;
    reset.put("x", "0");
    reset.put("y", "0");
    commit_one(left, reset);
    auto of_left = put_of("y", "1");
    of_left.require_equals("x", "0");
    auto of_right = put_of("x", "1");
    of_right.require_equals("y", "0");
    const auto got = commit_both(left, of_left, right, of_right);
    REQUIRE_FALSE(got.failed);
    REQUIRE((got.left == committed) != (got.right == committed));
  });
}

TEST_CASE("an absence that one host requires and another ends is not passed by both", "[store][postgres]") {
  if (!have_postgres()) return;
  race(60, [](int, Store& left, Store& right) {
    Transaction reset;
    reset.erase("x");
    reset.erase("y");
    commit_one(left, reset);
    auto of_left = put_of("y", "1");
    of_left.require_absent("x");
    auto of_right = put_of("x", "1");
    of_right.require_absent("y");
    const auto got = commit_both(left, of_left, right, of_right);
    REQUIRE_FALSE(got.failed);
    REQUIRE((got.left == committed) != (got.right == committed));
    // The required absence leaves nothing behind.
    REQUIRE(rows_of(left, {.begin = "x", .end = "z"}).size() == 1);
  });
}

TEST_CASE("what one host commits another reads at once", "[store][postgres]") {
  if (!have_postgres()) return;
  race(50, [](int i, Store& left, Store& right) {
    commit_one(left, put_of("key", std::to_string(i)));
    REQUIRE(value_of(right, "key") == std::to_string(i));
  });
}

PostgresOptions hinting(const std::string& dsn) {
  auto options = quick(dsn);
  options.change_hints = true;
  options.hint_poll_ms = 50;
  return options;
}

/// Counts the hints of a store, after those of its beginning.
class Hints {
 public:
  explicit Hints(Store& store) : store_(store) {
    store_.on_foreign_change([this] { ++count_; });
  }
  Hints(const Hints&) = delete;
  Hints& operator=(const Hints&) = delete;
  ~Hints() { store_.on_foreign_change({}); }
  [[nodiscard]] int count() const { return count_; }
  /// True if a hint comes once `other` has committed.
  bool comes_after_commit(Store& other) {
    const int before = count_;
    commit_one(other, put_of("hinted", std::to_string(before)));
    return comes_true([&] { return count_ > before; });
  }

 private:
  Store& store_;
  std::atomic<int> count_{0};
};

TEST_CASE("a commit of one host is hinted to the others and not to itself", "[store][postgres]") {
  if (!have_postgres()) return;
  const auto options = hinting(PostgresServer::shared().new_schema());
  for (const bool listen : {true, false}) {
    auto its = options;
    its.listen = listen;
    const auto left = open_quick(its);
    const auto right = open_quick(its);
    Hints left_hints(*left);
    Hints right_hints(*right);
    // The first may be that of the beginning.
    CHECK(left_hints.comes_after_commit(*right));
    CHECK(left_hints.comes_after_commit(*right));
    CHECK(right_hints.comes_after_commit(*left));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const int before = left_hints.count();
    for (int i = 0; i < 20; ++i) commit_one(*left, put_of("own", std::to_string(i)));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    CHECK(left_hints.count() == before);
  }
}

TEST_CASE("hints come again after the database was away", "[store][postgres]") {
  if (!have_postgres()) return;
  PostgresServer server;
  const auto options = hinting(server.new_schema());
  const auto left = open_quick(options);
  const auto right = open_quick(options);
  Hints hints(*left);
  CHECK(hints.comes_after_commit(*right));
  server.stop(PostgresServer::Stop::immediate);
  server.start();
  CHECK(hints.comes_after_commit(*right));
  // Not only the one that each new connection gives.
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(hints.comes_after_commit(*right));
}

TEST_CASE("more callers than connections wait their turn", "[store][postgres]") {
  if (!have_postgres()) return;
  auto options = quick(PostgresServer::shared().new_schema());
  options.max_connections = 2;
  const auto store = open_quick(options);
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        const auto done = store->commit(put_of("t" + std::to_string(t), std::to_string(i)), Durability::async);
        if (!done || !store->get("t0")) ++failures;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(PostgresServer::shared().sql("SELECT count(*) <= 2 FROM " + PostgresServer::shared().last_schema() +
                                     ".openwop_slots") == "t");
}

}  // namespace
}  // namespace openwop::test
