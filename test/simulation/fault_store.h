// A store that fails as disks, networks and processes do.
//
// The Medium is what survives a crash. A FaultStore is one process's way to it: it injects failures, drawn from its own
// stream of chance, and once severed it refuses everything, as if the process were gone. What it may do to a commit is
// what the Store contract allows:
//
//   crash        a prefix of the group is applied (none and all included), then the process is gone
//   failed       nothing is applied, the caller gets an error
//   lost         some of the group's transactions are applied, in order, but the caller gets an error
//   stuck        as failed or lost, and no commit succeeds until the store is opened again
//   late         as stuck, but the group takes effect when the store is opened again
//
// For the driven engine: one thread.
#pragma once

#include <memory>
#include <vector>

#include "openwop/memory_store.h"
#include "simulation/sim_random.h"
#include "simulation/sim_trace.h"

namespace openwop::test {

struct Medium {
  MemoryStore rows;
  /// Written but not yet visible: decided when the store is opened again.
  std::vector<Transaction> late;

  void open_again() {
    for (const Transaction& transaction : late) static_cast<void>(rows.commit(transaction, Durability::sync));
    late.clear();
  }
};

/// Chances in a thousand, for each call.
struct FaultRates {
  std::size_t read = 0;
  std::size_t crash = 0;
  std::size_t failed = 0;
  std::size_t lost = 0;
  std::size_t stuck = 0;
  std::size_t late = 0;
};

class FaultStore final : public Store {
 public:
  FaultStore(std::shared_ptr<Medium> medium, FaultRates rates, SimRandom random)
      : medium_(std::move(medium)), rates_(rates), random_(random) {}

  using Store::commit;

  /// From here on the process is gone.
  void sever() { severed_ = true; }
  [[nodiscard]] bool severed() const { return severed_; }
  /// Commits are refused until the store is opened again.
  [[nodiscard]] bool stuck() const { return stuck_; }
  /// It has failed a call.
  [[nodiscard]] bool has_failed() const { return has_failed_; }
  /// No new faults.
  void calm_down() { rates_ = {}; }

  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override {
    if (read_fails()) return failure();
    return medium_->rows.get(key);
  }

  [[nodiscard]] Status scan(const ScanRange& range, const RowVisitor& visit) const override {
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

  [[nodiscard]] Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                          Durability durability) override {
    if (severed_ || stuck_) return failure();
    if (random_.per_mille(rates_.crash)) {
      const std::size_t applied = random_.below(group.size() + 1);
      trace("store: crash, ", applied, " of ", group.size(), " applied");
      apply(group.first(applied));
      severed_ = true;
      return failure();
    }
    if (random_.per_mille(rates_.late)) {
      trace("store: late, ", group.size());
      for (const Transaction* transaction : group) medium_->late.push_back(*transaction);
      stuck_ = true;
      return failure();
    }
    stuck_ = random_.per_mille(rates_.stuck);
    if (stuck_ || random_.per_mille(rates_.failed)) {
      trace("store: failed, ", group.size(), stuck_ ? ", stuck" : "");
      return failure();
    }
    if (random_.per_mille(rates_.lost)) {
      stuck_ = random_.percent(20);
      const bool whole = random_.percent(60);
      for (std::size_t i = 0; i < group.size(); ++i) {
        const bool applied = whole || random_.percent(50);
        trace("store: lost, ", applied ? "applied" : "not applied");
        if (applied) apply(group.subspan(i, 1));
      }
      return failure();
    }
    auto outcomes = medium_->rows.commit(group, durability);
    if (tracing()) trace_outcomes(*outcomes);
    return outcomes;
  }

 private:
  static void trace_outcomes(const std::vector<CommitOutcome>& outcomes) {
    std::string line;
    for (const CommitOutcome outcome : outcomes)
      line += outcome == CommitOutcome::committed ? " committed" : " refused";
    trace("store:", line);
  }

  [[nodiscard]] bool read_fails() const { return severed_ || random_.per_mille(rates_.read); }
  [[nodiscard]] Error failure() const {
    has_failed_ = true;
    return {ErrorCode::store_io_error, "injected"};
  }
  void apply(std::span<const Transaction* const> group) {
    if (!group.empty()) static_cast<void>(medium_->rows.commit(group, Durability::sync));
  }

  std::shared_ptr<Medium> medium_;
  FaultRates rates_;
  mutable SimRandom random_;
  mutable bool has_failed_ = false;
  bool severed_ = false;
  bool stuck_ = false;
};

}  // namespace openwop::test
