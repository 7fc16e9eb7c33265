// Engine::fork_run. A fork is one small commit of rows; no shard knows of the run before they are durable, then its
// shard is told to go on with it.
#include "engine/engine_impl.h"
#include "engine/fork_plan.h"

namespace openwop::runtime {

namespace {

class ForkTask final : public CommitTask {
 public:
  ForkTask(Core& core, const RunId& run, std::int64_t created_ms, std::string forked_by,
           std::function<void(Result<CreatedRun>)> done)
      : core_(core), run_(run), created_ms_(created_ms), forked_by_(std::move(forked_by)), done_(std::move(done)) {}

  void finished(const Result<CommitOutcome>& outcome) override {
    if (!outcome) {
      core_.report(outcome.error());
      // It may have taken effect all the same; then the run begins.
      if (outcome.error().code != ErrorCode::validation_error) core_.defer(GoOnMessage{run_, false, forked_by_});
      return done_(outcome.error());
    }
    if (*outcome == CommitOutcome::refused) {
      static_cast<void>(fence.holds());
      return done_(Error{ErrorCode::precondition_failed, "the key has been used meanwhile, or the source is gone"});
    }
    if (!remembered.empty()) core_.ledger_sweep.recorded(remembered, core_.now_ms(), core_.report);
    core_.post(GoOnMessage{run_, false, std::move(forked_by_)});
    done_(CreatedRun{run_, RunStatus::pending, created_ms_});
  }

  /// Row key of the ledger entry that the commit adds; empty for none.
  std::string remembered;
  Fence fence;

 private:
  Core& core_;
  RunId run_;
  std::int64_t created_ms_;
  std::string forked_by_;
  std::function<void(Result<CreatedRun>)> done_;
};

}  // namespace

void EngineImpl::fork_run(ForkRun request, std::function<void(Result<CreatedRun>)> done) {
  const std::int64_t now = core_.now_ms();
  const auto drawn = core_.new_run_id();
  if (!drawn) return done(drawn.error());
  const RunId run = *drawn;
  if (auto admitted = admit(run); !admitted) return done(std::move(admitted).error());
  auto plan = plan_fork(core_.store, core_.options, request, now,
                        [this](std::string_view id) { return core_.catalog.newest(id); });
  if (!plan) return done(std::move(plan).error());
  if (request.mode == ForkMode::branch) {
    auto schema = core_.catalog.check_configurable(*plan->workflow, plan->header.configurable);
    if (!schema) return done(std::move(schema).error());
  }
  auto fence = core_.enter(run);
  // Between drawing the id and here its partition went away: the caller's next try draws another.
  if (!fence) return done(Error{ErrorCode::precondition_failed, "runs are changing hosts"});
  auto task = std::make_unique<ForkTask>(core_, run, now, std::move(request.forked_by), std::move(done));
  task->durability = core_.options.durability;
  fence->guard(task->transaction);
  task->fence = *std::move(fence);
  put_fork(task->transaction, run, *plan);
  if (const auto& claim = request.claim) {
    const LedgerEntry entry{claim->request_digest, claim->outcome(run, RunStatus::pending), claim->expires_ms};
    if (claim->replaces) {
      Ledger::replace(task->transaction, claim->row_key, *claim->replaces, entry);
    } else {
      Ledger::record(task->transaction, claim->row_key, entry);
    }
    task->remembered = claim->row_key;
  }
  core_.commits.submit(std::move(task));
  core_.wake_timekeeper();  // the shard that keeps time leads the commit
}

}  // namespace openwop::runtime
