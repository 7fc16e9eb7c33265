#include "engine/group_commit.h"

#include <condition_variable>

namespace openwop::runtime {

namespace {

/// Lets a thread wait for its own commit while any thread leads.
class WaitedTask final : public CommitTask {
 public:
  struct Answer {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<Result<CommitOutcome>> outcome;
  };
  explicit WaitedTask(Answer& answer) : answer_(answer) {}
  void finished(const Result<CommitOutcome>& outcome) override {
    // Notify under the lock: the waiter destroys the answer as soon as it sees the outcome.
    const std::lock_guard lock(answer_.mutex);
    answer_.outcome = outcome;
    answer_.ready.notify_one();
  }

 private:
  Answer& answer_;
};

}  // namespace

void GroupCommit::submit(std::unique_ptr<CommitTask> task) {
  // A row beyond the store's limits would have the whole group refused; only its own task may fail.
  const Transaction* const one[] = {&task->transaction};
  if (auto limits = check_limits(one); !limits) return task->finished(std::move(limits).error());
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(task));
  queued_.store(queue_.size(), std::memory_order_relaxed);
}

bool GroupCommit::idle() const {
  const std::lock_guard lock(mutex_);
  return queue_.empty() && !leading_;
}

bool GroupCommit::lead() {
  auto group = take_group();
  if (group.empty()) return false;
  commit_group(group);
  const std::lock_guard lock(mutex_);
  leading_ = false;
  return true;
}

std::vector<std::unique_ptr<CommitTask>> GroupCommit::take_group() {
  const std::lock_guard lock(mutex_);
  std::vector<std::unique_ptr<CommitTask>> group;
  if (leading_ || queue_.empty()) return group;
  leading_ = true;
  group.reserve(std::min(queue_.size(), kMaxGroupTransactions));
  std::size_t bytes = 0;
  while (!queue_.empty() && group.size() < kMaxGroupTransactions) {
    bytes += queue_.front()->transaction.byte_size();
    if (!group.empty() && bytes > kMaxGroupBytes) break;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  queued_.store(queue_.size(), std::memory_order_relaxed);
  return group;
}

void GroupCommit::commit_group(std::vector<std::unique_ptr<CommitTask>>& group) {
  std::vector<const Transaction*> transactions;
  transactions.reserve(group.size());
  Durability durability = Durability::async;
  for (const auto& task : group) {
    transactions.push_back(&task->transaction);
    if (task->durability == Durability::sync) durability = Durability::sync;
  }
  const auto outcomes = store_.commit(std::span<const Transaction* const>(transactions), durability);
  for (std::size_t i = 0; i < group.size(); ++i) {
    // Freed one by one: what the next task of the same run needs is then still at hand.
    const auto task = std::move(group[i]);
    if (outcomes) {
      task->finished((*outcomes)[i]);
    } else {
      task->finished(outcomes.error());
    }
  }
}

Result<CommitOutcome> GroupCommit::commit_and_wait(Transaction transaction, Durability durability) {
  std::vector<Transaction> one;
  one.push_back(std::move(transaction));
  return std::move(commit_and_wait(std::move(one), durability).front());
}

std::vector<Result<CommitOutcome>> GroupCommit::commit_and_wait(std::vector<Transaction> transactions,
                                                                Durability durability) {
  std::deque<WaitedTask::Answer> answers(transactions.size());
  for (std::size_t i = 0; i < transactions.size(); ++i) {
    auto task = std::make_unique<WaitedTask>(answers[i]);
    task->transaction = std::move(transactions[i]);
    task->durability = durability;
    submit(std::move(task));
  }
  // Leave only with the queue empty or another thread leading: nobody else may be on the way to lead.
  while (lead()) {
  }
  std::vector<Result<CommitOutcome>> outcomes;
  outcomes.reserve(answers.size());
  for (WaitedTask::Answer& answer : answers) {
    std::unique_lock lock(answer.mutex);
    answer.ready.wait(lock, [&] { return answer.outcome.has_value(); });
    outcomes.push_back(std::move(*answer.outcome));
  }
  return outcomes;
}

}  // namespace openwop::runtime
