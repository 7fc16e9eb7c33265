#include "webhooks/webhook_rows.h"

#include "openwop/bytes.h"

namespace openwop::webhooks {

namespace {

constexpr std::uint8_t kFormat = 1;

Error corrupt(std::string_view what) {
  return {ErrorCode::store_corrupt, "webhook " + std::string(what) + " does not decode"};
}

void put_strings(std::string& out, const std::vector<std::string>& texts) {
  bytes::put_varint(out, texts.size());
  for (const std::string& text : texts) bytes::put_string(out, text);
}
std::vector<std::string> read_strings(bytes::Reader& reader) {
  std::vector<std::string> texts;
  for (std::uint64_t left = reader.varint(); left > 0 && reader.ok(); --left) texts.emplace_back(reader.string());
  return texts;
}

/// The ids and the sequence that end a key.
bool read_tail(std::string_view key, Id& webhook, RunId& run, std::uint64_t& sequence) {
  constexpr std::size_t kTail = Id::kBytes + Id::kBytes + 8;
  if (key.size() < 2 + kTail) return false;
  const std::string_view tail = key.substr(key.size() - kTail);
  webhook = Id::from_bytes(tail.substr(0, Id::kBytes));
  run = RunId::from_bytes(tail.substr(Id::kBytes, Id::kBytes));
  sequence = bytes::Reader(tail.substr(2 * Id::kBytes)).u64();
  return true;
}

}  // namespace

// ---- subscriptions ----

std::string Subscription::key(std::string_view tenant, const Id& id) {
  return all_prefix().append(tenant).append(1, '\0').append(id.view());
}

std::string Subscription::encode() const {
  std::string out(1, static_cast<char>(kFormat));
  bytes::put_string(out, what.tenant);
  bytes::put_string(out, what.url);
  bytes::put_string(out, what.secret);
  put_strings(out, what.events);
  put_strings(out, what.tags);
  return out;
}

Result<Subscription> Subscription::decode(std::string_view key, std::string_view row) {
  if (key.size() < Id::kBytes) return corrupt("subscription");
  Subscription subscription;
  subscription.id = Id::from_bytes(key.substr(key.size() - Id::kBytes));
  bytes::Reader reader(row);
  const std::uint8_t format = reader.u8();
  subscription.what.tenant = reader.string();
  subscription.what.url = reader.string();
  subscription.what.secret = reader.string();
  subscription.what.events = read_strings(reader);
  subscription.what.tags = read_strings(reader);
  if (!reader.ok() || format != kFormat) return corrupt("subscription");
  return subscription;
}

// ---- health ----

void Health::succeeded() {
  failures_in_a_row = 0;
  open_until_ms = 0;
}

void Health::failed_once(std::int64_t now_ms, const WebhookOptions& options) {
  const bool probe = open_until_ms != 0;
  ++failures_in_a_row;
  if (probe || failures_in_a_row >= options.circuit_failures) open_until_ms = now_ms + options.circuit_open_ms;
  failed_at_ms.push_back(now_ms);
  while (failed_at_ms.front() <= now_ms - options.disable_window_ms) failed_at_ms.pop_front();
  failed = failed_at_ms.size() >= options.disable_failures;
}

std::string Health::key(const Id& id) { return std::string{kWebhookPrefix, 't'}.append(id.view()); }

std::string Health::encode() const {
  std::string out(1, static_cast<char>(kFormat));
  out += failed ? '\1' : '\0';
  bytes::put_varint(out, failures_in_a_row);
  bytes::put_varint(out, bytes::zigzag(open_until_ms));
  bytes::put_varint(out, failed_at_ms.size());
  std::int64_t before = 0;
  for (const std::int64_t at : failed_at_ms) {
    bytes::put_varint(out, bytes::zigzag(at - before));
    before = at;
  }
  return out;
}

Result<Health> Health::decode(std::string_view row) {
  bytes::Reader reader(row);
  const std::uint8_t format = reader.u8();
  Health health;
  health.failed = reader.u8() != 0;
  health.failures_in_a_row = static_cast<std::uint32_t>(reader.varint());
  health.open_until_ms = bytes::unzigzag(reader.varint());
  std::int64_t at = 0;
  for (std::uint64_t left = reader.varint(); left > 0 && reader.ok(); --left) {
    if (__builtin_add_overflow(at, bytes::unzigzag(reader.varint()), &at)) return corrupt("health");
    health.failed_at_ms.push_back(at);
  }
  if (!reader.ok() || format != kFormat) return corrupt("health");
  return health;
}

// ---- outbox ----

std::string OutboxRow::prefix(const Id& webhook) { return all_prefix().append(webhook.view()); }

std::string OutboxRow::key() const {
  std::string out = prefix(webhook);
  out += run.view();
  bytes::put_u64(out, sequence);
  return out;
}

std::string OutboxRow::encode() const {
  std::string out(1, static_cast<char>(kFormat));
  bytes::put_varint(out, attempts);
  bytes::put_varint(out, bytes::zigzag(due_ms));
  return out;
}

Result<OutboxRow> OutboxRow::decode(std::string_view key, std::string_view row) {
  OutboxRow out;
  bytes::Reader reader(row);
  const std::uint8_t format = reader.u8();
  out.attempts = static_cast<std::uint32_t>(reader.varint());
  out.due_ms = bytes::unzigzag(reader.varint());
  if (!read_tail(key, out.webhook, out.run, out.sequence) || !reader.ok() || format != kFormat) {
    return corrupt("outbox row");
  }
  return out;
}

// ---- dead letters ----

std::string dead_letter_prefix(std::string_view tenant) {
  return std::string{kWebhookPrefix, 'x'}.append(tenant).append(1, '\0');
}

std::string dead_letter_key(std::string_view tenant, const OutboxRow& row) {
  std::string out = dead_letter_prefix(tenant);
  out.append(row.webhook.view()).append(row.run.view());
  bytes::put_u64(out, row.sequence);
  return out;
}

std::string encode_dead_letter(const OutboxRow& row, std::int64_t died_ms, std::string_view reason) {
  std::string out(1, static_cast<char>(kFormat));
  bytes::put_varint(out, row.attempts);
  bytes::put_varint(out, bytes::zigzag(died_ms));
  bytes::put_string(out, reason);
  return out;
}

Result<DeadLetter> decode_dead_letter(std::string_view key, std::string_view row) {
  DeadLetter letter;
  bytes::Reader reader(row);
  const std::uint8_t format = reader.u8();
  letter.attempts = static_cast<std::uint32_t>(reader.varint());
  letter.died_ms = bytes::unzigzag(reader.varint());
  letter.reason = reader.string();
  if (!read_tail(key, letter.webhook_id, letter.run_id, letter.sequence) || !reader.ok() || format != kFormat) {
    return corrupt("dead letter");
  }
  return letter;
}

}  // namespace openwop::webhooks
