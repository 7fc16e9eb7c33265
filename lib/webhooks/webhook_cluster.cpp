// Webhooks on several hosts (openwop/cluster.h): each delivers the events of its own runs, and all go by the same
// subscriptions. Whoever changes those writes a new generation row; the others see it and read them anew.
#include <algorithm>
#include <set>

#include "webhooks/webhook_service.h"

namespace openwop::webhooks {

void WebhookService::ownership_changed(const std::shared_ptr<const RunOwnership>& ownership) noexcept {
  ownership_.set(ownership);
  reload_wanted_ = true;
  kick();
}

void WebhookService::hosts_wrote() noexcept {
  look_wanted_ = true;
  kick();
}

void WebhookService::put_generation(Transaction& transaction) const {
  if (ownership_.in_cluster()) transaction.put(generation_key(), options_.ids->next(now_ms()).view());
}

/// What other hosts have changed. On a worker; in trouble it is tried again.
void WebhookService::catch_up() {
  if (look_wanted_.exchange(false)) {
    auto row = options_.store->get(generation_key());
    const std::lock_guard lock(registration_mutex_);
    if (!row || *row != generation_) reload_wanted_ = true;
  }
  if (!reload_wanted_.exchange(false)) return;
  if (auto loaded = reload(); !loaded) {
    reload_wanted_ = true;
    std::string fields;
    json::ObjectWriter(fields).string("reason", loaded.error().message);
    options_.on_trouble("webhook subscriptions cannot be read", fields);
  }
}

Status WebhookService::reload() {
  const std::lock_guard registration(registration_mutex_);
  auto generation = options_.store->get(generation_key());
  if (!generation) return std::move(generation).error();
  std::vector<Subscription> stored;
  Status readable;
  const std::string prefix = Subscription::all_prefix();
  auto scanned =
      options_.store->scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view row) {
        auto subscription = Subscription::decode(key, row);
        if (!subscription) {
          readable = std::move(subscription).error();
          return false;
        }
        stored.push_back(*std::move(subscription));
        return true;
      });
  if (!scanned) return scanned;
  if (!readable) return readable;
  std::set<Id> present;
  for (Subscription& subscription : stored) {
    present.insert(subscription.id);
    if (!hook_of(subscription.what.tenant, subscription.id)) add(std::make_shared<Hook>(std::move(subscription)));
  }
  for (const HookPtr& hook : all_hooks()) {
    if (!present.contains(hook->subscription.id)) remove(hook);
  }
  if (auto healths = load_healths(); !healths) return healths;
  if (auto queued = recount(); !queued) return queued;
  generation_ = *std::move(generation);
  return {};
}

std::vector<HookPtr> WebhookService::all_hooks() const {
  const std::lock_guard lock(table_mutex_);
  std::vector<HookPtr> all;
  for (const auto& [tenant, hooks] : table_) all.insert(all.end(), hooks.begin(), hooks.end());
  return all;
}

/// What of the outbox is this host's, also of subscriptions that are gone.
Status WebhookService::recount() {
  std::map<Id, std::int64_t> counts;
  const std::string prefix = OutboxRow::all_prefix();
  auto scanned = options_.store->scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view) {
    const std::string_view ids = key.substr(prefix.size());
    if (ids.size() > 2 * Id::kBytes && ownership_.is_mine(RunId::from_bytes(ids.substr(Id::kBytes)))) {
      ++counts[Id::from_bytes(ids)];
    }
    return true;
  });
  if (!scanned) return scanned;
  const std::lock_guard lock(work_mutex_);
  for (const auto& [id, count] : counts) {
    HookPtr& hook = work_[id];
    if (hook) continue;
    hook = std::make_shared<Hook>(Subscription{.id = id, .what = {}});
    hook->gone = true;
  }
  for (const auto& [id, hook] : work_) {
    const auto found = counts.find(id);
    hook->queued = found == counts.end() ? 0 : found->second;
    hook->has_rows = true;
  }
  return {};
}

}  // namespace openwop::webhooks
