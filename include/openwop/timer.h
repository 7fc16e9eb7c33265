// Timer: a wake-up that survives restart. One row for each owner and due time, ordered by due time; nothing polls it:
// whoever schedules keeps the earliest due time in mind, and a process that starts reads the first row.
//
//   T <due_ms> <owner>  ->  bytes of the owner
//
// A timer may be seen again after it fired (a crash before its commit): the owner's state decides whether it is still
// due. Rows are added and removed in the same transaction as the state they belong to.
//
// Thread-safety: as the store's; no state.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "openwop/bytes.h"
#include "openwop/ids.h"
#include "openwop/store.h"

namespace openwop {

inline constexpr char kTimerPrefix = 'T';

struct DueTimer {
  std::int64_t due_ms = 0;
  Id owner;
};

class Timers {
 public:
  static constexpr std::size_t kMaxLookedAt = 4096;

  explicit Timers(const Store& store) : store_(store) {}

  [[nodiscard]] static std::string key(std::int64_t due_ms, const Id& owner) {
    return bound(due_ms) + std::string(owner.view());
  }
  static void schedule(Transaction& transaction, std::int64_t due_ms, const Id& owner) {
    transaction.put(key(due_ms, owner), {});
  }
  static void cancel(Transaction& transaction, std::int64_t due_ms, const Id& owner) {
    transaction.erase(key(due_ms, owner));
  }

  /// Whose timers are wanted; empty: everybody's. It must not call the store.
  using Wanted = std::function<bool(const Id& owner)>;

  /// Timers due from `from_ms` to `now_ms`, both inclusive, earliest first, at most `limit`.
  [[nodiscard]] Result<std::vector<DueTimer>> due(std::int64_t from_ms, std::int64_t now_ms, std::size_t limit,
                                                  const Wanted& wanted = {}) const {
    std::vector<DueTimer> found;
    if (limit == 0) return found;
    auto status =
        store_.scan({bound(from_ms), prefix_end(bound(now_ms)), false}, [&](std::string_view key, std::string_view) {
          const DueTimer timer = decode(key);
          if (!wanted || wanted(timer.owner)) found.push_back(timer);
          return found.size() < limit;
        });
    if (!status) return std::move(status).error();
    return found;
  }

  /// The earliest due time at or after `from_ms`, or nothing. It looks at kMaxLookedAt timers at most: behind so many
  /// that are not wanted, it gives the time from which on it has not looked.
  [[nodiscard]] Result<std::optional<std::int64_t>> earliest(std::int64_t from_ms, const Wanted& wanted = {}) const {
    std::optional<std::int64_t> first;
    std::size_t looked_at = 0;
    auto status = store_.scan({bound(from_ms), std::string(1, kTimerPrefix + 1), false},
                              [&](std::string_view key, std::string_view) {
                                const DueTimer timer = decode(key);
                                const bool found = !wanted || wanted(timer.owner) || ++looked_at == kMaxLookedAt;
                                if (found) first = timer.due_ms;
                                return !found;
                              });
    if (!status) return std::move(status).error();
    return first;
  }

 private:
  /// The smallest key of a due time. Times before the epoch count as the epoch.
  static std::string bound(std::int64_t due_ms) {
    std::string out(1, kTimerPrefix);
    bytes::put_u64(out, static_cast<std::uint64_t>(due_ms < 0 ? 0 : due_ms));
    return out;
  }
  static DueTimer decode(std::string_view key) {
    bytes::Reader reader(key.substr(1));
    DueTimer timer;
    timer.due_ms = static_cast<std::int64_t>(reader.u64());
    timer.owner = Id::from_bytes(reader.rest());
    return timer;
  }
  const Store& store_;
};

}  // namespace openwop
