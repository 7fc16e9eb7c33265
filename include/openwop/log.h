// Log: a run's append-only events, gapless from sequence 0, with at most one terminal event, which is the last.
//
// Three kinds of row, one contiguous key range for each run (docs/architecture.md has the layout):
//   L <run> 0x00            header: bytes of the creator, written once
//   L <run> 0x01            head: fencing epoch, sealed flag, the owner's summary, next sequence when it was written
//   L <run> 0x02 <sequence> batch: the events of one commit, keyed by the first of their sequences
//
// The log of a fork begins with events of other logs: one more row says which,
//   L <run> 0x03            origin: whose events come before the run's own; absent unless there are any
//
// Every append requires two things to be as its writer last saw them: the head row, so that a writer whose epoch has
// passed and one that has not seen the seal are refused by the store; and the end of the log, where no batch may begin
// yet, so that of two writers at the same end one is refused. An append whose head would say nothing new leaves that
// row alone (append_events) and is one row in the store.
//
// A writer that appends behind a batch of its own before it knows that batch's outcome also requires the batch
// (require_batch): had the commit been lost or refused, the end of the log would be elsewhere, and the keys alone might
// not show it.
//
// Built on Store only. The static functions add to a Transaction, so that events commit together with whatever else
// belongs to them.
//
// Thread-safety: as the store's; a Log holds no state.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "openwop/bytes.h"
#include "openwop/event.h"
#include "openwop/log_origin.h"
#include "openwop/store.h"

namespace openwop {

inline constexpr char kLogPrefix = 'L';
inline constexpr std::uint8_t kEventBatchFormat = 1;
inline constexpr std::uint8_t kLogHeadFormat = 1;

struct LogHead {
  /// The next sequence when this row was written. Batches of append_events() may have followed; behind a seal, none.
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

/// Where a log ends.
struct LogEnd {
  std::uint64_t next_sequence = 0;
  /// Time of the last event; 0 if there is none.
  std::int64_t time_ms = 0;
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
  [[nodiscard]] static std::string batch_key(const RunId& run, std::uint64_t first_sequence) {
    return std::string(RunKey(run, first_sequence).view());
  }

  [[nodiscard]] static std::string origin_key(const RunId& run) { return run_prefix(run) + '\x03'; }

  // ---- writing ----

  /// A new log that continues inherited events, which stay where they are; its own begin at `head.next_sequence`, where
  /// `origin` ends. Refused by the store if the run exists.
  static void create_fork(Transaction& transaction, const RunId& run, std::string_view header, const LogOrigin& origin,
                          const LogHead& head) {
    assert(origin.end() == head.next_sequence);
    transaction.require_absent(head_key(run));
    transaction.put(header_key(run), header);
    if (!origin.segments.empty()) transaction.put(origin_key(run), origin.encode());
    transaction.put(head_key(run), head.encode());
  }

  /// A new log: refused by the store if the run exists.
  static void create(Transaction& transaction, const RunId& run, std::string_view header, std::span<const Event> events,
                     const LogHead& head, std::uint32_t engine_version = 1) {
    assert(head.next_sequence == events.size());
    transaction.require_absent(head_key(run));
    transaction.put(header_key(run), header);
    put_batch(transaction, run, 0, events, engine_version);
    transaction.put(head_key(run), head.encode());
  }

  /// The log is as its writer last saw it: `head_row`, encoded, and the end at `next_sequence`.
  static void require_end(Transaction& transaction, const RunId& run, std::string_view head_row,
                          std::uint64_t next_sequence) {
    transaction.require_equals(RunKey(run, '\x01').view(), head_row);
    transaction.require_absent(RunKey(run, next_sequence).view());
  }

  /// The batch that begins at `first_sequence` is this one, as encode_batch() wrote it.
  static void require_batch(Transaction& transaction, const RunId& run, std::uint64_t first_sequence,
                            std::string_view batch) {
    transaction.require_equals(batch_key(run, first_sequence), batch);
  }

  /// Appends behind `before`, the encoded head row as last seen, and the events before `first_sequence`. `events` may
  /// be empty: then only the head changes.
  static void append(Transaction& transaction, const RunId& run, std::string_view before, std::uint64_t first_sequence,
                     std::span<const Event> events, const LogHead& after, std::uint32_t engine_version = 1) {
    assert(after.next_sequence == first_sequence + events.size());
    require_end(transaction, run, before, first_sequence);
    put_batch(transaction, run, first_sequence, events, engine_version);
    transaction.put(head_key(run), after.encode());
  }

