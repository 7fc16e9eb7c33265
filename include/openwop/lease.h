// Lease: time-bound ownership with a fencing epoch. Run claims between hosts, worker claims and runtime sessions use it
// (OpenWOP protocol 01 §14).
//
//   C <name>       ->  format, holder, epoch, expiry
//   C <name> 0x00  ->  epoch: the guard
//
// Each change of holder raises the epoch by one. A holder adds require_held() to every transaction that only it may
// make: once another holder has taken over, the store refuses the write, however late the old holder wakes up. The
// guard is a row of its own so that a renewal does not refuse the holder's commits in flight. Expiry is judged by the
// caller's clock, so clocks of hosts may differ by less than the time to live; a wrong clock can make a lease change
// hands early, never make two holders' writes succeed.
//
// Thread-safety: as the store's; no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "openwop/bytes.h"
#include "openwop/json.h"
#include "openwop/store.h"

namespace openwop {

inline constexpr char kLeasePrefix = 'C';

struct Lease {
  std::string name;
  std::string holder;
  std::uint64_t epoch = 0;
  std::int64_t expires_ms = 0;

  [[nodiscard]] std::string key() const { return std::string(1, kLeasePrefix) + name; }
  [[nodiscard]] std::string encode() const {
    std::string out(1, '\x01');
    bytes::put_u64(out, epoch);
    bytes::put_u64(out, static_cast<std::uint64_t>(expires_ms));
    out += holder;
    return out;
  }
};

class Leases {
 public:
  explicit Leases(Store& store) : store_(store) {}

  /// Takes the lease if it is free, expired, or already `holder`'s. Errors: conflict while another holds it, with
  /// details {"holder","retryAfterMs"}; store errors.
  [[nodiscard]] Result<Lease> acquire(std::string_view name, std::string_view holder, std::int64_t now_ms,
                                      std::int64_t ttl_ms) {
    auto row = store_.get(std::string(1, kLeasePrefix) + std::string(name));
    if (!row) return std::move(row).error();
    std::optional<Lease> current;
    if (row->has_value()) {
      auto decoded = decode(name, **row);
      if (!decoded) return std::move(decoded).error();
      current = *std::move(decoded);
    }
    auto taken = next(name, current, holder, now_ms, ttl_ms);
    if (!taken) return held_by_other(*current, now_ms);
    Transaction transaction;
    add_take(transaction, current, *taken);
    auto outcome = store_.commit(transaction, Durability::sync);
    if (!outcome) return std::move(outcome).error();
    if (*outcome == CommitOutcome::refused) return Error{ErrorCode::conflict, "another holder took the lease first"};
    return *std::move(taken);
  }

  /// Extends a lease that is still this holder's. Errors: lease_lost.
  [[nodiscard]] Result<Lease> renew(const Lease& lease, std::int64_t now_ms, std::int64_t ttl_ms) {
    Lease later = lease;
    later.expires_ms = now_ms + ttl_ms;
    Transaction transaction;
    add_renewal(transaction, lease, later);
    if (auto done = exchange(transaction); !done) return std::move(done).error();
    return later;
  }

  /// Gives the lease back so that anyone may take it at once. Errors: lease_lost.
  [[nodiscard]] Status release(const Lease& lease) {
    Transaction transaction;
    add_release(transaction, lease);
    return exchange(transaction);
  }

  /// The current row, whoever holds it; nothing if it was never taken.
  [[nodiscard]] Result<std::optional<Lease>> find(std::string_view name) const {
    auto row = store_.get(std::string(1, kLeasePrefix) + std::string(name));
    if (!row) return std::move(row).error();
    if (!row->has_value()) return std::optional<Lease>{};
    auto lease = decode(name, **row);
    if (!lease) return std::move(lease).error();
    return std::optional<Lease>{std::move(*lease)};
  }

  /// Makes the transaction depend on nobody having taken the lease over since this holder got it.
  static void require_held(Transaction& transaction, const Lease& lease) {
    transaction.require_equals(guard_key(lease), guard_value(lease));
  }

  // ---- for a holder of many leases, who changes them in one group of commits ----

  /// What a holder gets who takes the lease when it is as `current` (nothing: never taken), if it may be taken then.
  [[nodiscard]] static std::optional<Lease> next(std::string_view name, const std::optional<Lease>& current,
                                                 std::string_view holder, std::int64_t now_ms, std::int64_t ttl_ms) {
    Lease next{std::string(name), std::string(holder), 1, now_ms + ttl_ms};
    if (!current) return next;
    const bool free = current->holder.empty() || current->expires_ms <= now_ms;
    if (!free && current->holder != holder) return std::nullopt;
    next.epoch = free ? current->epoch + 1 : current->epoch;
    return next;
  }
  /// The change from `current` to what next() gave; refused if somebody was faster.
  static void add_take(Transaction& transaction, const std::optional<Lease>& current, const Lease& next) {
    if (current) {
      transaction.require_equals(current->key(), current->encode());
    } else {
      transaction.require_absent(next.key());
    }
    transaction.put(next.key(), next.encode());
    transaction.put(guard_key(next), guard_value(next));
  }
  /// As renew() and release(); refused means lease_lost.
  static void add_renewal(Transaction& transaction, const Lease& from, const Lease& to) {
    transaction.require_equals(from.key(), from.encode());
    transaction.put(to.key(), to.encode());
  }
  static void add_release(Transaction& transaction, const Lease& lease) {
    Lease free = lease;
    free.holder.clear();
    free.expires_ms = 0;
    add_renewal(transaction, lease, free);
    transaction.erase(guard_key(lease));
  }

  /// The row whose presence with guard_value() says that the lease is still this holder's.
  [[nodiscard]] static std::string guard_key(const Lease& lease) { return lease.key() + '\0'; }
  [[nodiscard]] static std::string guard_value(const Lease& lease) {
    std::string value;
    bytes::put_u64(value, lease.epoch);
    return value;
  }
  /// Errors: store_corrupt.
  [[nodiscard]] static Result<Lease> decode(std::string_view name, std::string_view row) {
    bytes::Reader reader(row);
    const std::uint8_t format = reader.u8();
    Lease lease;
    lease.name = name;
    lease.epoch = reader.u64();
    lease.expires_ms = static_cast<std::int64_t>(reader.u64());
    if (!reader.ok() || format != 1) return Error{ErrorCode::store_corrupt, "lease row does not decode"};
    lease.holder = reader.rest();
    return lease;
  }

 private:
  static Error held_by_other(const Lease& current, std::int64_t now_ms) {
    std::string details;
    {
      json::ObjectWriter object(details);
      object.string("holder", current.holder);
      object.integer("retryAfterMs", current.expires_ms - now_ms);
    }
    return Error{ErrorCode::conflict, "the lease is held by another", std::move(details)};
  }

  Status exchange(const Transaction& transaction) {
    auto outcome = store_.commit(transaction, Durability::sync);
    if (!outcome) return std::move(outcome).error();
    if (*outcome == CommitOutcome::refused)
      return Error{ErrorCode::lease_lost, "the lease has another holder or expiry"};
    return {};
  }

  Store& store_;
};

}  // namespace openwop
