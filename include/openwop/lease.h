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
    Transaction transaction;
    Lease next{std::string(name), std::string(holder), 1, now_ms + ttl_ms};
    if (row->has_value()) {
      auto current = decode(name, **row);
      if (!current) return std::move(current).error();
      const bool free = current->holder.empty() || current->expires_ms <= now_ms;
      if (!free && current->holder != holder) return held_by_other(*current, now_ms);
      next.epoch = current->holder == holder && !free ? current->epoch : current->epoch + 1;
      transaction.require_equals(next.key(), **row);
    } else {
      transaction.require_absent(next.key());
    }
    transaction.put(next.key(), next.encode());
    transaction.put(guard_key(next), guard_value(next));
    auto outcome = store_.commit(transaction, Durability::sync);
    if (!outcome) return std::move(outcome).error();
    if (*outcome == CommitOutcome::refused) return Error{ErrorCode::conflict, "another holder took the lease first"};
    return next;
  }

  /// Extends a lease that is still this holder's. Errors: lease_lost.
  [[nodiscard]] Result<Lease> renew(const Lease& lease, std::int64_t now_ms, std::int64_t ttl_ms) {
    Lease next = lease;
    next.expires_ms = now_ms + ttl_ms;
    return exchange(lease, next);
  }

  /// Gives the lease back so that anyone may take it at once. Errors: lease_lost.
  [[nodiscard]] Status release(const Lease& lease) {
    Lease next = lease;
    next.holder.clear();
    next.expires_ms = 0;
    auto done = exchange(lease, next);
    if (!done) return std::move(done).error();
    return {};
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

 private:
  static std::string guard_key(const Lease& lease) { return lease.key() + '\0'; }
  static std::string guard_value(const Lease& lease) {
    std::string value;
    bytes::put_u64(value, lease.epoch);
    return value;
  }
  static Result<Lease> decode(std::string_view name, std::string_view row) {
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

  static Error held_by_other(const Lease& current, std::int64_t now_ms) {
    std::string details;
    {
      json::ObjectWriter object(details);
      object.string("holder", current.holder);
      object.integer("retryAfterMs", current.expires_ms - now_ms);
    }
    return Error{ErrorCode::conflict, "the lease is held by another", std::move(details)};
  }

  Result<Lease> exchange(const Lease& from, const Lease& to) {
    Transaction transaction;
    transaction.require_equals(from.key(), from.encode());
    transaction.put(to.key(), to.encode());
    if (to.holder.empty()) transaction.erase(guard_key(from));
    auto outcome = store_.commit(transaction, Durability::sync);
    if (!outcome) return std::move(outcome).error();
    if (*outcome == CommitOutcome::refused)
      return Error{ErrorCode::lease_lost, "the lease has another holder or expiry"};
    return to;
  }

  Store& store_;
};

}  // namespace openwop
