// The rows of the audit log, and the hashes over them.
//
//   Y s <id>        staged entry: canonical JSON without sequence and prevHash; ids sort by time
//   Y e <sequence>  chained entry: its canonical JSON, to the byte
//   Y c <sequence>  checkpoint at that entry
//   Y h             head of the chain
//   Y k             key ids as last noted
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "openwop/audit_log.h"
#include "openwop/bytes.h"
#include "openwop/hash.h"

namespace openwop::audit {

inline constexpr char kAuditPrefix = 'Y';

[[nodiscard]] inline std::string prefix_of(char kind) { return {kAuditPrefix, kind}; }
[[nodiscard]] inline std::string row_key(char kind, std::uint64_t sequence) {
  std::string key = prefix_of(kind);
  bytes::put_u64(key, sequence);
  return key;
}
/// The sequence that ends a key.
[[nodiscard]] inline std::uint64_t sequence_of(std::string_view key) {
  return key.size() == 10 ? bytes::Reader(key.substr(2)).u64() : 0;
}

struct ChainHead {
  std::uint64_t last_sequence = 0;
  /// Of the last entry; empty before the first.
  std::string last_hash = {};
  std::uint64_t checkpoint_sequence = 0;
  std::int64_t checkpoint_ms = 0;

  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static Result<ChainHead> decode(std::string_view row);
};

/// What is staged, and what of it is chained.
[[nodiscard]] std::string encode_staged(const AuditEntry& entry, std::int64_t now_ms, std::size_t max_text_bytes);
[[nodiscard]] std::string encode_entry(std::string_view staged, std::uint64_t sequence, std::string_view prev_hash);
/// What an entry says of its place. Nothing where it does not say; the first entry's hash is null.
struct StatedPlace {
  std::optional<std::uint64_t> sequence;
  std::optional<std::string> prev_hash;
};
[[nodiscard]] StatedPlace stated_place(std::string_view entry);

/// Root over hashes in hex: a parent hashes the joined hex of two children, an odd node moves up as it is. One
/// function, because later texts define it otherwise.
[[nodiscard]] std::string merkle_root(std::vector<std::string> hashes);
/// What the signature is over.
[[nodiscard]] std::string signed_bytes(std::string_view merkle_root_hex);

[[nodiscard]] std::string encode_checkpoint(const AuditCheckpoint& checkpoint);
[[nodiscard]] AuditCheckpoint decode_checkpoint(std::string_view row);

}  // namespace openwop::audit
