// The commit of one turn and what it justifies: answers, notifications, handlers. None of it happens before the commit
// is durable (output commit), and none of it if the commit is refused or fails.
#pragma once

#include "engine/core.h"
#include "engine/observed_turn.h"
#include "engine/run_turn.h"

namespace openwop::runtime {

/// Tells the caller of a message, if it has one.
void answer_error(const Message& message, const Error& error);

class TurnTask final : public CommitTask {
 public:
  TurnTask(Core& core, const RunId& run, Message origin) : core_(core), run_(run), origin_(std::move(origin)) {}

  void finished(const Result<CommitOutcome>& outcome) override;

  /// Lets the observers add their rows, and remembers what they will be told.
  /// `before`: nothing for the run's first commit.
  void observe(const Run& run, std::vector<Event> events, std::uint64_t first_sequence,
               std::optional<RunStatus> before);

  Fence fence;
  RunStatus status = RunStatus::pending;
  bool has_events = false;
  bool more = false;
  std::int64_t timer_due_ms = 0;
  /// For Retention::note().
  std::int64_t ended_ms = 0;
  /// Set to true by a commit, before anything that follows from it. May be null.
  std::shared_ptr<std::atomic<bool>> landed = {};
  /// Row key of the ledger entry that the commit adds; empty for none.
  std::string remembered;
  /// For other runs: they have something to look at.
  std::vector<Message> wake;
  std::vector<std::shared_ptr<HandlerRun>> start;
  std::vector<std::shared_ptr<HandlerRun>> stop;

 private:
  void committed();
  void refused();
  void failed(const Error& error);
  void undo(std::optional<Message> again);

  Core& core_;
  RunId run_;
  Message origin_;
  std::optional<ObservedTurn> observed_;
};

}  // namespace openwop::runtime
