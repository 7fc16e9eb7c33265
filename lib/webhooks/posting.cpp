#include "webhooks/posting.h"

#include <algorithm>

#include "webhooks/webhook_url.h"

namespace openwop::webhooks {

namespace {

constexpr std::size_t kMaxResponseBytes = std::size_t{1} << 20;

}  // namespace

HttpCall json_post(const WebhookOptions& options, std::string url, std::string body) {
  HttpCall call;
  call.method = "POST";
  call.url = std::move(url);
  call.headers = {{"Content-Type", "application/json"},
                  {"User-Agent", "openwop-webhook-dispatcher/" + options.version}};
  call.body = std::move(body);
  call.timeout_ms = options.attempt_timeout_ms;
  call.max_response_bytes = kMaxResponseBytes;
  return call;
}

void sign(HttpCall& call, std::string_view secret, std::int64_t now_ms) {
  std::string timestamp = std::to_string(now_ms / 1000);
  std::string signature = webhook_signature(secret, timestamp, call.body);
  call.headers.emplace_back("X-openwop-Timestamp", std::move(timestamp));
  call.headers.emplace_back("X-openwop-Signature", std::move(signature));
  call.headers.emplace_back("X-openwop-Signature-Algorithm", "v1");
}

void add_trace(HttpCall& call, const TraceContext& trace) {
  call.headers.emplace_back("traceparent", format_traceparent(trace));
  if (!trace.tracestate.empty()) call.headers.emplace_back("tracestate", trace.tracestate);
}

PostOutcome post(const WebhookOptions& options, HttpCall call) {
  const auto url = check_webhook_url(call.url, options);
  if (!url) return {.rejected = true, .reason = "url rejected"};
  auto address = allowed_address(*url, options);
  if (!address) {
    const bool rejected = address.error().code == ErrorCode::webhook_url_rejected;
    return {.rejected = rejected, .reason = rejected ? "address rejected" : "unresolved"};
  }
  call.connect_to = *std::move(address);
  const HttpAnswer answer = options.client->send(call);
  if (answer.success()) return {.delivered = true};
  if (answer.failure == HttpFailure::cancelled) return {.interrupted = true};
  if (answer.failure != HttpFailure::none) return {.reason = std::string(http_failure_name(answer.failure))};
  return {.reason = "status " + std::to_string(answer.status)};
}

std::int64_t retry_delay_ms(const WebhookOptions& options, std::uint32_t attempts, std::uint64_t mix) {
  std::int64_t delay = options.retry_initial_ms;
  for (std::uint32_t i = 1; i < attempts && delay < options.retry_max_ms; ++i) delay *= 2;
  delay = std::min(delay, options.retry_max_ms);
  const auto quarter = static_cast<std::uint64_t>(delay / 4);
  if (quarter > 0) delay -= static_cast<std::int64_t>((mix * 0x9E3779B97F4A7C15ULL >> 33U) % quarter);
  return delay;
}

}  // namespace openwop::webhooks
