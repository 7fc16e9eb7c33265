// MemoryStore: the Store contract on a std::map. For unit tests, the simulator, and hosts whose runs need not outlive
// the process. Durability is ignored: nothing survives. Thread-safe by one shared mutex.
#pragma once

#include <map>
#include <mutex>
#include <shared_mutex>

#include "openwop/store.h"

namespace openwop {

class MemoryStore final : public Store {
 public:
  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override {
    const std::shared_lock lock(mutex_);
    const auto row = rows_.find(key);
    if (row == rows_.end()) return std::optional<std::string>{};
    return std::optional<std::string>{row->second};
  }

  [[nodiscard]] Status scan(const ScanRange& range, const RowVisitor& visit) const override {
    const std::shared_lock lock(mutex_);
    if (!range.end.empty() && range.end <= range.begin) return {};
    const auto first = rows_.lower_bound(range.begin);
    const auto last = range.end.empty() ? rows_.end() : rows_.lower_bound(range.end);
    if (range.reverse) {
      for (auto row = last; row != first;) {
        --row;
        if (!visit(row->first, row->second)) break;
      }
      return {};
    }
    for (auto row = first; row != last; ++row) {
      if (!visit(row->first, row->second)) break;
    }
    return {};
  }

  using Store::commit;
  [[nodiscard]] Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                          Durability durability) override {
    static_cast<void>(durability);
    if (auto limits = check_limits(group); !limits) return std::move(limits).error();
    std::vector<CommitOutcome> outcomes;
    outcomes.reserve(group.size());
    const std::unique_lock lock(mutex_);
    for (const Transaction* transaction : group) outcomes.push_back(apply(*transaction));
    return outcomes;
  }

  /// Number of rows.
  [[nodiscard]] std::size_t size() const {
    const std::shared_lock lock(mutex_);
    return rows_.size();
  }

 private:
  CommitOutcome apply(const Transaction& transaction) {
    for (std::size_t i = 0; i < transaction.size(); ++i) {
      const auto entry = transaction.entry(i);
      if (entry.op != Transaction::Op::require_absent && entry.op != Transaction::Op::require_equals) continue;
      const auto row = rows_.find(entry.key);
      const bool absent = row == rows_.end();
      const bool holds = entry.op == Transaction::Op::require_absent ? absent : !absent && row->second == entry.value;
      if (!holds) return CommitOutcome::refused;
    }
    for (std::size_t i = 0; i < transaction.size(); ++i) {
      const auto entry = transaction.entry(i);
      if (entry.op == Transaction::Op::put) {
        const auto row = rows_.lower_bound(entry.key);
        if (row != rows_.end() && row->first == entry.key) {
          row->second.assign(entry.value);
        } else {
          rows_.emplace_hint(row, entry.key, entry.value);
        }
      } else if (entry.op == Transaction::Op::erase) {
        if (const auto row = rows_.find(entry.key); row != rows_.end()) rows_.erase(row);
      }
    }
    return CommitOutcome::committed;
  }

  mutable std::shared_mutex mutex_;
  std::map<std::string, std::string, std::less<>> rows_;
};

}  // namespace openwop
