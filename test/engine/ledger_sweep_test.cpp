// Remembered outcomes: refusals without an effect, and the forgetting of old ones.
#include "support/engine_rig.h"
#include "support/row_count.h"

namespace openwop::test {
namespace {

std::string row(int number) { return Ledger::row_key(kRequestScope, "key-" + std::to_string(number)); }

struct SweepRig : EngineRig {
  void remember(int number, std::int64_t for_ms) {
    const LedgerClaim claim{
        .row_key = row(number), .request_digest = "d", .expires_ms = clock->now_ms() + for_ms, .outcome = {}};
    REQUIRE(engine->remember(claim, "refused").ok());
  }
  bool known(int number) const { return engine->find_ledger_entry(row(number))->has_value(); }
  std::size_t entries() const { return row_count(*store, Ledger::row_key(kRequestScope, {})); }
  std::size_t places() const { return row_count(*store, Ledger::expiry_prefix(kRequestScope)); }
};

}  // namespace

TEST_CASE("an outcome is remembered once") {
  SweepRig rig;
  rig.open();
  rig.remember(1, 1000);
  const auto found = rig.engine->find_ledger_entry(row(1));
  REQUIRE((found.ok() && found->has_value()));
  CHECK((*found)->entry.outcome == "refused");
  const auto again = rig.engine->remember({.row_key = row(1), .outcome = {}}, "other");
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().code == ErrorCode::precondition_failed);
}

TEST_CASE("entries whose time is over go when new ones come, and others stay") {
  SweepRig rig;
  rig.open();
  for (int i = 0; i < 60; ++i) rig.remember(i, 1000);
  rig.remember(1000, 1'000'000);
  rig.clock->advance(1000);
  for (int i = 100; i < 300; ++i) rig.remember(i, 1'000'000);
  CHECK_FALSE(rig.known(0));
  CHECK_FALSE(rig.known(59));
  CHECK(rig.known(1000));
  CHECK(rig.known(299));
  CHECK(rig.entries() == 201);
  CHECK(rig.places() == 201);
}

TEST_CASE("an expired entry that was replaced is not forgotten with the old one's time") {
  SweepRig rig;
  rig.open();
  rig.remember(1, 1000);
  rig.clock->advance(1000);
  const auto expired = rig.engine->find_ledger_entry(row(1));
  REQUIRE((expired.ok() && expired->has_value()));
  const LedgerClaim claim{
      .row_key = row(1), .expires_ms = rig.clock->now_ms() + 1'000'000, .replaces = (*expired)->raw, .outcome = {}};
  REQUIRE(rig.engine->remember(claim, "newer").ok());
  for (int i = 100; i < 300; ++i) rig.remember(i, 1'000'000);
  CHECK(rig.known(1));
  CHECK(rig.places() == 201);
}

TEST_CASE("beyond max_remembered_requests the oldest go first, also after a restart") {
  SweepRig rig;
  rig.options.max_remembered_requests = 100;
  rig.open();
  for (int i = 0; i < 200; ++i) rig.remember(i, 1'000'000 + i);
  rig.open();
  for (int i = 200; i < 400; ++i) rig.remember(i, 1'000'000 + i);
  CHECK_FALSE(rig.known(0));
  CHECK_FALSE(rig.known(199));
  CHECK(rig.known(399));
  CHECK(rig.entries() < 100 + 64 + 1);
  CHECK(rig.entries() >= 100);
  CHECK(rig.entries() == rig.places());
}

}  // namespace openwop::test
