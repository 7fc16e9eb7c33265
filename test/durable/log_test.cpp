#include "openwop/log.h"

#include <atomic>
#include <limits>
#include <thread>

#include "durable/durable_rig.h"

using namespace openwop;
using namespace openwop::test;

TEST_CASE("a created log gives back its header, its head and its events") {
  LogRig rig;
  REQUIRE(rig.add(3));
  const Log log(rig.store);
  CHECK(**log.header(rig.run) == "header bytes");
  CHECK((*log.head(rig.run))->next_sequence == 3);
  const auto found = rig.read();
  REQUIRE(found.status.ok());
  CHECK(found.events == stored(LogRig::events(3, 0), 0));
}

TEST_CASE("a run that does not exist has no head, no header and no events") {
  const LogRig rig;
  CHECK_FALSE((*Log(rig.store).head(rig.run)).has_value());
  CHECK_FALSE((*Log(rig.store).header(rig.run)).has_value());
  CHECK(rig.read().status.ok());
  CHECK(rig.read().events.empty());
}

TEST_CASE("create refuses a run that exists and leaves it as it is") {
  LogRig rig;
  REQUIRE(rig.add(2));
  Transaction again;
  Log::create(again, rig.run, "other header", LogRig::events(1, 0), LogHead{.next_sequence = 1});
  CHECK_FALSE(rig.committed(again));
  CHECK(**Log(rig.store).header(rig.run) == "header bytes");
  CHECK(rig.read().events.size() == 2);
}

TEST_CASE("a run can be created with no events yet") {
  LogRig rig;
  Transaction transaction;
  Log::create(transaction, rig.run, "h", {}, LogHead{});
  REQUIRE(rig.committed(transaction));
  CHECK((*Log(rig.store).head(rig.run))->next_sequence == 0);
  CHECK(rig.read().events.empty());
}

TEST_CASE("an append behind a stale head is refused and writes nothing") {
  LogRig rig;
  REQUIRE(rig.add(1));
  LogRig stale = LogRig{};
  const LogHead seen = rig.head;
  REQUIRE(rig.add(1));
  const std::size_t rows = rig.store.size();
  Transaction late;
  Log::append(late, rig.run, seen.encode(), 1, LogRig::events(1, 1), LogHead{.next_sequence = 2});
  CHECK_FALSE(rig.committed(late));
  CHECK(rig.store.size() == rows);
  CHECK(rig.read().events.size() == 2);
}

TEST_CASE("a writer whose epoch has passed is refused by the store") {
  LogRig rig;
  REQUIRE(rig.add(1));
  LogHead taken = rig.head;
  taken.epoch = 1;
  Transaction takeover;
  Log::append(takeover, rig.run, rig.head.encode(), 1, {}, taken);
  REQUIRE(rig.committed(takeover));
  CHECK_FALSE(rig.add(1));  // still under epoch 0
  rig.head = taken;
  CHECK(rig.add(1));
}

TEST_CASE("of writers that append behind the same head exactly one succeeds") {
  LogRig rig;
  REQUIRE(rig.add(1));
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> won = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        LogHead next = rig.head;
        ++next.next_sequence;
        Transaction transaction;
        Log::append(transaction, rig.run, rig.head.encode(), rig.head.next_sequence,
                    LogRig::events(1, rig.head.next_sequence), next);
        const auto outcome = rig.store.commit(transaction, Durability::async);
        if (outcome.ok() && *outcome == CommitOutcome::committed) ++won;
      });
    }
    for (auto& thread : threads) thread.join();
    REQUIRE(won == 1);
    ++rig.head.next_sequence;
  }
  const auto found = rig.read();
  REQUIRE(found.status.ok());
  CHECK(found.events.size() == 51);
}

TEST_CASE("an append of no events changes only the head") {
  LogRig rig;
  REQUIRE(rig.add(2));
  const std::size_t rows = rig.store.size();
  LogHead next = rig.head;
  next.summary = R"({"s":1})";
  Transaction transaction;
  Log::append(transaction, rig.run, rig.head.encode(), 2, {}, next);
  REQUIRE(rig.committed(transaction));
  CHECK(rig.store.size() == rows);
  CHECK((*Log(rig.store).head(rig.run))->summary == R"({"s":1})");
}

