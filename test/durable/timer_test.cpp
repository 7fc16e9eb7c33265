#include "openwop/timer.h"

#include <limits>
#include <random>
#include <set>

#include "durable/durable_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

Id owner(std::uint8_t n) {
  Id id;
  id.bytes[15] = n;
  return id;
}

using Due = std::pair<std::int64_t, std::uint8_t>;

struct TimerRig : DurableRig {
  Timers timers{store};

  void schedule(std::int64_t due_ms, std::uint8_t n) {
    Transaction transaction;
    Timers::schedule(transaction, due_ms, owner(n));
    REQUIRE(committed(transaction));
  }
  void cancel(std::int64_t due_ms, std::uint8_t n) {
    Transaction transaction;
    Timers::cancel(transaction, due_ms, owner(n));
    REQUIRE(committed(transaction));
  }
  [[nodiscard]] std::vector<Due> due(std::int64_t now_ms, std::size_t limit = 1000) const {
    const auto found = timers.due(0, now_ms, limit);
    REQUIRE(found.ok());
    std::vector<Due> out;
    for (const DueTimer& timer : *found) out.emplace_back(timer.due_ms, timer.owner.bytes[15]);
    return out;
  }
};

}  // namespace

TEST_CASE("without timers nothing is due") {
  const TimerRig rig;
  CHECK(rig.due(std::numeric_limits<std::int64_t>::max()).empty());
  CHECK_FALSE((*rig.timers.earliest(0)).has_value());
}

TEST_CASE("timers come in the order of their times, whatever order they were set in") {
  TimerRig rig;
  for (const std::int64_t due_ms : {300, 100, 70'000, 255, 256, 200}) rig.schedule(due_ms, 1);
  CHECK(rig.due(100'000) == std::vector<Due>{{100, 1}, {200, 1}, {255, 1}, {256, 1}, {300, 1}, {70'000, 1}});
  CHECK(*rig.timers.earliest(0) == 100);
}

TEST_CASE("random times come back in order, each once") {
  TimerRig rig;
  std::mt19937_64 random(1);
  std::set<Due> expected;
  for (int i = 0; i < 500; ++i) {
    const auto due_ms = static_cast<std::int64_t>(random() >> (1 + random() % 63));
    const auto n = static_cast<std::uint8_t>(random() % 5);
    rig.schedule(due_ms, n);
    expected.emplace(due_ms, n);
  }
  CHECK(rig.due(std::numeric_limits<std::int64_t>::max()) == std::vector<Due>(expected.begin(), expected.end()));
}

TEST_CASE("a timer is due at its time and not a millisecond before") {
  TimerRig rig;
  rig.schedule(1000, 1);
  CHECK(rig.due(999).empty());
  CHECK(rig.due(1000).size() == 1);
  CHECK(rig.due(1001).size() == 1);
}

TEST_CASE("timers before the asked-for time are left out, those at it are not") {
  TimerRig rig;
  for (const std::int64_t due_ms : {10, 20, 30}) rig.schedule(due_ms, 1);
  const auto found = rig.timers.due(20, 30, 10);
  REQUIRE(found.ok());
  REQUIRE(found->size() == 2);
  CHECK(found->front().due_ms == 20);
  CHECK(rig.timers.due(31, 100, 10)->empty());
  CHECK(rig.timers.due(30, 20, 10)->empty());
  CHECK(*rig.timers.earliest(20) == 20);
  CHECK(*rig.timers.earliest(21) == 30);
  CHECK_FALSE((*rig.timers.earliest(31)).has_value());
  CHECK(*rig.timers.earliest(-1) == 10);
}

TEST_CASE("no more timers come than were asked for, the earliest first") {
  TimerRig rig;
  for (std::uint8_t n = 0; n < 10; ++n) rig.schedule(100 - n, n);
  CHECK(rig.due(1000, 0).empty());
  CHECK(rig.due(1000, 1) == std::vector<Due>{{91, 9}});
  CHECK(rig.due(1000, 3) == std::vector<Due>{{91, 9}, {92, 8}, {93, 7}});
  CHECK(rig.due(1000, 10).size() == 10);
  CHECK(rig.due(1000, 11).size() == 10);
}

TEST_CASE("several owners may have one time, and one owner several times") {
  TimerRig rig;
  rig.schedule(5, 2);
  rig.schedule(5, 1);
  rig.schedule(6, 1);
  CHECK(rig.due(10) == std::vector<Due>{{5, 1}, {5, 2}, {6, 1}});
}

TEST_CASE("setting one timer twice is setting it once") {
  TimerRig rig;
  rig.schedule(5, 1);
  rig.schedule(5, 1);
  CHECK(rig.due(10).size() == 1);
}

TEST_CASE("a cancelled timer is gone, the others stay, and cancelling what is not there is harmless") {
  TimerRig rig;
  rig.schedule(5, 1);
  rig.schedule(5, 2);
  rig.schedule(6, 1);
  rig.cancel(5, 1);
  rig.cancel(5, 1);
  rig.cancel(99, 1);
  CHECK(rig.due(10) == std::vector<Due>{{5, 2}, {6, 1}});
  CHECK(*rig.timers.earliest(0) == 5);
}

TEST_CASE("a time before the epoch counts as the epoch, for setting and for cancelling") {
  TimerRig rig;
  rig.schedule(-5, 1);
  CHECK(rig.due(0) == std::vector<Due>{{0, 1}});
  CHECK(*rig.timers.earliest(0) == 0);
  rig.cancel(-7, 1);
  CHECK(rig.due(0).empty());
}

TEST_CASE("the last moment of time can be waited for") {
  TimerRig rig;
  constexpr auto kLast = std::numeric_limits<std::int64_t>::max();
  rig.schedule(kLast, 1);
  CHECK(rig.due(kLast - 1).empty());
  CHECK(rig.due(kLast) == std::vector<Due>{{kLast, 1}});
}

TEST_CASE("reading due timers removes none: they come again until their owner's commit") {
  TimerRig rig;
  rig.schedule(5, 1);
  CHECK(rig.due(5) == rig.due(5));
}

TEST_CASE("a timer of a refused commit was never set") {
  TimerRig rig;
  Transaction transaction;
  transaction.require_equals("state", "as it was");
  Timers::schedule(transaction, 5, owner(1));
  CHECK_FALSE(rig.committed(transaction));
  CHECK(rig.due(10).empty());
}

TEST_CASE("other rows of the store are no timers") {
  TimerRig rig;
  rig.put("S", "x");
  rig.put("Uzzzzzzzzzzzzzzzzzzzzzzzz", "x");
  CHECK(rig.due(std::numeric_limits<std::int64_t>::max()).empty());
  CHECK_FALSE((*rig.timers.earliest(0)).has_value());
}
