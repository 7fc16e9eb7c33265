// A memory store and short ways to write to it; the primitives under test are built on it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "openwop/log.h"
#include "openwop/memory_store.h"
#include "support/catch.h"

namespace openwop::test {

struct DurableRig {
  MemoryStore store;

  CommitOutcome commit(const Transaction& transaction) {
    const auto outcome = store.commit(transaction, Durability::sync);
    REQUIRE(outcome.ok());
    return *outcome;
  }
  bool committed(const Transaction& transaction) { return commit(transaction) == CommitOutcome::committed; }

  void put(std::string_view key, std::string_view value) {
    Transaction transaction;
    transaction.put(key, value);
    REQUIRE(committed(transaction));
  }
  void erase(std::string_view key) {
    Transaction transaction;
    transaction.erase(key);
    REQUIRE(committed(transaction));
  }
  [[nodiscard]] std::string row(std::string_view key) const {
    auto value = store.get(key);
    REQUIRE(value.ok());
    REQUIRE(value->has_value());
    return **value;
  }
};

/// A copy of an EventView whose bytes stay.
struct StoredEvent {
  std::uint64_t sequence = 0;
  EventType type = EventType::unknown;
  std::string type_name, node_id, payload, hidden;
  std::int64_t time_ms = 0;
  std::optional<std::uint64_t> caused_by;
  std::uint32_t schema_version = 1;
  std::uint32_t engine_version = 1;

  explicit StoredEvent(const EventView& view)
      : sequence(view.sequence),
        type(view.type),
        type_name(view.type_name),
        node_id(view.node_id),
        payload(view.payload),
        hidden(view.hidden),
        time_ms(view.time_ms),
        caused_by(view.caused_by),
        schema_version(view.schema_version),
        engine_version(view.engine_version) {}
  bool operator==(const StoredEvent&) const = default;
};

/// One run's log, written batch by batch.
struct LogRig : DurableRig {
  Id run = Id::from_bytes("run-0123456789ab");
  LogHead head;

  [[nodiscard]] static std::vector<Event> events(std::size_t count, std::uint64_t first) {
    std::vector<Event> made;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t n = first + i;
      Event event{.type = static_cast<EventType>(n % 40),
                  .time_ms = 1'700'000'000'000 + static_cast<std::int64_t>(n) * 17};
      event.payload = R"({"n":)" + std::to_string(n) + "}";
      if (n % 2 == 1) event.node_id = "node" + std::to_string(n);
      if (n % 3 == 1) event.hidden = R"({"h":)" + std::to_string(n) + "}";
      if (n % 4 == 3) event.caused_by = n - 1;
      if (n % 5 == 4) event.schema_version = 2;
      made.push_back(event);
    }
    return made;
  }

  /// Adds a batch of `count` events: the first creates the log.
  bool add(std::size_t count) {
    const auto batch = events(count, head.next_sequence);
    LogHead next = head;
    next.next_sequence += count;
    Transaction transaction;
    if (head.next_sequence == 0) {
      Log::create(transaction, run, "header bytes", batch, next);
    } else {
      Log::append(transaction, run, head.encode(), head.next_sequence, batch, next);
    }
    if (!committed(transaction)) return false;
    head = next;
    return true;
  }

  /// Adds a batch that leaves the head row as it is; the next sequence is what the caller says.
  bool add_events(std::uint64_t first, std::size_t count) {
    Transaction transaction;
    Log::append_events(transaction, run, head.encode(), first, events(count, first));
    return committed(transaction);
  }

  struct Found {
    std::vector<StoredEvent> events;
    Status status;
  };
  [[nodiscard]] Found read(std::uint64_t from = 0) const {
    Found found;
    found.status = Log(store).read(run, from, [&](const EventView& view) {
      found.events.emplace_back(view);
      return true;
    });
    return found;
  }
};

inline std::vector<StoredEvent> stored(const std::vector<Event>& events, std::uint64_t first) {
  std::vector<StoredEvent> out;
  for (std::size_t i = 0; i < events.size(); ++i) out.emplace_back(view_of(events[i], first + i));
  return out;
}

}  // namespace openwop::test
