// A shard owns the runs hashed to it and carries out their messages one after the other, so that no run needs a lock.
//
// post() is thread-safe; everything else lives on the shard's thread (or on the driving thread).
#pragma once

#include <condition_variable>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/core.h"
#include "engine/interrupt_rows.h"
#include "engine/run_rows.h"
#include "engine/run_turn.h"
#include "engine/turn_task.h"

namespace openwop::runtime {

class Shard {
 public:
  explicit Shard(Core& core) : core_(core) {}

  /// Queues a message and wakes the shard. After close_mailbox() callers are told service_unavailable at once.
  void post(Message message);
  void close_mailbox();
  /// Messages waiting; for admission.
  [[nodiscard]] std::size_t queued() const { return queued_.load(std::memory_order_relaxed); }
  /// Handles everything that is queued; true if there was anything.
  bool run_queued();
  /// Waits for a message or a nudge, at most `timeout_ms` (negative: without end).
  void wait(std::int64_t timeout_ms);
  /// Ends a wait() without a message.
  void nudge();
  /// Tells every handler in flight that its outcome no longer counts.
  void cancel_handlers();
  /// Runs with handlers in flight on this shard.
  [[nodiscard]] std::size_t runs_in_flight() const { return in_flight_.size(); }

 private:
  struct PendingBatch {
    std::uint64_t first_sequence = 0;
    std::string bytes;
    std::shared_ptr<const std::atomic<bool>> committed;
  };

  /// A run in memory: its state as of the last submitted commit, and what that commit's rows say.
  struct Resident {
    Run run;
    LogHead head;
    std::string head_row;
    RunMarks marks;
    /// Where that commit's events end.
    std::uint64_t next_sequence = 0;
    /// The last batch submitted, for as long as its outcome is not known to have been a commit.
    std::optional<PendingBatch> pending;
    InterruptRows interrupts = {};
  };

  void handle(CreateMessage message);
  void handle(RequestMessage message);
  void handle(HandlerDoneMessage message);
  void handle(NotesMessage message);
  void handle(ChannelMessage message);
  void handle(CallMessage message);
  void handle(TimerMessage message);
  void handle(GoOnMessage message);
  void handle(ChildOrderMessage message);
  void handle(ChildNoticeMessage message);
  void handle(ForgetMessage message);
  void handle(std::unique_ptr<FailedTurnMessage> message);
  void handle(Message message);
  /// Instead of handle(): the run is another host's.
  void turn_away(Message message);

  /// The run in memory, from the store if need be. Nothing if there is no such run.
  [[nodiscard]] Result<std::optional<Resident>> take(const RunId& run);
  [[nodiscard]] Result<std::optional<Resident>> load(const RunId& run) const;
  // shard_children.cpp
  /// A row that the turn has dealt with: goes with its commit, if it is still the same.
  struct Consumed {
    std::string key;
    std::string value;
  };
  void create_child(const RunId& child, const Consumed& order);
  void control_child(const RunId& child, const Consumed& order);
  /// Erases a row that nobody can act on.
  void drop(const RunId& run, const Consumed& row);
  [[nodiscard]] Result<command::ChangeChild> look_at_child(const RunId& child, const ChildRun& known) const;
  /// Rows for children and the parent, and the messages that say where to look.
  static void add_child_rows(TurnTask& task, const Resident& resident, const RunTurn& turn, RunStatus before);
  /// After a restart, or a commit whose outcome was unknown: parent and children may have something for the run.
  void ask_relatives(const Run& run);

  /// Loads the run for a message that nobody waits for; reports and defers on errors.
  [[nodiscard]] std::optional<Resident> take_or_defer(const RunId& run, Message& message);
  void give_back(const Error& error, Message message);
  void put_off(const Error& error, Message message);

  /// Ends a turn: builds its transaction and submits it, or carries out its effects at once if nothing changed.
  void finish(Resident resident, RunTurn& turn, Message origin, const LedgerClaim* claim, bool created,
              const Consumed* consumed = nullptr);
  /// Instead of finish() for a broken turn: the run fails as the store has it.
  void fail_broken(const RunId& run, Message origin, bool created);
  /// For a message that leaves the run as it was.
  void put_back(Resident resident);
  bool add_rows(TurnTask& task, Resident& resident, RunTurn& turn, bool created) const;
  static void require_link(Transaction& transaction, const Resident& resident);
  static void note_pending(TurnTask& task, Resident& resident, std::uint64_t first_sequence);
  void sort_out_handlers(TurnTask& task, Resident& resident, std::uint64_t first_sequence);
  [[nodiscard]] RunMarks marks_of(const Resident& resident, bool more) const;
  void restore_handlers(const FailedTurnMessage& failed);

  Core& core_;
  std::unordered_map<RunId, Resident> resident_;
  std::unordered_map<RunId, std::vector<std::shared_ptr<HandlerRun>>> in_flight_;

  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<Message> mailbox_;
  bool nudged_ = false;
  bool closed_ = false;
  std::atomic<std::size_t> queued_{0};
};

}  // namespace openwop::runtime
