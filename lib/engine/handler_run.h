// One execution of one node's handler on the executor, and the NodeContext that the handler sees.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "openwop/engine.h"

namespace openwop::runtime {

/// What a handler needs of the engine.
class HandlerHost {
 public:
  virtual ~HandlerHost() = default;
  virtual void handler_done(const RunId& run, std::size_t node, std::uint64_t token, NodeOutcome outcome) = 0;
  [[nodiscard]] virtual Result<CommitOutcome> commit_and_wait(Transaction transaction) = 0;
  [[nodiscard]] virtual const Store& store() const = 0;
  [[nodiscard]] virtual std::int64_t host_now_ms() const = 0;
};

/// Lets handlers outlive the engine: after close() their answers go nowhere.
class HostLink {
 public:
  explicit HostLink(HandlerHost& host) : host_(&host) {}
  /// Waits for calls in progress; none reaches the host afterwards.
  void sever() {
    std::unique_lock lock(mutex_);
    host_ = nullptr;
    quiet_.wait(lock, [this] { return calls_ == 0; });
  }
  /// Calls `use(host)` unless severed; true if it did. No lock is held during the call, so calls may nest.
  template <class Use>
  bool with_host(Use&& use) {
    HandlerHost* host = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (host_ == nullptr) return false;
      host = host_;
      ++calls_;
    }
    use(*host);
    const std::lock_guard lock(mutex_);
    if (--calls_ == 0) quiet_.notify_all();
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable quiet_;
  HandlerHost* host_;
  std::size_t calls_ = 0;
};

/// Thread-safe; shared by the shard that dispatched it, the executor, and the handler.
class HandlerRun final : public NodeContext, public std::enable_shared_from_this<HandlerRun> {
 public:
  struct Facts {
    RunId run_id;
    std::shared_ptr<const RunHeader> header;
    std::shared_ptr<const Workflow> workflow;
    std::size_t node = 0;
    std::uint64_t token = 0;  // sequence of the node.started event
    std::uint32_t attempt = 0;
    std::uint32_t iteration = 0;
    std::uint32_t loop_index = 0;
    std::int64_t started_ms = 0;
    std::string inputs = "{}";
    VariableMap variables = {};
  };

  HandlerRun(std::shared_ptr<HostLink> link, std::shared_ptr<const NodeType> type, Facts facts);

  [[nodiscard]] std::size_t node() const { return facts_.node; }
  [[nodiscard]] std::uint64_t token() const { return facts_.token; }

  /// On the executor.
  void execute();
  /// The outcome no longer counts; tells the handler.
  void cancel();

  [[nodiscard]] const NodeInvocation& invocation() const override { return invocation_; }
  [[nodiscard]] std::uint64_t random() override;
  [[nodiscard]] bool cancelled() const override { return cancelled_.load(std::memory_order_acquire); }
  void on_cancel(std::function<void()> callback) override;
  [[nodiscard]] Result<std::string> step(std::string_view key,
                                         const std::function<Result<std::string>()>& effect) override;
  [[nodiscard]] std::string invocation_id(std::string_view key) const override;

 private:
  void complete(NodeOutcome outcome);

  std::shared_ptr<HostLink> link_;
  std::shared_ptr<const NodeType> type_;  // until execute(); a handler may outlive the engine and its registry
  Facts facts_;
  NodeInvocation invocation_;
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;
  bool completed_ = false;
  std::function<void()> on_cancel_;
  std::uint64_t random_state_;
};

}  // namespace openwop::runtime
