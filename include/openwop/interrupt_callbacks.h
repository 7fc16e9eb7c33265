// Interrupt callbacks: a run that was created with a `callbackUrl` tells that address when it begins to wait for an
// external event, and how to answer (OpenWOP 01 §2.1, 03 §2.6).
//
//   auto callbacks = InterruptCallbacks::open({.delivery = {.store = store, .client = …, .resolver = …},
//                                              .token_keys = keys});
//   engine_options.observers.push_back(*callbacks);         // before Engine::open
//   (*callbacks)->start("https://flows.example");           // once the host answers under that address
//   …
//   engine->close(); (*callbacks)->close();
//
// The POST: {"runId","nodeId","interruptId","kind","callbackUrl","expiresAt"}. `callbackUrl` is an address of this host
// that ends in a signed token; whoever holds it may answer the interrupt, once, until `expiresAt`. With a secret the
// POST is signed as a webhook is.
//
// External events only: the right to decide an approval belongs to who holds `approvals:respond`, and who creates a run
// may not.
//
// A callback is put in an outbox by the very commit with which the run suspends, and leaves it when the receiver has
// answered 2xx, or after 1 + max_retries attempts: at least one, and perhaps one more after a crash. What a replay
// repeats is not sent. URLs are guarded as those of webhooks are: https on a public address, checked again before each
// attempt; a URL that is refused is reported, and its callback given up at once.
//
// In a cluster (openwop/cluster.h) the host that carries a run out sends its callbacks.
//
// Thread-safety: all members from any thread; tick() from one at a time.
#pragma once

#include "openwop/interrupt_token.h"
#include "openwop/webhooks.h"

namespace openwop {

struct CallbackOptions {
  /// Store, client, resolver, clock, retries, times and the guard of addresses, as for webhooks. Of `threads` it
  /// counts only whether there are any: one thread delivers.
  WebhookOptions delivery;
  /// As SurfaceOptions::token_keys; not empty.
  std::vector<TokenKey> token_keys = {};
  std::int64_t token_ttl_ms = kInterruptTokenTtlMs;
  /// Key of the signature, which receivers know; empty: no signature.
  std::string secret = {};
  /// Callbacks that wait; further ones are dropped and reported to on_trouble.
  std::size_t max_queued = 10'000;
};

class InterruptCallbacks : public RunObserver {
 public:
  /// Counts what is in the outbox; sends nothing yet. Errors: store errors; validation_error for options that make no
  /// sense.
  [[nodiscard]] static Result<std::shared_ptr<InterruptCallbacks>> open(CallbackOptions options);

  /// Begins to deliver. `public_url`: where this host's surface is reached, without a final slash.
  virtual void start(std::string public_url) = 0;

  /// Delivers what is due, on the caller's thread. Gives the next time there may be something to do, or nothing if it
  /// waits for commits only. With threads, and before start(), it does nothing.
  virtual std::optional<std::int64_t> tick() = 0;

  /// Ends an attempt under way and joins the thread. Idempotent. After the engine's close().
  virtual void close() = 0;
};

}  // namespace openwop
