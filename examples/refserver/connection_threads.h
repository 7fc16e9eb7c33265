// Threads for connections: one each, made when needed, kept a while for the next connection, never more than a limit.
// cpp-httplib gives a connection's whole life to one task, so a fixed pool would starve behind open streams.
//
// Thread-safety: enqueue() and shutdown() from the accepting thread, try_enqueue() from any.
#pragma once

#include <httplib.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace refserver {

class ConnectionThreads final : public httplib::TaskQueue {
 public:
  /// `abort_connections` is called when shutdown() has waited long enough.
  ConnectionThreads(std::size_t max_threads, std::function<void()> abort_connections)
      : max_threads_(max_threads), abort_connections_(std::move(abort_connections)) {}

  /// True while the calling thread runs a task because there was no thread for it: be quick, say no.
  [[nodiscard]] static bool over_limit();

  void enqueue(std::function<void()> task) override;
  /// False when there is no thread for the task, which is then not run. From any thread, before shutdown().
  [[nodiscard]] bool try_enqueue(std::function<void()> task);
  void shutdown() override;

 private:
  void work(std::function<void()> task);
  [[nodiscard]] std::function<void()> next_task();

  const std::size_t max_threads_;
  const std::function<void()> abort_connections_;
  std::mutex mutex_;
  std::condition_variable task_or_end_;
  std::condition_variable thread_ended_;
  std::deque<std::function<void()>> tasks_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
  bool shut_down_ = false;
};

}  // namespace refserver
