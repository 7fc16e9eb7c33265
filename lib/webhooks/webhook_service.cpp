// Subscriptions, and what commits of runs add to the outbox.
#include "webhooks/webhook_service.h"

#include <algorithm>
#include <charconv>

#include "openwop/hash.h"
#include "openwop/json.h"
#include "openwop/random_text.h"
#include "webhooks/webhook_url.h"

namespace openwop {

Result<std::shared_ptr<Webhooks>> Webhooks::open(WebhookOptions options) {
  const bool parts = options.store && options.client && (options.resolver || options.allow_private);
  const bool limits = options.attempt_timeout_ms > 0 && options.circuit_failures > 0 && options.circuit_open_ms > 0 &&
                      options.disable_failures > 0 && options.retry_initial_ms > 0 && options.retry_max_ms > 0 &&
                      options.max_queued_per_subscription > 0 && options.resolve_timeout_ms > 0;
  if (!parts) return Error{ErrorCode::validation_error, "webhooks need a store, an HTTP client and a resolver"};
  if (!limits) return Error{ErrorCode::validation_error, "limits and times of webhooks must be at least 1"};
  if (!options.clock) options.clock = std::make_shared<SystemClock>();
  if (!options.ids) options.ids = std::make_shared<RandomIdSource>();
  if (!options.make_secret) options.make_secret = [] { return random_hex(32); };
  if (!options.on_trouble) options.on_trouble = [](std::string_view, std::string_view) {};
  auto service = std::make_shared<webhooks::WebhookService>(std::move(options));
  if (auto started = service->start(); !started) return std::move(started).error();
  return std::shared_ptr<Webhooks>(std::move(service));
}

std::string webhook_signature(std::string_view secret, std::string_view timestamp_s, std::string_view body) {
  std::string message;
  message.reserve(timestamp_s.size() + 1 + body.size());
  message.append(timestamp_s).append(".").append(body);
  std::string out = "sha256=";
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const std::uint8_t byte : hmac_sha256(secret, message)) {
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
  return out;
}

std::string webhook_secret_fingerprint(std::string_view secret) { return sha256_hex(secret).substr(0, 8); }

}  // namespace openwop

namespace openwop::webhooks {

namespace {

Error invalid(std::string_view field, const std::string& message) {
  Error error{ErrorCode::validation_error, std::string(field) + " " + message};
  json::ObjectWriter(error.details).string("field", field);
  return error;
}

constexpr std::size_t kMaxEventNameBytes = 128;

/// `<webhook>.<run>.<sequence>` of the last letter of a page.
std::optional<OutboxRow> read_cursor(std::string_view text) {
  constexpr std::size_t kIds = 2 * Id::kTextLength + 2;
  if (text.size() <= kIds || text[Id::kTextLength] != '.' || text[kIds - 1] != '.') return std::nullopt;
  const auto webhook = Id::parse(text.substr(0, Id::kTextLength));
  const auto run = Id::parse(text.substr(Id::kTextLength + 1, Id::kTextLength));
  OutboxRow row;
  const auto [end, code] = std::from_chars(text.data() + kIds, text.data() + text.size(), row.sequence);
  if (!webhook || !run || code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  row.webhook = *webhook;
  row.run = *run;
  return row;
}

}  // namespace

Hook::Hook(Subscription of) : subscription(std::move(of)) {
  for (const std::string& name : subscription.what.events) {
    const EventType type = event_type(name);
    if (type == EventType::unknown) {
      other_types.push_back(name);
    } else {
      types.set(static_cast<std::size_t>(type));
    }
  }
}

bool Hook::wants(const EventView& event) const {
  if (event.type != EventType::unknown) return types.test(static_cast<std::size_t>(event.type));
  return std::find(other_types.begin(), other_types.end(), event.type_name) != other_types.end();
}

bool Hook::wants_run(const RunHeader& header) const {
  const auto& wanted = subscription.what.tags;
  return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](const std::string& tag) {
           return std::find(header.tags.begin(), header.tags.end(), tag) != header.tags.end();
         });
}

