#include "audit/audit_rows.h"

#include "openwop/canonical_json.h"
#include "openwop/json.h"
#include "openwop/time.h"

namespace openwop::audit {

namespace {

constexpr std::uint8_t kHeadFormat = 1;

/// Not longer than `max_bytes`, cut between characters.
std::string_view cut(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

}  // namespace

std::string ChainHead::encode() const {
  std::string out(1, static_cast<char>(kHeadFormat));
  bytes::put_u64(out, last_sequence);
  bytes::put_string(out, last_hash);
  bytes::put_u64(out, checkpoint_sequence);
  bytes::put_varint(out, bytes::zigzag(checkpoint_ms));
  return out;
}

Result<ChainHead> ChainHead::decode(std::string_view row) {
  bytes::Reader reader(row);
  const std::uint8_t format = reader.u8();
  ChainHead head;
  head.last_sequence = reader.u64();
  head.last_hash = reader.string();
  head.checkpoint_sequence = reader.u64();
  head.checkpoint_ms = bytes::unzigzag(reader.varint());
  if (!reader.ok() || format != kHeadFormat) return Error{ErrorCode::store_corrupt, "audit head does not decode"};
  return head;
}

std::string encode_staged(const AuditEntry& entry, std::int64_t now_ms, std::size_t max_text_bytes) {
  const auto time = rfc3339_chars(now_ms);
  std::string text;
  {
    json::ObjectWriter object(text);
    object.string("occurredAt", {time.data(), time.size()});
    object.string("actor", cut(entry.actor, max_text_bytes));
    object.string("action", cut(entry.action, max_text_bytes));
    object.string("target", cut(entry.target, max_text_bytes));
    object.raw("details", entry.details.size() <= max_text_bytes && json::kind(entry.details) == json::Kind::object
                              ? std::string_view(entry.details)
                              : "{}");
  }
  return canonical_json(text);
}

std::string encode_entry(std::string_view staged, std::uint64_t sequence, std::string_view prev_hash) {
  std::string text;
  {
    json::ObjectWriter object(text);
    object.integer("sequence", static_cast<std::int64_t>(sequence));
    if (prev_hash.empty()) {
      object.raw("prevHash", "null");
    } else {
      object.string("prevHash", prev_hash);
    }
    json::for_each_member(staged, [&](std::string_view key, std::string_view value) {
      object.raw_member(json::unescape(key), value);
      return true;
    });
  }
  return canonical_json(text);
}

StatedPlace stated_place(std::string_view entry) {
  StatedPlace place;
  if (!json::check(entry)) return place;  // what was tampered with may be anything
  if (const auto raw = json::member(entry, "prevHash")) place.prev_hash = json::as_string(*raw);
  if (const auto raw = json::member(entry, "sequence")) {
    if (const auto number = json::as_int(*raw)) place.sequence = static_cast<std::uint64_t>(*number);
  }
  return place;
}

std::string merkle_root(std::vector<std::string> hashes) {
  if (hashes.empty()) return sha256_hex("");
  while (hashes.size() > 1) {
    std::vector<std::string> parents;
    parents.reserve((hashes.size() + 1) / 2);
    for (std::size_t i = 0; i + 1 < hashes.size(); i += 2) parents.push_back(sha256_hex(hashes[i] + hashes[i + 1]));
    if (hashes.size() % 2 != 0) parents.push_back(std::move(hashes.back()));
    hashes = std::move(parents);
  }
  return std::move(hashes.front());
}

std::string signed_bytes(std::string_view merkle_root_hex) {
  const auto digit = [](char c) { return static_cast<unsigned>(c >= 'a' ? c - 'a' + 10 : c - '0') & 15U; };
  std::string out;
  for (std::size_t i = 0; i + 1 < merkle_root_hex.size(); i += 2) {
    out += static_cast<char>(digit(merkle_root_hex[i]) << 4U | digit(merkle_root_hex[i + 1]));
  }
  return out;
}

std::string encode_checkpoint(const AuditCheckpoint& checkpoint) {
  std::string out;
  {
    json::ObjectWriter object(out);
    object.string("checkpoint", checkpoint.checkpoint)
        .integer("atSequence", static_cast<std::int64_t>(checkpoint.at_sequence))
        .string("merkleRoot", checkpoint.merkle_root)
        .string("signature", checkpoint.signature)
        .string("ts", checkpoint.ts)
        .string("keyId", checkpoint.key_id);
    if (!checkpoint.co_signature.empty()) {
      object.string("coSignature", checkpoint.co_signature).string("coKeyId", checkpoint.co_key_id);
    }
  }
  return out;
}

AuditCheckpoint decode_checkpoint(std::string_view row) {
  AuditCheckpoint checkpoint;
  const auto text = [&](std::string_view name) {
    const auto raw = json::member(row, name);
    return raw ? json::as_string(*raw).value_or("") : std::string();
  };
  checkpoint.checkpoint = text("checkpoint");
  checkpoint.merkle_root = text("merkleRoot");
  checkpoint.signature = text("signature");
  checkpoint.ts = text("ts");
  checkpoint.key_id = text("keyId");
  checkpoint.co_signature = text("coSignature");
  checkpoint.co_key_id = text("coKeyId");
  const auto at = json::member(row, "atSequence");
  checkpoint.at_sequence = static_cast<std::uint64_t>(at ? json::as_int(*at).value_or(0) : 0);
  return checkpoint;
}

}  // namespace openwop::audit
