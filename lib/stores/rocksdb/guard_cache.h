// GuardCache: what the store knows of rows that preconditions named lately, so that the next precondition on the same
// row (the head row of a run, compared and set by every commit) costs no read.
//
// The one writer of the database keeps it true: each row written is passed to `update`, in commit order. A slot is
// therefore never stale; it is only lost, to a key that maps to the same place. Direct-mapped and bounded in entries
// and in bytes for each. Not thread-safe: it lives under the commit lock.
#pragma once

#include <bit>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace openwop::rocks {

/// A row's value, or that it is absent (then `value` is empty). Plain, and not an optional, because g++ 12 warns of
/// uninitialised bytes where it inlines the comparison of two optional views.
struct RowState {
  bool present = false;
  std::string_view value = {};

  bool operator==(const RowState&) const = default;
};

class GuardCache {
 public:
  /// Rows longer than this (key + value) are not kept.
  static constexpr std::size_t kMaxRowBytes = 512;

  explicit GuardCache(std::size_t entries) : slot_count_(entries == 0 ? 0 : std::bit_floor(entries)) {}

  /// No row is known, so `update` and `find` need not be called.
  [[nodiscard]] bool empty() const { return slots_.empty(); }

  /// What is known of the row; nothing if nothing is. The view is valid until the next change of the cache.
  [[nodiscard]] std::optional<RowState> find(std::size_t hash, std::string_view key) const {
    if (slots_.empty()) return std::nullopt;
    const Slot& slot = slots_[hash & (slot_count_ - 1)];
    if (!slot.holds(key)) return std::nullopt;
    return RowState{slot.present, slot.value()};
  }

  /// Makes the row known, in place of another if need be.
  void learn(std::size_t hash, std::string_view key, RowState state) {
    if (slot_count_ == 0) return;
    if (slots_.empty()) slots_.resize(slot_count_);
    Slot& slot = slots_[hash & (slot_count_ - 1)];
    slot.set(key, state);
  }

  /// Follows a write, if the row is known.
  void update(std::size_t hash, std::string_view key, RowState state) {
    if (slots_.empty()) return;
    Slot& slot = slots_[hash & (slot_count_ - 1)];
    if (slot.holds(key)) slot.set(key, state);
  }

  /// Knows nothing any more.
  void clear() { slots_.clear(); }

 private:
  struct Slot {
    /// The key, then the value.
    std::string bytes;
    /// 0 marks an empty slot: keys have at least one byte.
    std::size_t key_bytes = 0;
    bool present = false;

    [[nodiscard]] bool holds(std::string_view key) const {
      return key_bytes == key.size() && std::string_view(bytes).substr(0, key_bytes) == key;
    }
    [[nodiscard]] std::string_view value() const { return std::string_view(bytes).substr(key_bytes); }

    void set(std::string_view key, RowState state) {
      if (key.size() + state.value.size() > kMaxRowBytes) {
        key_bytes = 0;
        return;
      }
      bytes.assign(key).append(state.value);
      key_bytes = key.size();
      present = state.present;
    }
  };

  std::size_t slot_count_;
  std::vector<Slot> slots_;
};

}  // namespace openwop::rocks
