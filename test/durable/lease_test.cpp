#include "openwop/lease.h"

#include <atomic>
#include <thread>

#include "durable/durable_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

constexpr std::int64_t kNow = 1'000'000;
constexpr std::int64_t kTtl = 1000;

struct LeaseRig : DurableRig {
  Leases leases{store};

  Lease take(const char* holder, std::int64_t now_ms = kNow) {
    auto lease = leases.acquire("run-1", holder, now_ms, kTtl);
    if (!lease) FAIL(lease.error().message);
    return *lease;
  }
  /// A write that only the holder may make.
  bool guarded_write(const Lease& lease) {
    Transaction transaction;
    Leases::require_held(transaction, lease);
    transaction.put("work", lease.holder);
    return committed(transaction);
  }
};

}  // namespace

TEST_CASE("a free lease is taken with epoch one and found again") {
  LeaseRig rig;
  CHECK_FALSE((*rig.leases.find("run-1")).has_value());
  const Lease lease = rig.take("a");
  CHECK(lease.epoch == 1);
  CHECK(lease.expires_ms == kNow + kTtl);
  const auto found = *rig.leases.find("run-1");
  REQUIRE(found.has_value());
  CHECK(found->holder == "a");
  CHECK(found->epoch == 1);
  CHECK(found->expires_ms == kNow + kTtl);
}

TEST_CASE("a lease that another holds is refused, with who holds it and when to ask again") {
  LeaseRig rig;
  static_cast<void>(rig.take("a\"b"));
  const auto refused = rig.leases.acquire("run-1", "c", kNow + 400, kTtl);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::conflict);
  CHECK(refused.error().details == R"({"holder":"a\"b","retryAfterMs":600})");
}

TEST_CASE("leases of different names do not know each other") {
  LeaseRig rig;
  static_cast<void>(rig.take("a"));
  const auto other = rig.leases.acquire("run-2", "b", kNow, kTtl);
  REQUIRE(other.ok());
  CHECK(other->epoch == 1);
}

TEST_CASE("its holder takes a lease again under the same epoch") {
  LeaseRig rig;
  const Lease first = rig.take("a");
  const Lease again = rig.take("a", kNow + 500);
  CHECK(again.epoch == first.epoch);
  CHECK(again.expires_ms == kNow + 500 + kTtl);
  CHECK(rig.guarded_write(again));
}

TEST_CASE("a lease can be taken over at its expiry, not a millisecond before, and its epoch rises") {
  LeaseRig rig;
  const Lease first = rig.take("a");
  CHECK_FALSE(rig.leases.acquire("run-1", "b", kNow + kTtl - 1, kTtl).ok());
  const Lease second = rig.take("b", kNow + kTtl);
  CHECK(second.epoch == first.epoch + 1);
  const Lease third = rig.take("a", kNow + 3 * kTtl);
  CHECK(third.epoch == second.epoch + 1);
}

TEST_CASE("a holder that let its lease expire takes it under a new epoch") {
  LeaseRig rig;
  const Lease first = rig.take("a");
  const Lease second = rig.take("a", kNow + kTtl);
  CHECK(second.epoch == first.epoch + 1);
  CHECK_FALSE(rig.guarded_write(first));
}

TEST_CASE("renewing extends a lease under its epoch") {
  LeaseRig rig;
  const Lease first = rig.take("a");
  const auto renewed = rig.leases.renew(first, kNow + 800, kTtl);
  REQUIRE(renewed.ok());
  CHECK(renewed->epoch == first.epoch);
  CHECK(renewed->expires_ms == kNow + 800 + kTtl);
  CHECK_FALSE(rig.leases.acquire("run-1", "b", kNow + kTtl + 100, kTtl).ok());
}

TEST_CASE("a lease that nobody took over can be renewed after its expiry") {
  LeaseRig rig;
  const Lease first = rig.take("a");
  CHECK(rig.leases.renew(first, kNow + 10 * kTtl, kTtl).ok());
}

TEST_CASE("a released lease is free at once, and the next holder's epoch is higher") {
  LeaseRig rig;
  const Lease first = rig.take("a");
  REQUIRE(rig.leases.release(first).ok());
  CHECK_FALSE(rig.guarded_write(first));
  const Lease second = rig.take("b");
  CHECK(second.epoch == first.epoch + 1);
}

TEST_CASE("a holder that was replaced can neither renew nor release, and its writes are refused by the store") {
  LeaseRig rig;
  const Lease stale = rig.take("a");
  CHECK(rig.guarded_write(stale));
  const Lease current = rig.take("b", kNow + kTtl);
  CHECK_FALSE(rig.guarded_write(stale));
  CHECK(rig.leases.renew(stale, kNow, kTtl).error().code == ErrorCode::lease_lost);
  CHECK(rig.leases.release(stale).error().code == ErrorCode::lease_lost);
  CHECK(rig.row("work") == "a");
  CHECK(rig.guarded_write(current));
  CHECK(rig.row("work") == "b");
}

TEST_CASE("a wrong clock takes a lease early but never makes two holders' writes succeed") {
  LeaseRig rig;
  const Lease honest = rig.take("a");
  const Lease early = rig.take("b", kNow + 50 * kTtl);
  CHECK(rig.guarded_write(early));
  CHECK_FALSE(rig.guarded_write(honest));
}

TEST_CASE("of many threads that want a free or expired lease exactly one gets it") {
  LeaseRig rig;
  std::uint64_t epoch = 0;
  for (int round = 0; round < 50; ++round) {
    const std::int64_t now = kNow + round * kTtl;
    std::atomic<int> won = 0;
    std::atomic<std::uint64_t> new_epoch = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        const auto lease = rig.leases.acquire("run-1", "holder-" + std::to_string(t), now, kTtl);
        if (!lease.ok()) return;
        ++won;
        new_epoch = lease->epoch;
      });
    }
    for (auto& thread : threads) thread.join();
    REQUIRE(won == 1);
    REQUIRE(new_epoch == ++epoch);
  }
}

TEST_CASE("a lease row that does not decode is corrupt, not free") {
  LeaseRig rig;
  const Lease lease = rig.take("a");
  const std::string good = lease.encode();
  std::vector<std::string> bad = {'\0' + good.substr(1), '\2' + good.substr(1)};
  for (std::size_t size = 0; size < good.size() - 1; ++size) bad.push_back(good.substr(0, size));
  for (const auto& row : bad) {
    rig.put(lease.key(), row);
    CHECK(rig.leases.find("run-1").error().code == ErrorCode::store_corrupt);
    CHECK(rig.leases.acquire("run-1", "b", kNow, kTtl).error().code == ErrorCode::store_corrupt);
  }
}
