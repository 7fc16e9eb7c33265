// Group commit: one store commit, one fsync, for everything that all shards have ready.
//
// There is no committer thread. Whoever finds work queued and nobody committing becomes the leader for one group; the
// others go on computing, and their transactions join the next group. A lone writer thus pays no thread hand-off.
//
// Thread-safe. Order: tasks are committed in the order of submit().
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "openwop/store.h"

namespace openwop::runtime {

class CommitTask {
 public:
  virtual ~CommitTask() = default;
  /// Called once, on the leader's thread, with no lock held, in submission order.
  virtual void finished(const Result<CommitOutcome>& outcome) = 0;

  Transaction transaction;
  Durability durability = Durability::sync;
};

class GroupCommit {
 public:
  static constexpr std::size_t kMaxGroupTransactions = 4096;
  static constexpr std::size_t kMaxGroupBytes = std::size_t{16} << 20;

  explicit GroupCommit(Store& store) : store_(store) {}

  /// Queues a task. The caller, or somebody after it, must call lead(). A task with a key or value beyond the store's
  /// limits is finished at once with validation_error.
  void submit(std::unique_ptr<CommitTask> task);

  /// Commits one group unless nothing is queued or another thread is committing; true if it did. After it returned
  /// false because of another leader, that leader sees everything submitted before the call.
  bool lead();

  [[nodiscard]] bool idle() const;
  /// Tasks that wait for a leader; for admission.
  [[nodiscard]] std::size_t queued() const { return queued_.load(std::memory_order_relaxed); }

  /// Commits one transaction with whatever else is queued, and waits for it.
  [[nodiscard]] Result<CommitOutcome> commit_and_wait(Transaction transaction, Durability durability);
  /// The same for many, each on its own conditions; in one group as far as they fit.
  [[nodiscard]] std::vector<Result<CommitOutcome>> commit_and_wait(std::vector<Transaction> transactions,
                                                                   Durability durability);

 private:
  std::vector<std::unique_ptr<CommitTask>> take_group();
  void commit_group(std::vector<std::unique_ptr<CommitTask>>& group);

  Store& store_;
  mutable std::mutex mutex_;
  std::deque<std::unique_ptr<CommitTask>> queue_;
  std::atomic<std::size_t> queued_{0};
  bool leading_ = false;
};

}  // namespace openwop::runtime
