#include "protocol/openwop/rate_limit.h"

#include <algorithm>

#include "openwop/json.h"

namespace openwop::wire {

namespace {

constexpr std::int64_t kMilliTokens = 1000;
// Keys come and go with reloads; buckets of those that went are dropped by starting over.
constexpr std::size_t kMaxBuckets = 100'000;

constexpr std::string_view scope_name(RateScope scope) {
  switch (scope) {
    case RateScope::key: return "key";
    case RateScope::route: return "route";
  }
  return "key";
}

}  // namespace

void RateLimiter::fill(Bucket& bucket, std::int64_t now_ms) const {
  // A clock that goes back fills nothing; one that jumps ahead fills to the brim.
  const std::int64_t full = rate_.burst * kMilliTokens;
  const std::int64_t passed_ms = std::clamp<std::int64_t>(now_ms - bucket.filled_ms, 0, full);
  bucket.milli_tokens = std::min(full, bucket.milli_tokens + passed_ms * rate_.per_second);
  bucket.filled_ms = now_ms;
}

/// Requests of the last second, this one included: those of the current one and a share of the one before.
std::int64_t RateLimiter::observe(Bucket& bucket, std::int64_t now_ms) {
  const std::int64_t second = now_ms / 1000;
  if (second != bucket.second) {
    bucket.in_second_before = second == bucket.second + 1 ? bucket.in_second : 0;
    bucket.in_second = 0;
    bucket.second = second;
  }
  ++bucket.in_second;
  return bucket.in_second + bucket.in_second_before * (1000 - now_ms % 1000) / 1000;
}

Status RateLimiter::take(std::string_view caller, RateScope scope, std::int64_t now_ms) {
  if (rate_.per_second <= 0) return {};
  const std::lock_guard lock(mutex_);
  auto at = buckets_.find(caller);
  if (at == buckets_.end()) {
    if (buckets_.size() >= kMaxBuckets) buckets_.clear();
    at = buckets_.emplace(caller, Bucket{rate_.burst * kMilliTokens, now_ms}).first;
  }
  Bucket& bucket = at->second;
  fill(bucket, now_ms);
  const std::int64_t observed = observe(bucket, now_ms);
  if (bucket.milli_tokens >= kMilliTokens) {
    bucket.milli_tokens -= kMilliTokens;
    return {};
  }
  const std::int64_t missing = kMilliTokens - bucket.milli_tokens;
  Error error{ErrorCode::rate_limited, "too many requests"};
  json::ObjectWriter(error.details)
      .integer("retryAfterMs", (missing + rate_.per_second - 1) / rate_.per_second)
      .string("scope", scope_name(scope))
      .integer("limit", rate_.per_second)
      .integer("observedRate", observed);
  return error;
}

}  // namespace openwop::wire
