// ReplayGuide: a replay's place in the log of its source. It says what the source recorded next, compares what the
// engine makes with it, and finds what belongs to one execution of one node once the two have gone different ways.
//
// Two ways of going by the source:
//  - in order: event for event. So far the replay has done what the source did, and what comes from outside (outcomes
//  of
//    handlers, answers, delays) is taken at the moment at which the source got it.
//  - lost: another event came than the source's (replay.diverged). From then on the n-th execution of a node since the
//    fork gets what the source's n-th execution of that node got.
// Events that say nothing of a run's course (pauses, takeovers, leases, divergences of the source itself) count on
// neither side.
//
// Lives on the run's shard. Reads the store; after an error (status()) the turn has to be thrown away.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "openwop/log.h"
#include "openwop/run_fork.h"

namespace openwop::runtime {

struct RecordedEvent {
  std::uint64_t sequence = 0;
  Event event;
};

/// A copy of an event whose bytes stay.
[[nodiscard]] RecordedEvent recorded(const EventView& view);

/// An event that was made of a recorded one says what that says; only the edges are the current definition's.
void keep_recorded(Event& made, const Event& recorded);

/// The events of two runs agree in type, node and payload, but for ids, times and durations.
[[nodiscard]] bool says_the_same(const Event& left, const RunId& left_run, const Event& right, const RunId& right_run);

struct Divergence {
  enum class Kind : std::uint8_t { output, missing, extra, type_mismatch };
  Kind kind = Kind::output;
  /// Of the source's event; nothing when the source has none.
  std::optional<std::uint64_t> original = {};
  /// Of the event where the two part: the source's, or where it has none the replay's.
  std::string type = {};
};
inline constexpr std::array<std::string_view, 4> kDivergenceNames = {"output", "missing", "extra", "type-mismatch"};

class ReplayGuide {
 public:
  /// `next` is the first event of the source that has not been repeated; `self` the replay's own id.
  ReplayGuide(const Store& store, const RunId& self, const RunFork& fork, std::uint64_t next, bool lost);

  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] bool lost() const { return lost_; }
  /// Handlers are not called: the source knows what comes of them.
  [[nodiscard]] bool serves_handlers() { return !lost_ && next() != nullptr; }
  /// In order, but the source has not come any further.
  [[nodiscard]] bool ends_here() { return !lost_ && next() == nullptr; }
  [[nodiscard]] std::uint64_t position() const { return next_; }
  /// The run that executed first what the replay repeats now.
  [[nodiscard]] const RunId& executor() const { return fork_.executor(next_); }

  /// In order: the source's next event, or null at the end of its log. Valid until the next call.
  [[nodiscard]] const RecordedEvent* next();
  /// In order: passes over the source's next event, which was taken as it is.
  void pass();
  /// The engine has made an event. One that agrees with the source's gets its payload, so that ids and durations agree
  /// too.
  [[nodiscard]] std::optional<Divergence> take(Event& made);
  /// The source's next event cannot come.
  [[nodiscard]] Divergence lose();

  /// An execution of the node begins.
  void note_start(const std::string& node_id) { ++starts_[node_id]; }
  /// Lost: what the source recorded for the node's current execution, once; empty if there is nothing.
  [[nodiscard]] std::vector<RecordedEvent> outcome_of(const std::string& node_id);
  /// Lost: what executions in flight got was given before the run was loaded.
  void mark_given(const std::string& node_id);

 private:
  struct Execution {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };
  struct NodeExecutions {
    /// The first one was in flight at the fork.
    bool first_is_open = false;
    std::vector<Execution> list;
  };

  void read_ahead();
  void index();
  [[nodiscard]] std::optional<std::size_t> current_execution(const std::string& node_id);
  [[nodiscard]] Divergence differ(const Event& made);

  Log log_;
  RunId self_;
  RunFork fork_;
  std::uint64_t next_;
  bool lost_;
  std::uint64_t read_to_;
  bool source_ended_ = false;
  std::deque<RecordedEvent> ahead_;
  std::map<std::string, std::size_t, std::less<>> starts_;
  bool indexed_ = false;
  std::map<std::string, NodeExecutions, std::less<>> executions_;
  std::set<std::pair<std::string, std::size_t>> given_;
  Status status_;
};

}  // namespace openwop::runtime
