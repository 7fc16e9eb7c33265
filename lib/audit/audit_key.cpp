#include "audit/audit_key.h"

#include <openssl/x509.h>

#include <array>
#include <cstdlib>
#include <vector>

namespace openwop::audit {

namespace {

constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kSignatureBytes = 64;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());  // NOLINT(*-reinterpret-cast)
}

// An audit log that silently is not signed is none.
void require(bool ok) {
  if (!ok) std::abort();
}

std::string base64(const unsigned char* data, std::size_t size) {
  std::string out(4 * ((size + 2) / 3) + 1, '\0');
  const int written = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), data, static_cast<int>(size));
  out.resize(static_cast<std::size_t>(written));
  return out;
}

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

Result<AuditKey> AuditKey::of(std::string_view seed) {
  if (seed.size() != kSeedBytes) return Error{ErrorCode::validation_error, "an audit signing key has 32 bytes"};
  EVP_PKEY* key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(seed), seed.size());
  require(key != nullptr);
  return AuditKey(key);
}

std::string AuditKey::sign(std::string_view message) const {
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  require(context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1);
  std::array<unsigned char, kSignatureBytes> signature{};
  std::size_t size = signature.size();
  require(EVP_DigestSign(context.get(), signature.data(), &size, bytes_of(message), message.size()) == 1);
  return base64(signature.data(), size);
}

bool AuditKey::verify(std::string_view message, std::string_view signature_base64) const {
  if (signature_base64.size() != 88) return false;
  std::array<unsigned char, 66> signature{};
  if (EVP_DecodeBlock(signature.data(), bytes_of(signature_base64), 88) != 66) return false;
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  require(context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1);
  return EVP_DigestVerify(context.get(), signature.data(), kSignatureBytes, bytes_of(message), message.size()) == 1;
}

std::string AuditKey::public_der_base64() const {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key_.get(), &der);
  require(size > 0);
  std::string out = base64(der, static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

std::string AuditKey::public_pem() const {
  std::string pem = "-----BEGIN PUBLIC KEY-----\n";
  const std::string body = public_der_base64();
  for (std::size_t at = 0; at < body.size(); at += 64) pem.append(body.substr(at, 64)).append("\n");
  return pem + "-----END PUBLIC KEY-----\n";
}

}  // namespace openwop::audit
