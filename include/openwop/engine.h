// Engine: durable workflow runs on a Store.
//
//   auto engine = Engine::open({.store = store, .nodes = registry});
//   (*engine)->register_workflow(source);
//   auto run = (*engine)->create_run({.workflow_id = "order", .inputs = R"({"id":7})"});
//
// Two ways to run the same engine:
//  - threads > 0: the engine has that many shard threads and its own pool for handlers.
//  - threads = 0: no thread at all. The host calls tick(now) from its loop; blocking calls drive the engine themselves.
//    With a ManualClock this is how embedding hosts test: no ports, no sleeps, no background work.
//
// Promises:
//  - What a call acknowledges is durable (EngineOptions::durability) before the call returns or calls back. The same
//    holds for whatever leaves the engine: events to subscribers, handlers with outside effects.
//  - A run has gapless sequences from 0 and exactly one terminal event, its last.
//  - A run that waits (delay, retry) holds no thread and no memory; only rows in the store.
//  - After a crash, open() goes on with every unfinished run.
//
// Errors: Result<T> with the codes named at each call; any call may give store_io_error, store_corrupt, or
// service_unavailable (closing, or a queue at its limit). In a cluster, calls that change a run give not_owner with
// details {"host","address"} when another host has it, and {"retryAfter"} when nobody has it just now; so do create_run
// and fork_run while this host has no partition. Nothing is written then.
//
// Thread-safety: all members may be called from any thread; with threads = 0 from one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/engine_options.h"
#include "openwop/ids.h"
#include "openwop/ledger.h"
#include "openwop/node.h"
#include "openwop/run_fork.h"
#include "openwop/run_state.h"
#include "openwop/store.h"
#include "openwop/workflow.h"

