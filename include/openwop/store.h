// Store: the one thing the engine asks of a storage backend. Ordered byte keys; get, scan, and a group of atomic
// conditional transactions made durable together.
//
// Contract, tested by one suite on every backend (test/store):
//  - Keys are 1..kMaxKeyBytes bytes, ordered as unsigned bytes. Values are 0..kMaxValueBytes bytes.
//  - A Transaction is all or nothing. Its preconditions are checked against the state left by everything committed
//    before it, including earlier transactions of the same group. A refused transaction writes nothing and does not
//    hinder the others of its group.
//  - When commit() returns outcomes, every `committed` transaction is visible to get() and scan() from any thread and,
//    with Durability::sync, survives power loss. One sync serves the whole group.
//  - When commit() returns an Error, nothing is known: each transaction may or may not have taken effect (a lost
//    acknowledgement looks the same as a lost write). Callers find out by reading, and stay safe by preconditions.
//    After a failed write a backend may refuse commits until it is opened again, and only then is the answer final.
//  - A write of a key that a later write of the same transaction repeats: the later one holds.
//  - Thread-safety: every member may be called from any thread at any time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/result.h"

namespace openwop {

inline constexpr std::size_t kMaxKeyBytes = 1024;
inline constexpr std::size_t kMaxValueBytes = std::size_t{64} << 20;

enum class Durability : std::uint8_t {
  /// Survives power loss once acknowledged (fsync or the backend's equal).
  sync,
  /// Survives a crash of the process; the last instants may be lost with the machine.
  async,
};

/// Preconditions and writes that take effect together or not at all. Built once, handed to Store::commit.
/// All bytes lie in one buffer, so that a commit of many small rows costs few allocations.
class Transaction {
 public:
  enum class Op : std::uint8_t { put, erase, require_absent, require_equals };

  void put(std::string_view key, std::string_view value) { add(Op::put, key, value); }
  /// As put(), with the value appended by `write(std::string&)`, which may expect `expected_bytes` to be at hand.
  template <class Write>
  void put_written(std::string_view key, std::size_t expected_bytes, Write write) {
    bytes_.reserve(bytes_.size() + key.size() + expected_bytes);
    add(Op::put, key, {});
    const std::size_t before = bytes_.size();
    write(bytes_);
    entries_.back().value_bytes = static_cast<std::uint32_t>(bytes_.size() - before);
  }
  void erase(std::string_view key) { add(Op::erase, key, {}); }
  /// The commit is refused unless the key is absent.
  void require_absent(std::string_view key) { add(Op::require_absent, key, {}); }
  /// The commit is refused unless the key holds exactly this value.
  void require_equals(std::string_view key, std::string_view value) { add(Op::require_equals, key, value); }

  struct Entry {
    Op op;
    std::string_view key;
    std::string_view value;
  };

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t byte_size() const { return bytes_.size(); }
  /// Views into this transaction; valid until it is changed, moved or destroyed.
  [[nodiscard]] Entry entry(std::size_t i) const {
    const Slot& slot = entries_[i];
    const std::string_view all = bytes_;
    return {slot.op, all.substr(slot.at, slot.key_bytes), all.substr(slot.at + slot.key_bytes, slot.value_bytes)};
  }
  void clear() {
    entries_.clear();
    bytes_.clear();
  }

 private:
  struct Slot {
    std::size_t at;
    std::uint32_t key_bytes;
    std::uint32_t value_bytes;
    Op op;
  };
  void add(Op op, std::string_view key, std::string_view value) {
    if (entries_.empty()) {
      entries_.reserve(kExpectedEntries);
      bytes_.reserve(kExpectedBytes);
    }
    entries_.push_back(
        {bytes_.size(), static_cast<std::uint32_t>(key.size()), static_cast<std::uint32_t>(value.size()), op});
    bytes_.append(key).append(value);
  }
  // What most transactions need, made room for at once.
  static constexpr std::size_t kExpectedEntries = 8;
  static constexpr std::size_t kExpectedBytes = 512;
  std::vector<Slot> entries_;
  std::string bytes_;
};

enum class CommitOutcome : std::uint8_t { committed, refused };

/// Keys from `begin` (inclusive) to `end` (exclusive); an empty `end` means no upper bound.
struct ScanRange {
  std::string begin = {};
  std::string end = {};
  /// From the largest key down.
  bool reverse = false;
};

/// Called for each row in order; return false to stop. The views are valid during the call only. It must not call
/// back into the store.
using RowVisitor = std::function<bool(std::string_view key, std::string_view value)>;

class Store {
 public:
  virtual ~Store() = default;

  /// The value, or nothing when the key is absent (a key outside its limits always is). Errors: store_io_error,
  /// store_corrupt.
  [[nodiscard]] virtual Result<std::optional<std::string>> get(std::string_view key) const = 0;

  /// Visits the rows of the range as they were at one moment during the call. Errors: store_io_error, store_corrupt.
  [[nodiscard]] virtual Status scan(const ScanRange& range, const RowVisitor& visit) const = 0;

  /// Applies the transactions in order; one outcome each. Errors: store_io_error, store_corrupt; validation_error for a
  /// key or value outside its limits, in which case nothing of the group was written.
  [[nodiscard]] virtual Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                                  Durability durability) = 0;

  /// One transaction on its own.
  [[nodiscard]] Result<CommitOutcome> commit(const Transaction& transaction, Durability durability) {
    const Transaction* const one[] = {&transaction};
    auto outcomes = commit(std::span<const Transaction* const>(one), durability);
    if (!outcomes) return std::move(outcomes).error();
    return outcomes->front();
  }

  /// Asks to be called after another process may have changed the store. A hint: it may come late, twice, or for
  /// nothing, and it is never the only way to learn of a change. Backends that one process owns never call it.
  virtual void on_foreign_change(std::function<void()> hint) { static_cast<void>(hint); }
};

/// The end of the range of keys that begin with `prefix`; empty (no bound) if there is none.
inline std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty()) {
    if (static_cast<unsigned char>(end.back()) != 0xFF) {
      end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
      return end;
    }
    end.pop_back();
  }
  return end;
}

/// Checks the limits of the contract; what every backend does first in commit().
inline Status check_limits(std::span<const Transaction* const> group) {
  for (const Transaction* transaction : group) {
    for (std::size_t i = 0; i < transaction->size(); ++i) {
      const auto entry = transaction->entry(i);
      if (entry.key.empty() || entry.key.size() > kMaxKeyBytes) {
        return Error{ErrorCode::validation_error, "store key must have 1 to 1024 bytes"};
      }
      if (entry.value.size() > kMaxValueBytes) {
        return Error{ErrorCode::validation_error, "store value is larger than max_value_bytes (64 MiB)"};
      }
    }
  }
  return {};
}

}  // namespace openwop