void WebhookService::trouble(std::string_view message, const Hook& hook, std::string_view reason) const {
  std::string fields;
  {
    json::ObjectWriter object(fields);
    object.string("webhookId", hook.subscription.id.text());
    object.string("tenant", hook.subscription.what.tenant);
    object.string("secretFingerprint", webhook_secret_fingerprint(hook.subscription.what.secret));
    if (!reason.empty()) object.string("reason", reason);
  }
  options_.on_trouble(message, fields);
}

// ---- what there is at the start ----

Status WebhookService::start() {
  if (auto loaded = load_subscriptions(); !loaded) return loaded;
  if (auto loaded = load_outbox(); !loaded) return loaded;
  if (auto loaded = load_dead_letters(); !loaded) return loaded;
  for (std::size_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { run_worker(); });
  return {};
}

Status WebhookService::load_subscriptions() {
  Status status;
  std::vector<Subscription> stored;
  const std::string prefix = Subscription::all_prefix();
  auto scanned =
      options_.store->scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view row) {
        auto subscription = Subscription::decode(key, row);
        if (!subscription) {
          status = std::move(subscription).error();
          return false;
        }
        stored.push_back(*std::move(subscription));
        return true;
      });
  if (!scanned) return scanned;
  if (!status) return status;
  // Not while the store is read: it may hold a lock of its own meanwhile.
  for (Subscription& subscription : stored) add(std::make_shared<Hook>(std::move(subscription)));
  return load_healths();
}

Status WebhookService::load_healths() {
  std::vector<std::pair<HookPtr, std::string>> seen;
  {
    const std::lock_guard lock(work_mutex_);
    for (const auto& [id, hook] : work_) seen.emplace_back(hook, hook->health.encode());
  }
  for (const auto& [hook, before] : seen) {
    auto row = options_.store->get(Health::key(hook->subscription.id));
    if (!row) return std::move(row).error();
    if (!row->has_value()) continue;
    auto health = Health::decode(**row);
    if (!health) return std::move(health).error();
    const std::lock_guard lock(work_mutex_);
    // A delivery that has ended meanwhile knows better.
    if (hook->health.encode() != before) continue;
    hook->health = *std::move(health);
    hook->failed = hook->health.failed;
    hook->open_until_ms = hook->health.open_until_ms;
  }
  return {};
}

Status WebhookService::load_outbox() {
  const std::string prefix = OutboxRow::all_prefix();
  return options_.store->scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view) {
    const Id id = Id::from_bytes(key.substr(prefix.size(), Id::kBytes));
    HookPtr& hook = work_[id];
    if (!hook) {
      // What is left of a subscription that was removed.
      hook = std::make_shared<Hook>(Subscription{.id = id, .what = {}});
      hook->gone = true;
    }
    hook->queued.fetch_add(1);
    hook->has_rows = true;
    return true;
  });
}

Status WebhookService::load_dead_letters() {
  const std::string prefix{kWebhookPrefix, 'x'};
  return options_.store->scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view) {
    const std::string_view rest = key.substr(prefix.size());
    ++buried_[std::string(rest.substr(0, rest.find('\0')))];
    return true;
  });
}

// ---- subscriptions ----

std::vector<HookPtr> WebhookService::hooks_of(std::string_view tenant) const {
  const std::lock_guard lock(table_mutex_);
  const auto at = table_.find(tenant);
  return at == table_.end() ? std::vector<HookPtr>{} : at->second;
}

HookPtr WebhookService::hook_of(std::string_view tenant, const Id& id) const {
  for (const HookPtr& hook : hooks_of(tenant)) {
    if (hook->subscription.id == id) return hook;
  }
  return nullptr;
}

void WebhookService::add(const HookPtr& hook) {
  {
    const std::lock_guard lock(work_mutex_);
    work_.emplace(hook->subscription.id, hook);
  }
  const std::lock_guard lock(table_mutex_);
  table_[hook->subscription.what.tenant].push_back(hook);
  any_ = true;
}

