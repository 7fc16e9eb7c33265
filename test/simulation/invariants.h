// What must hold in every world at every moment, checked on the rows that would survive a crash. Each invariant has the
// name under which it is reported.
//
//   the log is gapless, begins with run.started, and has at most one terminal event, its last
//   a node starts once for each attempt and iteration
//   node executions stay within their limit
//   the head row says what the log says                      (sealed, status, next due; sequence and time if they fit)
//   timer rows, active rows and status rows say what the heads say, and there are no others
//   an acknowledged run is there                             (at the acknowledgement, and ever after)
//   an idempotency key has one run
//   a cancelled run stays as the caller was told
//   an interrupt is resolved at most once, and an acknowledged answer is in the log
//   rows of interrupts say what waits, and there are no others
//   a host row counts the completions of its node
//
// Checked where it happens (outside_world.cpp, world.cpp):
//
//   a handler runs only after its node.started is durable
//   unless its store fails, an engine runs an execution once
//   an effect is never repeated after its outcome was recorded
//   the outcome of a step is durable before it is known
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
#include <vector>

#include "engine/run_rows.h"
#include "openwop/engine.h"
#include "openwop/log.h"
#include "simulation/outside_world.h"

namespace openwop::test {

/// A run as its log tells it.
struct FoldedRun {
  std::string head_row;
  std::string last_batch_key;
  LogHead head;
  runtime::RunMarks marks;
  RunHeader header;
  RunState state;
};

class Invariants {
 public:
  Invariants(std::shared_ptr<Medium> medium, Complain complain)
      : medium_(std::move(medium)), complain_(std::move(complain)) {}

  /// A version of a workflow that runs may be pinned to.
  void know(std::shared_ptr<const Workflow> workflow) { workflows_[workflow->digest] = std::move(workflow); }
  /// The create call was answered.
  void acknowledged(const RunId& run);
  /// The cancel call was answered with this status.
  void cancelled(const RunId& run, RunStatus status);

  /// The answer to the interrupt was accepted.
  void answered(const RunId& run, const std::string& node_id, const std::string& interrupt_id);

  /// Checks all rows; reads only the logs that have changed.
  void check();
  /// Also what holds only once nothing is left to do.
  void check_at_rest();

  [[nodiscard]] const std::map<RunId, FoldedRun>& runs() const { return runs_; }

 private:
  void check_run(const RunId& run, const std::string& head_row, const std::string& last_batch_key);
  void trace_events(const RunId& run, std::uint64_t from) const;
  void check_events(const RunId& run, FoldedRun& folded);
  void check_head(const RunId& run, const FoldedRun& folded);
  void check_counters(const RunId& run, const FoldedRun& folded);
  void check_derived_rows();
  void check_keys();
  [[nodiscard]] std::int64_t next_due_ms(const FoldedRun& folded) const;

  std::shared_ptr<Medium> medium_;
  Complain complain_;
  std::map<std::string, std::shared_ptr<const Workflow>> workflows_;
  std::map<RunId, FoldedRun> runs_;
  std::vector<RunId> acknowledged_;
  std::map<RunId, RunStatus> cancelled_;
};

}  // namespace openwop::test
