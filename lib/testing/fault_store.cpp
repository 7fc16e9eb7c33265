#include "openwop/testing/fault_store.h"

#include <utility>

#include "openwop/hash.h"

namespace openwop::testing {

std::string Medium::digest() const {
  std::string all;
  static_cast<void>(rows.scan({}, [&](std::string_view key, std::string_view value) {
    all.append(std::to_string(key.size())).append(":").append(key);
    all.append(std::to_string(value.size())).append(":").append(value);
    return true;
  }));
  return sha256_hex(all);
}

FaultRates FaultRates::draw(Random& random) {
  const std::size_t badness = 1 + random.below(4);
  FaultRates rates;
  rates.read = random.below(6 * badness);
  rates.crash = random.below(12 * badness);
  rates.failed = random.below(20 * badness);
  rates.lost = random.below(20 * badness);
  rates.stuck = random.below(4);
  rates.late = random.below(4);
  return rates;
}

Result<std::optional<std::string>> FaultStore::get(std::string_view key) const {
  if (read_fails()) return failure();
  return medium_->rows.get(key);
}

Status FaultStore::scan(const ScanRange& range, const RowVisitor& visit) const {
  if (read_fails()) return failure();
  // Some scans fail in the middle, when the visitor has seen rows.
  const bool breaks = random_.per_mille(rates_.read);
  std::size_t left = random_.below(4);
  bool broken = false;
  auto status = medium_->rows.scan(range, [&](std::string_view key, std::string_view value) {
    if (breaks && left-- == 0) {
      broken = true;
      return false;
    }
    return visit(key, value);
  });
  if (broken) return failure();
  return status;
}

Result<std::vector<CommitOutcome>> FaultStore::commit(Group group, Durability durability) {
  if (severed_ || stuck_) return failure();
  const std::size_t number = medium_->commits++;
  if (medium_->plan && medium_->plan->commit == number) return commit_with(medium_->plan->fault, group, durability);
  if (random_.per_mille(rates_.crash)) return crash(group);
  if (random_.per_mille(rates_.late)) {
    tell("store: late, " + std::to_string(group.size()));
    for (const Transaction* transaction : group) medium_->late.push_back(*transaction);
    stuck_ = true;
    return failure();
  }
  stuck_ = random_.per_mille(rates_.stuck);
  if (stuck_ || random_.per_mille(rates_.failed)) {
    tell("store: failed, " + std::to_string(group.size()) + (stuck_ ? ", stuck" : ""));
    return failure();
  }
  if (random_.per_mille(rates_.lost)) return lose(group);
  return commit_well(group, durability);
}

FaultStore::Outcomes FaultStore::commit_with(Fault fault, Group group, Durability durability) {
  tell("store: planned, " + std::string(fault_name(fault)));
  switch (fault) {
    case Fault::crash_before: severed_ = true; return failure();
    case Fault::crash_after:
      apply(group);
      severed_ = true;
      return failure();
    case Fault::failed: return failure();
    case Fault::lost: apply(group); return failure();
    case Fault::slow:
      if (on_slow) on_slow();
      break;
    case Fault::read: next_read_fails_ = true; break;
  }
  return commit_well(group, durability);
}

FaultStore::Outcomes FaultStore::crash(Group group) {
  const std::size_t applied = random_.below(group.size() + 1);
  tell("store: crash, " + std::to_string(applied) + " of " + std::to_string(group.size()) + " applied");
  apply(group.first(applied));
  severed_ = true;
  return failure();
}

FaultStore::Outcomes FaultStore::lose(Group group) {
  stuck_ = random_.percent(20);
  const bool whole = random_.percent(60);
  for (std::size_t i = 0; i < group.size(); ++i) {
    const bool applied = whole || random_.percent(50);
    tell(applied ? "store: lost, applied" : "store: lost, not applied");
    if (applied) apply(group.subspan(i, 1));
  }
  return failure();
}

FaultStore::Outcomes FaultStore::commit_well(Group group, Durability durability) {
  auto outcomes = medium_->rows.commit(group, durability);
  if (trace && outcomes) {
    std::string line = "store:";
    for (const CommitOutcome outcome : *outcomes) {
      line += outcome == CommitOutcome::committed ? " committed" : " refused";
    }
    trace(line);
  }
  return outcomes;
}

bool FaultStore::read_fails() const {
  return severed_ || std::exchange(next_read_fails_, false) || random_.per_mille(rates_.read);
}

Error FaultStore::failure() const {
  has_failed_ = true;
  return {ErrorCode::store_io_error, "injected"};
}

void FaultStore::apply(Group group) {
  if (!group.empty()) static_cast<void>(medium_->rows.commit(group, Durability::sync));
}

}  // namespace openwop::testing
