#include "engine/shard.h"

#include <algorithm>
#include <iterator>

#include "engine/channel_writes.h"
#include "engine/fork_loading.h"
#include "engine/run_header.h"
#include "engine/scope_claim.h"
#include "engine/test_mutation.h"

namespace openwop::runtime {

namespace {
/// A run of a newer engine is read, never carried on: what its events mean is not known here (protocol 01 §8.1).
Status may_carry_out(const RunId& run, const RunHeader& header, const EngineOptions& options) {
  const bool newer = header.engine_version > options.engine_version && !header.forced_engine_version;
  if (!newer && header.event_log_schema_version >= 2) return {};
  Error error{ErrorCode::engine_version_mismatch, "the run belongs to an engine of another version"};
  json::ObjectWriter(error.details)
      .string("runId", run.text())
      .integer("persistedVersion", header.engine_version)
      .integer("currentVersion", options.engine_version);
  return error;
}
}  // namespace

// ---- mailbox ----

void Shard::post(Message message) {
  {
    std::unique_lock lock(mutex_);
    if (closed_) {
      lock.unlock();
      return answer_error(message, {ErrorCode::service_unavailable, "the engine is closed"});
    }
    mailbox_.push_back(std::move(message));
    queued_.store(mailbox_.size(), std::memory_order_relaxed);
  }
  ready_.notify_one();
}

void Shard::close_mailbox() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

void Shard::nudge() {
  {
    const std::lock_guard lock(mutex_);
    nudged_ = true;
  }
  ready_.notify_one();
}

void Shard::wait(std::int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  const auto awake = [this] { return nudged_ || !mailbox_.empty(); };
  if (timeout_ms < 0) {
    ready_.wait(lock, awake);
  } else {
    ready_.wait_for(lock, std::chrono::milliseconds(timeout_ms), awake);
  }
  nudged_ = false;
}

bool Shard::run_queued() {
  std::vector<Message> messages;
  {
    const std::lock_guard lock(mutex_);
    messages.swap(mailbox_);
    queued_.store(0, std::memory_order_relaxed);
  }
  // First what did not come to be, of all turns: one that is tried again meanwhile would start a handler anew that
  // another refused turn was to stop, and that still works.
  for (const Message& message : messages) {
    const auto* failed = std::get_if<std::unique_ptr<FailedTurnMessage>>(&message);
    if (failed == nullptr) continue;
    resident_.erase((*failed)->run);
    restore_handlers(**failed);
  }
  for (Message& message : messages) handle(std::move(message));
  return !messages.empty();
}

// ---- runs in memory ----

Result<std::optional<Shard::Resident>> Shard::take(const RunId& run) {
  const auto at = resident_.find(run);
  if (at == resident_.end()) return load(run);
  std::optional<Resident> resident(std::move(at->second));
  resident_.erase(at);
  return resident;
}

Result<std::optional<Shard::Resident>> Shard::load(const RunId& run_id) const {
  const Log log(core_.store);
  auto head_row = core_.store.get(Log::head_key(run_id));
  if (!head_row) return std::move(head_row).error();
  if (!head_row->has_value()) return std::optional<Resident>{};
  auto head = LogHead::decode(**head_row);
  if (!head) return std::move(head).error();
  auto marks = RunMarks::decode(head->summary);
  if (!marks) return std::move(marks).error();
  auto header_row = log.header(run_id);
  if (!header_row) return std::move(header_row).error();
  auto header = decode_header(header_row->value_or(""));
  if (!header) return std::move(header).error();
  if (auto allowed = may_carry_out(run_id, *header, core_.options); !allowed) return std::move(allowed).error();
  auto workflow = core_.catalog.by_digest(header->workflow_digest);
  if (!workflow) return std::move(workflow).error();

  Resident resident{{run_id, std::make_shared<const RunHeader>(std::move(*header)), std::move(*workflow), {}},
                    std::move(*head),
                    std::move(**head_row),
                    std::move(*marks),
                    0,
                    std::nullopt};
  resident.run.unsettled = resident.marks.unsettled;
  resident.run.catalog = &core_.catalog;
  resident.run.state = initial_state(*resident.run.header);
  Status readable;
  if (auto fork = prepare_fork(core_.store, core_.catalog, resident.run, resident.marks); !fork) {
    return std::move(fork).error();
  }
  RunFold fold(resident.run.state, *resident.run.header, resident.run.source.get(), resident.run.workflow.get());
  auto folded = log.read(run_id, 0, [&](const EventView& event) {
    // A commit of the run may land between these reads. If it changed the head row, the guard refuses what is built
    // on this state; if not, it is only events.
    fold.add(event);
    note_own_event(resident.run, event);
    readable = check_channel_event(*resident.run.workflow, run_id, event);
    return readable.ok();
  });
  if (!folded) return std::move(folded).error();
  if (!readable) return std::move(readable).error();
  fold.finish();
  if (auto start = prepare_start(core_.store, core_.options.nodes, resident.run, resident.marks); !start) {
    return std::move(start).error();
  }
  resident.next_sequence = resident.run.state.next_sequence;
  if (resident.next_sequence < resident.head.next_sequence) {
    return Error{ErrorCode::store_corrupt, "log of run " + run_id.text() + " ends before its head row says"};
  }
  // What a fork inherits is not in the index yet.
  if (!resident.run.fork_start) resident.interrupts = interrupt_rows_of(resident.run);
  return std::optional<Resident>(std::move(resident));
}

std::optional<Shard::Resident> Shard::take_or_defer(const RunId& run, Message& message) {
  auto resident = take(run);
  if (resident) return std::move(*resident);
  put_off(resident.error(), std::move(message));
  return std::nullopt;
}

/// What the message asks for cannot be read.
void Shard::put_off(const Error& error, Message message) {
  core_.report(error);
  // An unreadable run stays as it is; what it has lost cannot be guessed. A store in trouble is asked again later.
  if (error.code == ErrorCode::store_io_error) core_.defer(std::move(message));
}

/// The store had trouble in the middle of a turn: who waits for it is told, everybody else's message comes again.
void Shard::give_back(const Error& error, Message message) {
  const bool is_awaited = std::holds_alternative<CreateMessage>(message) ||
                          std::holds_alternative<RequestMessage>(message) ||
                          std::holds_alternative<ChannelMessage>(message);
  if (!is_awaited) return put_off(error, std::move(message));
  core_.report(error);
  answer_error(message, error);
}

// ---- the end of a turn ----

RunMarks Shard::marks_of(const Resident& resident, bool more) const {
  RunMarks marks = resident.marks;
  marks.status = resident.run.state.status;
  marks.changed_ms = resident.run.state.changed_ms;
  marks.timer_due_ms = next_due_ms(resident.run);
  marks.unsettled = resident.run.unsettled && !is_terminal(marks.status);
  marks.active = more || marks.unsettled;
  if (resident.run.replay) {
    marks.replay_next = resident.run.replay->position() + 1;
    marks.replay_lost = resident.run.replay->lost();
  }
  for (const auto& [id, node] : resident.run.state.nodes)
    marks.active = marks.active || node.status == NodeStatus::running;
  // Nothing of a paused run works; whoever resumes it wakes it.
  if (marks.status == RunStatus::paused) marks.active = false;
  return marks;
}

/// What the run's last commit wrote has to be there, unless that is known.
void Shard::require_link(Transaction& transaction, const Resident& resident) {
  const auto& pending = resident.pending;
  if (mutated(Mutation::lost_link)) return;
  if (!pending || pending->committed->load(std::memory_order_acquire)) return;
  Log::require_batch(transaction, resident.run.id, pending->first_sequence, pending->bytes);
}

void Shard::note_pending(TurnTask& task, Resident& resident, std::uint64_t first_sequence) {
  task.landed = std::make_shared<std::atomic<bool>>(false);
  const std::string key = Log::batch_key(resident.run.id, first_sequence);
  for (std::size_t i = 0; i < task.transaction.size(); ++i) {
    const auto entry = task.transaction.entry(i);
    if (entry.op != Transaction::Op::put || entry.key != key) continue;
    resident.pending = {first_sequence, std::string(entry.value), task.landed};
  }
}

bool Shard::add_rows(TurnTask& task, Resident& resident, RunTurn& turn, bool created) const {
  const RunMarks after = marks_of(resident, turn.more());
  const RunMarks& before = resident.marks;
  task.timer_due_ms = after.timer_due_ms;
  const bool same_marks = before.status == after.status && before.active == after.active &&
                          before.unsettled == after.unsettled && before.timer_due_ms == after.timer_due_ms &&
                          before.replay_next == after.replay_next && before.replay_lost == after.replay_lost;
  if (!created && turn.events().empty() && turn.host_writes().empty() && same_marks) return false;

  const RunId& id = resident.run.id;
  const std::uint32_t version = resident.run.header->engine_version;
  const std::uint64_t first = resident.next_sequence;
  const std::uint64_t next = resident.run.state.next_sequence;
  if (!created && same_marks && !turn.events().empty()) {
    // The head row would say nothing new but the time of the last event, which readers find in the log.
    require_link(task.transaction, resident);
    Log::append_events(task.transaction, id, resident.head_row, first, turn.events(), version);
  } else {
    LogHead head{next, resident.head.epoch, is_terminal(after.status), after.encode()};
    if (created) {
      Log::create(task.transaction, id, encode_header(*resident.run.header), turn.events(), head, version);
      put_created_rows(task.transaction, id, after, resident.run.header->tags);
      claim_scope(task.transaction, *resident.run.header, id, after.status);
    } else {
      require_link(task.transaction, resident);
      Log::append(task.transaction, id, resident.head_row, first, turn.events(), head, version);
      put_changed_rows(task.transaction, id, before, after);
      if (!is_terminal(before.status) && is_terminal(after.status)) {
        release_scope(task.transaction, *resident.run.header);
      }
    }
    resident.head_row = head.encode();
    resident.head = std::move(head);
  }
  const bool ends = is_terminal(after.status) && (created || !is_terminal(before.status));
  if (ends) task.ended_ms = core_.retention.add_end(task.transaction, id, after);
  for (const auto& [key, value] : turn.rows()) task.transaction.put(key, value);
  add_child_rows(task, resident, turn, created ? RunStatus::pending : before.status);
  update_interrupt_rows(task.transaction, resident.run, resident.interrupts);
  if (is_terminal(after.status)) core_.agents->secrets.erase_rows(task.transaction, id);
  // A replay changes nothing outside of its own run, the host's rows included.
  if (resident.run.replay) turn.host_writes().clear();
  for (const HostWrite& write : turn.host_writes()) {
    const std::string key = std::string(1, kHostPrefix) + write.key;
    if (write.value) {
      task.transaction.put(key, *write.value);
    } else {
      task.transaction.erase(key);
    }
  }
  task.has_events = !turn.events().empty();
  resident.next_sequence = next;
  resident.marks = after;
  return true;
}

/// Handlers to start: nodes that run and have none. Handlers to stop: those whose execution has ended.
void Shard::sort_out_handlers(TurnTask& task, Resident& resident, std::uint64_t first_sequence) {
  const RunId& id = resident.run.id;
  const auto known = in_flight_.find(id);
  std::vector<std::shared_ptr<HandlerRun>> kept;
  const auto is_current = [&](const HandlerRun& handler) {
    // Started by a commit on its way that this state, read from the store, does not hold yet: the turn will be refused.
    if (handler.token() >= first_sequence) return true;
    const NodeState* node = resident.run.state.find_node(resident.run.workflow->nodes[handler.node()].id);
    return node != nullptr && node->status == NodeStatus::running && node->started_sequence == handler.token() &&
           resident.run.state.status != RunStatus::paused;
  };
  if (known != in_flight_.end()) {
    for (auto& handler : known->second) {
      auto& list = is_current(*handler) ? kept : task.stop;
      list.push_back(std::move(handler));
    }
  }
  for (std::size_t i = 0; i < resident.run.workflow->nodes.size() && resident.marks.active; ++i) {
    const WorkflowNode& node = resident.run.workflow->nodes[i];
    const NodeState* state = resident.run.state.find_node(node.id);
    if (state == nullptr || state->status != NodeStatus::running) continue;
    const bool has_handler =
        std::any_of(kept.begin(), kept.end(), [&](const auto& handler) { return handler->node() == i; });
    auto type = core_.options.nodes.find(node);
    if (has_handler || type == nullptr) continue;
    if (resident.run.replay && resident.run.replay->serves_handlers()) continue;
    HandlerRun::Facts facts{id,
                            resident.run.header,
                            resident.run.workflow,
                            i,
                            state->started_sequence,
                            state->attempt,
                            state->iteration,
                            loop_index_of(resident.run, i),
                            state->started_ms,
                            state->inputs.empty() ? "{}" : state->inputs,
                            resident.run.state.variables,
                            resident.run.state.channels,
                            resident.run.state.pins,
                            state->emitted,
                            state->answers};
    if (resident.run.replay) facts.executor = executor_of(resident.run);
    kept.push_back(std::make_shared<HandlerRun>(core_.link, std::move(type), std::move(facts)));
    task.start.push_back(kept.back());
  }
  if (kept.empty()) {
    if (known != in_flight_.end()) in_flight_.erase(known);
  } else {
    in_flight_.insert_or_assign(id, std::move(kept));
  }
}

void Shard::finish(Resident resident, RunTurn& turn, Message origin, const LedgerClaim* claim, bool created,
                   const Consumed* consumed) {
  if (turn.trouble()) return give_back(*turn.trouble(), std::move(origin));
  if (turn.broken()) return fail_broken(resident.run.id, std::move(origin), created);
  auto fence = core_.enter(resident.run.id);
  if (!fence) return turn_away(std::move(origin));
  if (resident.run.replay && !resident.run.replay->status().ok()) {
    return put_off(resident.run.replay->status().error(), std::move(origin));
  }
  auto task = std::make_unique<TurnTask>(core_, resident.run.id, std::move(origin));
  task->durability = core_.options.durability;
  fence->guard(task->transaction);
  task->fence = *std::move(fence);
  task->status = resident.run.state.status;
  const bool was_in_flight = in_flight_.contains(resident.run.id);
  const std::uint64_t first_sequence = resident.next_sequence;
  const auto status_before = created ? std::nullopt : std::optional(resident.marks.status);
  const bool changed = add_rows(*task, resident, turn, created);
  if (claim != nullptr) {
    // The answer to a create tells the state at acceptance, even if the run has ended in the same commit.
    const RunStatus told = created ? RunStatus::running : resident.run.state.status;
    const LedgerEntry entry{claim->request_digest, claim->outcome(resident.run.id, told), claim->expires_ms};
    Ledger::write(task->transaction, claim->row_key, claim->replaces, entry);
    for (const std::string& key : claim->beside) task->transaction.put(key, {});
    task->remembered = claim->row_key;
  }
  if (consumed != nullptr) {
    task->transaction.require_equals(consumed->key, consumed->value);
    task->transaction.erase(consumed->key);
  }
  if (task->has_events && !core_.options.observers.empty()) {
    task->observe(resident.run, std::move(turn.events()), first_sequence, status_before);
  }
  sort_out_handlers(*task, resident, first_sequence);
  // A run that was read again may be behind commits on their way, and one in memory ahead of commits that will be
  // refused: its handlers start, and a notice that changes nothing is taken away, only if the log is as the turn has
  // seen it.
  const bool guarded = !changed && (!task->start.empty() || consumed != nullptr);
  if (guarded) {
    require_link(task->transaction, resident);
    Log::require_end(task->transaction, resident.run.id, resident.head_row, resident.next_sequence);
  }
  task->more = turn.more();
  const bool is_in_flight = in_flight_.contains(resident.run.id);
  if (is_in_flight && !was_in_flight) core_.active_runs.fetch_add(1);
  if (!is_in_flight && was_in_flight) core_.active_runs.fetch_sub(1);
  // A run that works stays in memory; a run that waits, or has ended, is only rows.
  // So does a replay between two turns: to read it again costs more the longer its history is.
  if (is_in_flight || (task->more && resident.run.replay)) {
    if (task->has_events) note_pending(*task, resident, first_sequence);
    resident_.insert_or_assign(resident.run.id, std::move(resident));
  }

  if (mutated(Mutation::early_handler)) {
    for (const auto& handler : task->start) core_.executor->post([handler] { handler->execute(); });
    task->start.clear();
  }
  if (changed || guarded || claim != nullptr || consumed != nullptr) {
    core_.commits.submit(std::move(task));
  } else {
    task->finished(CommitOutcome::committed);
  }
}

/// What sort_out_handlers() did for a turn that did not come to be.
void Shard::restore_handlers(const FailedTurnMessage& failed) {
  auto& handlers = in_flight_[failed.run];
  const bool was_in_flight = !handlers.empty();
  std::erase_if(handlers, [&](const auto& handler) {
    return std::find(failed.not_started.begin(), failed.not_started.end(), handler) != failed.not_started.end();
  });
  for (const auto& handler : failed.not_started) handler->drop();
  // One that a turn before should have started, which failed too, is not at work either.
  std::copy_if(failed.not_stopped.begin(), failed.not_stopped.end(), std::back_inserter(handlers),
               [](const auto& handler) { return !handler->is_dropped(); });
  const bool is_in_flight = !handlers.empty();
  if (!is_in_flight) in_flight_.erase(failed.run);
  if (is_in_flight && !was_in_flight) core_.active_runs.fetch_add(1);
  if (!is_in_flight && was_in_flight) core_.active_runs.fetch_sub(1);
}

void Shard::fail_broken(const RunId& run, Message origin, bool created) {
  const Error error{ErrorCode::internal_error, "run " + run.text() + " reached a state that should not exist"};
  core_.report(error);
  answer_error(origin, error);
  if (std::holds_alternative<TimerMessage>(origin)) core_.timers.settled(run);
  if (created) return;
  auto loaded = load(run);
  if (!loaded || !loaded->has_value() || is_terminal((*loaded)->run.state.status)) return;
  RunTurn turn(core_.options, (*loaded)->run, core_.now_ms());
  turn.fail_run({std::string(error_name(error.code)), "the engine could not go on with the run"}, {});
  if (!turn.broken()) finish(std::move(**loaded), turn, GoOnMessage{run, false}, nullptr, false);
}

void Shard::cancel_handlers() {
  for (const auto& [run, handlers] : in_flight_) {
    for (const auto& handler : handlers) handler->cancel();
  }
}

}  // namespace openwop::runtime
