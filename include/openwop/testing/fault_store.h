// A store that fails as disks, networks and processes do.
//
// The Medium is what survives a crash. A FaultStore is one process's way to it: it injects failures, planned ones and
// those drawn from its own stream of chance, and once severed it refuses everything, as if the process were gone. What
// it may do to a commit is what the Store contract allows.
//
// For the driven engine (EngineOptions::threads = 0): one thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/memory_store.h"
#include "openwop/testing/random.h"

namespace openwop::testing {

enum class Fault : std::uint8_t {
  crash_before,  // nothing is applied, and the process is gone
  crash_after,   // everything is applied, and the process is gone before it learns that
  failed,        // nothing is applied, the caller gets an error
  lost,          // everything is applied, but the caller gets an error
  slow,          // applied; meanwhile FaultStore::on_slow is called
  read,          // applied; the next read fails
};
inline constexpr std::array<Fault, 6> kAllFaults = {Fault::crash_before, Fault::crash_after, Fault::failed,
                                                    Fault::lost,         Fault::slow,        Fault::read};
inline constexpr std::array<std::string_view, 6> kFaultNames = {"crash_before", "crash_after", "failed",
                                                                "lost",         "slow",        "read"};
constexpr std::string_view fault_name(Fault fault) { return kFaultNames[static_cast<std::size_t>(fault)]; }

/// What happens to one commit of a medium.
struct PlannedFault {
  /// Zero-based, over all processes that used the medium.
  std::size_t commit = 0;
  Fault fault = Fault::crash_before;
};

/// Rows that outlive processes.
struct Medium {
  MemoryStore rows;
  /// Written but not yet visible: decided when the store is opened again.
  std::vector<Transaction> late;
  /// Calls of commit so far, whatever became of them.
  std::size_t commits = 0;
  std::optional<PlannedFault> plan = {};

  /// A new process comes.
  void open_again() {
    for (const Transaction& transaction : late) static_cast<void>(rows.commit(transaction, Durability::sync));
    late.clear();
  }
  /// SHA-256 over all rows, as hexadecimal digits.
  [[nodiscard]] std::string digest() const;
};

/// Chances in a thousand, for each call.
struct FaultRates {
  std::size_t read = 0;    // the read fails, or a scan breaks off in the middle
  std::size_t crash = 0;   // a prefix of the group is applied (none and all included), then the process is gone
  std::size_t failed = 0;  // nothing is applied, the caller gets an error
  std::size_t lost = 0;    // some of the group's transactions are applied, in order, but the caller gets an error
  std::size_t stuck = 0;   // as failed or lost, and no commit succeeds until the store is opened again
  std::size_t late = 0;    // as stuck, but the group takes effect when the store is opened again

  /// From a store that hiccups to one that hardly works.
  [[nodiscard]] static FaultRates draw(Random& random);
};

class FaultStore final : public Store {
 public:
  FaultStore(std::shared_ptr<Medium> medium, FaultRates rates, Random random)
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

  /// Called in the middle of a slow commit.
  std::function<void()> on_slow = {};
  /// Told of what it does; empty: nobody is.
  std::function<void(std::string_view)> trace = {};

  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override;
  [[nodiscard]] Status scan(const ScanRange& range, const RowVisitor& visit) const override;
  [[nodiscard]] Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                          Durability durability) override;

 private:
  using Group = std::span<const Transaction* const>;
  using Outcomes = Result<std::vector<CommitOutcome>>;

  [[nodiscard]] Outcomes commit_with(Fault fault, Group group, Durability durability);
  [[nodiscard]] Outcomes crash(Group group);
  [[nodiscard]] Outcomes lose(Group group);
  [[nodiscard]] Outcomes commit_well(Group group, Durability durability);
  [[nodiscard]] bool read_fails() const;
  [[nodiscard]] Error failure() const;
  void apply(Group group);
  void tell(const std::string& what) const {
    if (trace) trace(what);
  }

  std::shared_ptr<Medium> medium_;
  FaultRates rates_;
  mutable Random random_;
  mutable bool has_failed_ = false;
  mutable bool next_read_fails_ = false;
  bool severed_ = false;
  bool stuck_ = false;
};

}  // namespace openwop::testing
