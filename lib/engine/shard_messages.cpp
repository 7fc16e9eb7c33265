// What a shard does with each message: the run that it concerns is taken, a turn is carried out on it, and its end is
// handed to the group commit.
#include "engine/channel_writes.h"
#include "engine/run_header.h"
#include "engine/shard.h"

namespace openwop::runtime {

namespace {
/// Each time at least one other commit of the run has succeeded.
constexpr int kMaxRequestTries = 256;
}  // namespace

void Shard::handle(Message message) {
  if (core_.keeper != nullptr) {
    const RunId* const run = run_of(message);
    if (run != nullptr && !core_.is_mine(*run)) return turn_away(std::move(message));
  }
  std::visit([this](auto& concrete) { handle(std::move(concrete)); }, message);
}

void Shard::handle(CreateMessage message) {
  Resident resident;
  resident.run = {message.run, message.header, message.workflow, initial_state(*message.header), false, &core_.catalog};
  resident.marks.tenant = message.header->tenant;
  resident.marks.workflow_id = message.header->workflow_id;
  resident.marks.created_ms = message.header->created_ms;
  RunTurn turn(core_.options, resident.run, core_.now_ms());
  turn.start();
  // A copy: the message may have to be handled again, under another id.
  const std::optional<LedgerClaim> claim = message.claim;
  finish(std::move(resident), turn, std::move(message), claim ? &*claim : nullptr, true);
}

void Shard::handle(RequestMessage message) {
  auto resident = take(message.run);
  if (!resident) return message.done(std::move(resident).error());
  const auto refuse = [&](Error error) {
    if (resident->has_value()) put_back(std::move(**resident));
    message.done(std::move(error));
  };
  if (!resident->has_value() || (*resident)->run.header->tenant != message.tenant) {
    return refuse({ErrorCode::run_not_found, "no run has this id"});
  }
  if (message.tries > 0 && message.claim) {
    // The commit before was refused: because the run had moved on, or because the key has been used meanwhile.
    auto entry = core_.store.get(message.claim->row_key);
    const bool used = entry.ok() && *entry != message.claim->replaces;
    if (used) return refuse({ErrorCode::precondition_failed, "the key has been used meanwhile"});
  }
  if (message.tries > kMaxRequestTries) {
    return refuse({ErrorCode::service_unavailable, "the run changes too fast for this request"});
  }
  RunTurn turn(core_.options, (*resident)->run, core_.now_ms());
  if ((*resident)->run.fork_start) turn.begin_fork();
  if (auto done = turn.carry_out(message.request); !done) return refuse(std::move(done).error());
  const std::optional<LedgerClaim> claim = message.claim;
  finish(std::move(**resident), turn, std::move(message), claim ? &*claim : nullptr, false);
}

void Shard::handle(HandlerDoneMessage message) {
  Message origin(std::move(message));
  auto& done = std::get<HandlerDoneMessage>(origin);
  auto resident = take_or_defer(done.run, origin);
  if (!resident) return;
  RunTurn turn(core_.options, resident->run, core_.now_ms());
  // The outcome is needed again if the commit does not succeed.
  turn.node_done(done.node, done.token, done.outcome);
  finish(std::move(*resident), turn, std::move(origin), nullptr, false);
}

void Shard::handle(NotesMessage message) {
  Message origin(std::move(message));
  auto& notes = std::get<NotesMessage>(origin);
  auto resident = take_or_defer(notes.run, origin);
  if (!resident) return;
  RunTurn turn(core_.options, resident->run, core_.now_ms());
  turn.notes(notes.node, notes.token, notes.notes);
  finish(std::move(*resident), turn, std::move(origin), nullptr, false);
}

void Shard::handle(ChannelMessage message) {
  auto resident = take(message.run);
  if (!resident) return message.done(std::move(resident).error());
  if (!resident->has_value() || (*resident)->run.header->tenant != message.write.tenant) {
    if (resident->has_value()) put_back(std::move(**resident));
    return message.done(Error{ErrorCode::run_not_found, "no run has this id"});
  }
  Run& run = (*resident)->run;
  auto command = ChannelPlan(core_.options, run).plan(message.write);
  RunTurn turn(core_.options, run, core_.now_ms());
  Status written = command ? Status{} : Status(command.error());
  if (message.tries > kMaxRequestTries) {
    written = Error{ErrorCode::service_unavailable, "the run changes too fast to be written to"};
  }
  if (written) written = turn.write_channel(*command);
  if (!written) {
    put_back(std::move(**resident));
    return message.done(std::move(written).error());
  }
  finish(std::move(**resident), turn, std::move(message), nullptr, false);
}

void Shard::handle(CallMessage message) { core_.executor->post(std::move(message.call)); }

void Shard::handle(TimerMessage message) {
  Message origin(message);
  auto resident = take_or_defer(message.run, origin);
  if (!resident) {
    core_.timers.settled(message.run);
    return;
  }
  RunTurn turn(core_.options, resident->run, core_.now_ms());
  turn.timers_due();
  finish(std::move(*resident), turn, std::move(origin), nullptr, false);
}

void Shard::handle(GoOnMessage message) {
  Message origin(message);
  auto resident = take_or_defer(message.run, origin);
  if (!resident) return;
  ask_relatives(resident->run);
  RunTurn turn(core_.options, resident->run, core_.now_ms());
  if (resident->run.fork_start) {
    turn.begin_fork();
  } else if (message.taken_over) {
    turn.take_over();
  } else {
    turn.go_on();
  }
  finish(std::move(*resident), turn, std::move(origin), nullptr, false);
}

void Shard::put_back(Resident resident) {
  if (in_flight_.contains(resident.run.id)) resident_.insert_or_assign(resident.run.id, std::move(resident));
}

/// What the turn left in memory is undone already (run_queued()).
void Shard::handle(std::unique_ptr<FailedTurnMessage> message) {
  if (message->again) handle(std::move(*message->again));
}

}  // namespace openwop::runtime
