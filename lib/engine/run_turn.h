// A turn: one command carried out on one run, with everything that follows from it until the run waits for something
// outside. Pure nodes run inside the turn, so a run made only of them is created and completed in one commit.
//
// A turn changes the run's state in memory and collects the events; nothing is visible before they are committed.
// Lives on the run's shard.
#pragma once

#include <deque>

#include "engine/child_rows.h"
#include "engine/fork_state.h"
#include "engine/graph.h"
#include "engine/resolution.h"
#include "openwop/engine.h"
#include "openwop/log.h"
#include "openwop/run_decide.h"

namespace openwop::runtime {

class WorkflowCatalog;

struct Run {
  RunId id;
  std::shared_ptr<const RunHeader> header;
  std::shared_ptr<const Workflow> workflow;
  RunState state;
  /// A turn stopped at max_events_per_commit: whatever the next turn is about, it looks at every node.
  bool unsettled = false;
  /// Where workflows of child runs come from.
  const WorkflowCatalog* catalog = nullptr;

  // Of forks.
  /// The definition that the history was made with.
  std::shared_ptr<const Workflow> source = {};
  /// Set until a fork has had its first turn.
  std::shared_ptr<ForkStart> fork_start = {};
  /// Of a replay: its place in the source's log, and that replay.diverged has been said.
  std::shared_ptr<ReplayGuide> replay = {};
  bool diverged = false;
  /// Sequence of that event here: what comes before it has the same sequence in the source.
  std::uint64_t diverged_at = 0;
};

/// What somebody asks of a run. Time, handlers and crashes come in other ways.
using RunRequest =
    std::variant<command::CancelRun, command::PauseRun, command::ResumeRun, Resolution, ResolveInterrupt>;

/// A timeout beyond a hundred years is none.
inline constexpr std::int64_t kMaxTimeoutMs = std::int64_t{100} * 366 * 24 * 3600 * 1000;

class RunTurn {
 public:
  RunTurn(const EngineOptions& options, Run& run, std::int64_t now_ms)
      : options_(options), run_(run), now_ms_(now_ms), turn_ms_(now_ms) {
    events_.reserve(kExpectedEvents);
  }

  // ---- commands; each is followed by settle() ----
  void start();
  /// The first turn of a fork.
  void begin_fork();
  void node_done(std::size_t node, std::uint64_t token, NodeOutcome outcome);
  /// Events that a handler has recorded while it works.
  void notes(std::size_t node, std::uint64_t token, const std::vector<RunCommand>& notes);
  /// Errors: conflict for a run that has ended or is paused.
  [[nodiscard]] Status write_channel(const command::WriteChannel& command);
  void timers_due();
  void take_over();
  /// Goes on where a turn stopped at max_events_per_commit, or where the last process stopped.
  void go_on();
  /// An ended run is cancelled already. Errors: conflict, those of find_pending(), validation_error; then the run is as
  /// it was.
  [[nodiscard]] Status carry_out(const RunRequest& action);

  /// A run that this one has started has changed.
  void child_changed(const command::ChangeChild& change);

  // ---- what came of it ----
  /// Runs to be created with the turn's commit.
  [[nodiscard]] const std::vector<std::pair<RunId, RunHeader>>& new_children() const { return new_children_; }
  /// What other runs have to be told with it; for the same run the last word counts.
  [[nodiscard]] const std::vector<std::pair<RunId, ChildOrder>>& child_orders() const { return child_orders_; }
  [[nodiscard]] std::vector<Event>& events() { return events_; }
  [[nodiscard]] std::vector<HostWrite>& host_writes() { return host_writes_; }
  /// Rows of the engine's own that belong to the events: key, value.
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& rows() const { return rows_; }
  /// The turn stopped at max_events_per_commit; go_on() in another turn.
  [[nodiscard]] bool more() const { return more_; }
  /// The engine asked for something that the run's state forbids: a mistake of ours. Throw the turn away, and
  /// fail_run() a freshly loaded run, so that one run's trouble stays its own.
  [[nodiscard]] bool broken() const { return broken_; }
  /// The store did not give what the turn had to know: nothing is decided. Throw the turn away and carry it out later.
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }
  void fail_run(Failure failure, std::string_view node_id);

