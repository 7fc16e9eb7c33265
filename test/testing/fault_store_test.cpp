// What each planned fault does to a commit, its caller and what outlives the process.
#include "openwop/testing/fault_store.h"
#include "support/catch.h"

namespace openwop::testing {
namespace {

struct Rig {
  std::shared_ptr<Medium> medium = std::make_shared<Medium>();
  FaultStore store{medium, {}, Random(1)};

  Result<CommitOutcome> put(const std::string& key) {
    Transaction transaction;
    transaction.put(key, "value");
    return store.commit(transaction, Durability::sync);
  }
  [[nodiscard]] bool has(const std::string& key) const { return medium->rows.get(key)->has_value(); }
};

}  // namespace

TEST_CASE("a crash leaves nothing or all of its commit, and the process sees nothing any more", "[testing]") {
  for (const Fault fault : {Fault::crash_before, Fault::crash_after}) {
    Rig rig;
    rig.medium->plan = PlannedFault{1, fault};
    CHECK(rig.put("first").ok());
    CHECK_FALSE(rig.put("second").ok());
    CHECK(rig.has("second") == (fault == Fault::crash_after));
    CHECK(rig.store.severed());
    CHECK_FALSE(rig.store.get("first").ok());
    CHECK_FALSE(rig.put("third").ok());
    // The next process has its own way to the rows.
    FaultStore next(rig.medium, {}, Random(2));
    CHECK(next.get("first")->has_value());
    CHECK(rig.medium->commits == 2);
  }
}

TEST_CASE("a commit that fails or whose acknowledgement is lost is an error, once", "[testing]") {
  for (const Fault fault : {Fault::failed, Fault::lost}) {
    Rig rig;
    rig.medium->plan = PlannedFault{0, fault};
    const auto outcome = rig.put("first");
    REQUIRE_FALSE(outcome.ok());
    CHECK(outcome.error().code == ErrorCode::store_io_error);
    CHECK(rig.has("first") == (fault == Fault::lost));
    CHECK(rig.store.has_failed());
    CHECK(rig.put("second").ok());
  }
}

TEST_CASE("a slow commit gives time to pass, and a failing read comes once behind its commit", "[testing]") {
  Rig slow;
  slow.medium->plan = PlannedFault{0, Fault::slow};
  int passed = 0;
  slow.store.on_slow = [&] { ++passed; };
  CHECK(slow.put("first").ok());
  CHECK(passed == 1);
  Rig read;
  read.medium->plan = PlannedFault{0, Fault::read};
  CHECK(read.put("first").ok());
  CHECK_FALSE(read.store.get("first").ok());
  CHECK(read.store.get("first").ok());
}

TEST_CASE("one seed injects the same faults, and what is late comes with the next process", "[testing]") {
  const FaultRates rates = {.crash = 30, .failed = 200, .lost = 200, .late = 30};
  const auto history = [&](std::uint64_t seed) {
    std::string told;
    const auto medium = std::make_shared<Medium>();
    Random chance(seed);
    for (int process = 0; process < 5; ++process) {
      medium->open_again();
      FaultStore store(medium, rates, chance.fork());
      store.trace = [&](std::string_view line) { told.append(line).append("\n"); };
      for (int i = 0; i < 20 && !store.severed() && !store.stuck(); ++i) {
        Transaction transaction;
        transaction.put(std::to_string(process) + " " + std::to_string(i), "value");
        static_cast<void>(store.commit(transaction, Durability::sync));
      }
    }
    return told + medium->digest();
  };
  CHECK(history(1) == history(1));
  CHECK(history(1) != history(2));
  Rig late;
  FaultStore store(late.medium, {.late = 1000}, Random(1));
  Transaction transaction;
  transaction.put("late", "value");
  CHECK_FALSE(store.commit(transaction, Durability::sync).ok());
  CHECK(store.stuck());
  CHECK_FALSE(late.has("late"));
  late.medium->open_again();
  CHECK(late.has("late"));
}

}  // namespace openwop::testing
