// Ledger: a keyed request has one outcome, remembered. Idempotency keys (OpenWOP idempotency layer 1), side-effect
// steps inside a run (layer 2) and deliveries all use it.
//
//   K <scope> 0x00 <key>                            ->  format, expiry, digest of the request, outcome
//   K 0x00 <scope> 0x00 <expiry> <the row's key>    ->  -   (entries that expire, oldest first)
//
// The entry is written in the same transaction as the effect, on the condition that it is absent: of two requests with
// one key exactly one takes effect, whatever crashes when.
//
// Thread-safety: as the store's; no state.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "openwop/bytes.h"
#include "openwop/store.h"

namespace openwop {

inline constexpr char kLedgerPrefix = 'K';
/// Scopes that the library uses: requests with an Idempotency-Key, and side-effect steps of nodes.
inline constexpr std::string_view kRequestScope = "idem";
inline constexpr std::string_view kStepScope = "step";

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
    put(transaction, row_key, entry);
  }

  /// Adds the entry in the place of one that has expired: `before` is that row's value as found.
  static void replace(Transaction& transaction, std::string_view row_key, std::string_view before,
                      const LedgerEntry& entry) {
    transaction.require_equals(row_key, before);
    if (const std::int64_t expired_ms = expiry_of(before); expired_ms != 0) {
      transaction.erase(expiry_key(row_key, expired_ms));
    }
    put(transaction, row_key, entry);
  }

  /// record(), or replace() where `replaces` is the value of an expired entry.
  static void write(Transaction& transaction, std::string_view row_key, const std::optional<std::string>& replaces,
                    const LedgerEntry& entry) {
    if (replaces) return replace(transaction, row_key, *replaces, entry);
    record(transaction, row_key, entry);
  }

  // ---- entries in the order of their expiry ----

  /// Where the entries of a scope that expire are listed, the first to expire first.
  [[nodiscard]] static std::string expiry_prefix(std::string_view scope) {
    std::string out{kLedgerPrefix, '\0'};
    out.append(scope).append(1, '\0');
    return out;
  }
  struct Expiring {
    std::string_view row_key;
    std::int64_t expires_ms = 0;
  };
  /// What a key of that list says; the view is of `key`. `scope` is that of the list.
  [[nodiscard]] static Expiring expiring(std::string_view key, std::string_view scope) {
    bytes::Reader reader(key.substr(std::min(key.size(), scope.size() + 3)));
    const auto expires_ms = static_cast<std::int64_t>(reader.u64());
    return {reader.rest(), expires_ms};
  }
  /// When the entry with this raw value expires; 0 = never, or it does not decode.
  [[nodiscard]] static std::int64_t expiry_of(std::string_view raw) {
    bytes::Reader reader(raw);
    const bool known = reader.u8() == kFormat;
    const auto expires_ms = static_cast<std::int64_t>(reader.u64());
    return known && reader.ok() ? expires_ms : 0;
  }
  /// Removes the entry and its place in the list, on the condition that the entry still is what `found` holds.
  static void forget(Transaction& transaction, std::string_view row_key, const std::string& found_raw) {
    transaction.require_equals(row_key, found_raw);
    transaction.erase(row_key);
    if (const std::int64_t expires_ms = expiry_of(found_raw); expires_ms != 0) {
      transaction.erase(expiry_key(row_key, expires_ms));
    }
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
  static void put(Transaction& transaction, std::string_view row_key, const LedgerEntry& entry) {
    transaction.put(row_key, encode(entry));
    if (entry.expires_ms != 0) transaction.put(expiry_key(row_key, entry.expires_ms), {});
  }
  static std::string expiry_key(std::string_view row_key, std::int64_t expires_ms) {
    const std::string_view scope = row_key.substr(1, row_key.find('\0') - 1);
    std::string out = expiry_prefix(scope);
    bytes::put_u64(out, static_cast<std::uint64_t>(expires_ms));
    out += row_key;
    return out;
  }
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
