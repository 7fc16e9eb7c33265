#include "openwop/ids.h"

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "support/catch.h"

using namespace openwop;

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

std::vector<Id> take(RandomIdSource& source, std::int64_t now_ms, std::size_t count) {
  std::vector<Id> ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back(source.next(now_ms));
  return ids;
}

bool strictly_rising(const std::vector<Id>& ids) {
  return std::adjacent_find(ids.begin(), ids.end(), [](const Id& a, const Id& b) { return !(a < b); }) == ids.end();
}

std::uint64_t time_of(const Id& id) {
  std::uint64_t time = 0;
  for (std::size_t i = 0; i < 6; ++i) time = time << 8 | id.bytes[i];
  return time;
}

}  // namespace

TEST_CASE("the text of an id is fixed") {
  CHECK(Id{}.text() == "00000000000000000000000000");
  Id all;
  all.bytes.fill(0xFF);
  CHECK(all.text() == "7zzzzzzzzzzzzzzzzzzzzzzzzz");
  Id one;
  one.bytes[15] = 1;
  CHECK(one.text() == "00000000000000000000000001");
  Id first;
  first.bytes[0] = 0x80;
  CHECK(first.text() == "40000000000000000000000000");
}

TEST_CASE("an id survives the way through its text and its bytes") {
  RandomIdSource source(1);
  for (const Id& id : take(source, kNow, 2000)) {
    REQUIRE(Id::parse(id.text()) == id);
    REQUIRE(Id::from_bytes(id.view()) == id);
  }
}

TEST_CASE("ids order alike as bytes and as text") {
  RandomIdSource source(2);
  std::vector<Id> ids = take(source, kNow, 500);
  const auto later = take(source, kNow + 5, 500);
  ids.insert(ids.end(), later.begin(), later.end());
  std::shuffle(ids.begin(), ids.end(), std::mt19937(3));  // NOLINT(cert-msc51-cpp)
  std::vector<std::string> texts;
  for (const Id& id : ids) texts.push_back(id.text());
  std::sort(ids.begin(), ids.end(), [](const Id& a, const Id& b) { return a.view() < b.view(); });
  std::sort(texts.begin(), texts.end());
  for (std::size_t i = 0; i < ids.size(); ++i) REQUIRE(ids[i].text() == texts[i]);
}

TEST_CASE("parse refuses everything but the exact form") {
  const std::string good = "01hf7yat00abcdefghjkmnpqrs";
  REQUIRE(Id::parse(good));
  CHECK(Id::parse(good)->text() == good);
  CHECK_FALSE(Id::parse(""));
  CHECK_FALSE(Id::parse(good.substr(1)));
  CHECK_FALSE(Id::parse(good + "0"));
  for (const char* first : {"8", "z", "-", "/", " "}) CHECK_FALSE(Id::parse(first + good.substr(1)));
  for (const char wrong : std::string("ilouABZ:/-_ .\0\xC3", 15)) {
    for (const std::size_t at : {std::size_t{1}, std::size_t{13}, std::size_t{25}}) {
      std::string text = good;
      text[at] = wrong;
      INFO(text);
      CHECK_FALSE(Id::parse(text));
    }
  }
}

TEST_CASE("from_bytes pads a short input with zeros and ignores what is too much") {
  CHECK(Id::from_bytes("") == Id{});
  CHECK(Id::from_bytes("\x01").bytes[0] == 1);
  CHECK(Id::from_bytes("\x01").bytes[1] == 0);
  CHECK(Id::from_bytes(std::string(40, 'x')) == Id::from_bytes(std::string(16, 'x')));
}

TEST_CASE("a source gives rising ids within one millisecond, as time passes, and when the clock goes back") {
  RandomIdSource source(4);
  std::vector<Id> ids;
  for (const std::int64_t now : {kNow, kNow, kNow + 1, kNow - 100'000, std::int64_t{-5}, std::int64_t{0}, kNow + 2}) {
    const auto more = take(source, now, 300);
    ids.insert(ids.end(), more.begin(), more.end());
  }
  CHECK(strictly_rising(ids));
}

TEST_CASE("an id begins with the millisecond of its creation") {
  RandomIdSource source(5);
  CHECK(time_of(source.next(kNow)) == static_cast<std::uint64_t>(kNow));
  CHECK(time_of(source.next(kNow + 1)) == static_cast<std::uint64_t>(kNow + 1));
  CHECK(time_of(source.next(0)) == static_cast<std::uint64_t>(kNow + 1));
}

TEST_CASE("a seed repeats its sequence, another seed gives another") {
  RandomIdSource a(6);
  RandomIdSource b(6);
  RandomIdSource c(7);
  const auto from_a = take(a, kNow, 100);
  CHECK(from_a == take(b, kNow, 100));
  const auto from_c = take(c, kNow, 100);
  for (std::size_t i = 0; i < from_a.size(); ++i) CHECK(from_a[i] != from_c[i]);
}

TEST_CASE("ids made at time zero are as random as all others") {
  // A virtual clock may start at zero: the first id must not be a small number.
  std::set<std::uint16_t> high_halves;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    const Id id = RandomIdSource(seed).next(0);
    high_halves.insert(static_cast<std::uint16_t>(id.bytes[8] << 8 | id.bytes[9]));
  }
  CHECK(high_halves.size() > 60);
}

TEST_CASE("sources without a seed differ") {
  RandomIdSource a;
  RandomIdSource b;
  CHECK(a.next(kNow) != b.next(kNow));
}

TEST_CASE("threads that share a source never get one id twice, and each sees its own rise") {
  RandomIdSource source(8);
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kEach = 2000;
  std::vector<std::vector<Id>> taken(kThreads);
  std::vector<std::thread> threads;
  for (auto& mine : taken) threads.emplace_back([&source, &mine] { mine = take(source, kNow, kEach); });
  for (auto& thread : threads) thread.join();
  std::unordered_set<Id> all;
  for (const auto& mine : taken) {
    CHECK(strictly_rising(mine));
    all.insert(mine.begin(), mine.end());
  }
  CHECK(all.size() == kThreads * kEach);
}
