// Keyed requests that failed for a moment (429, 503, and 409 with a Retry-After). To remember those for 24 hours would
// make a retry impossible; to forget them at once would let an impatient client hammer. So the failure is the answer
// until its Retry-After has passed, then the request is executed (trap T-9). The digest stays, so that the key is not
// taken for another request meanwhile.
//
// Kept in memory only: what it guards against is over when a process is. Bounded; the oldest goes first.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "openwop/result.h"

namespace openwop::wire {

struct FailedRequest {
  std::string request_digest;
  Error error;
  /// Until then the error is the answer.
  std::int64_t until_ms = 0;
};

class FailedRequests {
 public:
  explicit FailedRequests(std::size_t max_entries) : max_entries_(max_entries) {}

  void remember(const std::string& row_key, FailedRequest failed);
  /// The request has been executed after all.
  void forget(const std::string& row_key);
  [[nodiscard]] std::optional<FailedRequest> find(const std::string& row_key) const;

 private:
  struct Entry {
    FailedRequest failed;
    std::list<std::string>::iterator place;
  };
  void erase(std::unordered_map<std::string, Entry>::iterator entry);

  const std::size_t max_entries_;
  mutable std::mutex mutex_;
  std::list<std::string> by_age_;  // the oldest first
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace openwop::wire
