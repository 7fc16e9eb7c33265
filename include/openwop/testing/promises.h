// What an engine promises, checked from outside: on the rows that would survive a crash (RunInvariants), and where
// handlers run (HandlerWatch). Each promise has a sentence, under which it is reported when it is broken.
//
// Thread-safety: none; everything on the thread that drives the engine.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "openwop/engine.h"
#include "openwop/log.h"
#include "openwop/testing/fault_store.h"

namespace openwop::testing {

/// Says that a promise does not hold, and where.
using Complain = std::function<void(const std::string& promise, const std::string& what)>;

/// A run as its log tells it.
struct FoldedRun {
  std::string head_row;
  std::string last_batch_key;
  LogHead head;
  RunHeader header;
  RunState state;
};

/// Of the rows of a medium, at any moment between two calls of the engine:
///
///   the log is gapless, begins with run.started, and has at most one terminal event, its last
///   a node starts once for each attempt and iteration
///   node executions stay within their limit
///   the head row says what the log says                      (sealed, status; sequence and time if they fit)
///   timer rows, active rows and status rows say what the heads say, and there are no others
///   an acknowledged run is there                             (at the acknowledgement, and ever after)
///   a cancelled run stays as the caller was told
///   an interrupt is resolved at most once, and an acknowledged answer is in the log
///   rows of interrupts say what waits, and there are no others
///   orders and notices between runs are all carried out      (once nothing moves without a caller)
///
/// Of forks only the first and what acknowledgements say: their history is in other logs too. Runs that retention has
/// removed count as lost; leave EngineOptions::finished_run_retention_ms at 0.
class RunInvariants {
 public:
  RunInvariants(std::shared_ptr<Medium> medium, Complain complain)
      : medium_(std::move(medium)), complain_(std::move(complain)) {}

  /// The create call was answered.
  void acknowledged(const RunId& run);
  /// The cancel call was answered with this status.
  void cancelled(const RunId& run, RunStatus status);
  /// The answer to the interrupt was accepted.
  void answered(const RunId& run, const std::string& node_id, const std::string& interrupt_id);

  /// Checks all rows; reads only the logs that have changed. Gives the runs that have.
  std::vector<RunId> check();
  /// Also what holds only once nothing moves.
  void check_at_rest();

  [[nodiscard]] const std::map<RunId, FoldedRun>& runs() const { return runs_; }

  /// Told of each event that is new; empty: nobody is.
  std::function<void(const RunId&, const EventView&)> trace = {};

 private:
  bool check_run(const RunId& run, const std::string& head_row, const std::string& last_batch_key);
  std::int64_t check_events(const RunId& run, FoldedRun& folded, std::uint64_t seen);
  void check_head(const RunId& run, FoldedRun& folded, std::int64_t changed_ms);
  void check_derived_rows();

  std::shared_ptr<Medium> medium_;
  Complain complain_;
  std::map<RunId, FoldedRun> runs_;
  std::vector<RunId> acknowledged_;
  std::map<RunId, RunStatus> cancelled_;
};

/// Of the handlers of a host, by standing between them and the engine:
///
///   a handler runs only after its node.started is durable
///   unless its store fails, an engine runs an execution once
///   a step's effect is never repeated after its outcome was recorded
///   the outcome of a step is durable before it is known
class HandlerWatch {
 public:
  HandlerWatch(std::shared_ptr<Medium> medium, Complain complain)
      : medium_(std::move(medium)), complain_(std::move(complain)) {}

  /// Replaces these types, where the registry has them and their handlers have outside effects, by watched ones. The
  /// watch outlives the registry.
  void watch(NodeRegistry& registry, const std::set<std::string>& type_ids);
  /// A new engine runs from now on.
  void engine_replaced() { started_by_this_engine_.clear(); }

  /// After a call of the store has failed, an engine may run an execution once more; otherwise it must not.
  std::function<bool()> store_has_failed = [] { return false; };

  /// Executions that one engine ran more than once.
  [[nodiscard]] std::size_t repeated() const { return repeated_; }
  [[nodiscard]] std::size_t effects() const { return effects_; }

 private:
  class Context;
  void started(const NodeContext& context);
  Result<std::string> step(NodeContext& context, std::string_view key,
                           const std::function<Result<std::string>()>& effect);

  std::shared_ptr<Medium> medium_;
  Complain complain_;
  std::set<std::string> started_by_this_engine_;
  std::size_t repeated_ = 0;
  std::size_t effects_ = 0;
};

}  // namespace openwop::testing
