// What a group of transactions asks of the database, as a few lists.
//
// The client decides what it can: a precondition on a row that an earlier transaction of the group writes is answered
// from that write. Every other one is either known (read before, because the group was refused) or assumed to hold, and
// then has to hold in the database when the plan is carried out. So a plan is right as a whole or refused as a whole.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/store.h"

namespace openwop::pg {

/// Rows as they were read: a value, or nothing for an absent row. A key that is missing here is not known.
using KnownRows = std::map<std::string, std::optional<std::string>, std::less<>>;

struct PlannedRow {
  std::string_view key;
  std::string_view value = {};
};

/// Each list is in the order of keys, and has a key once. Views into the group and the known rows.
struct GroupPlan {
  /// Those of the group, provided that the plan is carried out.
  std::vector<CommitOutcome> outcomes;
  /// Rows that must have a value and are not written, and such as are.
  std::vector<PlannedRow> held_shared;
  std::vector<PlannedRow> held_owned;
  /// Rows that must be absent. One that is to stay so is put nevertheless, and is in `erase` too: between a check and
  /// the end of the transaction another could put it.
  std::vector<PlannedRow> insert;
  std::vector<PlannedRow> upsert;
  std::vector<PlannedRow> erase;

  [[nodiscard]] bool empty() const {
    return held_shared.empty() && held_owned.empty() && insert.empty() && upsert.empty() && erase.empty();
  }
};

[[nodiscard]] GroupPlan plan_group(std::span<const Transaction* const> group, const KnownRows& known);

/// The keys that the group requires anything of, each once.
[[nodiscard]] std::vector<std::string_view> required_keys(std::span<const Transaction* const> group);

}  // namespace openwop::pg