TEST_CASE("an append of events alone is one row and moves the end of the log, not its head") {
  LogRig rig;
  REQUIRE(rig.add(2));
  const std::size_t rows = rig.store.size();
  REQUIRE(rig.add_events(2, 3));
  REQUIRE(rig.add_events(5, 1));
  CHECK(rig.store.size() == rows + 2);
  CHECK((*Log(rig.store).head(rig.run))->next_sequence == 2);
  const auto end = Log(rig.store).end(rig.run);
  REQUIRE(end.ok());
  CHECK(end->next_sequence == 6);
  CHECK(end->time_ms == LogRig::events(1, 5)[0].time_ms);
  CHECK(rig.read().events == stored(LogRig::events(6, 0), 0));
}

TEST_CASE("the end of a log without events is at sequence 0") {
  const LogRig rig;
  const auto end = Log(rig.store).end(rig.run);
  REQUIRE(end.ok());
  CHECK(end->next_sequence == 0);
  CHECK(end->time_ms == 0);
}

TEST_CASE("of appends at one end the second is refused, whatever it would change") {
  LogRig rig;
  REQUIRE(rig.add(1));
  REQUIRE(rig.add_events(1, 2));
  const auto all = rig.read().events;
  CHECK_FALSE(rig.add_events(1, 1));
  CHECK_FALSE(rig.add_events(1, 2));
  CHECK_FALSE(rig.add(1));  // with the head, which has not moved
  LogHead summary = rig.head;
  summary.summary = "new";
  Transaction head_only;
  Log::append(head_only, rig.run, rig.head.encode(), 1, {}, summary);
  CHECK_FALSE(rig.committed(head_only));
  CHECK(rig.read().events == all);
  CHECK(rig.add_events(3, 1));
}

TEST_CASE("events alone are refused behind a head that has moved: a newer epoch, or a seal") {
  LogRig rig;
  REQUIRE(rig.add(1));
  LogHead after = rig.head;
  SECTION("epoch") { after.epoch = 1; }
  SECTION("seal") { after.sealed = true; }
  Transaction moved;
  Log::append(moved, rig.run, rig.head.encode(), 1, {}, after);
  REQUIRE(rig.committed(moved));
  CHECK_FALSE(rig.add_events(1, 1));
  CHECK(rig.read().events.size() == 1);
}

TEST_CASE("a writer behind a batch of its own that did not come to be is refused by that batch") {
  LogRig rig;
  REQUIRE(rig.add(1));
  // Its batch of two at 1 was refused: another wrote one of one event there. Nothing lies at 3 for it to meet.
  const auto lost = Log::encode_batch(LogRig::events(2, 1), 1);
  REQUIRE(rig.add_events(1, 1));
  const auto behind = [&](const std::string& batch) {
    Transaction transaction;
    Log::require_batch(transaction, rig.run, 1, batch);
    Log::append_events(transaction, rig.run, rig.head.encode(), 1 + (batch == lost ? 2U : 1U), LogRig::events(1, 3));
    return rig.committed(transaction);
  };
  CHECK_FALSE(behind(lost));
  CHECK(rig.read().status.ok());
  CHECK(behind(Log::encode_batch(LogRig::events(1, 1), 1)));
}

TEST_CASE("reading begins at any sequence, in the middle of a batch too") {
  LogRig rig;
  for (const std::size_t count : {3, 1, 5, 2, 300}) REQUIRE(rig.add(count));
  const auto all = rig.read();
  REQUIRE(all.status.ok());
  REQUIRE(all.events.size() == 311);
  CHECK(all.events[10] == stored(LogRig::events(1, 10), 10).front());
  for (std::uint64_t from = 0; from <= 312; ++from) {
    INFO(from);
    const auto found = rig.read(from);
    REQUIRE(found.status.ok());
    const auto skip = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(from, 311));
    REQUIRE(found.events == std::vector<StoredEvent>(all.events.begin() + skip, all.events.end()));
  }
}

TEST_CASE("reading stops when the visitor has seen enough") {
  LogRig rig;
  for (int i = 0; i < 3; ++i) REQUIRE(rig.add(4));
  std::uint64_t seen = 0;
  const auto status = Log(rig.store).read(rig.run, 2, [&](const EventView& event) {
    CHECK(event.sequence == 2 + seen);
    return ++seen < 5;
  });
  CHECK(status.ok());
  CHECK(seen == 5);
}

