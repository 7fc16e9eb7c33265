// The workers: which delivery comes next, the attempt, and what comes of it.
#include <algorithm>

#include "engine/run_header.h"
#include "openwop/json.h"
#include "openwop/log.h"
#include "openwop/trace_context.h"
#include "webhooks/posting.h"
#include "webhooks/webhook_service.h"

namespace openwop::webhooks {

namespace {

/// Rows that one worker takes at a time.
constexpr std::size_t kBatchRows = 32;
/// The store is left alone for so long after it gave an error.
constexpr std::int64_t kStoreRetryMs = 1'000;

}  // namespace

// ---- waiting for work ----

void WebhookService::kick() {
  {
    const std::lock_guard lock(wake_mutex_);
    ++kicks_;
  }
  wake_.notify_all();
}

void WebhookService::run_worker() {
  constexpr std::int64_t kMaxWaitMs = 3'600'000;
  while (!stop_.stop_requested()) {
    std::uint64_t seen = 0;
    {
      const std::lock_guard lock(wake_mutex_);
      seen = kicks_;
    }
    catch_up();
    std::optional<std::int64_t> wake_ms;
    if (auto batch = claim(wake_ms)) {
      work(*std::move(batch));
      continue;
    }
    std::unique_lock lock(wake_mutex_);
    const auto awake = [&] { return kicks_ != seen || stop_.stop_requested(); };
    const std::int64_t wait_ms = wake_ms ? std::clamp<std::int64_t>(*wake_ms - now_ms(), 1, kMaxWaitMs) : kMaxWaitMs;
    wake_.wait_for(lock, std::chrono::milliseconds(wait_ms), awake);
  }
}

std::optional<std::int64_t> WebhookService::tick() {
  if (options_.threads > 0 || stop_.stop_requested()) return std::nullopt;
  catch_up();
  for (;;) {
    std::optional<std::int64_t> wake_ms;
    auto batch = claim(wake_ms);
    if (!batch) return wake_ms;
    work(*std::move(batch));
  }
}

void WebhookService::close() {
  stop_.request_stop();
  kick();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

// ---- what comes next ----

/// Whether a worker may look for rows of the hook now.
bool WebhookService::may_work(Hook& hook, std::int64_t now) const {
  if (hook.wake_ms != 0 && hook.wake_ms <= now) {
    hook.wake_ms = 0;
    hook.has_rows = true;
  }
  if (!hook.has_rows.load()) return false;
  if (hook.gone.load() || hook.health.failed) return hook.lanes.empty();
  if (hook.health.is_open(now) && durable()) {
    hook.wake_ms = hook.health.open_until_ms;
    return false;
  }
  if (hook.health.is_half_open(now)) return hook.lanes.empty();
  return hook.lanes.size() < std::max<std::size_t>(options_.threads / 2, 1);
}

std::optional<WebhookService::Batch> WebhookService::claim(std::optional<std::int64_t>& wake_ms) {
  const std::lock_guard lock(work_mutex_);
  const std::int64_t now = now_ms();
  // One after the other, so that no subscription starves behind a busy one.
  auto at = work_.upper_bound(last_claimed_);
  std::vector<Id> empty;
  std::optional<Batch> found;
  for (std::size_t left = work_.size(); left > 0 && !found; --left) {
    if (at == work_.end()) at = work_.begin();
    const HookPtr hook = at->second;
    ++at;
    if (may_work(*hook, now)) {
      const bool probes = hook->health.is_half_open(now) && !hook->gone.load();
      Batch batch{hook, {}};
      if (auto collected = collect(*hook, now, probes ? 1 : kBatchRows, batch); !collected) {
        trouble("webhook outbox cannot be read", *hook, collected.error().message);
        hook->wake_ms = now + kStoreRetryMs;
      } else if (!batch.rows.empty()) {
        hook->lanes.insert(batch.rows.front().run);
        last_claimed_ = hook->subscription.id;
        found = std::move(batch);
      } else if (hook->gone.load()) {
        empty.push_back(hook->subscription.id);
      }
    }
    if (hook->wake_ms != 0 && (!wake_ms || hook->wake_ms < *wake_ms)) wake_ms = hook->wake_ms;
  }
  for (const Id& id : empty) work_.erase(id);
  return found;
}

/// The first rows in order, from where the last scan ended, of a run that no worker is at and that is due.
Status WebhookService::collect(Hook& hook, std::int64_t now, std::size_t max_rows, Batch& batch) const {
  hook.has_rows = false;
  const std::string prefix = OutboxRow::prefix(hook.subscription.id);
  const bool any_time = hook.gone.load() || hook.health.failed;
  std::optional<RunId> waits;
  Status status;
  const auto visit = [&](std::string_view key, std::string_view value) {
    auto row = OutboxRow::decode(key, value);
    if (!row) {
      status = std::move(row).error();
      return false;
    }
    if (batch.rows.empty()) {
      if (hook.lanes.contains(row->run) || row->run == waits || !ownership_.is_mine(row->run)) return true;
      if (row->due_ms > now && !any_time) {
        waits = row->run;
        if (hook.wake_ms == 0 || row->due_ms < hook.wake_ms) hook.wake_ms = row->due_ms;
        return true;
      }
    } else if (row->run != batch.rows.front().run) {
      return false;
    }
    batch.rows.push_back(*std::move(row));
    return batch.rows.size() < max_rows;
  };
  const std::string begin = hook.cursor.empty() ? prefix : hook.cursor;
  auto scanned = options_.store->scan({begin, prefix_end(prefix), false}, visit);
  if (scanned && status && batch.rows.empty() && begin != prefix) {
    scanned = options_.store->scan({prefix, begin, false}, visit);
  }
  if (!scanned || !status) {
    hook.has_rows = true;
    return scanned ? status : scanned;
  }
  if (!batch.rows.empty()) {
    hook.has_rows = true;  // there may be more
    const std::string of_run = prefix + std::string(batch.rows.front().run.view());
    hook.cursor = prefix_end(of_run);
  }
  return {};
}

void WebhookService::work(Batch batch) {
  Hook& hook = *batch.hook;
  const RunId run = batch.rows.front().run;
  Status status;
  if (hook.gone.load()) {
    status = discard(batch, {});
  } else if (!durable()) {
    status = deliver_once(batch);
  } else {
    status = hook.failed.load() ? discard(batch, "subscription failed") : deliver_durably(batch);
  }
  // Another host has the rows now.
  if (!status && status.error().code == ErrorCode::precondition_failed) status = {};
  if (!status) trouble("webhook outbox cannot be written", hook, status.error().message);
  {
    const std::lock_guard lock(work_mutex_);
    hook.lanes.erase(run);
    hook.has_rows = status.ok();
    if (!status) hook.wake_ms = now_ms() + kStoreRetryMs;
  }
  kick();
}

// ---- what comes of it ----

/// Empties the outbox of rows that are not to be delivered; with a reason they become dead letters.
Status WebhookService::discard(const Batch& batch, std::string_view reason) {
  Transaction transaction;
  for (const OutboxRow& row : batch.rows) {
    // Another host may have come to be the run's; the row goes with one of them.
    if (ownership_.in_cluster()) transaction.require_equals(row.key(), row.encode());
    transaction.erase(row.key());
    if (reason.empty()) continue;
    if (auto buried = bury(*batch.hook, row, reason, transaction); !buried) return buried;
  }
  if (auto committed = commit(transaction); !committed) return committed;
  batch.hook->queued.fetch_sub(static_cast<std::int64_t>(batch.rows.size()));
  return {};
}

/// At most one attempt: the rows go first.
Status WebhookService::deliver_once(const Batch& batch) {
  if (auto discarded = discard(batch, {}); !discarded) return discarded;
  Hook& hook = *batch.hook;
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    if (hook.gone.load() || hook.open_until_ms.load() > now_ms() || hook.failed.load()) return {};
    if (stop_.stop_requested()) {
      // Nothing has been tried with the rest: it waits for the next start.
      Transaction rest;
      for (; i < batch.rows.size(); ++i) rest.put(batch.rows[i].key(), batch.rows[i].encode());
      return commit(rest);
    }
    Transaction transaction;
    note(hook, attempt(hook, batch.rows[i]), transaction);
    if (transaction.empty()) continue;
    if (auto committed = commit(transaction); !committed) return committed;
  }
  return {};
}

/// A row goes when it has been delivered or buried; a failure holds up the run's later events, so that order stays.
Status WebhookService::deliver_durably(const Batch& batch) {
  Hook& hook = *batch.hook;
  for (OutboxRow row : batch.rows) {
    if (hook.gone.load() || hook.failed.load() || hook.open_until_ms.load() > now_ms() || stop_.stop_requested()) {
      return {};
    }
    const Attempt done = attempt(hook, row);
    if (done.interrupted) return {};
    if (done.unread) return Error{ErrorCode::store_io_error, "the event cannot be read"};
    Transaction transaction;
    if (ownership_.in_cluster()) transaction.require_equals(row.key(), row.encode());
    note(hook, done, transaction);
    ++row.attempts;
    const bool ends = done.delivered || done.gone || row.attempts > options_.max_retries;
    if (ends) {
      transaction.erase(row.key());
    } else {
      row.due_ms = retry_at_ms(row);
      transaction.put(row.key(), row.encode());
    }
    if (ends && !done.delivered && !done.gone) {
      if (auto buried = bury(hook, row, done.reason, transaction); !buried) return buried;
    }
    if (auto committed = commit(transaction); !committed) return committed;
    if (ends) hook.queued.fetch_sub(1);
    if (!ends) return {};
  }
  return {};
}

std::int64_t WebhookService::retry_at_ms(const OutboxRow& row) const {
  const std::uint64_t mix =
      std::hash<Id>{}(row.webhook) + 31 * std::hash<Id>{}(row.run) + 7 * row.sequence + row.attempts;
  return now_ms() + retry_delay_ms(options_, row.attempts, mix);
}

void WebhookService::note(Hook& hook, const Attempt& attempt, Transaction& transaction) {
  if (attempt.gone || attempt.interrupted || attempt.unread) return;
  bool opened = false;
  bool failed = false;
  {
    const std::lock_guard lock(work_mutex_);
    const bool unchanged = attempt.delivered && hook.health.failures_in_a_row == 0 && hook.health.open_until_ms == 0;
    if (unchanged) return;
    if (attempt.delivered) {
      hook.health.succeeded();
    } else {
      const std::int64_t before = hook.health.open_until_ms;
      hook.health.failed_once(now_ms(), options_);
      opened = hook.health.open_until_ms != before;
    }
    failed = hook.health.failed && !hook.failed.load();
    hook.failed = hook.health.failed;
    hook.open_until_ms = hook.health.open_until_ms;
    // A subscription that was removed meanwhile must not come to have a row again.
    if (!hook.gone.load()) transaction.put(Health::key(hook.subscription.id), hook.health.encode());
    if (failed) put_generation(transaction);
  }
  if (!attempt.delivered) trouble("webhook delivery failed", hook, attempt.reason);
  if (opened) trouble("webhook circuit opened", hook);
  if (failed) trouble("webhook subscription failed", hook, "disable_failures");
}

/// A dead letter; beyond the tenant's limit the first one makes room.
Status WebhookService::bury(const Hook& hook, const OutboxRow& row, std::string_view reason, Transaction& transaction) {
  const std::string& tenant = hook.subscription.what.tenant;
  const std::lock_guard lock(burial_mutex_);
  std::size_t& count = buried_[tenant];
  if (count >= options_.max_dead_letters_per_tenant) {
    const std::string prefix = dead_letter_prefix(tenant);
    std::string first;
    auto scanned =
        options_.store->scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view) {
          first = key;
          return false;
        });
    if (!scanned) return scanned;
    if (!first.empty()) transaction.erase(first);
    --count;
  }
  transaction.put(dead_letter_key(tenant, row), encode_dead_letter(row, now_ms(), reason));
  ++count;
  return {};
}

