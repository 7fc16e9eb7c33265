// Webhooks behind the public interface: the subscriptions in memory, what the engine's commits add to the outbox, and
// the workers that empty it.
#pragma once

#include <atomic>
#include <bitset>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>

#include "webhooks/delivery_ownership.h"
#include "webhooks/webhook_rows.h"

namespace openwop::webhooks {

/// One subscription in memory.
struct Hook {
  explicit Hook(Subscription of);

  [[nodiscard]] bool wants(const EventView& event) const;
  [[nodiscard]] bool wants_run(const RunHeader& header) const;

  const Subscription subscription;
  std::bitset<kEventTypes.size()> types;
  /// Wanted names that are no type of this build.
  std::vector<std::string> other_types;

  std::atomic<bool> gone{false};
  std::atomic<bool> failed{false};
  std::atomic<std::int64_t> open_until_ms{0};
  /// Rows in the outbox, about: a commit with an unknown outcome may not be counted before the next start.
  std::atomic<std::int64_t> queued{0};
  std::atomic<bool> told_full{false};
  /// There may be rows that no worker has seen.
  std::atomic<bool> has_rows{false};

  // Under WebhookService::work_mutex_.
  Health health;
  std::set<RunId> lanes;     // runs that a worker is at
  std::string cursor;        // where the next scan begins
  std::int64_t wake_ms = 0;  // earliest due time seen; 0 = none
};
using HookPtr = std::shared_ptr<Hook>;

class WebhookService final : public Webhooks {
 public:
  explicit WebhookService(WebhookOptions options) : options_(std::move(options)), ownership_(options_.cluster) {}
  WebhookService(const WebhookService&) = delete;
  WebhookService& operator=(const WebhookService&) = delete;
  ~WebhookService() override { close(); }

  [[nodiscard]] Status start();

  void extend(const RunCommit& commit, Transaction& transaction) noexcept override;
  void committed(const RunCommit& commit) noexcept override;
  void ownership_changed(const std::shared_ptr<const RunOwnership>& ownership) noexcept override;
  void hosts_wrote() noexcept override;

  [[nodiscard]] Result<RegisteredWebhook> register_webhook(const RegisterWebhook& request, const Also& also) override;
  [[nodiscard]] Status unregister_webhook(std::string_view tenant, const Id& id,
                                          const std::function<void(Transaction&)>& also) override;
  [[nodiscard]] Result<DeadLetterPage> dead_letters(std::string_view tenant, const std::optional<Id>& id,
                                                    std::string_view cursor, std::size_t limit) const override;
  std::optional<std::int64_t> tick() override;
  void close() override;
  [[nodiscard]] const WebhookOptions& options() const override { return options_; }

 private:
  /// Consecutive rows of one run, for one worker.
  struct Batch {
    HookPtr hook;
    std::vector<OutboxRow> rows;
  };
  struct Attempt {
    bool delivered = false;
    /// The event is not in the log any more.
    bool gone = false;
    /// The store did not give the event.
    bool unread = false;
    bool interrupted = false;
    std::string reason = {};
  };

  [[nodiscard]] std::int64_t now_ms() const { return options_.clock->now_ms(); }
  [[nodiscard]] bool durable() const { return options_.max_retries > 0; }
  void trouble(std::string_view message, const Hook& hook, std::string_view reason = {}) const;

  // Subscriptions.
  [[nodiscard]] Status check(const RegisterWebhook& request) const;
  [[nodiscard]] std::vector<HookPtr> hooks_of(std::string_view tenant) const;
  [[nodiscard]] HookPtr hook_of(std::string_view tenant, const Id& id) const;
  void add(const HookPtr& hook);
  [[nodiscard]] Status load_subscriptions();
  [[nodiscard]] Status load_outbox();
  [[nodiscard]] Status load_dead_letters();
  [[nodiscard]] Status load_healths();
  /// The subscription is not there any more; workers clear away its rows.
  void remove(const HookPtr& hook);

  // webhook_cluster.cpp
  void catch_up();
  [[nodiscard]] Status in_step();
  [[nodiscard]] Status reload();
  [[nodiscard]] Status recount();
  [[nodiscard]] std::vector<HookPtr> all_hooks() const;
  void put_generation(Transaction& transaction) const;
  [[nodiscard]] std::size_t room(const Hook& hook, const RunCommit& commit) const;

  // Delivery.
  void kick();
  void run_worker();
  /// Work for one worker, or nothing and when to look again.
  [[nodiscard]] std::optional<Batch> claim(std::optional<std::int64_t>& wake_ms);
  [[nodiscard]] bool may_work(Hook& hook, std::int64_t now) const;
  [[nodiscard]] Status collect(Hook& hook, std::int64_t now, std::size_t max_rows, Batch& batch) const;
  void work(Batch batch);
  [[nodiscard]] Status discard(const Batch& batch, std::string_view reason);
  [[nodiscard]] Status deliver_once(const Batch& batch);
  [[nodiscard]] Status deliver_durably(const Batch& batch);
  [[nodiscard]] Attempt attempt(const Hook& hook, const OutboxRow& row) const;
  [[nodiscard]] HttpCall call_for(const Hook& hook, std::string_view type, std::string body) const;
  /// Adds the health row if it changes.
  void note(Hook& hook, const Attempt& attempt, Transaction& transaction);
  [[nodiscard]] std::int64_t retry_at_ms(const OutboxRow& row) const;
  [[nodiscard]] Status bury(const Hook& hook, const OutboxRow& row, std::string_view reason, Transaction& transaction);
  [[nodiscard]] Status commit(const Transaction& transaction);

  WebhookOptions options_;
  DeliveryOwnership ownership_;
  /// Other hosts may have changed subscriptions; they have, or runs have changed hosts.
  std::atomic<bool> look_wanted_{false};
  std::atomic<bool> reload_wanted_{false};

  mutable std::mutex table_mutex_;
  std::map<std::string, std::vector<HookPtr>, std::less<>> table_;
  std::atomic<bool> any_{false};
  std::mutex registration_mutex_;
  std::optional<std::string> generation_;  // under registration_mutex_; as subscriptions were last read

  std::mutex work_mutex_;
  std::map<Id, HookPtr> work_;  // also subscriptions that are gone, until their rows are
  Id last_claimed_{};
  std::mutex burial_mutex_;
  std::map<std::string, std::size_t, std::less<>> buried_;

  std::mutex wake_mutex_;
  std::condition_variable wake_;
  std::uint64_t kicks_ = 0;
  std::stop_source stop_;
  std::vector<std::thread> threads_;
};

}  // namespace openwop::webhooks