namespace openwop {

/// An outcome to remember under a key in the same commit as the change it belongs to (idempotency layer 1).
struct LedgerClaim {
  /// From Ledger::row_key.
  std::string row_key;
  std::string request_digest;
  std::int64_t expires_ms = 0;
  /// Raw value of an expired entry that this claim replaces.
  std::optional<std::string> replaces = {};
  /// The bytes to remember; called once the change is decided, before it is committed.
  std::function<std::string(const RunId&, RunStatus)> outcome;
  /// Keys of rows without a value that a create writes in the same commit: an outbox of what others have to learn.
  std::vector<std::string> beside = {};
};

/// An outcome that has no effect to be committed with. `claim.outcome` is not called.
struct RememberOutcome {
  LedgerClaim claim;
  std::string outcome;
};

struct CreateRun {
  std::string workflow_id;
  std::string inputs = "{}";  // serialized object
  std::string tenant = "default";
  std::string scope_id = {};
  /// Claims (tenant, scope_id) for this run until it ends: no other run that claims the same can be created meanwhile.
  bool exclusive_scope = false;
  std::string callback_url = {};
  std::string configurable = {};  // serialized object, or empty
  std::vector<std::string> tags = {};
  std::string metadata = {};  // serialized object, or empty
  std::string transport = "rest";
  /// W3C trace context of the caller; kept with the run, so that spans and outgoing calls belong to its trace whatever
  /// process makes them. What is malformed is ignored.
  std::string traceparent = {};
  std::string tracestate = {};
  /// Stamps the run's events as that engine version (tests of version tolerance); 0 = the engine's own.
  std::optional<std::uint32_t> forced_engine_version = {};
  /// Who asks, such as "api-key:1a2b3c4d"; for the record only.
  std::string created_by = {};
  std::optional<LedgerClaim> claim = {};
};

struct CreatedRun {
  RunId run_id;
  /// At acceptance: running, even if the run has ended since.
  RunStatus status = RunStatus::running;
  std::int64_t created_ms = 0;
};

struct CancelRun {
  std::string tenant = "default";
  RunId run_id;
  std::string reason = {};
  std::string cancelled_by = {};
  std::optional<LedgerClaim> claim = {};
};

enum class DrainPolicy : std::uint8_t { drain_current_node, immediate };
inline constexpr std::array<std::string_view, 2> kDrainPolicyNames = {"drain-current-node", "immediate"};
constexpr std::string_view drain_policy_name(DrainPolicy policy) {
  return kDrainPolicyNames[static_cast<std::size_t>(policy)];
}

struct PauseRun {
  std::string tenant = "default";
  RunId run_id;
  std::string reason = {};
  /// immediate: handlers are told to stop and begin again at the resume; their answers in between do not count.
  /// drain_current_node: the run pauses once its handlers have answered. In either case a retry stays parked, and with
  /// drain_current_node a delay ends early.
  DrainPolicy drain_policy = DrainPolicy::drain_current_node;
  std::string paused_by = {};
  std::optional<LedgerClaim> claim = {};
};

struct ResumeRun {
  std::string tenant = "default";
  RunId run_id;
  std::string reason = {};
  std::string resumed_by = {};
  std::optional<LedgerClaim> claim = {};
};

/// An answer to the interrupt that a node waits with.
struct ResolveInterrupt {
  std::string tenant = "default";
  RunId run_id;
  std::string node_id;
  /// Not empty: this interrupt only, not another one of the node.
  std::string interrupt_id = {};
  std::string resume_value = "null";  // serialized JSON
  /// Who answers; empty: nobody knows, as with a signed token.
  std::string principal = {};
  /// The right to answer comes from a signed token.
  bool by_token = false;
  /// May the principal vote in this voter's name? Absent: yes.
  std::function<bool(std::string_view voter)> may_act_as = {};
  std::optional<LedgerClaim> claim = {};
};

/// The latest interrupt of a node.
struct InterruptView {
  RunId run_id;
  std::string workflow_id;
  std::string node_id;
  InterruptState interrupt;
};

struct InterruptFilter {
  std::string tenant = "default";
  std::string kind = {};
  std::string workflow_id = {};
  /// The interrupt with this id.
  std::string interrupt_id = {};
  /// External events whose correlation has this member; the value is serialized JSON as the workflow spells it.
  std::string correlation_key = {};
  std::string correlation_value = {};
  std::optional<std::int64_t> requested_from_ms = {};    // inclusive
  std::optional<std::int64_t> requested_before_ms = {};  // exclusive
};

struct InterruptSummary {
  RunId run_id;
  std::string workflow_id;
  std::string node_id;
  std::string interrupt_id;
  std::string kind;
  std::string title;
  std::int64_t requested_ms = 0;
  std::int64_t due_ms = 0;  // 0 = never
};

struct InterruptPage {
  std::vector<InterruptSummary> interrupts;  // those that wait, oldest first
  /// Pass to the next call; empty at the end.
  std::string cursor;
};

/// A new run that goes on from a point of another one (protocol 03 §5).
struct ForkRun {
  std::string tenant = "default";
  RunId source_run;
  /// Events below it are the fork's history, shared with the source; what follows is executed.
  std::uint64_t from_sequence = 0;
  ForkMode mode = ForkMode::branch;
  /// Branches only. Options laid over the source's, key by key: a serialized object, or empty.
  std::string configurable = {};
  std::optional<std::vector<std::string>> tags = {};  // in the place of the source's
  std::optional<std::string> metadata = {};           // likewise; a serialized object
  /// Who asks, such as "api-key:1a2b3c4d"; for the record only.
  std::string forked_by = {};
  /// W3C trace context of the caller; malformed: as absent.
  std::string traceparent = {};
  std::string tracestate = {};
  std::optional<LedgerClaim> claim = {};
};

/// What was fixed when the run was created.
struct RunHeader {
  std::string tenant;
  std::string workflow_id;
  std::string workflow_digest;
  std::string workflow_version;
  std::string scope_id;
  bool exclusive_scope = false;
  std::string callback_url;
  std::string inputs = "{}";
  std::string variables = "{}";  // defaults overlaid by inputs
  std::string configurable;      // as sent; empty when absent
  std::string metadata;
  std::string transport;
  std::string traceparent;  // of the caller; empty when there was none
  std::string tracestate;
  std::vector<std::string> tags;
  std::int64_t created_ms = 0;
  std::uint32_t max_node_executions = 100;
  std::uint32_t engine_version = 1;
  /// The version was asked for at creation (CreateRun::forced_engine_version): this engine carries the run out,
  /// although it may be newer than its own.
  bool forced_engine_version = false;
  /// Below 2: a run of before there were event logs, kept by another program (rows of this engine that do not say are
  /// 2). It is shown and never carried out.
  std::uint32_t event_log_schema_version = 2;
  MaskingMode masking = MaskingMode::mask;
  /// Of a run that another one has started; zero: none has.
  RunId parent_run_id = {};
  std::string parent_node_id = {};
  /// Workflow ids of the runs above, the outermost first.
  std::vector<std::string> ancestors = {};
  std::optional<RunFork> fork = {};

