#include "engine/turn_task.h"

#include "engine/scope_claim.h"
#include "engine/test_mutation.h"

namespace openwop::runtime {

const RunId* run_of(const Message& message) {
  return std::visit(
      [](const auto& concrete) -> const RunId* {
        using Concrete = std::decay_t<decltype(concrete)>;
        if constexpr (std::is_same_v<Concrete, std::unique_ptr<FailedTurnMessage>>) {
          return &concrete->run;
        } else if constexpr (std::is_same_v<Concrete, ForgetMessage>) {
          return nullptr;
        } else {
          return &concrete.run;
        }
      },
      message);
}

void answer_error(const Message& message, const Error& error) {
  if (const auto* create = std::get_if<CreateMessage>(&message)) create->done(error);
  if (const auto* request = std::get_if<RequestMessage>(&message)) request->done(error);
  if (const auto* write = std::get_if<ChannelMessage>(&message)) write->done(error);
  if (const auto* failed = std::get_if<std::unique_ptr<FailedTurnMessage>>(&message)) {
    if (*failed && (*failed)->again) answer_error(*(*failed)->again, error);
  }
}

void TurnTask::finished(const Result<CommitOutcome>& outcome) {
  if (!outcome) return failed(outcome.error());
  if (*outcome == CommitOutcome::refused) return refused();
  committed();
}

void TurnTask::observe(const Run& run, std::vector<Event> events, std::uint64_t first_sequence,
                       std::optional<RunStatus> before) {
  Asked asked = asked_by(origin_);
  observed_.emplace(ObservedTurn{run.header, run.workflow, std::move(events), first_sequence, run.state.status,
                                 asked.action, std::move(asked.actor), !before, before.value_or(RunStatus::pending)});
  const RunCommit commit = observed_->commit_of(run_);
  for (const auto& observer : core_.options.observers) observer->extend(commit, transaction);
}

void TurnTask::committed() {
  if (landed) landed->store(true, std::memory_order_release);
  if (observed_) {
    const RunCommit commit = observed_->commit_of(run_);
    for (const auto& observer : core_.options.observers) observer->committed(commit);
  }
  // First let the run's timer be found again, then say when it is due: the other way round a scan in between could
  // pass over it.
  if (std::holds_alternative<TimerMessage>(origin_)) core_.timers.settled(run_);
  if (core_.timers.note(timer_due_ms)) core_.wake_timekeeper();
  if (core_.retention.note(ended_ms)) core_.wake_timekeeper();
  if (has_events) core_.subscriptions->notify(run_);
  if (!remembered.empty()) core_.ledger_sweep.recorded(remembered, core_.now_ms(), core_.report);
  for (const auto& handler : stop) handler->cancel();
  for (auto& handler : start) core_.executor->post([handler = std::move(handler)] { handler->execute(); });
  if (is_terminal(status)) core_.agents->secrets.forget(run_);
  if (more) core_.post(GoOnMessage{run_, false});
  for (Message& message : wake) core_.post(std::move(message));
  // There may be more orders than the one that was dealt with.
  if (std::holds_alternative<ChildOrderMessage>(origin_)) core_.post(ChildOrderMessage{run_});
  if (const auto* create = std::get_if<CreateMessage>(&origin_)) {
    create->done(CreatedRun{run_, RunStatus::running, create->header->created_ms});
  } else if (const auto* request = std::get_if<RequestMessage>(&origin_)) {
    request->done(status);
  } else if (const auto* notes = std::get_if<NotesMessage>(&origin_)) {
    notes->done();
  } else if (const auto* write = std::get_if<ChannelMessage>(&origin_)) {
    write->done(Status{});
  }
}

/// The run has moved on in the store, or the claim's key is taken.
void TurnTask::refused() {
  // Its shard answers for runs that are not here.
  if (!fence.holds()) return undo(std::move(origin_));
  if (const auto* create = std::get_if<CreateMessage>(&origin_)) {
    Error error{ErrorCode::precondition_failed, "the key or the scope has been used meanwhile"};
    if (create->header->exclusive_scope) {
      const auto holder = scope_holder(core_.store, create->header->tenant, create->header->scope_id);
      if (holder && *holder) error = run_already_active(**holder);
    }
    answer_error(origin_, error);
    return undo(std::nullopt);
  }
  if (auto* request = std::get_if<RequestMessage>(&origin_)) ++request->tries;
  if (auto* write = std::get_if<ChannelMessage>(&origin_)) ++write->tries;
  undo(std::move(origin_));
}

/// Nobody knows whether the commit took effect. Callers are told; the run is looked at again in either case.
void TurnTask::failed(const Error& error) {
  core_.report(error);
  if (const auto* create = std::get_if<CreateMessage>(&origin_); create && mutated(Mutation::early_answer)) {
    create->done(CreatedRun{run_, RunStatus::running, create->header->created_ms});
  } else {
    answer_error(origin_, error);
  }
  const bool answered = std::holds_alternative<CreateMessage>(origin_) ||
                        std::holds_alternative<RequestMessage>(origin_) ||
                        std::holds_alternative<ChannelMessage>(origin_);
  core_.timers.note(timer_due_ms);
  // If it did, nothing else will say so; subscribers read what the store has.
  if (has_events) core_.subscriptions->notify(run_);
  undo(std::nullopt);
  for (Message& message : wake) core_.defer(std::move(message));
  // What the store refuses by its limits it will refuse again.
  if (error.code == ErrorCode::validation_error) return;
  // The row that tells of an order or a notice may have gone with the commit: then it leads to the run no more.
  const bool is_of_row =
      std::holds_alternative<ChildOrderMessage>(origin_) || std::holds_alternative<ChildNoticeMessage>(origin_);
  if (!answered) core_.defer(std::move(origin_));
  if (answered || is_of_row) core_.defer(GoOnMessage{run_, false});
}

void TurnTask::undo(std::optional<Message> again) {
  auto message = std::make_unique<FailedTurnMessage>();
  message->run = run_;
  message->not_started = std::move(start);
  message->not_stopped = std::move(stop);
  message->again = std::move(again);
  core_.post(std::move(message));
}

}  // namespace openwop::runtime
