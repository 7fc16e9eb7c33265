// Who wants to know of a run's new events. A subscription holds no events: it is told that there may be more and reads
// them from the store, so its cost does not depend on how slow its reader is.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <unordered_map>

#include "openwop/engine.h"
#include "openwop/log.h"

namespace openwop::runtime {

class SubscriptionHub : public std::enable_shared_from_this<SubscriptionHub> {
 public:
  SubscriptionHub(std::shared_ptr<Store> store, std::size_t max_subscriptions)
      : store_(std::move(store)), max_subscriptions_(max_subscriptions) {}

  /// Errors: service_unavailable at the limit.
  [[nodiscard]] Result<std::unique_ptr<EventSubscription>> subscribe(const RunId& run, std::uint64_t from_sequence);

  /// Events of the run have been committed.
  void notify(const RunId& run);
  /// Of the runs that are not mine: how many subscriptions there are, and a way to have all of them read.
  [[nodiscard]] std::size_t count_foreign(const std::function<bool(const RunId&)>& is_mine);
  void notify_foreign(const std::function<bool(const RunId&)>& is_mine);
  /// Wakes every waiter, for shutdown.
  void notify_all();

 private:
  struct Signal {
    std::mutex mutex;
    std::condition_variable ready;
    std::uint64_t version = 1;  // counts notifications
    std::function<void()> callback;
  };
  class Subscription;

  static void raise(Signal& signal);
  void remove(const RunId& run, const std::shared_ptr<Signal>& signal);

  std::shared_ptr<Store> store_;
  std::size_t max_subscriptions_;
  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;
  std::unordered_multimap<RunId, std::shared_ptr<Signal>> signals_;
};

}  // namespace openwop::runtime
