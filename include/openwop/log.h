// Log: a run's append-only events, gapless from sequence 0, with at most one terminal event, which is the last.
//
// Three kinds of row, one contiguous key range for each run (docs/architecture.md has the layout):
//   L <run> 0x00            header: bytes of the creator, written once
//   L <run> 0x01            head: next sequence, fencing epoch, sealed flag, and the owner's summary
//   L <run> 0x02 <sequence> batch: the events of one commit, keyed by the last of their sequences
//
// The head row is the guard: every append requires it to be what the writer last saw. Two writers cannot both append,
// and a writer whose epoch has passed is refused by the store. Built on Store only. The static functions add to a
// Transaction, so that events commit together with whatever else belongs to them.
//
// Thread-safety: as the store's; a Log holds no state.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "openwop/bytes.h"
#include "openwop/event.h"
#include "openwop/store.h"

namespace openwop {

inline constexpr char kLogPrefix = 'L';
inline constexpr std::uint8_t kEventBatchFormat = 1;
inline constexpr std::uint8_t kLogHeadFormat = 1;

struct LogHead {
  std::uint64_t next_sequence = 0;
  /// Counts changes of ownership; an append under an older epoch no longer matches the row.
  std::uint64_t epoch = 0;
  /// A terminal event has been appended; nothing may follow.
  bool sealed = false;
  /// Bytes of the owner, readable without folding the log.
  std::string summary = {};

  [[nodiscard]] std::string encode() const {
    std::string out;
    out.reserve(18 + summary.size());
    out += static_cast<char>(kLogHeadFormat);
    bytes::put_u64(out, next_sequence);
    bytes::put_u64(out, epoch);
    out += sealed ? '\1' : '\0';
    out += summary;
    return out;
  }
  [[nodiscard]] static Result<LogHead> decode(std::string_view row) {
    bytes::Reader reader(row);
    const std::uint8_t format = reader.u8();
    LogHead head;
    head.next_sequence = reader.u64();
    head.epoch = reader.u64();
    head.sealed = reader.u8() != 0;
    if (format > kLogHeadFormat) {
      return Error{ErrorCode::store_version_unsupported, "log head row was written by a newer version"};
    }
    if (!reader.ok() || format == 0) return Error{ErrorCode::store_corrupt, "log head row does not decode"};
    head.summary = reader.rest();
    return head;
  }
};

using EventVisitor = std::function<bool(const EventView&)>;

class Log {
 public:
  explicit Log(const Store& store) : store_(store) {}

  // ---- keys ----
  [[nodiscard]] static std::string run_prefix(const RunId& run) {
    std::string key(1, kLogPrefix);
    key += run.view();
    return key;
  }
  [[nodiscard]] static std::string header_key(const RunId& run) { return run_prefix(run) + '\x00'; }
  [[nodiscard]] static std::string head_key(const RunId& run) { return run_prefix(run) + '\x01'; }
  [[nodiscard]] static std::string batch_key(const RunId& run, std::uint64_t last_sequence) {
    std::string key = run_prefix(run) + '\x02';
    bytes::put_u64(key, last_sequence);
    return key;
  }

  // ---- writing ----

  /// A new log: refused by the store if the run exists.
  static void create(Transaction& transaction, const RunId& run, std::string_view header, std::span<const Event> events,
                     const LogHead& head, std::uint32_t engine_version = 1) {
    transaction.require_absent(head_key(run));
    transaction.put(header_key(run), header);
    put_batch(transaction, run, 0, events, head, engine_version);
  }

  /// Appends behind `before`, the encoded head row as last seen. `events` may be empty: then only the head changes.
  static void append(Transaction& transaction, const RunId& run, std::string_view before, std::uint64_t first_sequence,
                     std::span<const Event> events, const LogHead& after, std::uint32_t engine_version = 1) {
    transaction.require_equals(head_key(run), before);
    put_batch(transaction, run, first_sequence, events, after, engine_version);
  }

  // ---- reading ----

  /// Nothing if there is no such run.
  [[nodiscard]] Result<std::optional<LogHead>> head(const RunId& run) const {
    auto row = store_.get(head_key(run));
    if (!row) return std::move(row).error();
    if (!row->has_value()) return std::optional<LogHead>{};
    auto head = LogHead::decode(**row);
    if (!head) return std::move(head).error();
    return std::optional<LogHead>{std::move(*head)};
  }

  [[nodiscard]] Result<std::optional<std::string>> header(const RunId& run) const {
    return store_.get(header_key(run));
  }

  /// Visits events from `from_sequence` (inclusive) in order until the visitor returns false or the log ends.
  /// Errors: store_corrupt naming the run for a record that does not decode or a gap in the sequence.
  [[nodiscard]] Status read(const RunId& run, std::uint64_t from_sequence, const EventVisitor& visit) const {
    Status status;
    std::uint64_t expected = from_sequence;
    const ScanRange range{batch_key(run, from_sequence), run_prefix(run) + '\x03', false};
    auto scanned = store_.scan(range, [&](std::string_view key, std::string_view value) {
      bool go_on = true;
      status = decode_batch(run, key, value, from_sequence, expected, visit, go_on);
      return status.ok() && go_on;
    });
    if (!scanned) return scanned;
    return status;
  }

  /// The bytes of one batch row.
  [[nodiscard]] static std::string encode_batch(std::span<const Event> events, std::uint32_t engine_version) {
    std::string out;
    std::size_t estimate = 16;
    for (const Event& event : events)
      estimate += event.payload.size() + event.hidden.size() + event.node_id.size() + 16;
    out.reserve(estimate);
    out += static_cast<char>(kEventBatchFormat);
    bytes::put_varint(out, events.size());
    bytes::put_varint(out, engine_version);
    std::int64_t time_ms = 0;
    for (const Event& event : events) {
      put_event(out, event, wrapping_sum(event.time_ms, ~static_cast<std::uint64_t>(time_ms) + 1));
      time_ms = event.time_ms;
    }
    return out;
  }

