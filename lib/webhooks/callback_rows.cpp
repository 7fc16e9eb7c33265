#include "webhooks/callback_rows.h"

#include "openwop/bytes.h"
#include "webhooks/webhook_rows.h"

namespace openwop::webhooks {

namespace {

constexpr std::uint8_t kFormat = 1;

}  // namespace

std::string CallbackRow::all_prefix() { return {kWebhookPrefix, 'c'}; }

std::string CallbackRow::key() const {
  std::string out = all_prefix();
  out += run.view();
  bytes::put_u64(out, sequence);
  return out;
}

std::string CallbackRow::encode() const {
  std::string out(1, static_cast<char>(kFormat));
  bytes::put_varint(out, attempts);
  bytes::put_varint(out, bytes::zigzag(due_ms));
  for (const std::string* text : {&url, &node_id, &interrupt_id, &kind}) bytes::put_string(out, *text);
  bytes::put_varint(out, bytes::zigzag(closes_ms));
  bytes::put_string(out, traceparent);
  bytes::put_string(out, tracestate);
  return out;
}

Result<CallbackRow> CallbackRow::decode(std::string_view key, std::string_view row) {
  const std::size_t prefix = all_prefix().size();
  const Error corrupt{ErrorCode::store_corrupt, "interrupt callback does not decode"};
  if (key.size() != prefix + RunId::kBytes + 8) return corrupt;
  CallbackRow out;
  out.run = RunId::from_bytes(key.substr(prefix, RunId::kBytes));
  out.sequence = bytes::Reader(key.substr(prefix + RunId::kBytes)).u64();
  bytes::Reader reader(row);
  const std::uint8_t format = reader.u8();
  out.attempts = static_cast<std::uint32_t>(reader.varint());
  out.due_ms = bytes::unzigzag(reader.varint());
  for (std::string* text : {&out.url, &out.node_id, &out.interrupt_id, &out.kind}) *text = reader.string();
  out.closes_ms = bytes::unzigzag(reader.varint());
  out.traceparent = reader.string();
  out.tracestate = reader.string();
  if (!reader.ok() || format != kFormat) return corrupt;
  return out;
}

}  // namespace openwop::webhooks
