// What a damaged log row leads to. Structure is checked here; the bits of a payload are the storage backend's to check.
#include "durable/durable_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

struct DamageRig : LogRig {
  std::vector<StoredEvent> whole;
  DamageRig() {
    for (const std::size_t count : {2, 4, 3}) REQUIRE(add(count));
    whole = read().events;
    REQUIRE(whole.size() == 9);
  }

  void require_named(const Status& status) const {
    REQUIRE_FALSE(status.ok());
    const bool known =
        status.error().code == ErrorCode::store_corrupt || status.error().code == ErrorCode::store_version_unsupported;
    REQUIRE(known);
    REQUIRE(status.error().message.find(run.text()) != std::string::npos);
  }

  void require_prefix(const std::vector<StoredEvent>& events, std::uint64_t from = 0) const {
    REQUIRE(events.size() <= whole.size() - from);
    for (std::size_t i = 0; i < events.size(); ++i) REQUIRE(events[i] == whole[i + from]);
  }
};

/// First and last sequence of each batch.
constexpr std::pair<std::uint64_t, std::uint64_t> kBatches[] = {{0, 1}, {2, 5}, {6, 8}};

}  // namespace

TEST_CASE("a batch cut at any byte is an error, behind an unharmed beginning") {
  DamageRig rig;
  for (const auto& [first, last] : kBatches) {
    const std::string key = Log::batch_key(rig.run, first);
    const std::string good = rig.row(key);
    for (std::size_t size = 0; size < good.size(); ++size) {
      INFO("batch " << first << " cut to " << size);
      rig.put(key, good.substr(0, size));
      for (const std::uint64_t from : {std::uint64_t{0}, first, last}) {
        const auto found = rig.read(from);
        rig.require_named(found.status);
        rig.require_prefix(found.events, from);
      }
    }
    rig.put(key, good);
  }
}

TEST_CASE("bytes behind the last event of a batch are an error") {
  DamageRig rig;
  for (const auto& [first, last] : kBatches) {
    const std::string key = Log::batch_key(rig.run, first);
    const std::string good = rig.row(key);
    rig.put(key, good + '\0');
    rig.require_named(rig.read().status);
    rig.put(key, good);
  }
}

TEST_CASE("a flipped byte is an error, or leaves every event at its place") {
  DamageRig rig;
  std::size_t errors = 0;
  for (const auto& [first, last] : kBatches) {
    const std::string key = Log::batch_key(rig.run, first);
    const std::string good = rig.row(key);
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (int flip = 1; flip < 256; ++flip) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ flip);
        rig.put(key, bad);
        const auto found = rig.read();
        if (!found.status.ok()) {
          ++errors;
          rig.require_named(found.status);
          continue;
        }
        REQUIRE(found.events.size() == rig.whole.size());
        // All other batches are untouched, and so is the number of every event.
        for (std::size_t i = 0; i < found.events.size(); ++i) {
          REQUIRE(found.events[i].sequence == i);
          if (i < first || i > last) REQUIRE(found.events[i] == rig.whole[i]);
        }
      }
    }
    rig.put(key, good);
  }
  CHECK(errors > 0);
}

TEST_CASE("a wrong count of events never moves an event to another's sequence") {
  DamageRig rig;
  const std::string key = Log::batch_key(rig.run, 2);
  const std::string good = rig.row(key);
  for (int count = 0; count < 128; ++count) {
    if (count == 4) continue;
    INFO(count);
    std::string bad = good;
    bad[1] = static_cast<char>(count);
    rig.put(key, bad);
    for (std::uint64_t from = 0; from <= 5; ++from) {
      const auto found = rig.read(from);
      rig.require_named(found.status);
      rig.require_prefix(found.events, from);
    }
  }
}

TEST_CASE("a missing batch between others is a gap") {
  DamageRig rig;
  rig.erase(Log::batch_key(rig.run, 2));
  const auto found = rig.read();
  rig.require_named(found.status);
  CHECK(found.events.size() == 2);
  rig.require_named(rig.read(3).status);
  CHECK(rig.read(6).status.ok());
}

TEST_CASE("a missing first batch is a gap") {
  DamageRig rig;
  rig.erase(Log::batch_key(rig.run, 0));
  rig.require_named(rig.read().status);
  CHECK(rig.read().events.empty());
}

TEST_CASE("a batch that repeats sequences of the one before it is an error") {
  DamageRig rig;
  rig.erase(Log::batch_key(rig.run, 6));
  rig.put(Log::batch_key(rig.run, 4), Log::encode_batch(LogRig::events(5, 4), 1));
  const auto found = rig.read();
  rig.require_named(found.status);
  rig.require_prefix(found.events);
  CHECK(found.events.size() == 6);
}

TEST_CASE("a batch of no known format is refused by its first byte") {
  DamageRig rig;
  const std::string key = Log::batch_key(rig.run, 0);
  const std::string good = rig.row(key);
  rig.put(key, '\0' + good.substr(1));
  CHECK(rig.read().status.error().code == ErrorCode::store_corrupt);
  rig.put(key, "\x02whatever");
  CHECK(rig.read().status.error().code == ErrorCode::store_version_unsupported);
  rig.put(key, "");
  CHECK(rig.read().status.error().code == ErrorCode::store_corrupt);
}

TEST_CASE("a row among the batches whose key is none is an error") {
  DamageRig rig;
  rig.put(Log::batch_key(rig.run, 2) + "x", "y");
  rig.require_named(rig.read().status);
}

TEST_CASE("a damaged head is an error, not an absent run") {
  DamageRig rig;
  const std::string good = rig.row(Log::head_key(rig.run));
  for (std::size_t size = 0; size < good.size(); ++size) {
    rig.put(Log::head_key(rig.run), good.substr(0, size));
    const auto head = Log(rig.store).head(rig.run);
    REQUIRE_FALSE(head.ok());
    CHECK(head.error().code == ErrorCode::store_corrupt);
  }
}