/// Another host may have registered what is asked for here.
Status WebhookService::in_step() { return ownership_.in_cluster() ? reload() : Status{}; }

Status WebhookService::check(const RegisterWebhook& request) const {
  if (request.events.empty()) return invalid("events", "has to name at least one event type");
  if (request.events.size() > options_.max_events_per_subscription) {
    return invalid("events", "holds more than max_events_per_subscription = " +
                                 std::to_string(options_.max_events_per_subscription));
  }
  for (const std::string& name : request.events) {
    // Types of newer engines and of vendors are no error: they may come to lie in the log.
    if (name.empty() || name.size() > kMaxEventNameBytes)
      return invalid("events", "holds a text that is no event type");
  }
  if (request.secret.size() > options_.max_secret_bytes) {
    return invalid("secret", "is longer than max_secret_bytes = " + std::to_string(options_.max_secret_bytes));
  }
  auto url = check_webhook_url(request.url, options_);
  if (!url) return std::move(url).error();
  // A name that cannot be resolved now is checked when there is something to deliver.
  auto address = allowed_address(*url, options_);
  if (!address && address.error().code == ErrorCode::webhook_url_rejected) return std::move(address).error();
  return {};
}

Result<RegisteredWebhook> WebhookService::register_webhook(const RegisterWebhook& request, const Also& also) {
  if (auto checked = check(request); !checked) return std::move(checked).error();
  Subscription subscription{.id = options_.ids->next(now_ms()), .what = request};
  if (subscription.what.secret.empty()) subscription.what.secret = options_.make_secret();
  RegisteredWebhook registered{.id = subscription.id,
                               .secret = subscription.what.secret,
                               .secret_fingerprint = webhook_secret_fingerprint(subscription.what.secret)};
  if (auto caught_up = in_step(); !caught_up) return std::move(caught_up).error();
  const std::lock_guard lock(registration_mutex_);
  if (hooks_of(request.tenant).size() >= options_.max_subscriptions_per_tenant) {
    Error error{ErrorCode::conflict, "max_subscriptions_per_tenant are registered"};
    json::ObjectWriter(error.details)
        .integer("limit", static_cast<std::int64_t>(options_.max_subscriptions_per_tenant));
    return error;
  }
  Transaction transaction;
  const std::string key = Subscription::key(request.tenant, subscription.id);
  transaction.require_absent(key);
  transaction.put(key, subscription.encode());
  put_generation(transaction);
  if (also) also(registered, transaction);
  if (auto committed = commit(transaction); !committed) return std::move(committed).error();
  add(std::make_shared<Hook>(std::move(subscription)));
  return registered;
}

Status WebhookService::unregister_webhook(std::string_view tenant, const Id& id,
                                          const std::function<void(Transaction&)>& also) {
  if (auto caught_up = in_step(); !caught_up) return caught_up;
  const std::lock_guard lock(registration_mutex_);
  const HookPtr hook = hook_of(tenant, id);
  if (!hook) return Error{ErrorCode::not_found, "no such webhook"};
  Transaction transaction;
  transaction.erase(Subscription::key(tenant, id));
  transaction.erase(Health::key(id));
  put_generation(transaction);
  if (also) also(transaction);
  if (auto committed = commit(transaction); !committed) return committed;
  remove(hook);
  kick();
  return {};
}

void WebhookService::remove(const HookPtr& hook) {
  hook->gone = true;
  {
    const std::lock_guard table_lock(table_mutex_);
    const auto at = table_.find(hook->subscription.what.tenant);
    std::erase(at->second, hook);
    if (at->second.empty()) table_.erase(at);
    any_ = !table_.empty();
  }
  hook->has_rows = true;  // for the worker to clear away
}