  [[nodiscard]] bool is_replay() const { return fork && fork->mode == ForkMode::replay; }
};

/// A run as of its last durable commit.
struct RunView {
  RunId run_id;
  RunHeader header;
  RunState state;
  std::shared_ptr<const Workflow> workflow;
};

/// How far a run is, without its state.
struct RunProgress {
  RunStatus status = RunStatus::pending;
  std::uint64_t next_sequence = 0;
};

/// A write to a channel of a run by another engine (protocol 02 §8.8): only to `append`, `votes`, `feedback` and
/// `counter` channels. The owner gives it a sequence of its own.
struct ForeignChannelWrite {
  std::string tenant = "default";
  RunId run_id;
  std::string channel;
  std::string value;  // serialized JSON
  std::string source_engine_id;
  std::string source_run_id = {};
};

struct RunFilter {
  std::string tenant = "default";
  std::optional<RunStatus> status = {};
  std::string workflow_id = {};
  std::string tag = {};
  std::optional<std::int64_t> created_from_ms = {};    // inclusive
  std::optional<std::int64_t> created_before_ms = {};  // exclusive
};

struct RunSummary {
  RunId run_id;
  std::string workflow_id;
  RunStatus status = RunStatus::pending;
  std::int64_t created_ms = 0;
  std::int64_t changed_ms = 0;
};

struct RunPage {
  std::vector<RunSummary> runs;  // newest first
  /// Pass to the next call; empty at the end.
  std::string cursor;
};

/// One thing that a run waits for.
struct RunWait {
  enum class Kind : std::uint8_t { handler, delay, retry, interrupt, child };
  std::string node_id;
  Kind kind = Kind::handler;
  std::int64_t since_ms = 0;
  /// When it ends by itself; 0 = only by somebody's action.
  std::int64_t until_ms = 0;
  /// Who may act: "engine" (nobody has to), "handler of <typeId>", or whom the interrupt names.
  std::string actor;
};

struct RunExplanation {
  RunStatus status = RunStatus::pending;
  /// One sentence for people.
  std::string summary;
  std::vector<RunWait> waits;
  /// When the run's own timeout ends it; 0 = never.
  std::int64_t timeout_at_ms = 0;

  [[nodiscard]] std::string to_json() const;
};

/// Events of one run from a sequence on, in order, without gap or duplicate, stored ones first, then live ones.
/// Reads from the store at its own pace: a slow reader costs no memory and holds up nobody.
/// Used by one thread at a time; notifications may come from any.
class EventSubscription {
 public:
  virtual ~EventSubscription() = default;
  /// Visits up to `max_events` events that are durable and not yet read; the count. Never blocks.
  [[nodiscard]] virtual Result<std::size_t> read(std::size_t max_events,
                                                 const std::function<bool(const EventView&)>& visit) = 0;
  /// Waits until there may be more, at most `timeout_ms`; false on timeout. Not with threads = 0.
  virtual bool wait(std::int64_t timeout_ms) = 0;
  /// Called after each commit that adds events to the run; must be quick and must not wait for the engine. Replaces an
  /// earlier callback. One call may still be under way when the subscription is destroyed: let it own what it uses.
  virtual void on_ready(std::function<void()> callback) = 0;
  /// Sequence of the next event to read.
  [[nodiscard]] virtual std::uint64_t next_sequence() const = 0;
  /// The terminal event has been read; there will be no more.
  [[nodiscard]] virtual bool complete() const = 0;
};

class Engine {
 public:
  /// Opens the engine on its store and goes on with unfinished runs. Errors: store errors; validation_error for options
  /// that make no sense.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> open(EngineOptions options);

  virtual ~Engine() = default;

  /// Refuses new work, lets what runs come to a durable point (at most drain_timeout_ms), stops the threads.
  /// Idempotent; the destructor calls it.
  virtual void close() = 0;

