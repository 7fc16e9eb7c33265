// EngineOptions: what a host gives an engine, and every limit that the engine keeps.
//
// Thread-safety: plain values; the parts that they point to are shared with the engine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/clock.h"
#include "openwop/cluster.h"
#include "openwop/executor.h"
#include "openwop/ids.h"
#include "openwop/memory_backend.h"
#include "openwop/node.h"
#include "openwop/secret_source.h"
#include "openwop/store.h"

namespace openwop {

class RunObserver;

/// How much agent.reasoned tells: all, the first reasoning_token_limit tokens, or nothing.
enum class ReasoningVerbosity : std::uint8_t { summary, full, off };
inline constexpr std::array<std::string_view, 3> kReasoningVerbosityNames = {"summary", "full", "off"};

struct EngineOptions {
  std::shared_ptr<Store> store;
  NodeRegistry nodes = {};
  /// Shard threads; 0 = driven by tick().
  std::size_t threads = 2;
  /// Threads of the built-in handler pool; unused when `executor` is set or threads = 0.
  std::size_t executor_threads = 4;
  std::shared_ptr<Executor> executor = {};
  std::shared_ptr<Clock> clock = {};   // default: SystemClock
  std::shared_ptr<IdSource> ids = {};  // default: RandomIdSource
  Durability durability = Durability::sync;
  std::uint32_t engine_version = 1;
  std::vector<std::string> runtime_capabilities = {};
  /// Memory of agents; default: rows of `store`.
  std::shared_ptr<MemoryBackend> memory = {};
  /// Secrets that nodes may ask for; default: none.
  std::shared_ptr<SecretSource> secrets = {};
  /// Unless configurable.reasoningVerbosity says otherwise.
  ReasoningVerbosity reasoning_verbosity = ReasoningVerbosity::summary;
  /// Told of every commit that adds events to a run, in this order (openwop/run_observer.h).
  std::vector<std::shared_ptr<RunObserver>> observers = {};
  /// How sensitive values are shown, unless a workflow says otherwise; a run keeps the mode it began with.
  MaskingMode default_masking = MaskingMode::mask;
  /// Reducers of the host's own, by name (`vendor.<org>.<name>`): (value before, or empty; write) -> value after. Pure;
  /// the result is recorded with the write, so a replay does not call them. Without one, such a channel keeps the last
  /// write.
  std::map<std::string, std::function<Result<std::string>(std::string_view, std::string_view)>, std::less<>>
      vendor_reducers = {};
  /// The options that a run's `configurable` may carry when its workflow has no configurableSchema: a serialized
  /// object, option name -> {"type", "min", "max", "description"} (protocol 01 §10.3). Empty: any option may be there.
  std::string configurable_options = {};
  /// Told what no caller can be told (a failed commit of background work, an unreadable run). Called from any of the
  /// engine's threads; must be quick. Default: nothing.
  std::function<void(const Error&)> on_error = {};
  /// Set: this is one of several hosts on the store, and carries out the runs that it claims (openwop/cluster.h).
  /// Absent: nobody else has an engine open on the store.
  std::optional<ClusterOptions> cluster = {};

  // Limits. Reaching one gives the error named.
  std::size_t max_workflow_bytes = std::size_t{1} << 20;       // payload_too_large at registration
  std::size_t max_inputs_bytes = std::size_t{1} << 20;         // payload_too_large at create
  std::size_t max_event_payload_bytes = std::size_t{1} << 20;  // the node fails with payload_too_large
  /// Outputs, writes, events and host rows of one completion; the node fails with payload_too_large. A stretch of pure
  /// nodes is split into commits of about this size.
  std::size_t max_completion_bytes = std::size_t{8} << 20;
  std::size_t max_run_state_bytes = std::size_t{16}
                                    << 20;  // variables and channels; the node fails with payload_too_large
  std::size_t max_json_depth = 64;          // validation_error
  std::size_t max_artifact_bytes = std::size_t{8} << 20;  // the node fails with payload_too_large
  /// One entry of an agent's memory, as JSON; validation_error. 0: there is no memory.
  std::size_t max_memory_entry_bytes = 65'536;
  /// What `summary` leaves of an agent's reasoning; four characters count as a token. The rest is cut.
  std::size_t reasoning_token_limit = 512;
  /// Node executions of one run, unless configurable.recursionLimit is lower; cap.breached, then the run fails.
  std::uint32_t max_node_executions = 100;
  /// Workflows that call each other, from the run that a host creates down; sub_workflow_depth_exceeded.
  std::size_t max_child_depth = 32;
  /// Runs that one run may start; child_limit_exceeded.
  std::size_t max_children_per_run = 1'000;
  /// Commands that wait for a shard; create_run and cancel_run give service_unavailable beyond it.
  std::size_t max_queued_commands = 65'536;
  /// Runs whose handlers are in flight; create_run gives service_unavailable beyond it.
  std::size_t max_active_runs = 100'000;
  /// Events that one commit of one run may hold; longer stretches of pure nodes are split.
  std::size_t max_events_per_commit = 512;
  /// Remembered idempotency outcomes; beyond it the oldest are forgotten before their time, and their keys are fresh.
  std::size_t max_remembered_requests = 1'000'000;
  /// Open subscriptions; subscribe gives service_unavailable beyond it.
  std::size_t max_subscriptions = 16'384;
  /// Runs whose events make up the history of one fork (forks of forks); fork_run gives fork_refused beyond it.
  std::size_t max_fork_ancestors = 64;

  /// Clarifications that one execution of a node may ask for; cap.breached, then the node fails.
  std::uint32_t max_clarification_rounds = 3;
  /// Interrupts of any kind that one execution of a node may ask for; the node fails with suspension_limit_exceeded.
  std::uint32_t max_interrupt_rounds = 1'000;

  /// How long a run is kept after its end; 0 = for ever. Then it is removed with all of its rows and is unknown. What a
  /// living fork needs of its log stays until the last such fork goes; a child goes after its parent. Removal is done
  /// in small commits as runs become due, and may be changed with each open().
  std::int64_t finished_run_retention_ms = 0;

  // Retries of nodes (settings.maxRetries): initial × 2^attempt, at most max, less up to a quarter of jitter.
  std::int64_t retry_initial_ms = 1'000;
  std::int64_t retry_max_ms = 300'000;
  /// How long a failed store is left alone before a command that nobody waits for is tried again.
  std::int64_t store_retry_ms = 1'000;
  /// How long close() waits for handlers before it cancels them and leaves their runs to the next open(). The threads
  /// of the built-in pool are joined all the same: a handler that ignores its cancellation holds close() up.
  std::int64_t drain_timeout_ms = 10'000;
};

}  // namespace openwop
