// A token bucket for each caller (protocol 01 §9.1).
//
// Thread-safe. Time comes in with each call.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "openwop/result.h"

namespace openwop::wire {

struct Rate {
  std::int64_t per_second = 0;  // 0 = no limit
  std::int64_t burst = 0;       // 0 = per_second
};

/// What the limit belongs to, as `details.scope` names it.
enum class RateScope : std::uint8_t { key, route };

class RateLimiter {
 public:
  explicit RateLimiter(Rate rate) : rate_(rate) {
    if (rate_.burst <= 0) rate_.burst = rate_.per_second;
  }

  /// Takes a token of the caller's bucket. Errors: rate_limited with details {retryAfterMs, scope, limit,
  /// observedRate}, rates in requests a second.
  [[nodiscard]] Status take(std::string_view caller, RateScope scope, std::int64_t now_ms);

 private:
  struct Bucket {
    std::int64_t milli_tokens = 0;  // thousandths, so that a token a second is one a millisecond
    std::int64_t filled_ms = 0;
    std::int64_t second = 0;  // the second that is being counted
    std::int64_t in_second = 0;
    std::int64_t in_second_before = 0;
  };
  void fill(Bucket& bucket, std::int64_t now_ms) const;
  static std::int64_t observe(Bucket& bucket, std::int64_t now_ms);

  Rate rate_;
  std::mutex mutex_;
  /// One for each key in use: as many as there are keys.
  std::map<std::string, Bucket, std::less<>> buckets_;
};

}  // namespace openwop::wire
