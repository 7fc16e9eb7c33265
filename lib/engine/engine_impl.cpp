#include "engine/engine_impl.h"

#include <algorithm>

#include "engine/run_rows.h"

namespace openwop::runtime {

EngineImpl::EngineImpl(EngineOptions options) : core_(std::move(options)) {
  EngineOptions& configured = core_.options;
  const bool own_clock = configured.clock == nullptr;
  if (own_clock) configured.clock = std::make_shared<SystemClock>();
  if (!configured.ids) configured.ids = std::make_shared<RandomIdSource>();
  if (!configured.on_error) configured.on_error = [](const Error&) {};

  // A driven engine without a clock of the host's goes by the time that tick() gave last.
  core_.now_ms = [this, own_clock] {
    const std::int64_t ticked = driven_now_ms_.load(std::memory_order_relaxed);
    return own_clock && driven() && ticked != 0 ? ticked : core_.options.clock->now_ms();
  };
  core_.post = [this](Message message) {
    Shard& shard = shard_of(*run_of(message));
    shard.post(std::move(message));
  };
  core_.wake_timekeeper = [this] { shards_.front()->nudge(); };
  core_.report = [this](const Error& error) { core_.options.on_error(error); };
  core_.link = std::make_shared<HostLink>(static_cast<HandlerHost&>(*this));

  const std::size_t shard_count = std::max<std::size_t>(configured.threads, 1);
  for (std::size_t i = 0; i < shard_count; ++i) shards_.push_back(std::make_unique<Shard>(core_));
  core_.executor = configured.executor;
  if (core_.executor == nullptr && driven()) {
    driven_executor_ = std::make_shared<DrivenExecutor>();
    core_.executor = driven_executor_;
  }
}

EngineImpl::~EngineImpl() { close(); }

Status EngineImpl::start() {
  auto ready = core_.ledger_sweep.open();
  if (ready) ready = core_.retention.open();
  if (core_.options.cluster) {
    if (ready) ready = join_cluster();
  } else {
    const auto all = [](const RunId&) { return true; };
    if (ready) ready = core_.timers.open();
    if (ready) ready = core_.agents->secrets.load(all);
    if (ready) ready = recover(all);
  }
  if (!ready) {
    // An engine that does not open touches no run, not even on its way out.
    closed_.store(true);
    return ready;
  }
  if (core_.executor == nullptr) {
    core_.executor = std::make_shared<ThreadPool>(std::max<std::size_t>(core_.options.executor_threads, 1));
  }
  for (std::size_t i = 0; i < core_.options.threads; ++i) threads_.emplace_back([this, i] { run_shard(i); });
  if (core_.keeper && !driven()) core_.keeper->start_thread();
  return {};
}

namespace {

/// Visits what follows the prefix in each of its keys: it begins with the id of a run.
Status each_row(const Store& store, char prefix_char, const std::function<bool(const RunId&)>& wanted,
                const std::function<void(const RunId&, std::string_view)>& visit) {
  const std::string prefix(1, prefix_char);
  return store.scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view) {
    const RunId run = RunId::from_bytes(key.substr(1));
    if (wanted(run)) visit(run, key.substr(1));
    return true;
  });
}

}  // namespace

/// Runs whose handlers were in flight when the last process ended, and what runs had still to tell each other.
Status EngineImpl::recover(const std::function<bool(const RunId&)>& wanted) {
  auto found = each_row(core_.store, kActivePrefix, wanted, [this](const RunId& run, std::string_view) {
    core_.post(GoOnMessage{run, true});
  });
  if (!found) return found;
  return look_at_relatives(wanted);
}

Status EngineImpl::look_at_relatives(const std::function<bool(const RunId&)>& wanted) {
  auto found = each_row(core_.store, kChildOrderPrefix, wanted,
                        [this](const RunId& child, std::string_view) { core_.post(ChildOrderMessage{child}); });
  if (!found) return found;
  return each_row(core_.store, kChildNoticePrefix, wanted, [this](const RunId& parent, std::string_view rest) {
    if (rest.size() < 2 * RunId::kBytes) return;
    core_.post(ChildNoticeMessage{parent, RunId::from_bytes(rest.substr(RunId::kBytes))});
  });
}

// ---- working ----

