// An Ed25519 pair, by OpenSSL.
//
// Thread-safety: all members from any thread.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

#include "openwop/result.h"

namespace openwop::audit {

class AuditKey {
 public:
  /// Errors: validation_error unless `seed` has 32 bytes.
  [[nodiscard]] static Result<AuditKey> of(std::string_view seed);

  /// Base64.
  [[nodiscard]] std::string sign(std::string_view message) const;
  [[nodiscard]] bool verify(std::string_view message, std::string_view signature_base64) const;
  /// DER SubjectPublicKeyInfo in base64, and the same as PEM.
  [[nodiscard]] std::string public_der_base64() const;
  [[nodiscard]] std::string public_pem() const;

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  explicit AuditKey(EVP_PKEY* key) : key_(key) {}
  std::unique_ptr<EVP_PKEY, Free> key_;
};

}  // namespace openwop::audit