// ---- one attempt ----

namespace {

/// The run's trace goes on at the receiver (protocol 02 §12.1). A header that cannot be read now costs the trace only.
void add_run_trace(const Store& store, const OutboxRow& row, HttpCall& call) {
  const auto stored = Log(store).header(row.run);
  if (!stored || !stored->has_value()) return;
  const auto header = runtime::decode_header(**stored);
  if (!header) return;
  TraceContext trace = parse_traceparent(header->traceparent, header->tracestate)
                           .value_or(TraceContext{.trace_id = trace_id_of(row.run)});
  trace.span_id = span_id_of(row.run, 'w', row.sequence);
  add_trace(call, trace);
}

}  // namespace

HttpCall WebhookService::call_for(const Hook& hook, std::string_view type, std::string body) const {
  HttpCall call = json_post(options_, hook.subscription.what.url, std::move(body));
  call.headers.emplace_back("X-openwop-Webhook-Id", hook.subscription.id.text());
  call.headers.emplace_back("X-openwop-Event-Type", type);
  sign(call, hook.subscription.what.secret, now_ms());
  call.stop = stop_.get_token();
  return call;
}

WebhookService::Attempt WebhookService::attempt(const Hook& hook, const OutboxRow& row) const {
  std::string body;
  std::string type;
  const std::string run = row.run.text();
  const auto read = Log(*options_.store).read(row.run, row.sequence, [&](const EventView& event) {
    type = event.type_name;
    json::ObjectWriter object(body);
    object.string("runId", run).string("workspaceId", hook.subscription.what.tenant).string("type", type);
    append_event_document(object.value_of("event"), run, event);
    return false;
  });
  // A log that cannot be read now may be read later; one that has lost the event will not get it back.
  if (!read && read.error().code == ErrorCode::store_io_error) return {.unread = true};
  if (!read || type.empty()) return {.gone = true};
  HttpCall call = call_for(hook, type, std::move(body));
  add_run_trace(*options_.store, row, call);
  PostOutcome outcome = post(options_, std::move(call));
  return {.delivered = outcome.delivered, .interrupted = outcome.interrupted, .reason = std::move(outcome.reason)};
}

}  // namespace openwop::webhooks
