// SecretSource: where the plaintext of a tenant's secrets comes from (bring your own key). The library keeps none of it
// beyond the run that asked.
//
// Thread-safety: resolve() from any thread, at the same time; it may block.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "openwop/result.h"

namespace openwop {

class SecretSource {
 public:
  virtual ~SecretSource() = default;
  /// The plaintext, or nothing if the tenant has no such secret. Errors: service_unavailable, and the source's own.
  [[nodiscard]] virtual Result<std::optional<std::string>> resolve(std::string_view tenant,
                                                                   std::string_view secret_id) = 0;
};

/// Knows one made-up secret, `conformance-test-secret`, that conformance fixtures write and look for; asks `next` for
/// all others, if there is one. For test hosts.
[[nodiscard]] std::shared_ptr<SecretSource> fixture_secrets(std::shared_ptr<SecretSource> next = {});

}  // namespace openwop
