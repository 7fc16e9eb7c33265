#include "stores/postgres/group_plan.h"

#include <algorithm>

namespace openwop::pg {
namespace {

using RowState = std::optional<std::string_view>;

struct Row {
  /// What the database must hold before the group; nothing: anything.
  std::optional<RowState> required;
  /// What the group leaves there; nothing: it does not write the row.
  std::optional<RowState> written;
};

bool is_requirement(Transaction::Op op) {
  return op == Transaction::Op::require_absent || op == Transaction::Op::require_equals;
}

class Planner {
 public:
  explicit Planner(const KnownRows& known) : known_(known) {}

  CommitOutcome add(const Transaction& transaction) {
    learned_.clear();
    for (std::size_t i = 0; i < transaction.size(); ++i) {
      const auto entry = transaction.entry(i);
      // What a refused transaction assumed is of no more interest: it is refused whether or not that is so.
      if (is_requirement(entry.op) && !holds(entry)) return CommitOutcome::refused;
    }
    for (const auto& [key, state] : learned_) rows_[key].required = state;
    for (std::size_t i = 0; i < transaction.size(); ++i) {
      const auto entry = transaction.entry(i);
      if (entry.op == Transaction::Op::put) rows_[entry.key].written = RowState{entry.value};
      if (entry.op == Transaction::Op::erase) rows_[entry.key].written = RowState{};
    }
    return CommitOutcome::committed;
  }

  void finish(GroupPlan& plan) const {
    for (const auto& [key, row] : rows_) {
      const bool must_be_absent = row.required && !*row.required;
      const bool must_be_there = row.required && *row.required;
      if (must_be_there) (row.written ? plan.held_owned : plan.held_shared).push_back({key, **row.required});
      if (row.written && *row.written) {
        (must_be_absent ? plan.insert : plan.upsert).push_back({key, **row.written});
      } else if (must_be_absent) {
        plan.insert.push_back({key});
        plan.erase.push_back({key});
      } else if (row.written) {
        plan.erase.push_back({key});
      }
    }
  }

 private:
  bool holds(const Transaction::Entry& entry) {
    const bool wants_value = entry.op == Transaction::Op::require_equals;
    const RowState wanted = wants_value ? RowState{entry.value} : RowState{};
    if (const auto row = rows_.find(entry.key); row != rows_.end()) {
      if (row->second.written) return *row->second.written == wanted;
      if (row->second.required) return *row->second.required == wanted;
    }
    const auto earlier =
        std::find_if(learned_.begin(), learned_.end(), [&](const auto& one) { return one.first == entry.key; });
    if (earlier != learned_.end()) return earlier->second == wanted;
    RowState state = wanted;
    if (const auto fact = known_.find(entry.key); fact != known_.end()) {
      state = fact->second ? RowState{*fact->second} : RowState{};
    }
    learned_.emplace_back(entry.key, state);
    return state == wanted;
  }

  const KnownRows& known_;
  std::map<std::string_view, Row> rows_;
  /// Of the transaction in hand.
  std::vector<std::pair<std::string_view, RowState>> learned_;
};

}  // namespace

GroupPlan plan_group(std::span<const Transaction* const> group, const KnownRows& known) {
  GroupPlan plan;
  plan.outcomes.reserve(group.size());
  Planner planner(known);
  for (const Transaction* transaction : group) plan.outcomes.push_back(planner.add(*transaction));
  planner.finish(plan);
  return plan;
}

std::vector<std::string_view> required_keys(std::span<const Transaction* const> group) {
  std::vector<std::string_view> keys;
  for (const Transaction* transaction : group) {
    for (std::size_t i = 0; i < transaction->size(); ++i) {
      const auto entry = transaction->entry(i);
      if (is_requirement(entry.op)) keys.push_back(entry.key);
    }
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

}  // namespace openwop::pg
