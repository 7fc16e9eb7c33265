// The rows of webhooks, and the bytes in them.
//
//   H s <tenant> 0x00 <webhook>                  subscription
//   H t <webhook>                                its health: circuit, failures
//   H q <webhook> <run> <sequence>               outbox: an event that is to be delivered
//   H x <tenant> 0x00 <webhook> <run> <sequence> dead letter
//   H g                                          in a cluster: another value after each change of subscriptions
//
// The outbox is ordered by subscription, then run, then sequence: the order of deliveries. It holds no event; that is
// read from the run's log when its turn has come.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "openwop/store.h"
#include "openwop/webhooks.h"

namespace openwop::webhooks {

inline constexpr char kWebhookPrefix = 'H';

[[nodiscard]] inline std::string generation_key() { return {kWebhookPrefix, 'g'}; }

struct Subscription {
  Id id;
  RegisterWebhook what;

  [[nodiscard]] static std::string all_prefix() { return {kWebhookPrefix, 's'}; }
  [[nodiscard]] static std::string key(std::string_view tenant, const Id& id);
  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static Result<Subscription> decode(std::string_view key, std::string_view row);
};

/// How deliveries to a subscription went. Pure: time comes in.
struct Health {
  std::uint32_t failures_in_a_row = 0;
  /// Until when the circuit is open; 0 = closed. Past: half open, the next delivery probes.
  std::int64_t open_until_ms = 0;
  /// The subscription has ended.
  bool failed = false;
  /// When attempts failed, oldest first; those of the window only.
  std::deque<std::int64_t> failed_at_ms = {};

  void succeeded();
  void failed_once(std::int64_t now_ms, const WebhookOptions& options);
  [[nodiscard]] bool is_open(std::int64_t now_ms) const { return open_until_ms > now_ms; }
  [[nodiscard]] bool is_half_open(std::int64_t now_ms) const { return open_until_ms != 0 && open_until_ms <= now_ms; }
  /// As it was made.
  [[nodiscard]] bool is_new() const { return failures_in_a_row == 0 && open_until_ms == 0 && failed_at_ms.empty(); }

  [[nodiscard]] static std::string key(const Id& id);
  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static Result<Health> decode(std::string_view row);
};

struct OutboxRow {
  Id webhook;
  RunId run;
  std::uint64_t sequence = 0;
  std::uint32_t attempts = 0;
  /// Not before; 0 = at once.
  std::int64_t due_ms = 0;

  [[nodiscard]] static std::string all_prefix() { return {kWebhookPrefix, 'q'}; }
  [[nodiscard]] static std::string prefix(const Id& webhook);
  [[nodiscard]] std::string key() const;
  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static Result<OutboxRow> decode(std::string_view key, std::string_view row);
};

[[nodiscard]] std::string dead_letter_prefix(std::string_view tenant);
[[nodiscard]] std::string dead_letter_key(std::string_view tenant, const OutboxRow& row);
[[nodiscard]] std::string encode_dead_letter(const OutboxRow& row, std::int64_t died_ms, std::string_view reason);
[[nodiscard]] Result<DeadLetter> decode_dead_letter(std::string_view key, std::string_view row);

}  // namespace openwop::webhooks
