#include "engine/artifacts.h"
#include "engine/configurable_check.h"
#include "engine/create_check.h"
#include "engine/engine_impl.h"
#include "engine/fork_artifacts.h"
#include "engine/interrupt_rows.h"
#include "engine/run_reader.h"
#include "engine/scope_claim.h"
#include "openwop/log.h"

namespace openwop {

Result<std::unique_ptr<Engine>> Engine::open(EngineOptions options) {
  if (options.store == nullptr) return Error{ErrorCode::validation_error, "EngineOptions::store must be set"};
  const bool limits = options.max_node_executions > 0 && options.max_events_per_commit > 0 &&
                      options.max_queued_commands > 0 && options.max_active_runs > 0 && options.max_json_depth > 0;
  const bool times = options.store_retry_ms > 0 && options.retry_initial_ms > 0 && options.retry_max_ms > 0 &&
                     options.drain_timeout_ms >= 0 && options.finished_run_retention_ms >= 0;
  if (const auto& cluster = options.cluster) {
    const bool sound =
        cluster->heartbeat_ms > 0 && cluster->heartbeat_ms <= cluster->claim_ttl_ms / 2 && cluster->follow_poll_ms > 0;
    if (!sound) {
      return Error{ErrorCode::validation_error, "heartbeat_ms has to be from 1 to half of claim_ttl_ms"};
    }
  }
  if (!limits || !times) return Error{ErrorCode::validation_error, "limits and times of the engine must be at least 1"};
  if (auto sound = runtime::check_option_list(options.configurable_options); !sound) return std::move(sound).error();
  auto engine = std::make_unique<runtime::EngineImpl>(std::move(options));
  if (auto started = engine->start(); !started) return std::move(started).error();
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace openwop

namespace openwop::runtime {

namespace {
const Error kClosed{ErrorCode::service_unavailable, "the engine is closed"};
}

template <class T, class StartCall>
Result<T> EngineImpl::wait_for(StartCall&& start_call) {
  struct Answer {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<Result<T>> value;
  };
  const auto answer = std::make_shared<Answer>();
  start_call([answer](Result<T> value) {
    const std::lock_guard lock(answer->mutex);
    answer->value = std::move(value);
    answer->ready.notify_one();
  });
  if (driven()) {
    drive();
    const std::lock_guard lock(answer->mutex);
    if (!answer->value) return Error{ErrorCode::internal_error, "the driven engine came to rest without an answer"};
    return std::move(*answer->value);
  }
  std::unique_lock lock(answer->mutex);
  answer->ready.wait(lock, [&] { return answer->value.has_value(); });
  return std::move(*answer->value);
}

// ---- workflows ----

Result<std::shared_ptr<const Workflow>> EngineImpl::register_workflow(std::string_view source) {
  if (core_.closing.load()) return kClosed;
  return core_.catalog.add(source);
}

Result<std::shared_ptr<const Workflow>> EngineImpl::workflow(std::string_view workflow_id) const {
  return core_.catalog.newest(workflow_id);
}

std::vector<std::string> EngineImpl::workflow_ids() const { return core_.catalog.ids(); }

// ---- runs ----

Status EngineImpl::admit(const RunId& run) const {
  if (core_.closing.load()) return kClosed;
  const Shard& shard = *shards_[std::hash<RunId>{}(run) % shards_.size()];
  const std::size_t limit = core_.options.max_queued_commands;
  if (shard.queued() > limit / shards_.size() || core_.commits.queued() > limit) {
    return Error{ErrorCode::service_unavailable,
                 "max_queued_commands (" + std::to_string(core_.options.max_queued_commands) + ") are waiting",
                 R"({"retryAfter":1})"};
  }
  return {};
}

void EngineImpl::create_run(CreateRun request, std::function<void(Result<CreatedRun>)> done) {
  const std::int64_t now = core_.now_ms();
  auto run = core_.new_run_id();
  if (!run) return done(std::move(run).error());
  if (auto admitted = admit(*run); !admitted) return done(std::move(admitted).error());
  if (core_.active_runs.load() >= core_.options.max_active_runs) {
    return done(Error{ErrorCode::service_unavailable,
                      "max_active_runs (" + std::to_string(core_.options.max_active_runs) + ") have handlers in flight",
                      R"({"retryAfter":1})"});
  }
  auto workflow = core_.catalog.newest(request.workflow_id);
  if (!workflow) return done(std::move(workflow).error());
  auto header = check_create(request, **workflow, core_.options, now);
  if (!header) return done(std::move(header).error());
  if (auto schema = core_.catalog.check_configurable(**workflow, header->configurable); !schema) {
    return done(std::move(schema).error());
  }
  if (header->exclusive_scope) {
    // The commit decides; this spares the turn when the answer is known.
    auto holder = scope_holder(core_.store, header->tenant, header->scope_id);
    if (!holder) return done(std::move(holder).error());
    if (*holder) return done(run_already_active(**holder));
  }
  core_.post(CreateMessage{*run, std::make_shared<const RunHeader>(std::move(*header)), std::move(*workflow),
                           std::move(request.created_by), std::move(request.claim), std::move(done)});
}

Result<CreatedRun> EngineImpl::create_run(CreateRun request) {
  return wait_for<CreatedRun>([&](auto answer) { create_run(std::move(request), std::move(answer)); });
}

template <class Call>
void EngineImpl::ask(Call call, RunRequest request, std::string actor, std::function<void(Result<RunStatus>)> done) {
  if (auto admitted = admit(call.run_id); !admitted) return done(std::move(admitted).error());
  if (!core_.is_mine(call.run_id)) return done(core_.keeper->claims()->not_owner(call.run_id));
  core_.post(RequestMessage{call.run_id, std::move(call.tenant), std::move(request), std::move(actor),
                            std::move(call.claim), std::move(done)});
}

void EngineImpl::cancel_run(CancelRun request, std::function<void(Result<RunStatus>)> done) {
  command::CancelRun command{std::move(request.reason), request.cancelled_by};
  std::string actor = std::move(request.cancelled_by);
  ask(std::move(request), std::move(command), std::move(actor), std::move(done));
}

Result<RunStatus> EngineImpl::cancel_run(CancelRun request) {
  return wait_for<RunStatus>([&](auto answer) { cancel_run(std::move(request), std::move(answer)); });
}

Result<CreatedRun> EngineImpl::fork_run(ForkRun request) {
  return wait_for<CreatedRun>([&](auto answer) { fork_run(std::move(request), std::move(answer)); });
}

void EngineImpl::pause_run(PauseRun request, std::function<void(Result<RunStatus>)> done) {
  command::PauseRun command{std::move(request.reason), std::string(drain_policy_name(request.drain_policy))};
  std::string actor = std::move(request.paused_by);
  ask(std::move(request), std::move(command), std::move(actor), std::move(done));
}

Result<RunStatus> EngineImpl::pause_run(PauseRun request) {
  return wait_for<RunStatus>([&](auto answer) { pause_run(std::move(request), std::move(answer)); });
}

void EngineImpl::resume_run(ResumeRun request, std::function<void(Result<RunStatus>)> done) {
  command::ResumeRun command{std::move(request.reason)};
  std::string actor = std::move(request.resumed_by);
  ask(std::move(request), std::move(command), std::move(actor), std::move(done));
}

Result<RunStatus> EngineImpl::resume_run(ResumeRun request) {
  return wait_for<RunStatus>([&](auto answer) { resume_run(std::move(request), std::move(answer)); });
}

// ---- interrupts ----

void EngineImpl::resolve_interrupt(ResolveInterrupt request, std::function<void(Result<RunStatus>)> done) {
  const auto view = run(request.tenant, request.run_id);
  if (!view) return done(view.error());
  if (view->header.fork && view->state.status == RunStatus::pending) {
    // What a fork asks is known once it has begun, which its shard is told before this.
    RunRequest later = request;
    std::string principal = request.principal;
    return ask(std::move(request), std::move(later), std::move(principal), std::move(done));
  }
  auto resolution = check_resolution(core_.options, *view, request);
  if (!resolution) return done(std::move(resolution).error());
  std::string actor = resolution->resolved_by;
  ask(std::move(request), std::move(*resolution), std::move(actor), std::move(done));
}

Result<RunStatus> EngineImpl::resolve_interrupt(ResolveInterrupt request) {
  return wait_for<RunStatus>([&](auto answer) { resolve_interrupt(std::move(request), std::move(answer)); });
}

Result<InterruptView> EngineImpl::pending_interrupt(std::string_view tenant, const RunId& run_id,
                                                    std::string_view node_id) const {
  const auto view = run(tenant, run_id);
  if (!view) return view.error();
  const auto interrupt = find_pending(view->state, node_id, {});
  if (!interrupt) return interrupt.error();
  return InterruptView{run_id, view->header.workflow_id, std::string(node_id), **interrupt};
}

Result<InterruptPage> EngineImpl::list_interrupts(const InterruptFilter& filter, std::string_view cursor,
                                                  std::size_t limit) const {
  if (limit == 0) return Error{ErrorCode::validation_error, "the limit of a listing must be at least 1"};
  return runtime::list_interrupts(core_.store, filter, cursor, limit);
}

Result<std::string> EngineImpl::tenant_of(const RunId& run_id) const { return read_tenant(core_.store, run_id); }

Result<RunView> EngineImpl::run(std::string_view tenant, const RunId& run_id) const {
  return read_run(core_.store, core_.catalog, tenant, run_id, std::nullopt);
}

Result<RunView> EngineImpl::run_at(std::string_view tenant, const RunId& run_id, std::uint64_t sequence) const {
  return read_run(core_.store, core_.catalog, tenant, run_id, sequence);
}

Result<RunPage> EngineImpl::list_runs(const RunFilter& filter, std::string_view cursor, std::size_t limit) const {
  if (limit == 0) return Error{ErrorCode::validation_error, "the limit of a listing must be at least 1"};
  return runtime::list_runs(core_.store, filter, cursor, limit);
}

Result<RunExplanation> EngineImpl::explain(std::string_view tenant, const RunId& run_id) const {
  auto view = run(tenant, run_id);
  if (!view) return std::move(view).error();
  return explain_run(*view);
}

Result<RunProgress> EngineImpl::progress(std::string_view tenant, const RunId& run_id) const {
  auto progress = read_progress(core_.store, tenant, run_id);
  if (!progress || is_terminal(progress->status)) return progress;
  // Events that were committed since the head row was read.
  auto behind = Log(core_.store).read(run_id, progress->next_sequence, [&](const EventView& event) {
    progress->next_sequence = event.sequence + 1;
    return true;
  });
  if (!behind) return std::move(behind).error();
  return progress;
}

Result<std::string> EngineImpl::artifact(std::string_view tenant, const RunId& run_id,
                                         std::string_view artifact_id) const {
  const Error absent{ErrorCode::artifact_not_found, "no such artifact"};
  if (auto visible = require_run(core_.store, tenant, run_id); !visible) {
    return visible.error().code == ErrorCode::run_not_found ? absent : std::move(visible).error();
  }
  auto row = core_.store.get(artifact_key(run_id, artifact_id));
  if (!row) return std::move(row).error();
  if (row->has_value()) return std::move(**row);
  auto inherited = inherited_artifact(core_.store, run_id, artifact_id);
  if (!inherited) return std::move(inherited).error();
  if (!inherited->has_value()) return absent;
  return std::move(**inherited);
}

Status EngineImpl::write_channel(ForeignChannelWrite write) {
  if (auto admitted = admit(write.run_id); !admitted) return admitted;
  const json::Limits limits{core_.options.max_event_payload_bytes, core_.options.max_json_depth};
  if (auto checked = json::check(write.value, limits); !checked) return checked;
  constexpr std::size_t kMaxEngineIdBytes = 256;
  constexpr std::size_t kMaxRunIdBytes = 128;
  const bool named = !write.source_engine_id.empty() && write.source_engine_id.size() <= kMaxEngineIdBytes &&
                     write.source_run_id.size() <= kMaxRunIdBytes && simdjson::validate_utf8(write.source_engine_id) &&
                     simdjson::validate_utf8(write.source_run_id);
  if (!named) return Error{ErrorCode::validation_error, "a write of another engine names that engine"};
  struct Written {};
  auto written = wait_for<Written>([&](auto answer) {
    const RunId run = write.run_id;
    core_.post(ChannelMessage{run, std::move(write), [answer](Status status) {
                                if (status) return answer(Result<Written>(Written{}));
                                answer(Result<Written>(std::move(status).error()));
                              }});
  });
  if (!written) return std::move(written).error();
  return {};
}

// ---- events ----

Status EngineImpl::read_events(std::string_view tenant, const RunId& run_id, std::uint64_t from_sequence,
                               const std::function<bool(const EventView&)>& visit) const {
  if (auto visible = require_run(core_.store, tenant, run_id); !visible) return visible;
  return Log(core_.store).read(run_id, from_sequence, visit);
}

Result<std::unique_ptr<EventSubscription>> EngineImpl::subscribe(std::string_view tenant, const RunId& run_id,
                                                                 std::uint64_t from_sequence) {
  if (core_.closing.load()) return kClosed;
  if (auto visible = require_run(core_.store, tenant, run_id); !visible) return std::move(visible).error();
  auto subscription = core_.subscriptions->subscribe(run_id, from_sequence);
  // Somebody has to look for what another host writes.
  if (!core_.is_mine(run_id)) core_.keeper->wake();
  return subscription;
}

// ---- rows ----

Result<std::optional<std::string>> EngineImpl::host_get(std::string_view key) const {
  return core_.store.get(std::string(1, kHostPrefix) + std::string(key));
}

Result<std::optional<Ledger::Found>> EngineImpl::find_ledger_entry(std::string_view row_key) const {
  return Ledger(core_.store).find(row_key);
}

void EngineImpl::handler_notes(const RunId& run, std::size_t node, std::uint64_t token, std::vector<RunCommand> notes,
                               std::function<void()> done) {
  core_.post(NotesMessage{run, node, token, std::move(notes), std::move(done)});
}

void EngineImpl::call_later(const RunId& run, std::int64_t at_ms, std::function<void()> call) {
  core_.post_at(at_ms, CallMessage{run, std::move(call)});
}

Status EngineImpl::remember(const LedgerClaim& claim, std::string_view outcome) {
  const auto remembered = remember_all({{claim, std::string(outcome)}});
  if (!remembered) return remembered.error();
  if (remembered->front()) return {};
  return Error{ErrorCode::precondition_failed, "the key has been used meanwhile"};
}

Result<std::vector<bool>> EngineImpl::remember_all(const std::vector<RememberOutcome>& outcomes) {
  if (core_.closing.load()) return kClosed;
  std::vector<Transaction> transactions(outcomes.size());
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const LedgerClaim& claim = outcomes[i].claim;
    Ledger::write(transactions[i], claim.row_key, claim.replaces,
                  {claim.request_digest, outcomes[i].outcome, claim.expires_ms});
  }
  const auto committed = core_.commits.commit_and_wait(std::move(transactions), core_.options.durability);
  std::vector<bool> remembered;
  std::optional<Error> failure;
  for (std::size_t i = 0; i < committed.size(); ++i) {
    remembered.push_back(committed[i] && *committed[i] == CommitOutcome::committed);
    if (!committed[i]) failure = committed[i].error();
    if (!remembered.back()) continue;
    core_.ledger_sweep.recorded(outcomes[i].claim.row_key, core_.now_ms(), core_.report);
    // Each sweep sees what the one before it has taken away.
    core_.commits.lead();
  }
  if (failure) return *std::move(failure);
  return remembered;
}

void EngineImpl::handler_done(const RunId& run, std::size_t node, std::uint64_t token, NodeOutcome outcome) {
  core_.post(HandlerDoneMessage{run, node, token, std::move(outcome)});
}

Result<CommitOutcome> EngineImpl::commit_and_wait(const RunId& run, Transaction transaction) {
  const auto fence = core_.enter(run);
  if (!fence) return core_.keeper->claims()->not_owner(run);
  fence->guard(transaction);
  auto outcome = core_.commits.commit_and_wait(std::move(transaction), core_.options.durability);
  // Nodes commit nothing but outcomes of steps on their own.
  core_.ledger_sweep.recorded(Ledger::row_key(kStepScope, {}), core_.now_ms(), core_.report);
  core_.commits.lead();
  if (outcome && *outcome == CommitOutcome::refused && !fence->holds()) return core_.keeper->claims()->not_owner(run);
  return outcome;
}

}  // namespace openwop::runtime
