#include "openwop/interrupt_callbacks.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>

#include "openwop/interrupt.h"
#include "openwop/json.h"
#include "webhooks/callback_rows.h"
#include "webhooks/posting.h"

namespace openwop {

namespace webhooks {
namespace {

/// The store is left alone for so long after it gave an error.
constexpr std::int64_t kStoreRetryMs = 1'000;

bool asks_for_callback(const RunCommit& commit, const EventView& event) {
  // What a replay repeats was sent when it happened (protocol 03 §5.5).
  if (event.type != EventType::interrupt_requested || commit.header.is_replay()) return false;
  const auto kind = json::member(event.payload, "kind");
  return kind && json::as_string(*kind) == interrupt_kind_name(InterruptKind::external_event);
}

std::string text_member(std::string_view object, std::string_view name) {
  const auto value = json::member(object, name);
  return value ? json::as_string(*value).value_or(std::string()) : std::string();
}

CallbackRow row_of(const RunCommit& commit, const EventView& event) {
  CallbackRow row{.run = commit.run, .sequence = event.sequence, .url = commit.header.callback_url};
  row.node_id = event.node_id;
  row.interrupt_id = text_member(event.payload, "interruptId");
  row.kind = text_member(event.payload, "kind");
  row.traceparent = commit.header.traceparent;
  row.tracestate = commit.header.tracestate;
  const auto timeout = json::member(event.payload, "timeoutMs");
  const InterruptState timing{.requested_ms = event.time_ms,
                              .timeout_ms = timeout ? json::as_int(*timeout).value_or(0) : 0};
  row.closes_ms = timing.due_ms();
  return row;
}

class CallbackService final : public InterruptCallbacks {
 public:
  explicit CallbackService(CallbackOptions options) : options_(std::move(options)), tokens_(options_.token_keys) {}
  CallbackService(const CallbackService&) = delete;
  CallbackService& operator=(const CallbackService&) = delete;
  ~CallbackService() override { close(); }

  [[nodiscard]] Status load();

  void extend(const RunCommit& commit, Transaction& transaction) noexcept override;
  void committed(const RunCommit& commit) noexcept override;
  void ownership_changed(const std::shared_ptr<const RunOwnership>& ownership) noexcept override;
  void start(std::string public_url) override;
  std::optional<std::int64_t> tick() override;
  void close() override;

 private:
  [[nodiscard]] std::int64_t now_ms() const { return options_.delivery.clock->now_ms(); }
  void trouble(std::string_view message, const CallbackRow& row, std::string_view reason) const;
  void report(const Error& error) const;
  void queue(std::int64_t due_ms, std::string key);
  [[nodiscard]] bool is_mine(const RunId& run);
  /// The key of a row that is due; or nothing, and when the next one is.
  [[nodiscard]] std::optional<std::string> next(std::optional<std::int64_t>& wake_ms);
  void run();
  void work(const std::string& key);
  [[nodiscard]] Status deliver(const std::string& key, CallbackRow row);
  [[nodiscard]] HttpCall call_for(const CallbackRow& row) const;
  [[nodiscard]] Status put_off(CallbackRow row);
  [[nodiscard]] Status erase(const std::string& key);
  [[nodiscard]] Status commit(const Transaction& transaction);

