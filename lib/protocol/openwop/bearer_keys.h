// Bearer keys: who calls, and may they (protocol 01 §4).
#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "openwop/protocol/http.h"
#include "openwop/protocol/openwop_surface.h"

namespace openwop::wire {

/// The keys of a surface; replaced as a whole. Thread-safe.
class KeyRing {
 public:
  explicit KeyRing(std::vector<ApiKey> keys) { replace(std::move(keys)); }

  void replace(std::vector<ApiKey> keys);

  /// The key that the request carries. Looks at every key, each in constant time. Errors: unauthenticated, key_expired,
  /// key_revoked, with nothing in them of what was sent.
  [[nodiscard]] Result<std::shared_ptr<const ApiKey>> authenticate(const http::Headers& headers,
                                                                   std::int64_t now_ms) const;

  /// A key for tests is there and not over.
  [[nodiscard]] bool has_test_key(std::int64_t now_ms) const;

 private:
  [[nodiscard]] std::shared_ptr<const std::vector<ApiKey>> keys() const;

  mutable std::mutex mutex_;
  std::shared_ptr<const std::vector<ApiKey>> keys_;
};

[[nodiscard]] bool has_scope(const ApiKey& key, std::string_view scope);

/// Errors: forbidden with details.scopeRequired.
[[nodiscard]] Status require_scope(const ApiKey& key, std::string_view scope);

}  // namespace openwop::wire
