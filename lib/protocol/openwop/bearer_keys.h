// Bearer keys: who calls, and may they (protocol 01 §4).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/protocol/http.h"
#include "openwop/protocol/openwop_surface.h"

namespace openwop::wire {

/// Which tenant a test key acts in: the one it is bound to, or one beside it (SurfaceOptions::separate_test_data).
enum class TestKeys : std::uint8_t { in_their_tenant, apart };

/// The keys of a surface; replaced as a whole. Thread-safe.
class KeyRing {
 public:
  KeyRing(std::vector<ApiKey> keys, TestKeys test_keys) : test_keys_(test_keys) { replace(std::move(keys)); }

  void replace(std::vector<ApiKey> keys);

  /// The key that the request carries. Looks at every key, each in constant time. Errors: unauthenticated, key_expired,
  /// key_revoked, with nothing in them of what was sent.
  [[nodiscard]] Result<std::shared_ptr<const ApiKey>> authenticate(const http::Headers& headers,
                                                                   std::int64_t now_ms) const;

  /// A key for tests is there and not over.
  [[nodiscard]] bool has_test_key(std::int64_t now_ms) const;

 private:
  [[nodiscard]] std::shared_ptr<const std::vector<ApiKey>> keys() const;

  const TestKeys test_keys_;
  mutable std::mutex mutex_;
  std::shared_ptr<const std::vector<ApiKey>> keys_;
};

/// Who acts with the key: "api-key:ci", "test-key:ci".
[[nodiscard]] std::string actor_of(const ApiKey& key);

/// A request with the key may name this tenant.
[[nodiscard]] bool may_name_tenant(const SurfaceOptions& options, const ApiKey& key, std::string_view tenant);

[[nodiscard]] bool has_scope(const ApiKey& key, std::string_view scope);

/// Errors: forbidden with details.scopeRequired.
[[nodiscard]] Status require_scope(const ApiKey& key, std::string_view scope);

}  // namespace openwop::wire
