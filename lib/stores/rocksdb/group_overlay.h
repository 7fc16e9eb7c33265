// GroupOverlay: the writes of the group in hand that a later precondition of the same group may ask about.
//
// Only keys that some precondition names are followed: the table is as small as the preconditions are few, and a write
// of any other key costs one probe. A group of one transaction needs none and builds none. Keys and values are views
// into the transactions of the group. Not thread-safe: it lives under the commit lock.
#pragma once

#include <bit>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "openwop/store.h"
#include "stores/rocksdb/guard_cache.h"

namespace openwop::rocks {

inline bool is_requirement(Transaction::Op op) {
  return op == Transaction::Op::require_absent || op == Transaction::Op::require_equals;
}

inline std::size_t hash_key(std::string_view key) { return std::hash<std::string_view>{}(key); }

class GroupOverlay {
 public:
  /// Forgets the last group and follows the keys that this one requires.
  void begin(std::span<const Transaction* const> group) {
    slots_.clear();
    if (group.size() < 2) return;
    // The first transaction has nothing of its group before it.
    const auto later = group.subspan(1);
    std::size_t requirements = 0;
    for_each_requirement(later, [&](std::string_view) { ++requirements; });
    if (requirements == 0) return;
    slots_.resize(std::bit_ceil(requirements * 2));
    for_each_requirement(later, [&](std::string_view key) { follow(key); });
  }

  [[nodiscard]] bool empty() const { return slots_.empty(); }

  void note_write(std::size_t hash, std::string_view key, RowState state) {
    if (slots_.empty()) return;
    if (Slot& slot = slots_[place_of(hash, key)]; !slot.key.empty()) {
      slot.written = true;
      slot.state = state;
    }
  }

  /// What the group wrote to the row so far; nothing if it did not write it.
  [[nodiscard]] std::optional<RowState> find(std::size_t hash, std::string_view key) const {
    if (slots_.empty()) return std::nullopt;
    const Slot& slot = slots_[place_of(hash, key)];
    if (!slot.written) return std::nullopt;
    return slot.state;
  }

 private:
  struct Slot {
    std::size_t hash = 0;
    /// Empty in a free slot.
    std::string_view key;
    bool written = false;
    RowState state;
  };

  template <class Visit>
  static void for_each_requirement(std::span<const Transaction* const> group, Visit visit) {
    for (const Transaction* transaction : group) {
      for (std::size_t i = 0; i < transaction->size(); ++i) {
        const auto entry = transaction->entry(i);
        if (is_requirement(entry.op)) visit(entry.key);
      }
    }
  }

  void follow(std::string_view key) {
    const std::size_t hash = hash_key(key);
    Slot& slot = slots_[place_of(hash, key)];
    slot.hash = hash;
    slot.key = key;
  }

  /// The key's slot or the free one that ends its probe; at most half of the table is in use, so there is one.
  [[nodiscard]] std::size_t place_of(std::size_t hash, std::string_view key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = hash & mask;
    while (!slots_[at].key.empty() && (slots_[at].hash != hash || slots_[at].key != key)) at = (at + 1) & mask;
    return at;
  }

  std::vector<Slot> slots_;
};

}  // namespace openwop::rocks
