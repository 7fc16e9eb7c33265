// The engine's own executors: a fixed pool of threads, and a queue that a driven engine works off itself.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "openwop/executor.h"

namespace openwop::runtime {

/// Thread-safe. The destructor runs what is queued, then joins.
class ThreadPool final : public Executor {
 public:
  explicit ThreadPool(std::size_t threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool() override;
  void post(std::function<void()> task) override;

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

/// Thread-safe to post; run_all() from the driving thread.
class DrivenExecutor final : public Executor {
 public:
  void post(std::function<void()> task) override;
  /// Runs what is queued now; true if there was anything.
  bool run_all();

 private:
  std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;
};

}  // namespace openwop::runtime