  /// Appends at least one event and leaves the head row as it is: for events after which it has nothing new to say.
  static void append_events(Transaction& transaction, const RunId& run, std::string_view head_row,
                            std::uint64_t first_sequence, std::span<const Event> events,
                            std::uint32_t engine_version = 1) {
    assert(!events.empty());
    require_end(transaction, run, head_row, first_sequence);
    put_batch(transaction, run, first_sequence, events, engine_version);
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

  /// Errors: as read().
  [[nodiscard]] Result<LogEnd> end(const RunId& run) const {
    LogEnd end;
    const EventVisitor last = [&](const EventView& event) {
      end = {event.sequence + 1, event.time_ms};
      return true;
    };
    Status status;
    auto scanned = store_.scan(batches_before(run, std::nullopt), [&](std::string_view key, std::string_view value) {
      const std::uint64_t first = BatchReader::first_of(key).value_or(0);
      BatchReader reader{run, first, first, last};
      static_cast<void>(reader.take(key, value));
      status = std::move(reader.status);
      return false;
    });
    if (!scanned) return std::move(scanned).error();
    if (!status) return std::move(status).error();
    if (end.next_sequence > 0) return end;
    // A fork without events of its own ends where its history does.
    auto inherited = origin(run);
    if (!inherited) return std::move(inherited).error();
    end.next_sequence = inherited->end();
    return end;
  }

  /// Whose events come before the run's own; no segment if all events are its own.
  [[nodiscard]] Result<LogOrigin> origin(const RunId& run) const {
    auto row = store_.get(origin_key(run));
    if (!row) return std::move(row).error();
    if (!row->has_value()) return LogOrigin{};
    auto origin = LogOrigin::decode(**row);
    if (!origin && origin.error().code == ErrorCode::store_corrupt) return corrupt_log(run, origin.error().message);
    return origin;
  }

  /// Visits events from `from_sequence` (inclusive) in order, inherited ones first, until the visitor returns false or
  /// the log ends. Errors: store_corrupt naming the run for a record that does not decode or a gap in the sequence.
  [[nodiscard]] Status read(const RunId& run, std::uint64_t from_sequence, const EventVisitor& visit) const {
    bool any = false;
    auto own = read_own(run, from_sequence, [&](const EventView& event) {
      any = true;
      return visit(event);
    });
    if (any || (!own && own.error().code != ErrorCode::store_corrupt)) return own;
    // Nothing from there on, or it begins later: only the log of a fork may have inherited what is asked for.
    auto inherited = origin(run);
    if (!inherited) return std::move(inherited).error();
    if (from_sequence >= inherited->end()) return own;
    return read_inherited(run, *inherited, from_sequence, visit);
  }

  /// As read(), without inherited events.
  [[nodiscard]] Status read_own(const RunId& run, std::uint64_t from_sequence, const EventVisitor& visit) const {
    BatchReader reader{run, from_sequence, from_sequence, visit};
    std::string begin = batch_key(run, from_sequence);
    // Whoever follows a log asks for the beginning of a batch, and one scan serves. Only an event inside of one needs
    // a look for where its batch begins.
    bool inside = from_sequence > 0;
    auto scanned = store_.scan({begin, batches_end(run), false}, [&](std::string_view key, std::string_view value) {
      if (inside && key != begin) return false;
      inside = false;
      return reader.take(key, value);
    });
    if (!scanned) return scanned;
    if (!inside) return std::move(reader.status);
    scanned = store_.scan(batches_before(run, from_sequence), [&](std::string_view key, std::string_view) {
      begin = key;
      return false;
    });
    if (!scanned) return scanned;
    scanned = store_.scan({begin, batches_end(run), false},
                          [&](std::string_view key, std::string_view value) { return reader.take(key, value); });
    if (!scanned) return scanned;
    return std::move(reader.status);
  }

  /// The bytes of one batch row.
  [[nodiscard]] static std::string encode_batch(std::span<const Event> events, std::uint32_t engine_version) {
    std::string out;
    out.reserve(max_batch_bytes(events));
    write_batch(out, events, engine_version);
    return out;
  }

 private:
  // Segment by segment, as each names the writer of its events, and then the run's own.
  [[nodiscard]] Status read_inherited(const RunId& run, const LogOrigin& origin, std::uint64_t from_sequence,
                                      const EventVisitor& visit) const {
    std::uint64_t next = from_sequence;
    for (const LogSegment& segment : origin.segments) {
      if (next >= segment.end) continue;
      bool stopped = false;
      auto read = read_own(segment.run, next, [&](const EventView& event) {
        if (event.sequence >= segment.end) return false;
        ++next;
        stopped = !visit(event);
        return !stopped && next < segment.end;
      });
      if (!read || stopped) return read;
      if (next < segment.end) return corrupt_log(run, "lacks inherited events of run " + segment.run.text());
    }
    return read_own(run, next, visit);
  }

  static Error corrupt_log(const RunId& run, const std::string& what) {
    return {ErrorCode::store_corrupt, "log of run " + run.text() + ": " + what};
  }

  enum Flag : std::uint8_t { kHasNode = 1, kHasHidden = 2, kHasCause = 4, kHasSchemaVersion = 8, kKnownFlags = 15 };

  static constexpr std::size_t kBatchKeyBytes = 1 + Id::kBytes + 1 + 8;

  [[nodiscard]] static std::string batches_end(const RunId& run) { return run_prefix(run) + '\x03'; }
  /// Batches that begin before the sequence, or all, from the last one down.
  [[nodiscard]] static ScanRange batches_before(const RunId& run, std::optional<std::uint64_t> sequence) {
    return {batch_key(run, 0), sequence ? batch_key(run, *sequence) : batches_end(run), true};
  }

  /// A key on the stack, for the path of every append.
  class RunKey {
   public:
    RunKey(const RunId& run, char kind) : size_(2 + Id::kBytes) {
      bytes_[0] = kLogPrefix;
      std::copy(run.bytes.begin(), run.bytes.end(), bytes_.begin() + 1);
      bytes_[1 + Id::kBytes] = kind;
    }
    RunKey(const RunId& run, std::uint64_t first_sequence) : RunKey(run, '\x02') {
      for (; size_ < kBatchKeyBytes; ++size_) {
        bytes_[size_] = static_cast<char>(first_sequence >> (8 * (kBatchKeyBytes - 1 - size_)) & 0xFF);
      }
    }
    [[nodiscard]] std::string_view view() const { return {bytes_.data(), size_}; }

   private:
    std::array<char, kBatchKeyBytes> bytes_;
    std::size_t size_;
  };

  // A record may hold any difference of times, a damaged one too.
  static std::int64_t wrapping_sum(std::int64_t a, std::uint64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + b);
  }

