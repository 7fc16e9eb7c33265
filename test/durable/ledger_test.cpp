#include "openwop/ledger.h"

#include <atomic>
#include <thread>

#include "durable/durable_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

const std::string kKey = Ledger::row_key("tenant/create", "key-1");

LedgerEntry entry(const std::string& outcome, std::int64_t expires_ms = 0) {
  return {.request_digest = "digest", .outcome = outcome, .expires_ms = expires_ms};
}

Transaction recording(const std::string& outcome, std::int64_t expires_ms = 0) {
  Transaction transaction;
  Ledger::record(transaction, kKey, entry(outcome, expires_ms));
  return transaction;
}

}  // namespace

TEST_CASE("a recorded outcome is found again, byte for byte") {
  DurableRig rig;
  const std::string outcome("\0\xFF{}", 4);
  REQUIRE(rig.committed(recording(outcome, 77)));
  const auto found = Ledger(rig.store).find(kKey);
  REQUIRE(found.ok());
  REQUIRE(found->has_value());
  CHECK((*found)->entry.outcome == outcome);
  CHECK((*found)->entry.request_digest == "digest");
  CHECK((*found)->entry.expires_ms == 77);
  CHECK((*found)->raw == rig.row(kKey));
}

TEST_CASE("an unused key has no entry") {
  const DurableRig rig;
  CHECK_FALSE((*Ledger(rig.store).find(kKey)).has_value());
}

TEST_CASE("of two requests with one key exactly one takes effect, with everything in its transaction") {
  DurableRig rig;
  Transaction first = recording("first");
  first.put("effect", "first");
  Transaction second = recording("second");
  second.put("effect", "second");
  const Transaction* const group[] = {&first, &second};
  const auto outcomes = rig.store.commit(group, Durability::sync);
  REQUIRE(outcomes.ok());
  CHECK(*outcomes == std::vector<CommitOutcome>{CommitOutcome::committed, CommitOutcome::refused});
  CHECK(rig.row("effect") == "first");
  CHECK((*Ledger(rig.store).find(kKey))->entry.outcome == "first");
}

TEST_CASE("of many threads with one key exactly one wins") {
  for (int round = 0; round < 50; ++round) {
    DurableRig rig;
    std::atomic<int> won = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&rig, &won, t] {
        const auto outcome = rig.store.commit(recording(std::to_string(t)), Durability::async);
        if (outcome.ok() && *outcome == CommitOutcome::committed) ++won;
      });
    }
    for (auto& thread : threads) thread.join();
    REQUIRE(won == 1);
  }
}

TEST_CASE("an entry expires at its time, one without a time never") {
  DurableRig rig;
  REQUIRE(rig.committed(recording("x", 1000)));
  const auto found = *Ledger(rig.store).find(kKey);
  CHECK_FALSE(found->expired(999));
  CHECK(found->expired(1000));
  CHECK(found->expired(5000));
  const Ledger::Found forever{.entry = entry("x"), .raw = {}};
  CHECK_FALSE(forever.expired(std::int64_t{1} << 60));
}

TEST_CASE("an expired entry still holds its place until it is replaced, by one of two") {
  DurableRig rig;
  REQUIRE(rig.committed(recording("old", 1000)));
  CHECK_FALSE(rig.committed(recording("new")));
  const std::string before = (*Ledger(rig.store).find(kKey))->raw;
  Transaction first;
  Ledger::replace(first, kKey, before, entry("first"));
  Transaction second;
  Ledger::replace(second, kKey, before, entry("second"));
  CHECK(rig.committed(first));
  CHECK_FALSE(rig.committed(second));
  CHECK((*Ledger(rig.store).find(kKey))->entry.outcome == "first");
}

TEST_CASE("replacing an entry that has gone is refused") {
  DurableRig rig;
  Transaction transaction;
  Ledger::replace(transaction, kKey, "whatever", entry("x"));
  CHECK_FALSE(rig.committed(transaction));
}

TEST_CASE("scopes keep equal keys apart") {
  CHECK(Ledger::row_key("a", "bc") != Ledger::row_key("ab", "c"));
  CHECK(Ledger::row_key("a", "") != Ledger::row_key("", "a"));
  CHECK(Ledger::row_key("a", std::string("\0b", 2)) != Ledger::row_key("a", "b"));
}

TEST_CASE("an entry that is cut short, too long or of no known format is corrupt, not absent") {
  DurableRig rig;
  REQUIRE(rig.committed(recording("outcome", 5)));
  const std::string good = rig.row(kKey);
  std::vector<std::string> bad = {good + "x", '\0' + good.substr(1), '\2' + good.substr(1)};
  for (std::size_t size = 0; size < good.size(); ++size) bad.push_back(good.substr(0, size));
  for (const auto& row : bad) {
    rig.put(kKey, row);
    const auto found = Ledger(rig.store).find(kKey);
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().code == ErrorCode::store_corrupt);
  }
}