void EngineImpl::run_shard(std::size_t index) {
  Shard& shard = *shards_[index];
  const bool timekeeper = index == 0;
  while (true) {
    bool worked = shard.run_queued();
    worked = core_.commits.lead() || worked;
    worked = (timekeeper && keep_time()) || worked;
    if (worked) continue;
    if (stopping_.load()) return;
    const auto wake_ms = timekeeper ? next_wake_ms() : std::nullopt;
    constexpr std::int64_t kMaxWaitMs = 3'600'000;  // far times are looked at again, so that no sum overflows
    shard.wait(wake_ms ? std::clamp<std::int64_t>(*wake_ms - core_.now_ms(), 1, kMaxWaitMs) : -1);
  }
}

bool EngineImpl::keep_time() {
  const std::int64_t now = core_.now_ms();
  bool worked = core_.keeper && driven() && core_.keeper->step();
  if (now < timekeeper_rests_until_ms_.load()) return worked;
  std::vector<Message> again;
  {
    const std::lock_guard lock(core_.deferred_mutex);
    const auto last = core_.deferred.upper_bound(now);
    for (auto at = core_.deferred.begin(); at != last; ++at) again.push_back(std::move(at->second));
    core_.deferred.erase(core_.deferred.begin(), last);
  }
  for (Message& message : again) core_.post(std::move(message));
  worked = worked || !again.empty();

  if (!core_.closing.load() && removes_ended_runs()) {
    auto swept = core_.retention.step(now, core_.wake_timekeeper);
    if (!swept) core_.report(swept.error());
    worked = (swept && *swept) || worked;
  }

  auto due = core_.timers.take_due(now);
  if (!due) {
    core_.report(due.error());
    timekeeper_rests_until_ms_.store(now + core_.options.store_retry_ms);
    return worked;
  }
  for (const RunId& run : *due) core_.post(TimerMessage{run});
  return worked || !due->empty();
}

std::optional<std::int64_t> EngineImpl::next_wake_ms() {
  std::optional<std::int64_t> next = core_.timers.next_due_ms();
  {
    const std::lock_guard lock(core_.deferred_mutex);
    if (!core_.deferred.empty() && (!next || core_.deferred.begin()->first < *next))
      next = core_.deferred.begin()->first;
  }
  if (next) next = std::max(*next, timekeeper_rests_until_ms_.load());
  const auto retained = removes_ended_runs() ? core_.retention.next_due_ms() : std::nullopt;
  if (retained && (!next || *retained < *next)) next = retained;
  if (core_.keeper && driven()) {
    const std::int64_t due = core_.keeper->next_due_ms();
    next = std::min(next.value_or(due), due);
  }
  return next;
}

void EngineImpl::drive() {
  bool worked = true;
  while (worked) {
    worked = keep_time();
    for (const auto& shard : shards_) worked = shard->run_queued() || worked;
    worked = core_.commits.lead() || worked;
    worked = (driven_executor_ && driven_executor_->run_all()) || worked;
  }
}

std::optional<std::int64_t> EngineImpl::tick(std::int64_t now_ms) {
  if (!driven()) return next_wake_ms();
  driven_now_ms_.store(now_ms, std::memory_order_relaxed);
  drive();
  return next_wake_ms();
}

// ---- closing ----

/// Until handlers have ended and commits are through, or the drain timeout.
void EngineImpl::wait_for_quiet() {
  std::mutex mutex;
  std::condition_variable never;
  constexpr std::int64_t kStepMs = 5;
  for (std::int64_t waited = 0; waited < core_.options.drain_timeout_ms; waited += kStepMs) {
    bool quiet = core_.active_runs.load() == 0 && core_.commits.idle();
    for (const auto& shard : shards_) quiet = quiet && shard->queued() == 0;
    if (quiet) return;
    std::unique_lock lock(mutex);
    never.wait_for(lock, std::chrono::milliseconds(kStepMs));
  }
}

void EngineImpl::close() {
  if (closed_.exchange(true)) return;
  core_.closing.store(true);
  if (driven()) {
    drive();
  } else {
    wait_for_quiet();
  }
  // What handlers answer from now on is for the next open(): their runs are marked active in the store.
  core_.link->sever();
  stopping_.store(true);
  for (const auto& shard : shards_) shard->close_mailbox();
  for (const auto& shard : shards_) shard->nudge();
  for (std::thread& thread : threads_) thread.join();
  for (const auto& shard : shards_) shard->run_queued();
  while (core_.commits.lead()) {
  }
  for (const auto& shard : shards_) shard->cancel_handlers();
  leave_cluster();
  core_.subscriptions->notify_all();
  core_.executor.reset();
}

}  // namespace openwop::runtime
