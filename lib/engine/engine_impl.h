// The engine behind the public interface: builds the parts, runs the shard threads or lets itself be driven, and closes
// in order.
#pragma once

#include <thread>

#include "engine/core.h"
#include "engine/executors.h"
#include "engine/shard.h"

namespace openwop::runtime {

class EngineImpl final : public Engine, private HandlerHost {
 public:
  explicit EngineImpl(EngineOptions options);
  EngineImpl(const EngineImpl&) = delete;
  EngineImpl& operator=(const EngineImpl&) = delete;
  ~EngineImpl() override;

  /// Finds unfinished runs and starts the threads.
  [[nodiscard]] Status start();

  void close() override;

  [[nodiscard]] Result<std::shared_ptr<const Workflow>> register_workflow(std::string_view source) override;
  [[nodiscard]] Result<std::shared_ptr<const Workflow>> workflow(std::string_view workflow_id) const override;
  [[nodiscard]] std::vector<std::string> workflow_ids() const override;

  [[nodiscard]] Result<CreatedRun> create_run(CreateRun request) override;
  void create_run(CreateRun request, std::function<void(Result<CreatedRun>)> done) override;
  [[nodiscard]] Result<RunStatus> cancel_run(CancelRun request) override;
  void cancel_run(CancelRun request, std::function<void(Result<RunStatus>)> done) override;

  [[nodiscard]] Result<RunStatus> pause_run(PauseRun request) override;
  void pause_run(PauseRun request, std::function<void(Result<RunStatus>)> done) override;
  [[nodiscard]] Result<RunStatus> resume_run(ResumeRun request) override;
  void resume_run(ResumeRun request, std::function<void(Result<RunStatus>)> done) override;
  [[nodiscard]] Result<RunStatus> resolve_interrupt(ResolveInterrupt request) override;
  void resolve_interrupt(ResolveInterrupt request, std::function<void(Result<RunStatus>)> done) override;
  [[nodiscard]] Result<InterruptView> pending_interrupt(std::string_view tenant, const RunId& run_id,
                                                        std::string_view node_id) const override;
  [[nodiscard]] Result<InterruptPage> list_interrupts(const InterruptFilter& filter, std::string_view cursor,
                                                      std::size_t limit) const override;
  [[nodiscard]] Result<std::string> tenant_of(const RunId& run_id) const override;
  [[nodiscard]] Result<CreatedRun> fork_run(ForkRun request) override;
  void fork_run(ForkRun request, std::function<void(Result<CreatedRun>)> done) override;

  [[nodiscard]] Result<RunView> run(std::string_view tenant, const RunId& run_id) const override;
  [[nodiscard]] Result<RunView> run_at(std::string_view tenant, const RunId& run_id,
                                       std::uint64_t sequence) const override;
  [[nodiscard]] Result<RunPage> list_runs(const RunFilter& filter, std::string_view cursor,
                                          std::size_t limit) const override;
  [[nodiscard]] Result<RunExplanation> explain(std::string_view tenant, const RunId& run_id) const override;
  [[nodiscard]] Result<RunProgress> progress(std::string_view tenant, const RunId& run_id) const override;
  [[nodiscard]] Result<std::string> artifact(std::string_view tenant, const RunId& run_id,
                                             std::string_view artifact_id) const override;
  [[nodiscard]] Status write_channel(ForeignChannelWrite write) override;
  [[nodiscard]] Status read_events(std::string_view tenant, const RunId& run_id, std::uint64_t from_sequence,
                                   const std::function<bool(const EventView&)>& visit) const override;
  [[nodiscard]] Result<std::unique_ptr<EventSubscription>> subscribe(std::string_view tenant, const RunId& run_id,
                                                                     std::uint64_t from_sequence) override;
  [[nodiscard]] Result<std::optional<std::string>> host_get(std::string_view key) const override;
  [[nodiscard]] Result<std::optional<Ledger::Found>> find_ledger_entry(std::string_view row_key) const override;
  [[nodiscard]] Status remember(const LedgerClaim& claim, std::string_view outcome) override;
  [[nodiscard]] Result<std::vector<bool>> remember_all(const std::vector<RememberOutcome>& outcomes) override;

  std::optional<std::int64_t> tick(std::int64_t now_ms) override;
  [[nodiscard]] const EngineOptions& options() const override { return core_.options; }
  [[nodiscard]] std::int64_t now_ms() const override { return core_.now_ms(); }
  [[nodiscard]] std::optional<ClusterView> cluster() const override;

 private:
  // HandlerHost
  void handler_notes(const RunId& run, std::size_t node, std::uint64_t token, std::vector<RunCommand> notes,
                     std::function<void()> done) override;
  void call_later(const RunId& run, std::int64_t at_ms, std::function<void()> call) override;
  [[nodiscard]] const EngineOptions& host_options() const override { return core_.options; }
  void handler_done(const RunId& run, std::size_t node, std::uint64_t token, NodeOutcome outcome) override;
  [[nodiscard]] Result<CommitOutcome> commit_and_wait(const RunId& run, Transaction transaction) override;
  [[nodiscard]] bool has_run(const RunId& run) const override { return core_.is_mine(run); }
  [[nodiscard]] const Store& store() const override { return core_.store; }
  [[nodiscard]] std::int64_t host_now_ms() const override { return core_.now_ms(); }
  [[nodiscard]] std::shared_ptr<AgentServices> agent_services() const override { return core_.agents; }

  [[nodiscard]] bool driven() const { return core_.options.threads == 0; }
  [[nodiscard]] Shard& shard_of(const RunId& run) { return *shards_[std::hash<RunId>{}(run) % shards_.size()]; }
  [[nodiscard]] Status admit(const RunId& run) const;
  /// Hands a request to its run's shard.
  template <class Call>
  void ask(Call call, RunRequest request, std::string actor, std::function<void(Result<RunStatus>)> done);
  /// Goes on with unfinished runs of which `wanted` is true.
  [[nodiscard]] Status recover(const std::function<bool(const RunId&)>& wanted);
  /// What runs have still to tell each other, where the one to be told is wanted.
  [[nodiscard]] Status look_at_relatives(const std::function<bool(const RunId&)>& wanted);

  // engine_cluster.cpp
  [[nodiscard]] Status join_cluster();
  [[nodiscard]] Status take_up(std::span<const std::size_t> partitions);
  void leave_cluster();
  [[nodiscard]] bool removes_ended_runs() const;
  /// The loop of a shard thread; the first shard also keeps time.
  void run_shard(std::size_t index);
  /// Posts what is due; true if there was anything.
  bool keep_time();
  [[nodiscard]] std::optional<std::int64_t> next_wake_ms();
  /// Works until nothing is left to do now. Driven engines only.
  void drive();
  void wait_for_quiet();
  /// Calls `start(answer)` and waits for the answer, driving the engine if nobody else does.
  template <class T, class StartCall>
  Result<T> wait_for(StartCall&& start_call);

  Core core_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::shared_ptr<DrivenExecutor> driven_executor_;
  std::atomic<std::int64_t> driven_now_ms_{0};
  std::atomic<std::int64_t> timekeeper_rests_until_ms_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> closed_{false};
  std::vector<std::thread> threads_;
};

}  // namespace openwop::runtime
