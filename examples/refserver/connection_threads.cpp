#include "connection_threads.h"

#include <chrono>
#include <thread>

namespace refserver {

namespace {
// Threads that stay for the next connection, however long it takes; those beyond leave after a while without work.
constexpr std::size_t kKeptThreads = 8;
constexpr std::chrono::seconds kIdleLife{10};
constexpr std::chrono::seconds kDrainTime{10};
thread_local bool is_over_limit = false;
}  // namespace

bool ConnectionThreads::over_limit() { return is_over_limit; }

bool ConnectionThreads::try_enqueue(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (idle_ > tasks_.size()) {
    tasks_.push_back(std::move(task));
    task_or_end_.notify_one();
    return true;
  }
  if (threads_ >= max_threads_) return false;
  try {
    std::thread(&ConnectionThreads::work, this, std::move(task)).detach();  // shutdown() waits for all of them
    ++threads_;
    return true;
  } catch (const std::system_error&) {
    return false;  // the process may have no more threads: that is a limit like the other
  }
}

void ConnectionThreads::enqueue(std::function<void()> task) {
  if (try_enqueue(task)) return;
  is_over_limit = true;
  task();
  is_over_limit = false;
}

void ConnectionThreads::work(std::function<void()> task) {
  while (task) {
    task();
    task = next_task();
  }
}

// The next task; none when this thread may go, which is then counted off.
std::function<void()> ConnectionThreads::next_task() {
  std::unique_lock lock(mutex_);
  ++idle_;
  const auto ready = [this] { return !tasks_.empty() || shut_down_; };
  if (idle_ <= kKeptThreads) {
    task_or_end_.wait(lock, ready);
  } else {
    task_or_end_.wait_for(lock, kIdleLife, ready);
  }
  --idle_;
  if (!tasks_.empty()) {
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    return task;
  }
  --threads_;
  // Under the lock: once it is released and the count is zero, this object may be gone.
  thread_ended_.notify_all();
  return nullptr;
}

void ConnectionThreads::shutdown() {
  std::unique_lock lock(mutex_);
  shut_down_ = true;
  task_or_end_.notify_all();
  const auto all_ended = [this] { return threads_ == 0; };
  if (!thread_ended_.wait_for(lock, kDrainTime, all_ended)) {
    abort_connections_();
    thread_ended_.wait(lock, all_ended);
  }
}

}  // namespace refserver
