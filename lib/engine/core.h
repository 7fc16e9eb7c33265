// What the parts of an engine share: options, store, commit group, catalog, timers, subscriptions, and the way to the
// shards. No logic of its own beyond passing things on.
#pragma once

#include <atomic>
#include <map>
#include <mutex>

#include "engine/cluster_keeper.h"
#include "engine/group_commit.h"
#include "engine/ledger_sweep.h"
#include "engine/messages.h"
#include "engine/retention.h"
#include "engine/subscriptions.h"
#include "engine/timer_service.h"
#include "engine/workflow_catalog.h"

namespace openwop::runtime {

struct Core {
  explicit Core(EngineOptions engine_options)
      : options(std::move(engine_options)),
        store(*options.store),
        commits(store),
        ledger_sweep(store, commits, options),
        retention(store, commits, options),
        catalog(store, options),
        timers(store, [this](const RunId& run) { return is_mine(run); }),
        subscriptions(std::make_shared<SubscriptionHub>(options.store, options.max_subscriptions)),
        agents(std::make_shared<AgentServices>(
            store, options.durability, options.memory, options.secrets, options.max_memory_entry_bytes,
            options.cluster ? enter_by(claims) : [](const RunId&) { return std::optional<Fence>(Fence{}); })) {}

  EngineOptions options;
  /// The keeper's, once there is one; handlers that outlive the engine find nothing there.
  std::shared_ptr<std::weak_ptr<PartitionClaims>> claims = std::make_shared<std::weak_ptr<PartitionClaims>>();
  Store& store;
  GroupCommit commits;
  LedgerSweep ledger_sweep;
  Retention retention;
  WorkflowCatalog catalog;
  TimerService timers;
  std::shared_ptr<SubscriptionHub> subscriptions;
  std::shared_ptr<AgentServices> agents;
  std::shared_ptr<HostLink> link;
  std::shared_ptr<Executor> executor;
  /// Null unless this is one host of several; then every run belongs here.
  std::unique_ptr<ClusterKeeper> keeper;

  /// Runs with handlers in flight, over all shards.
  std::atomic<std::size_t> active_runs{0};
  std::atomic<bool> closing{false};

  /// Time as the engine sees it.
  std::function<std::int64_t()> now_ms;
  /// Hands a message to its run's shard.
  std::function<void(Message)> post;
  /// The timekeeper has to look at timers or deferred messages earlier than it thought.
  std::function<void()> wake_timekeeper;
  /// For things an operator must know and no caller can be told.
  std::function<void(const Error&)> report;

  /// Messages to try again once the store has had time to recover.
  std::mutex deferred_mutex;
  std::multimap<std::int64_t, Message> deferred;

  [[nodiscard]] bool is_mine(const RunId& run) const { return keeper == nullptr || keeper->claims()->is_mine(run); }
  /// For one commit of the run; nothing if the run is another host's.
  [[nodiscard]] std::optional<Fence> enter(const RunId& run) const {
    return keeper == nullptr ? std::optional<Fence>(Fence{}) : keeper->claims()->enter(run);
  }
  /// The id of a run to be created here. Errors: not_owner while nothing is this host's.
  [[nodiscard]] Result<RunId> new_run_id() const {
    if (keeper == nullptr) return options.ids->next(now_ms());
    return keeper->claims()->draw(*options.ids);
  }

  static EnterRun enter_by(const std::shared_ptr<std::weak_ptr<PartitionClaims>>& claims) {
    return [claims](const RunId& run) {
      const auto known = claims->lock();
      return known ? known->enter(run) : std::nullopt;
    };
  }

  void defer(Message message) { post_at(now_ms() + options.store_retry_ms, std::move(message)); }

  void post_at(std::int64_t at_ms, Message message) {
    {
      const std::lock_guard lock(deferred_mutex);
      deferred.emplace(at_ms, std::move(message));
    }
    wake_timekeeper();
  }
};

}  // namespace openwop::runtime