Result<DeadLetterPage> WebhookService::dead_letters(std::string_view tenant, const std::optional<Id>& id,
                                                    std::string_view cursor, std::size_t limit) const {
  std::string prefix = dead_letter_prefix(tenant);
  if (id) prefix += id->view();
  std::string begin = prefix;
  if (!cursor.empty()) {
    const auto last = read_cursor(cursor);
    if (!last) return invalid("cursor", "is not one that this host gave");
    begin = dead_letter_key(tenant, *last).append(1, '\0');  // behind it
    if (!begin.starts_with(prefix)) return invalid("cursor", "belongs to another listing");
  }
  DeadLetterPage page;
  Status status;
  auto scanned =
      options_.store->scan({begin, prefix_end(prefix), false}, [&](std::string_view key, std::string_view row) {
        if (page.letters.size() == limit) {
          const DeadLetter& last = page.letters.back();
          page.cursor = last.webhook_id.text() + "." + last.run_id.text() + "." + std::to_string(last.sequence);
          return false;
        }
        auto letter = decode_dead_letter(key, row);
        if (!letter) {
          status = std::move(letter).error();
          return false;
        }
        page.letters.push_back(*std::move(letter));
        return true;
      });
  if (!scanned) return std::move(scanned).error();
  if (!status) return std::move(status).error();
  return page;
}

// ---- commits of runs ----

/// How many of the wanted events of a commit there is room for.
std::size_t WebhookService::room(const Hook& hook, const RunCommit& commit) const {
  if (hook.failed.load() || !hook.wants_run(commit.header)) return 0;
  // An open circuit skips events, unless they are to be delivered in any case.
  if (!durable() && hook.open_until_ms.load() > now_ms()) return 0;
  const std::int64_t left = static_cast<std::int64_t>(options_.max_queued_per_subscription) - hook.queued.load();
  return left > 0 ? static_cast<std::size_t>(left) : 0;
}

void WebhookService::extend(const RunCommit& commit, Transaction& transaction) noexcept {
  // What a replay repeats was delivered when it happened (protocol 03 §5.5).
  if (!any_.load(std::memory_order_relaxed) || commit.header.is_replay()) return;
  for (const HookPtr& hook : hooks_of(commit.header.tenant)) {
    std::size_t left = room(*hook, commit);
    OutboxRow row{.webhook = hook->subscription.id, .run = commit.run};
    for (std::size_t i = 0; i < commit.events.size() && left > 0; ++i) {
      if (!hook->wants(commit.event(i))) continue;
      row.sequence = commit.first_sequence + i;
      transaction.put(row.key(), row.encode());
      --left;
    }
  }
}

void WebhookService::committed(const RunCommit& commit) noexcept {
  // What a replay repeats was delivered when it happened (protocol 03 §5.5).
  if (!any_.load(std::memory_order_relaxed) || commit.header.is_replay()) return;
  bool has_any = false;
  for (const HookPtr& hook : hooks_of(commit.header.tenant)) {
    if (!hook->wants_run(commit.header) || hook->failed.load()) continue;
    std::size_t wanted = 0;
    for (std::size_t i = 0; i < commit.events.size(); ++i) wanted += hook->wants(commit.event(i)) ? 1 : 0;
    if (wanted == 0) continue;
    const std::size_t added = std::min(wanted, room(*hook, commit));
    hook->queued.fetch_add(static_cast<std::int64_t>(added));
    const bool full = hook->queued.load() >= static_cast<std::int64_t>(options_.max_queued_per_subscription);
    if (!full) hook->told_full = false;
    if (full && added < wanted && !hook->told_full.exchange(true)) {
      trouble("webhook outbox is full, events are dropped", *hook, "max_queued_per_subscription");
    }
    hook->has_rows = true;
    has_any = true;
  }
  if (has_any) kick();
}

Status WebhookService::commit(const Transaction& transaction) {
  auto outcome = options_.store->commit(transaction, Durability::sync);
  if (!outcome) return std::move(outcome).error();
  if (*outcome == CommitOutcome::refused)
    return Error{ErrorCode::precondition_failed, "the store has changed meanwhile"};
  return {};
}

}  // namespace openwop::webhooks
