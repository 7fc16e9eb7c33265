// SHA-256, HMAC-SHA-256 and comparison in constant time, by OpenSSL.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace openwop {

using Sha256 = std::array<std::uint8_t, 32>;

namespace detail {
// A digest that silently is not one would break identities and signatures, so a failing OpenSSL ends the process.
inline void require_hash(bool ok) {
  if (!ok) std::abort();
}
inline const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());  // NOLINT(cppcoreguidelines-pro-type-reinterpret-cast)
}
}  // namespace detail

inline Sha256 sha256(std::string_view message) {
  Sha256 digest{};
  unsigned int size = 0;
  const int ok = EVP_Digest(message.data(), message.size(), digest.data(), &size, EVP_sha256(), nullptr);
  detail::require_hash(ok == 1 && size == digest.size());
  return digest;
}

/// Lower-case hexadecimal, 64 characters.
inline std::string sha256_hex(std::string_view message) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  hex.reserve(64);
  for (const std::uint8_t byte : sha256(message)) {
    hex += kHex[byte >> 4U];
    hex += kHex[byte & 15U];
  }
  return hex;
}

inline Sha256 hmac_sha256(std::string_view key, std::string_view message) {
  Sha256 digest{};
  unsigned int size = 0;
  // OpenSSL takes a null key for "the key of the last call", so an empty key must still point somewhere.
  const char* const key_data = key.empty() ? "" : key.data();
  const unsigned char* const ok = HMAC(EVP_sha256(), key_data, static_cast<int>(key.size()), detail::bytes_of(message),
                                       message.size(), digest.data(), &size);
  detail::require_hash(ok != nullptr && size == digest.size());
  return digest;
}

/// Takes the same time wherever the texts differ; only their lengths can be learned from it.
inline bool equal_constant_time(std::string_view left, std::string_view right) {
  return left.size() == right.size() && (left.empty() || CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0);
}
inline bool equal_constant_time(const Sha256& left, const Sha256& right) {
  return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace openwop