 private:
  /// Of a turn of few nodes.
  static constexpr std::size_t kExpectedEvents = 8;

  void settle();
  bool settle_last_nodes();
  void consider(std::size_t node);
  void begin(std::size_t node);
  /// Tells that control moves from one agent to another (protocol 03 §7.1).
  void hand_over(std::size_t node);
  bool refuse_to_begin(std::size_t node, const NodeType* type);
  void run_pure(std::size_t node, const PureHandler& handler, std::string inputs);
  [[nodiscard]] NodeOutcome call_pure(std::size_t node, const PureHandler& handler, std::string_view inputs,
                                      std::int64_t started_ms);
  void finish_node(std::size_t node, NodeOutcome outcome);
  void complete_node(std::size_t node, NodeCompleted completed);
  void fail_node(std::size_t node, Failure failure);
  enum class RunEnd : std::uint8_t { nothing_left, terminated };
  void complete_run(RunEnd end = RunEnd::nothing_left);
  bool past_iteration_cap(std::size_t node);
  [[nodiscard]] std::optional<std::uint32_t> loop_past_limit(const EdgeChoice& choice, LoopCeiling ceiling) const;
  void stop_at_loopback_limit(const std::string& target);
  void push_targets(std::size_t node, const EdgeChoice& choice);
  [[nodiscard]] const std::string& loop_target(std::uint32_t edge) const {
    return node_at(run_.workflow->edges[edge].target).id;
  }

  // turn_interrupts.cpp
  [[nodiscard]] Status carry_out(const command::CancelRun& command);
  [[nodiscard]] Status carry_out(const command::PauseRun& command);
  [[nodiscard]] Status carry_out(const command::ResumeRun& command);
  [[nodiscard]] Status carry_out(const Resolution& resolution);
  /// For a run of which its caller could not know yet what it asks.
  [[nodiscard]] Status carry_out(const ResolveInterrupt& request);
  void suspend_node(std::size_t node, NodeSuspend suspend);
  bool refuse_to_suspend(std::size_t node, const NodeSuspend& suspend);
  [[nodiscard]] Status take_question(const Resolution& resolution);
  void continue_node(std::size_t node);
  void time_out_interrupt(std::size_t node);
  [[nodiscard]] std::optional<NodeSuspend> question_of(std::size_t node, const RunState& asked);
  void ask_again(std::size_t node, const RunState& asked);
  void pause_drained(std::string reason);
  [[nodiscard]] bool has_running_nodes() const;

  // turn_children.cpp
  void start_child(std::size_t node, NodeChild child);
  [[nodiscard]] std::optional<Failure> refuse_child(const NodeChild& child) const;
  [[nodiscard]] Result<RunHeader> child_header(const WorkflowNode& node, const NodeChild& child) const;
  void order_children(const Event& event);

  // turn_conversation.cpp
  void open_conversation(const WorkflowNode& node, const NodeSuspend& suspend);
  /// The start or the close of a conversation: waits for nobody, so the node completes.
  void say_at_once(std::size_t node, const NodeSuspend& suspend, NodeCompleted completed);
  /// A turn of the conversation that the node waits in. True: it has ended, and the node goes on.
  [[nodiscard]] Result<bool> take_turn(const Resolution& resolution, const InterruptState& interrupt);
  void close_conversation(const std::string& node_id, std::string_view conversation_id, std::string_view final_turn,
                          std::string_view outcome);
  void time_out_conversation(const std::string& node_id, const InterruptState& interrupt);
  void give_answers(std::size_t node, const std::vector<std::string>& answers);
  void start_run();

