// What must hold in every world at every moment, on top of what openwop/testing/promises.h checks. Each invariant has
// the name under which it is reported.
//
//   the next due time follows from the log                   (the protocol's rules, written without the engine's code)
//   an idempotency key has one run
//   a host row counts the completions of its node
//   a child run is created once
//
// Checked where it happens (outside_world.cpp, world.cpp):
//
//   a step gives the outcome of its effect
//   every call is answered once
//   the engine reports only the store's failures
//   a subscription gives every event once and in order
//   reads agree with the log
//   the world comes to rest with every run ended
//   a run ends as it would have without faults               (calm worlds)
#pragma once

#include <map>
#include <string>

#include "openwop/testing/promises.h"
#include "simulation/outside_world.h"

namespace openwop::test {

using testing::FoldedRun;

class Invariants {
 public:
  Invariants(std::shared_ptr<Medium> medium, Complain complain);

  /// A version of a workflow that runs may be pinned to.
  void know(std::shared_ptr<const Workflow> workflow) { workflows_[workflow->digest] = std::move(workflow); }
  /// The create call was answered.
  void acknowledged(const RunId& run) { promises_.acknowledged(run); }
  /// The cancel call was answered with this status.
  void cancelled(const RunId& run, RunStatus status);
  /// The answer to the interrupt was accepted.
  void answered(const RunId& run, const std::string& node_id, const std::string& interrupt_id);

  /// Checks all rows; reads only the logs that have changed.
  void check();
  /// Also what holds only once nothing is left to do.
  void check_at_rest();

  [[nodiscard]] const std::map<RunId, FoldedRun>& runs() const { return promises_.runs(); }

 private:
  void check_due(const RunId& run, const FoldedRun& folded);
  void check_counters(const RunId& run, const FoldedRun& folded);
  void check_keys();
  void check_children();
  [[nodiscard]] std::int64_t next_due_ms(const FoldedRun& folded) const;

  std::shared_ptr<Medium> medium_;
  Complain complain_;
  testing::RunInvariants promises_;
  std::map<std::string, std::shared_ptr<const Workflow>> workflows_;
};

}  // namespace openwop::test
