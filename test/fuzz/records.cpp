// Rows of the store. The first byte of an input says what it is, the rest are the bytes of the row:
//   b batch of events   h log head   r run header   m run marks   l ledger entry   o log origin
//   c order to a child  s webhook subscription   t its health   q outbox   a head of the audit chain
// A row that decodes is encoded again and then means the same.
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/audit_rows.h"
#include "engine/child_rows.h"
#include "engine/run_header.h"
#include "engine/run_rows.h"
#include "fuzz/fuzz.h"
#include "openwop/ledger.h"
#include "openwop/log.h"
#include "openwop/memory_store.h"
#include "webhooks/webhook_rows.h"

using namespace openwop;
using openwop::fuzz::expect;

namespace {

const RunId kRun = RunId::from_bytes("0123456789abcdef");

void check_error(const Error& error) {
  expect(error.code == ErrorCode::store_corrupt || error.code == ErrorCode::store_version_unsupported,
         "a row that does not decode is corrupt, or newer", error.message);
}

void put(MemoryStore& store, std::string_view key, std::string_view row) {
  Transaction transaction;
  transaction.put(key, row);
  expect(store.commit(transaction, Durability::async).ok(), "a row is stored");
}

/// decode -> encode -> decode -> encode: the second text is the first.
template <class Decode>
void check_row(std::string_view row, const Decode& decode) {
  const auto first = decode(row);
  if (!first) return check_error(first.error());
  const std::string written = first->encode();
  const auto second = decode(std::string_view(written));
  expect(second.ok(), "what is written decodes", second ? "" : second.error().message);
  expect(second->encode() == written, "and means the same", written);
}

// ---- batches ----

struct Batch {
  Status status;
  std::vector<Event> events;
  std::uint32_t engine_version = 1;
};

Batch read_batch(std::string_view row, std::uint64_t from) {
  MemoryStore store;
  put(store, Log::batch_key(kRun, 0), row);
  Batch batch;
  std::uint64_t expected = from;
  batch.status = Log(store).read(kRun, from, [&](const EventView& event) {
    expect(event.sequence == expected++, "sequences have no gap");
    expect(!event.type_name.empty() || event.type == EventType::unknown, "a known type has a name");
    batch.engine_version = event.engine_version;
    batch.events.push_back({event.type, event.time_ms, std::string(event.node_id), std::string(event.payload),
                            std::string(event.hidden), event.caused_by,
                            event.type == EventType::unknown ? std::string(event.type_name) : std::string(),
                            event.schema_version});
    return true;
  });
  return batch;
}

void check_batch(std::string_view row) {
  const Batch batch = read_batch(row, 0);
  if (!batch.status) return check_error(batch.status.error());
  const std::string written = Log::encode_batch(batch.events, batch.engine_version);
  const Batch again = read_batch(written, 0);
  expect(again.status.ok(), "what is written decodes");
  expect(Log::encode_batch(again.events, again.engine_version) == written, "and means the same", written);
  const std::uint64_t middle = batch.events.size() / 2;
  const Batch rest = read_batch(row, middle);
  expect(rest.status.ok() && rest.events.size() == batch.events.size() - middle, "a batch is read from inside");
}

// ---- those with functions of their own ----

void check_header(std::string_view row) {
  const auto header = runtime::decode_header(row);
  if (!header) return check_error(header.error());
  // Members that are passed on as they are must be JSON, which the store does not promise of a damaged row.
  for (const std::string* raw : {&header->inputs, &header->variables, &header->configurable, &header->metadata}) {
    if (!raw->empty() && !json::check(*raw)) return;
  }
  const std::string written = runtime::encode_header(*header);
  const auto again = runtime::decode_header(written);
  expect(again.ok(), "what is written decodes", written);
  expect(runtime::encode_header(*again) == written, "and means the same", written);
}

void check_ledger(std::string_view row) {
  const std::string key = Ledger::row_key(kRequestScope, "key");
  MemoryStore store;
  put(store, key, row);
  const auto found = Ledger(store).find(key);
  if (!found) return check_error(found.error());
  expect(found->has_value() && (**found).raw == row, "an entry is found as it was stored");
  const LedgerEntry& entry = (**found).entry;
  expect(Ledger::expiry_of(row) == entry.expires_ms, "an entry expires when it says");
  MemoryStore copy;
  Transaction transaction;
  Ledger::record(transaction, key, entry);
  expect(copy.commit(transaction, Durability::async).ok(), "an entry is stored");
  const auto again = Ledger(copy).find(key);
  expect(again.ok() && again->has_value(), "what is written decodes");
  expect((**again).entry.outcome == entry.outcome && (**again).entry.request_digest == entry.request_digest &&
             (**again).entry.expires_ms == entry.expires_ms,
         "and means the same");
}

void check_order(std::string_view row) {
  const auto order = runtime::decode_order(row);
  if (!order) return check_error(order.error());
  const std::string written = runtime::encode_order(*order);
  const auto again = runtime::decode_order(written);
  expect(again.ok() && runtime::encode_order(*again) == written, "an order means the same", written);
}

void check_outbox(std::string_view row) {
  const webhooks::OutboxRow place{.webhook = Id::from_bytes("fedcba9876543210"), .run = kRun, .sequence = 7};
  const std::string key = place.key();
  check_row(row, [&](std::string_view bytes) { return webhooks::OutboxRow::decode(key, bytes); });
  // Damaged keys.
  if (const auto read = webhooks::OutboxRow::decode(row, place.encode()); !read) check_error(read.error());
  if (const auto read = webhooks::decode_dead_letter(row, row); !read) check_error(read.error());
}

void check(char kind, std::string_view row) {
  switch (kind) {
    case 'b': return check_batch(row);
    case 'h': return check_row(row, LogHead::decode);
    case 'r': return check_header(row);
    case 'm': return check_row(row, runtime::RunMarks::decode);
    case 'l': return check_ledger(row);
    case 'o': return check_row(row, LogOrigin::decode);
    case 'c': return check_order(row);
    case 's': {
      const std::string key = webhooks::Subscription::key("a", Id::from_bytes("fedcba9876543210"));
      return check_row(row, [&](std::string_view bytes) { return webhooks::Subscription::decode(key, bytes); });
    }
    case 't': return check_row(row, webhooks::Health::decode);
    case 'q': return check_outbox(row);
    case 'a': return check_row(row, audit::ChainHead::decode);
    default: return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = fuzz::text_of(data, size);
  if (!input.empty()) check(input.front(), input.substr(1));
  return 0;
}