  // Of forks (forked_turn.cpp).
  void drop_unknown_nodes();
  void wait_anew(const RunState& asked);
  [[nodiscard]] bool waits_by_itself(const NodeState& node) const;
  void enter_again(std::size_t node, RunState before, std::deque<RecordedEvent> catch_up);
  void catch_up_one();
  void apply_forked(std::size_t first);
  void compare(std::size_t first);
  void note_divergence(const Divergence& divergence, std::size_t place, std::uint64_t at);
  void settle_replay();
  bool step_alone();
  bool step_lost();
  [[nodiscard]] bool moving() const;
  bool follow(const RecordedEvent& next);
  bool follow_node(std::size_t node, const NodeState& state, const Event& event);
  void take_as_it_is();
  void take_recorded(std::size_t node, const RecordedEvent& event);
  [[nodiscard]] std::optional<Event> recorded_decision(std::size_t node);
  void decide_as_recorded(std::size_t node, NodeOutcome& outcome);
  void copy(const RecordedEvent& original);
  [[nodiscard]] Result<EdgeChoice> recorded_choice(std::size_t node, const Event& event, bool failed) const;
  void apply_given(const RunCommand& command, const Event& event);
  void complete_as_recorded(std::size_t node, const Event& event);
  void fail_as_recorded(std::size_t node, const Event& event);

  // Triggers that writes to channels set off (turn_triggers.cpp).
  /// Fires or notes what the write sets off, in the write's own commit.
  [[nodiscard]] std::vector<Event> writes_to_watch(std::size_t first_event) const;
  void set_off_triggers(const Event& write);
  /// Fires triggers whose time has come and whose nodes are free; true if one was.
  bool fire_due_triggers();
  void fire(const ChannelTrigger& trigger);
  [[nodiscard]] bool awaits_trigger() const;

  /// decide + redact + fold.
  void apply(const RunCommand& command);
  [[nodiscard]] Status try_apply(const RunCommand& command);
  void apply_live(std::size_t first_event);
  /// What the run's sensitive values hold, to be hidden from readers.
  [[nodiscard]] std::vector<std::string> hidden_texts() const;
  /// The artifacts of a completion, as rows and events.
  void keep_artifacts(const WorkflowNode& node, const std::vector<NodeArtifact>& artifacts);
  /// Nothing may begin: the run is paused, or will be.
  [[nodiscard]] bool stopped() const {
    return run_.state.status == RunStatus::paused || run_.state.pause_asked_ms != 0;
  }
  [[nodiscard]] bool ended() const { return is_terminal(run_.state.status); }
  [[nodiscard]] const WorkflowNode& node_at(std::size_t node) const { return run_.workflow->nodes[node]; }
  [[nodiscard]] const NodeState* state_of(std::size_t node) const { return run_.state.find_node(node_at(node).id); }

  const EngineOptions& options_;
  Run& run_;
  std::int64_t now_ms_;
  /// When the turn takes place; now_ms_ is the source's time while a replay follows it.
  std::int64_t turn_ms_;
  /// History that an execution which is done again has already made.
  std::deque<RecordedEvent> catch_up_;
  /// What the source recorded of the event that is decided; null for what the engine computes.
  const Event* given_ = nullptr;
  /// Somebody asks something of a replay, which no source has to do with.
  bool asked_ = false;
  std::vector<Event> events_;
  std::size_t event_bytes_ = 0;
  std::vector<HostWrite> host_writes_;
  std::vector<std::pair<std::string, std::string>> rows_;
  std::vector<std::pair<RunId, RunHeader>> new_children_;
  std::vector<std::pair<RunId, ChildOrder>> child_orders_;
  std::deque<std::size_t> candidates_;
  bool more_ = false;
  bool broken_ = false;
  std::optional<Error> trouble_;
};

/// The run that executes, or the one whose execution a replay repeats: random numbers and ids go by it.
[[nodiscard]] const RunId& executor_of(const Run& run);
/// How often the loopbacks to the node were followed (NodeInvocation::loop_index).
[[nodiscard]] std::uint32_t loop_index_of(const Run& run, std::size_t node);
/// Milliseconds that one attempt of the node may take (settings.timeoutMs, or settings.timeout); 0 = no limit.
[[nodiscard]] std::int64_t node_timeout_ms(const WorkflowNode& node);
/// When a trigger that waits may start its node; 0 = none waits for a time that is still to come.
[[nodiscard]] std::int64_t next_trigger_due_ms(const Run& run);
/// When the run has to be looked at again by itself; 0 = never.
[[nodiscard]] std::int64_t next_due_ms(const Run& run);
/// When the run's own timeout ends it; 0 = never, or not while it waits.
[[nodiscard]] std::int64_t run_deadline_ms(const Run& run);

}  // namespace openwop::runtime