  // ---- workflows ----

  /// Validates and stores a definition; runs created from now on use it, runs in flight keep theirs. Registering the
  /// same bytes again changes nothing. Errors: validation_error with details {"problems":[{"pointer","message"}]},
  /// payload_too_large.
  [[nodiscard]] virtual Result<std::shared_ptr<const Workflow>> register_workflow(std::string_view source) = 0;
  /// Errors: workflow_not_found.
  [[nodiscard]] virtual Result<std::shared_ptr<const Workflow>> workflow(std::string_view workflow_id) const = 0;
  [[nodiscard]] virtual std::vector<std::string> workflow_ids() const = 0;

  // ---- runs ----

  /// Errors: workflow_not_found; validation_error (inputs, options); payload_too_large; precondition_failed when the
  /// claim's key is already used; run_already_active with details {"activeRunId", "activeHost"} when another run holds
  /// the exclusive scope; service_unavailable.
  [[nodiscard]] virtual Result<CreatedRun> create_run(CreateRun request) = 0;
  /// The same without waiting; `done` is called once, from any thread, often the one that commits: it must be quick and
  /// must not wait for the engine.
  virtual void create_run(CreateRun request, std::function<void(Result<CreatedRun>)> done) = 0;

  /// Cancels a run in any live state; for an ended run gives its status and changes nothing.
  /// Errors: run_not_found; precondition_failed as above; engine_version_mismatch for a run of a newer engine.
  [[nodiscard]] virtual Result<RunStatus> cancel_run(CancelRun request) = 0;
  virtual void cancel_run(CancelRun request, std::function<void(Result<RunStatus>)> done) = 0;

  /// Pauses a running run; the status is `paused`, or still `running` while handlers drain. Errors: run_not_found;
  /// conflict with details {"runStatus","pausedAt"?} for a run that is paused or pausing, waits, or has ended;
  /// precondition_failed as above.
  [[nodiscard]] virtual Result<RunStatus> pause_run(PauseRun request) = 0;
  virtual void pause_run(PauseRun request, std::function<void(Result<RunStatus>)> done) = 0;

  /// Ends a pause, or withdraws one that still drains. Errors: run_not_found; conflict with details {"runStatus"} for a
  /// run that is not paused; precondition_failed as above.
  [[nodiscard]] virtual Result<RunStatus> resume_run(ResumeRun request) = 0;
  virtual void resume_run(ResumeRun request, std::function<void(Result<RunStatus>)> done) = 0;

  // ---- interrupts ----

  /// Answers a pending interrupt; gives the run's status after the commit. Of several answers at once one wins, but
  /// every vote of an approval counts. Checked in this order (protocol 03 §2.5): run_not_found; interrupt_not_found;
  /// interrupt_gone (the run's parent was cancelled); interrupt_cancelled; interrupt_already_resolved;
  /// auth_elevation_required (a token on an interrupt that asks for a bearer key); forbidden (not an approver);
  /// validation_error; correlation_mismatch; conflict (the run is paused); precondition_failed as above.
  [[nodiscard]] virtual Result<RunStatus> resolve_interrupt(ResolveInterrupt request) = 0;
  virtual void resolve_interrupt(ResolveInterrupt request, std::function<void(Result<RunStatus>)> done) = 0;

  /// The interrupt that the node waits with. Errors: the first five of resolve_interrupt.
  [[nodiscard]] virtual Result<InterruptView> pending_interrupt(std::string_view tenant, const RunId& run_id,
                                                                std::string_view node_id) const = 0;
  [[nodiscard]] virtual Result<InterruptPage> list_interrupts(const InterruptFilter& filter, std::string_view cursor,
                                                              std::size_t limit) const = 0;
  /// For callers whose right to the run does not come from a tenant's key. Errors: run_not_found.
  [[nodiscard]] virtual Result<std::string> tenant_of(const RunId& run_id) const = 0;