 private:
  enum Flag : std::uint8_t { kHasNode = 1, kHasHidden = 2, kHasCause = 4, kHasSchemaVersion = 8, kKnownFlags = 15 };

  // A record may hold any difference of times, a damaged one too.
  static std::int64_t wrapping_sum(std::int64_t a, std::uint64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + b);
  }

  static void put_event(std::string& out, const Event& event, std::int64_t time_delta_ms) {
    const auto flags = static_cast<std::uint8_t>(
        (event.node_id.empty() ? 0 : kHasNode) | (event.hidden.empty() ? 0 : kHasHidden) |
        (event.caused_by ? kHasCause : 0) | (event.schema_version == 1 ? 0 : kHasSchemaVersion));
    bytes::put_varint(out, event.type == EventType::unknown ? 0 : static_cast<std::uint64_t>(event.type) + 1);
    if (event.type == EventType::unknown) bytes::put_string(out, event.unknown_name);
    out += static_cast<char>(flags);
    bytes::put_varint(out, bytes::zigzag(time_delta_ms));
    if ((flags & kHasNode) != 0) bytes::put_string(out, event.node_id);
    if ((flags & kHasCause) != 0) bytes::put_varint(out, *event.caused_by);
    if ((flags & kHasSchemaVersion) != 0) bytes::put_varint(out, event.schema_version);
    bytes::put_string(out, event.payload);
    if ((flags & kHasHidden) != 0) bytes::put_string(out, event.hidden);
  }

  static void put_batch(Transaction& transaction, const RunId& run, [[maybe_unused]] std::uint64_t first_sequence,
                        std::span<const Event> events, const LogHead& head, std::uint32_t engine_version) {
    assert(head.next_sequence == first_sequence + events.size());
    if (!events.empty()) {
      transaction.put(batch_key(run, head.next_sequence - 1), encode_batch(events, engine_version));
    }
    transaction.put(head_key(run), head.encode());
  }

  static Error corrupt(const RunId& run, const std::string& what) {
    return Error{ErrorCode::store_corrupt, "log of run " + run.text() + ": " + what};
  }

  static Status decode_batch(const RunId& run, std::string_view key, std::string_view value,
                             std::uint64_t from_sequence, std::uint64_t& expected, const EventVisitor& visit,
                             bool& go_on) {
    if (key.size() != 1 + Id::kBytes + 1 + 8) return corrupt(run, "batch key does not decode");
    const std::uint64_t last = bytes::Reader(key.substr(key.size() - 8)).u64();
    bytes::Reader reader(value);
    const std::uint8_t format = reader.u8();
    const std::uint64_t count = reader.varint();
    const auto engine_version = static_cast<std::uint32_t>(reader.varint());
    if (format > kEventBatchFormat) {
      return Error{ErrorCode::store_version_unsupported,
                   "log of run " + run.text() + " was written by a newer version"};
    }
    if (!reader.ok() || format == 0 || count == 0 || count > last + 1) return corrupt(run, "batch does not decode");
    std::uint64_t sequence = last + 1 - count;
    if (sequence > expected) return corrupt(run, "gap before sequence " + std::to_string(sequence));
    // Only the first batch may begin before the asked-for sequence, and only a whole one says which event is which.
    const bool first = expected == from_sequence;
    if (sequence < expected && !first) return corrupt(run, "sequence " + std::to_string(sequence) + " twice");
    if (first && from_sequence > 0 && !is_whole(reader, count)) {
      return corrupt(run, "batch " + std::to_string(last) + " does not decode");
    }
    std::int64_t time_ms = 0;
    for (; sequence <= last; ++sequence) {
      EventView event = read_event(reader, time_ms);
      if (!reader.ok()) return corrupt(run, "event " + std::to_string(sequence) + " does not decode");
      if (sequence < expected) continue;  // the batch begins before the asked-for sequence
      event.sequence = sequence;
      event.engine_version = engine_version;
      ++expected;
      if (!visit(event)) {
        go_on = false;
        return {};
      }
    }
    if (!reader.at_end()) return corrupt(run, "bytes behind event " + std::to_string(last));
    return {};
  }

  static bool is_whole(bytes::Reader reader, std::uint64_t count) {
    std::int64_t time_ms = 0;
    for (; count > 0 && reader.ok(); --count) read_event(reader, time_ms);
    return reader.ok() && reader.at_end();
  }

  static EventView read_event(bytes::Reader& reader, std::int64_t& time_ms) {
    EventView event;
    const std::uint64_t code = reader.varint();
    if (code == 0) {
      event.type_name = reader.string();
    } else if (code - 1 < kEventTypes.size()) {
      event.type = static_cast<EventType>(code - 1);
      event.type_name = event_name(event.type);
    } else {
      event.type_name = "unknown";
    }
    const std::uint8_t flags = reader.u8();
    if ((flags & ~kKnownFlags) != 0) reader.reject();
    time_ms = wrapping_sum(time_ms, static_cast<std::uint64_t>(bytes::unzigzag(reader.varint())));
    event.time_ms = time_ms;
    if ((flags & kHasNode) != 0) event.node_id = reader.string();
    if ((flags & kHasCause) != 0) event.caused_by = reader.varint();
    if ((flags & kHasSchemaVersion) != 0) event.schema_version = static_cast<std::uint32_t>(reader.varint());
    event.payload = reader.string();
    if ((flags & kHasHidden) != 0) event.hidden = reader.string();
    return event;
  }

  const Store& store_;
};

}  // namespace openwop