  /// Enough for all but the longest varints.
  static std::size_t max_batch_bytes(std::span<const Event> events) {
    std::size_t bytes = 16;
    for (const Event& event : events) bytes += event.payload.size() + event.hidden.size() + event.node_id.size() + 24;
    return bytes;
  }

  static void write_batch(std::string& out, std::span<const Event> events, std::uint32_t engine_version) {
    out += static_cast<char>(kEventBatchFormat);
    bytes::put_varint(out, events.size());
    bytes::put_varint(out, engine_version);
    std::int64_t time_ms = 0;
    for (const Event& event : events) {
      put_event(out, event, wrapping_sum(event.time_ms, ~static_cast<std::uint64_t>(time_ms) + 1));
      time_ms = event.time_ms;
    }
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

  static void put_batch(Transaction& transaction, const RunId& run, std::uint64_t first_sequence,
                        std::span<const Event> events, std::uint32_t engine_version) {
    if (events.empty()) return;
    transaction.put_written(RunKey(run, first_sequence).view(), max_batch_bytes(events),
                            [&](std::string& out) { write_batch(out, events, engine_version); });
  }

  /// Takes batch rows in order and passes on the events from `from` on.
  struct BatchReader {
    const RunId& run;
    std::uint64_t from;
    std::uint64_t expected;
    const EventVisitor& visit;
    Status status = {};

    /// False when the scan has to stop: the visitor has seen enough, or `status` is an error.
    bool take(std::string_view key, std::string_view value) {
      const auto first = first_of(key);
      if (!first) return fail("batch key does not decode");
      bytes::Reader reader(value);
      const std::uint8_t format = reader.u8();
      const std::uint64_t count = reader.varint();
      const auto engine_version = static_cast<std::uint32_t>(reader.varint());
      if (format > kEventBatchFormat) {
        status =
            Error{ErrorCode::store_version_unsupported, "log of run " + run.text() + " was written by a newer version"};
        return false;
      }
      if (!reader.ok() || format == 0 || count == 0 || count > value.size()) {
        return fail("batch " + std::to_string(*first) + " does not decode");
      }
      if (*first > expected) return fail("gap before sequence " + std::to_string(*first));
      // Only the first batch may begin before the asked-for sequence.
      if (*first < expected && expected != from) return fail("sequence " + std::to_string(*first) + " twice");
      std::int64_t time_ms = 0;
      for (std::uint64_t sequence = *first; sequence - *first < count; ++sequence) {
        EventView event = read_event(reader, time_ms);
        if (!reader.ok()) return fail("event " + std::to_string(sequence) + " does not decode");
        if (sequence < expected) continue;
        event.sequence = sequence;
        event.engine_version = engine_version;
        ++expected;
        if (!visit(event)) return false;
      }
      return reader.at_end() || fail("bytes behind event " + std::to_string(*first + count - 1));
    }

    [[nodiscard]] static std::optional<std::uint64_t> first_of(std::string_view key) {
      if (key.size() != kBatchKeyBytes) return std::nullopt;
      return bytes::Reader(key.substr(kBatchKeyBytes - 8)).u64();
    }

   private:
    bool fail(const std::string& what) {
      status = corrupt_log(run, what);
      return false;
    }
  };

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
