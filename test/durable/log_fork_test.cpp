// Logs that begin with events of other logs.
#include <map>

#include "durable/durable_rig.h"
#include "openwop/json.h"

using namespace openwop;
using namespace openwop::test;

namespace {

/// Logs on one store, made batch by batch; the events of each say which log wrote them.
struct ForkRig : DurableRig {
  static Id id(char name) { return Id::from_bytes(std::string(15, '-') + name); }

  static std::vector<Event> events(char name, std::uint64_t first, std::size_t count) {
    std::vector<Event> made;
    for (std::uint64_t n = first; n < first + count; ++n) {
      Event event{.type = EventType::log_appended, .time_ms = static_cast<std::int64_t>(n)};
      event.payload = json::quoted(std::string(1, name) + std::to_string(n));
      made.push_back(std::move(event));
    }
    return made;
  }

  void create(char name, std::size_t count) {
    Transaction transaction;
    Log::create(transaction, id(name), "header", events(name, 0, count), {count, 0, false, {}});
    REQUIRE(committed(transaction));
    heads[name] = {count, 0, false, {}};
  }
  void append(char name, std::size_t count) {
    LogHead& head = heads.at(name);
    LogHead after = head;
    after.next_sequence += count;
    Transaction transaction;
    Log::append(transaction, id(name), head.encode(), head.next_sequence, events(name, head.next_sequence, count),
                after);
    REQUIRE(committed(transaction));
    head = after;
  }
  void fork(char source, std::uint64_t sequence, char name) {
    const auto origin = Log(store).origin(id(source));
    REQUIRE(origin.ok());
    Transaction transaction;
    Log::create_fork(transaction, id(name), "header", origin->fork_at(id(source), sequence), {sequence, 0, false, {}});
    REQUIRE(committed(transaction));
    heads[name] = {sequence, 0, false, {}};
  }
  [[nodiscard]] std::string read(char name, std::uint64_t from = 0) const {
    std::string text;
    std::uint64_t expected = from;
    const auto status = Log(store).read(id(name), from, [&](const EventView& event) {
      CHECK(event.sequence == expected++);
      text += std::string(text.empty() ? "" : " ") + json::unescape(event.payload);
      return true;
    });
    if (!status.ok()) return status.error().message;
    return text;
  }

  std::map<char, LogHead> heads;
};

}  // namespace

TEST_CASE("a forked log reads the source's events below the fork, then its own", "[durable][fork]") {
  ForkRig rig;
  rig.create('a', 3);
  rig.append('a', 2);
  rig.fork('a', 4, 'b');
  CHECK(rig.read('b') == "a0 a1 a2 a3");
  rig.append('b', 2);
  rig.append('a', 1);
  CHECK(rig.read('b') == "a0 a1 a2 a3 b4 b5");
  CHECK(rig.read('a') == "a0 a1 a2 a3 a4 a5");
  for (std::uint64_t from = 0; from <= 6; ++from) {
    const std::string whole = "a0 a1 a2 a3 b4 b5";
    CHECK(rig.read('b', from) == (from == 6 ? "" : whole.substr(from * 3)));
  }
}

TEST_CASE("a fork at the beginning inherits nothing and has no origin row", "[durable][fork]") {
  ForkRig rig;
  rig.create('a', 2);
  rig.fork('a', 0, 'b');
  CHECK(rig.read('b').empty());
  const auto row = rig.store.get(Log::origin_key(ForkRig::id('b')));
  REQUIRE(row.ok());
  CHECK_FALSE(row->has_value());
  rig.append('b', 2);
  CHECK(rig.read('b') == "b0 b1");
}

TEST_CASE("a fork of a fork names the writers of its history, not the forks between", "[durable][fork]") {
  ForkRig rig;
  rig.create('a', 4);
  rig.fork('a', 2, 'b');
  rig.append('b', 3);
  rig.fork('b', 4, 'c');
  rig.append('c', 1);
  CHECK(rig.read('c') == "a0 a1 b2 b3 c4");
  rig.fork('c', 1, 'd');
  rig.append('d', 1);
  CHECK(rig.read('d') == "a0 d1");
  const auto origin = Log(rig.store).origin(ForkRig::id('d'));
  REQUIRE(origin.ok());
  CHECK(origin->segments == std::vector<LogSegment>{{ForkRig::id('a'), 1}});
}

TEST_CASE("a reader that stops within inherited events gets no more", "[durable][fork]") {
  ForkRig rig;
  rig.create('a', 3);
  rig.fork('a', 3, 'b');
  rig.append('b', 2);
  std::size_t seen = 0;
  const auto status = Log(rig.store).read(ForkRig::id('b'), 0, [&](const EventView&) { return ++seen < 2; });
  CHECK(status.ok());
  CHECK(seen == 2);
}

TEST_CASE("a fork whose source has lost events says so, naming the fork", "[durable][fork][damage]") {
  ForkRig rig;
  rig.create('a', 2);
  rig.append('a', 2);
  rig.fork('a', 4, 'b');
  const ScanRange all{Log::batch_key(ForkRig::id('a'), 0), Log::run_prefix(ForkRig::id('a')) + '\x03', true};
  std::string last;
  REQUIRE(rig.store
              .scan(all,
                    [&](std::string_view key, std::string_view) {
                      last = key;
                      return false;
                    })
              .ok());
  rig.erase(last);
  CHECK_THAT(rig.read('b'), Catch::Contains(ForkRig::id('b').text()) && Catch::Contains("lacks inherited events"));
}

TEST_CASE("an origin row that is damaged or newer is refused", "[durable][fork][damage]") {
  ForkRig rig;
  rig.create('a', 3);
  rig.fork('a', 2, 'b');
  const std::string key = Log::origin_key(ForkRig::id('b'));
  const std::string row = rig.row(key);
  for (std::size_t size = 0; size < row.size(); ++size) {
    rig.put(key, row.substr(0, size));
    CHECK_THAT(rig.read('b'), Catch::Contains("does not decode"));
  }
  rig.put(key, row + "x");
  CHECK_THAT(rig.read('b'), Catch::Contains("does not decode"));
  rig.put(key, "\x02" + row.substr(1));
  CHECK_FALSE(Log(rig.store).origin(ForkRig::id('b')).ok());
  CHECK_FALSE(LogOrigin::decode(LogOrigin{{{ForkRig::id('a'), 3}, {ForkRig::id('b'), 3}}}.encode()).ok());
}