  /// Makes a fork; nothing of the source is copied, read or changed, however long it is, and it need not have ended.
  /// The status is pending: the fork begins to execute behind the commit. Its workflow is the newest of the source's
  /// id. Errors: run_not_found; fork_refused with details {"sourceRunId","fromSeq",…} when the source has no such event
  /// yet, its workflow is gone, or max_fork_ancestors is reached; validation_error (an overlay on a replay, or one that
  /// create_run would refuse); precondition_failed as above; service_unavailable.
  [[nodiscard]] virtual Result<CreatedRun> fork_run(ForkRun request) = 0;
  virtual void fork_run(ForkRun request, std::function<void(Result<CreatedRun>)> done) = 0;

  /// Errors: run_not_found, also for a run of another tenant.
  [[nodiscard]] virtual Result<RunView> run(std::string_view tenant, const RunId& run_id) const = 0;
  /// The state as it was when event `sequence` had just been applied. Errors: run_not_found.
  [[nodiscard]] virtual Result<RunView> run_at(std::string_view tenant, const RunId& run_id,
                                               std::uint64_t sequence) const = 0;
  /// Its state alone.
  [[nodiscard]] Result<RunState> state_at(std::string_view tenant, const RunId& run_id, std::uint64_t sequence) const {
    auto view = run_at(tenant, run_id, sequence);
    if (!view) return std::move(view).error();
    return std::move(view->state);
  }
  [[nodiscard]] virtual Result<RunPage> list_runs(const RunFilter& filter, std::string_view cursor,
                                                  std::size_t limit) const = 0;
  [[nodiscard]] virtual Result<RunExplanation> explain(std::string_view tenant, const RunId& run_id) const = 0;

  /// Costs the same for a run of any length. Errors: run_not_found.
  [[nodiscard]] virtual Result<RunProgress> progress(std::string_view tenant, const RunId& run_id) const = 0;
  /// The artifact as one serialized object {artifactId, artifactType, runId, nodeId, createdAt, version?, summary?,
  /// content}. Errors: artifact_not_found, also for a run that is not there or of another tenant.
  [[nodiscard]] virtual Result<std::string> artifact(std::string_view tenant, const RunId& run_id,
                                                     std::string_view artifact_id) const = 0;
  /// Errors: run_not_found; conflict for a run that has ended or is paused; validation_error (an undeclared channel, a
  /// value its reducer or schema refuses); channel_cross_engine_write_forbidden; engine_version_mismatch.
  [[nodiscard]] virtual Status write_channel(ForeignChannelWrite write) = 0;

  // ---- events ----

  /// Visits durable events from a sequence (inclusive). Errors: run_not_found.
  [[nodiscard]] virtual Status read_events(std::string_view tenant, const RunId& run_id, std::uint64_t from_sequence,
                                           const std::function<bool(const EventView&)>& visit) const = 0;
  /// Errors: run_not_found; service_unavailable beyond max_subscriptions.
  [[nodiscard]] virtual Result<std::unique_ptr<EventSubscription>> subscribe(std::string_view tenant,
                                                                             const RunId& run_id,
                                                                             std::uint64_t from_sequence) = 0;

  // ---- the host's own rows, written by NodeCompleted::host_writes ----

  [[nodiscard]] virtual Result<std::optional<std::string>> host_get(std::string_view key) const = 0;

  // ---- idempotency ----

  [[nodiscard]] virtual Result<std::optional<Ledger::Found>> find_ledger_entry(std::string_view row_key) const = 0;
  /// Remembers an outcome that has no effect to be committed with (a refusal); `claim.outcome` is not called.
  /// Errors: precondition_failed when the claim's key is already used.
  [[nodiscard]] virtual Status remember(const LedgerClaim& claim, std::string_view outcome) = 0;
  /// The same for many with one wait for the store: for each whether it is remembered, or its key was already used.
  [[nodiscard]] virtual Result<std::vector<bool>> remember_all(const std::vector<RememberOutcome>& outcomes) = 0;

  // ---- driving (threads = 0) ----

  /// Does everything that is due at `now_ms`: commands, timers, handlers, commits. Gives the next time it has something
  /// to do, or nothing if it waits only for calls.
  virtual std::optional<std::int64_t> tick(std::int64_t now_ms) = 0;

  [[nodiscard]] virtual const EngineOptions& options() const = 0;
  [[nodiscard]] virtual std::int64_t now_ms() const = 0;
  /// Nothing without EngineOptions::cluster.
  [[nodiscard]] virtual std::optional<ClusterView> cluster() const = 0;
};

}  // namespace openwop
