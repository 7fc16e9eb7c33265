// One execution of one node's handler on the executor, and the NodeContext that the handler sees.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "engine/agent_services.h"
#include "openwop/engine.h"

namespace openwop::runtime {

/// What a handler needs of the engine.
class HandlerHost {
 public:
  virtual ~HandlerHost() = default;
  virtual void handler_notes(const RunId& run, std::size_t node, std::uint64_t token, std::vector<RunCommand> notes,
                             std::function<void()> done) = 0;
  virtual void call_later(const RunId& run, std::int64_t at_ms, std::function<void()> call) = 0;
  virtual void handler_done(const RunId& run, std::size_t node, std::uint64_t token, NodeOutcome outcome) = 0;
  /// A commit for the run that its handler makes by itself. Errors: not_owner.
  [[nodiscard]] virtual Result<CommitOutcome> commit_and_wait(const RunId& run, Transaction transaction) = 0;
  /// False: the run has gone to another host, and what its handlers do here is of no use.
  [[nodiscard]] virtual bool has_run(const RunId& run) const = 0;
  [[nodiscard]] virtual const Store& store() const = 0;
  [[nodiscard]] virtual std::int64_t host_now_ms() const = 0;
  [[nodiscard]] virtual const EngineOptions& host_options() const = 0;
  [[nodiscard]] virtual std::shared_ptr<AgentServices> agent_services() const = 0;
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
    VariableMap channels = {};
    std::map<std::string, std::int64_t, std::less<>> pins = {};
    std::uint64_t emitted = 0;
    std::vector<NodeAnswer> answers = {};
    /// Whose recorded steps and random numbers these are: the run's own, or in a replay those of the run it repeats.
    std::optional<RunId> executor = {};
  };

  HandlerRun(std::shared_ptr<HostLink> link, std::shared_ptr<const NodeType> type, Facts facts);

  [[nodiscard]] std::size_t node() const { return facts_.node; }
  [[nodiscard]] std::uint64_t token() const { return facts_.token; }

  /// On the executor.
  void execute();
  /// The outcome no longer counts; tells the handler.
  void cancel();
  /// The turn that was to start it did not come to be: it never will. For its shard alone.
  void drop() { dropped_ = true; }
  [[nodiscard]] bool is_dropped() const { return dropped_; }

  [[nodiscard]] const NodeInvocation& invocation() const override { return invocation_; }
  [[nodiscard]] std::uint64_t random() override;
  [[nodiscard]] bool cancelled() const override { return cancelled_.load(std::memory_order_acquire); }
  void on_cancel(std::function<void()> callback) override;
  [[nodiscard]] Result<std::string> step(std::string_view key,
                                         const std::function<Result<std::string>()>& effect) override;
  [[nodiscard]] Result<std::string> secret(std::string_view secret_id) override;
  [[nodiscard]] NodeMemory* memory() override;
  [[nodiscard]] std::string invocation_id(std::string_view key) const override;
  [[nodiscard]] Status emit(Event event) override;
  [[nodiscard]] std::uint64_t emitted_before() const override { return facts_.emitted; }
  void after(std::int64_t delay_ms, std::function<void()> callback) override;
  [[nodiscard]] Result<std::int64_t> version(std::string_view change_id, std::int64_t min, std::int64_t max) override;
  void conceal(std::string secret) override;

 private:
  void complete(NodeOutcome outcome);
  /// Called with the lock held.
  void queue_note(Event event);
  [[nodiscard]] Result<std::int64_t> pin(std::string_view change_id, std::int64_t max);
  /// Sends what is queued, unless something is on its way already; then the outcome.
  void send_notes();
  void conceal_in(NodeOutcome& outcome);

  std::shared_ptr<HostLink> link_;
  std::shared_ptr<const NodeType> type_;  // until execute(); a handler may outlive the engine and its registry
  Facts facts_;
  std::string traceparent_;
  NodeInvocation invocation_;
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;
  bool completed_ = false;
  std::function<void()> on_cancel_;
  std::unique_ptr<NodeMemory> memory_;  // once it has been asked for
  std::uint64_t random_state_;

  // Notes wait here for the ones before them to be stored; the outcome waits for all of them.
  std::vector<RunCommand> notes_;
  std::size_t note_bytes_ = 0;
  bool notes_on_their_way_ = false;
  std::uint64_t emitted_ = 0;
  std::optional<NodeOutcome> outcome_;
  std::map<std::string, StreamScrubber> streams_;
  std::vector<std::string> secrets_;
  bool dropped_ = false;
};

}  // namespace openwop::runtime
