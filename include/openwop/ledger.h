// Ledger: a keyed request has one outcome, remembered. Idempotency keys (OpenWOP idempotency layer 1), side-effect
// steps inside a run (layer 2) and deliveries all use it.
//
//   K <scope> 0x00 <key>  ->  format, expiry, digest of the request, outcome
//
// The entry is written in the same transaction as the effect, on the condition that it is absent: of two requests with
// one key exactly one takes effect, whatever crashes when.
//
// Thread-safety: as the store's; no state.
#pragma once

#include <string>
#include <string_view>

#include "openwop/bytes.h"
#include "openwop/store.h"

namespace openwop {

inline constexpr char kLedgerPrefix = 'K';

struct LedgerEntry {
  /// Identifies the request that made the entry; a repeat with another digest is a different request under a used key.
  std::string request_digest = {};
  std::string outcome = {};
  /// When the entry stops counting; 0 = never.
  std::int64_t expires_ms = 0;
};

class Ledger {
 public:
  explicit Ledger(const Store& store) : store_(store) {}

  /// `scope` partitions keys (tenant, purpose) and holds no 0x00 byte; `key` is any bytes of bounded length.
  [[nodiscard]] static std::string row_key(std::string_view scope, std::string_view key) {
    std::string out(1, kLedgerPrefix);
    out += scope;
    out += '\0';
    out += key;
    return out;
  }

  /// Adds the entry on the condition that there is none.
  static void record(Transaction& transaction, std::string_view row_key, const LedgerEntry& entry) {
    transaction.require_absent(row_key);
    transaction.put(row_key, encode(entry));
  }

  /// Adds the entry in the place of one that has expired: `before` is that row's value as found.
  static void replace(Transaction& transaction, std::string_view row_key, std::string_view before,
                      const LedgerEntry& entry) {
    transaction.require_equals(row_key, before);
    transaction.put(row_key, encode(entry));
  }

  struct Found {
    LedgerEntry entry;
    std::string raw;
    [[nodiscard]] bool expired(std::int64_t now_ms) const {
      return entry.expires_ms != 0 && entry.expires_ms <= now_ms;
    }
  };

  /// The entry, expired or not, or nothing.
  [[nodiscard]] Result<std::optional<Found>> find(std::string_view row_key) const {
    auto row = store_.get(row_key);
    if (!row) return std::move(row).error();
    if (!row->has_value()) return std::optional<Found>{};
    bytes::Reader reader(**row);
    const std::uint8_t format = reader.u8();
    Found found;
    found.entry.expires_ms = static_cast<std::int64_t>(reader.u64());
    found.entry.request_digest = reader.string();
    found.entry.outcome = reader.string();
    if (!reader.ok() || !reader.at_end() || format != kFormat)
      return Error{ErrorCode::store_corrupt, "ledger entry does not decode"};
    found.raw = std::move(**row);
    return std::optional<Found>{std::move(found)};
  }

 private:
  static constexpr std::uint8_t kFormat = 1;
  static std::string encode(const LedgerEntry& entry) {
    std::string out(1, static_cast<char>(kFormat));
    bytes::put_u64(out, static_cast<std::uint64_t>(entry.expires_ms));
    bytes::put_string(out, entry.request_digest);
    bytes::put_string(out, entry.outcome);
    return out;
  }
  const Store& store_;
};

}  // namespace openwop
