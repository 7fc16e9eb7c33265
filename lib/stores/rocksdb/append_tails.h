// AppendTails: from where on the keys of a prefix are known to be absent, so that "no row is here yet", which every
// append to a run's log requires of the row it is about to write, costs no read.
//
// For keys of a prefix of fixed length and a big-endian 64-bit counter (append_hint.h). The one writer of the database
// keeps it true: each row written is passed to `note_put`, in commit order; an erased row only leaves the bound higher
// than need be. Direct-mapped and bounded in entries. Not thread-safe: it lives under the commit lock.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/bytes.h"

namespace openwop::rocks {

class AppendTails {
 public:
  static constexpr std::size_t kMaxPrefixBytes = 32;
  static constexpr std::size_t kCounterBytes = 8;

  /// Knows nothing, ever, if either is 0 or the prefix is longer than kMaxPrefixBytes.
  AppendTails(std::size_t prefix_bytes, std::size_t entries)
      : prefix_bytes_(prefix_bytes),
        slot_count_(entries == 0 || prefix_bytes == 0 || prefix_bytes > kMaxPrefixBytes ? 0 : std::bit_floor(entries)) {
  }

  enum class Answer : std::uint8_t {
    absent,
    unknown,
    /// Unknown, and asked about the same prefix before: worth a search for the prefix's last row, and learn().
    worth_learning,
  };

  /// Whether the key is one of those that this may know of.
  [[nodiscard]] bool covers(std::string_view key) const {
    return slot_count_ != 0 && key.size() == prefix_bytes_ + kCounterBytes;
  }

  /// Writes of the commits before this call are in the store, those after it are told to `note_put`.
  void begin_group() { ++group_; }

  [[nodiscard]] Answer ask(std::string_view key) {
    if (!covers(key)) return Answer::unknown;
    if (slots_.empty()) slots_.resize(slot_count_);
    Slot& slot = slot_of(key);
    if (!slot.holds(prefix_of(key))) {
      slot.set(prefix_of(key), group_);
      return Answer::unknown;
    }
    if (slot.known) return counter_of(key) >= slot.absent_from ? Answer::absent : Answer::unknown;
    // In the group that began to follow the prefix, rows may have been staged before that.
    return slot.followed_since == group_ ? Answer::unknown : Answer::worth_learning;
  }

  /// `last` is the largest key that the store holds and that begins with the prefix of `key`; nothing if there is none.
  void learn(std::string_view key, std::optional<std::string_view> last) {
    slot_of(key).known = true;
    if (!last) return;
    // Of a key of another length this much says where no counted key can lie any more.
    std::string counted(last->substr(0, key.size()));
    counted.resize(key.size(), '\0');
    note_put(counted);
  }

  /// Follows a write.
  void note_put(std::string_view key) {
    if (slots_.empty() || !covers(key)) return;
    Slot& slot = slot_of(key);
    if (!slot.holds(prefix_of(key))) return;
    const std::uint64_t counter = counter_of(key);
    if (counter == std::numeric_limits<std::uint64_t>::max()) {
      slot.used = false;
    } else {
      slot.absent_from = std::max(slot.absent_from, counter + 1);
    }
  }

  /// No prefix is followed, so `note_put` need not be called.
  [[nodiscard]] bool empty() const { return slots_.empty(); }
  [[nodiscard]] std::string_view prefix_of(std::string_view key) const { return key.substr(0, prefix_bytes_); }

  /// Knows nothing any more.
  void clear() { slots_.clear(); }

 private:
  struct Slot {
    std::array<char, kMaxPrefixBytes> prefix{};
    bool used = false;
    /// Rows older than the first followed one are counted in.
    bool known = false;
    std::uint64_t followed_since = 0;
    /// Above every counter written; all keys of the prefix from here on are absent, if `known`.
    std::uint64_t absent_from = 0;

    [[nodiscard]] bool holds(std::string_view wanted) const {
      return used && std::string_view(prefix.data(), wanted.size()) == wanted;
    }
    void set(std::string_view wanted, std::uint64_t group) {
      std::copy(wanted.begin(), wanted.end(), prefix.begin());
      used = true;
      known = false;
      followed_since = group;
      absent_from = 0;
    }
  };

  [[nodiscard]] std::uint64_t counter_of(std::string_view key) const {
    return bytes::Reader(key.substr(prefix_bytes_)).u64();
  }
  Slot& slot_of(std::string_view key) {
    return slots_[std::hash<std::string_view>{}(prefix_of(key)) & (slot_count_ - 1)];
  }

  std::size_t prefix_bytes_;
  std::size_t slot_count_;
  std::uint64_t group_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace openwop::rocks
