// One POST to an address that somebody else chose: guarded, signed, traced; and when to try again.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "openwop/trace_context.h"
#include "openwop/webhooks.h"

namespace openwop::webhooks {

struct PostOutcome {
  bool delivered = false;
  /// The call was stopped; nothing is known of it.
  bool interrupted = false;
  /// The address is one that must not be called.
  bool rejected = false;
  /// Why it was not delivered.
  std::string reason = {};
};

/// A JSON POST with the headers that all deliveries have.
[[nodiscard]] HttpCall json_post(const WebhookOptions& options, std::string url, std::string body);

/// Timestamp and signature over the call's body (02 §10.3).
void sign(HttpCall& call, std::string_view secret, std::int64_t now_ms);

void add_trace(HttpCall& call, const TraceContext& trace);

/// Checks the URL and every address of its host, then connects to the address that was checked.
[[nodiscard]] PostOutcome post(const WebhookOptions& options, HttpCall call);

/// retry_initial_ms × 2^(attempts - 1), at most retry_max_ms, less up to a quarter that depends on `mix` alone, so that
/// retries spread and tests agree.
[[nodiscard]] std::int64_t retry_delay_ms(const WebhookOptions& options, std::uint32_t attempts, std::uint64_t mix);

}  // namespace openwop::webhooks
