// Webhooks: events of runs delivered by HTTP POST (OpenWOP 02 §10).
//
//   auto webhooks = Webhooks::open({.store = store, .client = make_curl_http_client(), .resolver = …});
//   engine_options.observers.push_back(*webhooks);          // before Engine::open
//   …
//   engine->close(); (*webhooks)->close();
//
// An event that a subscription asks for is put in an outbox by the very commit that appends it; deliveries follow from
// there, behind the engine's back: no appender waits for one. Within one subscription and run they go out in the order
// of their sequences, one after the other.
//
// What a delivery is promised:
//  - max_retries = 0 (what OpenWOP 1.0 says): at most one attempt, ever. The event leaves the outbox before the
//  attempt.
//  - max_retries > 0: at least one attempt, and after failures up to max_retries more, with exponential backoff; what
//  then
//    has not been taken is kept as a dead letter. Receivers tell repeats by webhook id, run id and sequence.
//
// Four failures in a row open the circuit of a subscription for an hour; then one delivery probes. While it is open,
// events are skipped (max_retries = 0) or wait. 100 failures within 7 days end the subscription.
//
// A URL is refused unless it is https on a public address. The address is checked again before each attempt, and that
// very address is the one connected to. Redirects are not followed.
//
// Two ways to run: with threads, or with threads = 0 by tick(), like the engine.
//
// Thread-safety: all members from any thread; tick() from one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/clock.h"
#include "openwop/http_client.h"
#include "openwop/ids.h"
#include "openwop/run_observer.h"
#include "openwop/store.h"

namespace openwop {

struct WebhookOptions {
  std::shared_ptr<Store> store;
  std::shared_ptr<HttpClient> client;
  std::shared_ptr<HostResolver> resolver;
  std::shared_ptr<Clock> clock = {};   // default: SystemClock
  std::shared_ptr<IdSource> ids = {};  // default: RandomIdSource
  /// Makes secrets; default: 64 hex digits of the system's random numbers.
  std::function<std::string()> make_secret = {};
  /// Told what no caller can be told; `fields` is a serialized JSON object, never with a secret. From any thread.
  std::function<void(std::string_view message, std::string_view fields)> on_trouble = {};

  /// Threads that deliver; 0 = driven by tick(). One subscription uses half of them at most.
  std::size_t threads = 4;
  /// For tests only: http, and addresses of any kind.
  bool allow_private = false;
  /// The engine is one of several on the store (EngineOptions::cluster): nothing is delivered before it has said which
  /// runs are its own. Limits that count subscriptions, events and dead letters are then each host's own.
  bool cluster = false;
  /// In the User-Agent of deliveries.
  std::string version = "0.1.0";

  /// Attempts after the first one.
  std::uint32_t max_retries = 0;
  /// retry_initial_ms × 2^n, at most retry_max_ms, less up to a quarter of jitter.
  std::int64_t retry_initial_ms = 1'000;
  std::int64_t retry_max_ms = 600'000;
  std::int64_t attempt_timeout_ms = 5'000;
  std::int64_t resolve_timeout_ms = 2'000;

  std::uint32_t circuit_failures = 4;
  std::int64_t circuit_open_ms = 3'600'000;
  std::uint32_t disable_failures = 100;
  std::int64_t disable_window_ms = std::int64_t{7} * 86'400'000;

  // Limits. Reaching one does what is said.
  std::size_t max_subscriptions_per_tenant = 100;  // 409 conflict at registration
  std::size_t max_events_per_subscription = 100;   // 400 validation_error
  std::size_t max_url_bytes = 2'048;               // 400 validation_error
  std::size_t max_secret_bytes = 1'024;            // 400 validation_error
  /// Events that wait for one subscription; further ones are dropped and reported to on_trouble.
  std::size_t max_queued_per_subscription = 10'000;
  /// Dead letters kept for one tenant; the oldest run's go first.
  std::size_t max_dead_letters_per_tenant = 1'000;
};

struct RegisterWebhook {
  std::string tenant = "default";
  std::string url;
  /// Names of event types, at least one.
  std::vector<std::string> events;
  /// Key of the signature; empty: one is made.
  std::string secret = {};
  /// Only runs that have one of these tags; empty: all.
  std::vector<std::string> tags = {};
};

struct RegisteredWebhook {
  Id id;
  std::string secret;
  std::string secret_fingerprint;
};

struct DeadLetter {
  Id webhook_id;
  RunId run_id;
  std::uint64_t sequence = 0;
  std::uint32_t attempts = 0;
  std::int64_t died_ms = 0;
  /// Why the last attempt failed: "status 500", "timeout", "subscription failed".
  std::string reason;
};

struct DeadLetterPage {
  std::vector<DeadLetter> letters;
  /// Pass to the next call; empty at the end. Text that a URL may hold.
  std::string cursor;
};

class Webhooks : public RunObserver {
 public:
  /// Reads the subscriptions and goes on with what is in the outbox. Errors: store errors; validation_error for options
  /// that make no sense.
  [[nodiscard]] static Result<std::shared_ptr<Webhooks>> open(WebhookOptions options);

  /// Rows that belong in the commit of a registration: an idempotency entry, an audit entry.
  using Also = std::function<void(const RegisteredWebhook&, Transaction&)>;

  /// Durable when it returns. Errors: validation_error; webhook_url_rejected; conflict at
  /// max_subscriptions_per_tenant; precondition_failed when a row of `also` was refused.
  [[nodiscard]] virtual Result<RegisteredWebhook> register_webhook(const RegisterWebhook& request,
                                                                   const Also& also = {}) = 0;

  /// No attempt begins after it returns. Errors: not_found, also for an id of another tenant; precondition_failed.
  [[nodiscard]] virtual Status unregister_webhook(std::string_view tenant, const Id& id,
                                                  const std::function<void(Transaction&)>& also = {}) = 0;

  /// Dead letters of a tenant, of one subscription if it is named, by subscription and run; also those of subscriptions
  /// that are gone. Errors: validation_error for a cursor that is none.
  [[nodiscard]] virtual Result<DeadLetterPage> dead_letters(std::string_view tenant, const std::optional<Id>& id,
                                                            std::string_view cursor, std::size_t limit) const = 0;

  /// Delivers what is due, on the caller's thread. Gives the next time there may be something to do, or nothing if it
  /// waits for commits only. With threads it does nothing.
  virtual std::optional<std::int64_t> tick() = 0;

  /// Ends attempts under way and joins the threads. Idempotent. After the engine's close().
  virtual void close() = 0;

  [[nodiscard]] virtual const WebhookOptions& options() const = 0;
};

/// `sha256=` and the hex HMAC over `<timestamp>.<body>`; the key is the secret's text (02 §10.3).
[[nodiscard]] std::string webhook_signature(std::string_view secret, std::string_view timestamp_s,
                                            std::string_view body);
/// First 8 hex digits of the secret's SHA-256: what logs and answers may show.
[[nodiscard]] std::string webhook_secret_fingerprint(std::string_view secret);

}  // namespace openwop