  CallbackOptions options_;
  InterruptTokens tokens_;
  std::string public_url_;  // fixed once started_
  std::stop_source stop_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::set<std::pair<std::int64_t, std::string>> queue_;  // when it is due, key of the row
  std::shared_ptr<const RunOwnership> ownership_;         // null: every run is this host's
  std::int64_t look_ms_ = 0;                              // when the outbox is to be read again; 0 = it need not be
  std::atomic<std::size_t> queued_{0};
  std::atomic<bool> told_full_{false};
  std::atomic<bool> started_{false};
  std::thread thread_;
};

Status CallbackService::load() {
  const std::string prefix = CallbackRow::all_prefix();
  Status status;
  auto scanned = options_.delivery.store->scan({prefix, prefix_end(prefix), false},
                                               [&](std::string_view key, std::string_view value) {
                                                 auto row = CallbackRow::decode(key, value);
                                                 if (!row) {
                                                   status = std::move(row).error();
                                                   return false;
                                                 }
                                                 queue(row->due_ms, std::string(key));
                                                 return true;
                                               });
  return scanned ? status : scanned;
}

void CallbackService::trouble(std::string_view message, const CallbackRow& row, std::string_view reason) const {
  std::string fields;
  json::ObjectWriter(fields)
      .string("runId", row.run.text())
      .string("nodeId", row.node_id)
      .string("interruptId", row.interrupt_id)
      .string("reason", reason);
  options_.delivery.on_trouble(message, fields);
}

void CallbackService::report(const Error& error) const {
  std::string fields;
  json::ObjectWriter(fields).string("reason", error.message);
  options_.delivery.on_trouble("interrupt callback outbox cannot be used", fields);
}

void CallbackService::queue(std::int64_t due_ms, std::string key) {
  {
    const std::lock_guard lock(mutex_);
    queue_.emplace(due_ms, std::move(key));
    queued_ = queue_.size();
  }
  wake_.notify_one();
}

bool CallbackService::is_mine(const RunId& run) {
  const std::lock_guard lock(mutex_);
  return !ownership_ || ownership_->is_mine(run);
}

void CallbackService::ownership_changed(const std::shared_ptr<const RunOwnership>& ownership) noexcept {
  {
    const std::lock_guard lock(mutex_);
    ownership_ = ownership;
    // What another host has left undone is in the outbox.
    look_ms_ = now_ms();
  }
  wake_.notify_one();
}

// ---- commits of runs ----

void CallbackService::extend(const RunCommit& commit, Transaction& transaction) noexcept {
  if (commit.header.callback_url.empty() || queued_.load() >= options_.max_queued) return;
  for (std::size_t i = 0; i < commit.events.size(); ++i) {
    const EventView event = commit.event(i);
    if (!asks_for_callback(commit, event)) continue;
    const CallbackRow row = row_of(commit, event);
    transaction.put(row.key(), row.encode());
  }
}

void CallbackService::committed(const RunCommit& commit) noexcept {
  if (commit.header.callback_url.empty()) return;
  for (std::size_t i = 0; i < commit.events.size(); ++i) {
    const EventView event = commit.event(i);
    if (!asks_for_callback(commit, event)) continue;
    if (queued_.load() < options_.max_queued) {
      told_full_ = false;
      queue(0, row_of(commit, event).key());
    } else if (!told_full_.exchange(true)) {
      trouble("interrupt callbacks are dropped", row_of(commit, event), "max_queued");
    }
  }
}

// ---- waiting for work ----

void CallbackService::start(std::string public_url) {
  if (started_.load() || stop_.stop_requested()) return;
  public_url_ = std::move(public_url);
  started_ = true;
  if (options_.delivery.threads > 0) thread_ = std::thread([this] { run(); });
}

std::optional<std::string> CallbackService::next(std::optional<std::int64_t>& wake_ms) {
  std::unique_lock lock(mutex_);
  const std::int64_t now = now_ms();
  if (look_ms_ != 0 && look_ms_ <= now) {
    look_ms_ = 0;
    lock.unlock();
    const Status loaded = load();
    if (!loaded) report(loaded.error());
    lock.lock();
    if (!loaded) look_ms_ = now + kStoreRetryMs;
  }
  if (!queue_.empty() && queue_.begin()->first <= now) return std::move(queue_.extract(queue_.begin()).value().second);
  if (!queue_.empty()) wake_ms = queue_.begin()->first;
  if (look_ms_ != 0) wake_ms = std::min(wake_ms.value_or(look_ms_), look_ms_);
  return std::nullopt;
}

std::optional<std::int64_t> CallbackService::tick() {
  if (options_.delivery.threads > 0 || !started_.load()) return std::nullopt;
  std::optional<std::int64_t> wake_ms;
  while (!stop_.stop_requested()) {
    const auto key = next(wake_ms);
    if (!key) break;
    work(*key);
  }
  return wake_ms;
}

void CallbackService::run() {
  constexpr std::int64_t kMaxWaitMs = 3'600'000;
  while (!stop_.stop_requested()) {
    std::optional<std::int64_t> wake_ms;
    if (const auto key = next(wake_ms)) {
      work(*key);
      continue;
    }
    std::unique_lock lock(mutex_);
    const auto is_due = [&] {
      const bool due = !queue_.empty() && queue_.begin()->first <= now_ms();
      return stop_.stop_requested() || due || (look_ms_ != 0 && look_ms_ <= now_ms());
    };
    const std::int64_t wait_ms = wake_ms ? std::clamp<std::int64_t>(*wake_ms - now_ms(), 1, kMaxWaitMs) : kMaxWaitMs;
    wake_.wait_for(lock, std::chrono::milliseconds(wait_ms), is_due);
  }
}

void CallbackService::close() {
  {
    // Under the lock: the thread is either before its look at the flag, or waits and hears of it.
    const std::lock_guard lock(mutex_);
    stop_.request_stop();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// ---- one callback ----

void CallbackService::work(const std::string& key) {
  const auto stored = options_.delivery.store->get(key);
  Status status;
  if (!stored) {
    status = stored.error();
  } else if (stored->has_value()) {
    auto row = CallbackRow::decode(key, **stored);
    status = row ? deliver(key, *std::move(row)) : Status(std::move(row).error());
  }
  if (!status) {
    report(status.error());
    queue(now_ms() + kStoreRetryMs, key);
  }
  const std::lock_guard lock(mutex_);
  queued_ = queue_.size();
}

Status CallbackService::deliver(const std::string& key, CallbackRow row) {
  // Its host sends it, and looks through the outbox when it takes the run over.
  if (!is_mine(row.run)) return {};
  // Nobody could use the link any more.
  if (row.closes_ms != 0 && row.closes_ms <= now_ms()) return erase(key);
  const PostOutcome outcome = post(options_.delivery, call_for(row));
  if (outcome.interrupted) return {};
  if (outcome.delivered) return erase(key);
  ++row.attempts;
  trouble("interrupt callback failed", row, outcome.reason);
  if (!outcome.rejected && row.attempts <= options_.delivery.max_retries) return put_off(std::move(row));
  trouble("interrupt callback given up", row, outcome.reason);
  return erase(key);
}

HttpCall CallbackService::call_for(const CallbackRow& row) const {
  std::int64_t expires_ms = now_ms() + options_.token_ttl_ms;
  if (row.closes_ms != 0) expires_ms = std::min(expires_ms, row.closes_ms);
  const std::string token = tokens_.mint(
      {.run_id = row.run, .node_id = row.node_id, .interrupt_id = row.interrupt_id, .expires_ms = expires_ms});
  std::string body;
  json::ObjectWriter(body)
      .string("runId", row.run.text())
      .string("nodeId", row.node_id)
      .string("interruptId", row.interrupt_id)
      .string("kind", row.kind)
      .string("callbackUrl", public_url_ + "/v1/interrupts/" + token)
      .string("expiresAt", format_rfc3339(expires_ms));
  HttpCall call = json_post(options_.delivery, row.url, std::move(body));
  if (!options_.secret.empty()) sign(call, options_.secret, now_ms());
  TraceContext trace =
      parse_traceparent(row.traceparent, row.tracestate).value_or(TraceContext{.trace_id = trace_id_of(row.run)});
  trace.span_id = span_id_of(row.run, 'c', row.sequence);
  add_trace(call, trace);
  call.stop = stop_.get_token();
  return call;
}

Status CallbackService::put_off(CallbackRow row) {
  const std::uint64_t mix = std::hash<Id>{}(row.run) + 7 * row.sequence + row.attempts;
  row.due_ms = now_ms() + retry_delay_ms(options_.delivery, row.attempts, mix);
  Transaction transaction;
  transaction.put(row.key(), row.encode());
  if (auto committed = commit(transaction); !committed) return committed;
  queue(row.due_ms, row.key());
  return {};
}

Status CallbackService::erase(const std::string& key) {
  Transaction transaction;
  transaction.erase(key);
  return commit(transaction);
}

Status CallbackService::commit(const Transaction& transaction) {
  auto outcome = options_.delivery.store->commit(transaction, Durability::sync);
  if (!outcome) return std::move(outcome).error();
  return {};
}

}  // namespace
}  // namespace webhooks

Result<std::shared_ptr<InterruptCallbacks>> InterruptCallbacks::open(CallbackOptions options) {
  WebhookOptions& delivery = options.delivery;
  const bool parts = delivery.store && delivery.client && (delivery.resolver || delivery.allow_private);
  const bool limits = delivery.attempt_timeout_ms > 0 && delivery.retry_initial_ms > 0 && delivery.retry_max_ms > 0 &&
                      delivery.resolve_timeout_ms > 0 && options.token_ttl_ms > 0;
  if (!parts || options.token_keys.empty()) {
    return Error{ErrorCode::validation_error, "callbacks need a store, an HTTP client, a resolver and a token key"};
  }
  if (!limits) return Error{ErrorCode::validation_error, "times of callbacks must be at least 1"};
  if (!delivery.clock) delivery.clock = std::make_shared<SystemClock>();
  if (!delivery.on_trouble) delivery.on_trouble = [](std::string_view, std::string_view) {};
  auto service = std::make_shared<webhooks::CallbackService>(std::move(options));
  if (auto loaded = service->load(); !loaded) return std::move(loaded).error();
  return std::shared_ptr<InterruptCallbacks>(std::move(service));
}

}  // namespace openwop