TEST_CASE("runs whose ids are neighbours do not see each other's events") {
  LogRig first;
  first.run.bytes.fill(0xFF);
  first.run.bytes[15] = 0xFE;
  REQUIRE(first.add(2));
  const std::size_t rows = first.store.size();
  Id next = first.run;
  next.bytes[15] = 0xFF;
  Transaction transaction;
  Log::create(transaction, next, "h", LogRig::events(3, 0), LogHead{.next_sequence = 3});
  REQUIRE(first.committed(transaction));
  CHECK(first.store.size() > rows);
  CHECK(first.read().events.size() == 2);
  first.run = next;
  CHECK(first.read().events.size() == 3);
}

TEST_CASE("the seal of a log is in its head and changes the guard of every later append") {
  LogRig rig;
  REQUIRE(rig.add(1));
  const LogHead unsealed = rig.head;
  LogHead sealed = rig.head;
  sealed.sealed = true;
  ++sealed.next_sequence;
  Transaction last;
  const std::vector<Event> terminal = {Event{.type = EventType::run_completed}};
  Log::append(last, rig.run, unsealed.encode(), 1, terminal, sealed);
  REQUIRE(rig.committed(last));
  CHECK((*Log(rig.store).head(rig.run))->sealed);
  // A writer that has not seen the end is refused, even with the right sequence.
  LogHead guess = unsealed;
  guess.next_sequence = 2;
  Transaction late;
  Log::append(late, rig.run, guess.encode(), 2, LogRig::events(1, 2), LogHead{.next_sequence = 3});
  CHECK_FALSE(rig.committed(late));
}

TEST_CASE("an event keeps every field, times of any distance and bytes of any kind") {
  LogRig rig;
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  std::vector<Event> events;
  for (const std::int64_t time : {std::int64_t{0}, kMax, kMin, std::int64_t{-1}, kMin, kMax, std::int64_t{5}}) {
    events.push_back(Event{.type = EventType::log_appended,
                           .time_ms = time,
                           .node_id = std::string("\0\xFF\x80", 3),
                           .payload = std::string(300, 'x'),
                           .hidden = std::string("\0", 1),
                           .caused_by = std::numeric_limits<std::uint64_t>::max(),
                           .schema_version = std::numeric_limits<std::uint32_t>::max()});
  }
  Transaction transaction;
  Log::create(transaction, rig.run, "", events, LogHead{.next_sequence = events.size()});
  REQUIRE(rig.committed(transaction));
  const auto found = rig.read();
  REQUIRE(found.status.ok());
  CHECK(found.events == stored(events, 0));
}

TEST_CASE("an event of a type this build does not know keeps its place and its name") {
  LogRig rig;
  std::vector<Event> events = LogRig::events(3, 0);
  events[1].type = EventType::unknown;
  events[1].unknown_name = "acme.billing.charged";
  Transaction transaction;
  Log::create(transaction, rig.run, "", events, LogHead{.next_sequence = 3});
  REQUIRE(rig.committed(transaction));
  const auto found = rig.read();
  REQUIRE(found.status.ok());
  CHECK(found.events == stored(events, 0));
  CHECK(found.events[1].type_name == "acme.billing.charged");
}

TEST_CASE("an event code of a newer build is kept as unknown and hides none of the others") {
  LogRig rig;
  REQUIRE(rig.add(1));
  std::string batch(1, static_cast<char>(kEventBatchFormat));
  bytes::put_varint(batch, 1);
  bytes::put_varint(batch, 9);
  bytes::put_varint(batch, kEventTypes.size() + 1);  // the first code behind the table
  batch += '\0';
  bytes::put_varint(batch, 0);
  bytes::put_string(batch, R"({"new":true})");
  rig.put(Log::batch_key(rig.run, 1), batch);
  rig.head.next_sequence = 2;
  rig.put(Log::head_key(rig.run), rig.head.encode());
  REQUIRE(rig.add(1));
  const auto found = rig.read();
  REQUIRE(found.status.ok());
  REQUIRE(found.events.size() == 3);
  CHECK(found.events[1].type == EventType::unknown);
  CHECK(found.events[1].type_name == "unknown");
  CHECK(found.events[1].payload == R"({"new":true})");
  CHECK(found.events[1].engine_version == 9);
}
