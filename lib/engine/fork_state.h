// The state of a fork, from its history and its own events: what changes where the one ends and the other begins, and
// what has to be known to go on from the middle of something.
#pragma once

#include <deque>

#include "engine/replay_guide.h"
#include "openwop/engine.h"
#include "openwop/run_fold.h"

namespace openwop::runtime {

/// Folds the events of any run, in order; for a fork it minds the point where its own begin.
class RunFold {
 public:
  /// `source` and `current` are the definitions of the history and of the fork; null for readers that follow no edges.
  RunFold(RunState& state, const RunHeader& header, const Workflow* source, const Workflow* current)
      : state_(state), header_(header), source_(source), current_(current) {}

  void add(const EventView& event) {
    if (header_.fork && event.sequence == header_.fork->from_sequence) cross();
    fold(state_, event);
  }
  /// All events of the run have been added.
  void finish() {
    if (header_.fork && state_.next_sequence == header_.fork->from_sequence) cross();
  }

  /// The history ends here, although more of it may be there.
  void cross();

 private:
  RunState& state_;
  const RunHeader& header_;
  const Workflow* source_;
  const Workflow* current_;
  bool crossed_ = false;
};

/// What a fork begins with when its history ends in the middle of something.
struct ForkStart {
  /// The history ends within the events of a pure node: its execution is done again from before node.started, and what
  /// it makes anew replaces the events that history has already.
  std::optional<std::size_t> node = {};
  RunState before = {};
  std::deque<RecordedEvent> catch_up = {};
  /// Of a branch: events of the source that only complete what the history says (a node failed and the run with it).
  std::vector<RecordedEvent> completion = {};
};

/// `state` is the fork's, as RunFold left it. Errors: store errors.
[[nodiscard]] Result<ForkStart> fork_start(const Log& log, const RunId& run, const RunHeader& header,
                                           const Workflow& source, const Workflow& current, const RunState& state,
                                           const NodeRegistry& nodes);

}  // namespace openwop::runtime
