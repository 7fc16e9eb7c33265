#include "tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

namespace refserver {

using openwop::Error;
using openwop::ErrorCode;
using openwop::Result;
using openwop::Status;

namespace {

// Of TLS 1.2; those of TLS 1.3 are all of this kind.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr std::string_view kSessionScope = "openwop-refserver";

Error unusable(std::string_view what, const std::string& path) {
  const unsigned long code = ::ERR_peek_last_error();
  const char* const reason = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  ::ERR_clear_error();
  return {ErrorCode::validation_error,
          std::string(what) + " " + path + " cannot be used: " + (reason == nullptr ? "unknown reason" : reason)};
}

/// OpenSSL's own words for a file that is not there are none.
Status check_readable(std::string_view what, const std::string& path) {
  errno = 0;
  if (std::ifstream(path).peek() != std::ifstream::traits_type::eof()) return {};
  const std::string reason = errno == 0 ? "it is empty" : std::strerror(errno);
  return Error{ErrorCode::validation_error, std::string(what) + " " + path + " cannot be read: " + reason};
}

// Nobody is there to be asked.
int no_passphrase(char* /*text*/, int /*size*/, int /*writing*/, void* /*context*/) { return 0; }

Status use_certificate(SSL_CTX* context, const TlsFiles& files) {
  constexpr std::string_view kCert = "TLS certificate";
  constexpr std::string_view kKey = "TLS key";
  if (auto readable = check_readable(kCert, files.cert); !readable) return readable;
  if (auto readable = check_readable(kKey, files.key); !readable) return readable;
  if (::SSL_CTX_use_certificate_chain_file(context, files.cert.c_str()) != 1) return unusable(kCert, files.cert);
  ::SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  if (::SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    const bool is_other = ERR_GET_REASON(::ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
    if (!is_other) return unusable(kKey, files.key);
    ::ERR_clear_error();
    return Error{ErrorCode::validation_error, "TLS key " + files.key + " is not the key of certificate " + files.cert};
  }
  return {};
}

Status require_clients(SSL_CTX* context, const std::string& path) {
  constexpr std::string_view kAuthorities = "TLS client CA";
  if (auto readable = check_readable(kAuthorities, path); !readable) return readable;
  if (::SSL_CTX_load_verify_file(context, path.c_str()) != 1) return unusable(kAuthorities, path);
  auto* const names = ::SSL_load_client_CA_file(path.c_str());
  if (names == nullptr) return unusable(kAuthorities, path);
  ::SSL_CTX_set_client_CA_list(context, names);  // takes them over
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // A session that is resumed shows no certificate: one that has ended meanwhile would be let in.
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  ::SSL_CTX_set_num_tickets(context, 0);
  return {};
}

Result<std::shared_ptr<SSL_CTX>> make_context(const TlsFiles& files) {
  const std::shared_ptr<SSL_CTX> context(::SSL_CTX_new(::TLS_server_method()), &::SSL_CTX_free);
  const bool is_set_up =
      context && ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) == 1 &&
      ::SSL_CTX_set_cipher_list(context.get(), kCiphers) == 1 &&
      ::SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>(kSessionScope.data()),
                                       static_cast<unsigned int>(kSessionScope.size())) == 1;
  if (!is_set_up) return Error{ErrorCode::internal_error, "OpenSSL cannot be set up for TLS"};
  ::SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // A write goes on where it stopped, from wherever the bytes are by then; a stream that is silent keeps no buffers.
  ::SSL_CTX_set_mode(context.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  ::ERR_clear_error();
  if (auto used = use_certificate(context.get(), files); !used) return std::move(used).error();
  if (!files.client_ca.empty()) {
    if (auto required = require_clients(context.get(), files.client_ca); !required) return std::move(required).error();
  }
  return context;
}

}  // namespace

Result<std::unique_ptr<Tls>> Tls::open(TlsFiles files) {
  std::unique_ptr<Tls> tls(new Tls(std::move(files)));
  if (auto loaded = tls->reload(); !loaded) return std::move(loaded).error();
  return tls;
}

Status Tls::reload() {
  auto context = make_context(files_);
  if (!context) return std::move(context).error();
  const std::lock_guard lock(mutex_);
  context_ = *std::move(context);
  return {};
}

std::string Tls::expires() const {
  const std::lock_guard lock(mutex_);
  const std::unique_ptr<BIO, decltype(&::BIO_free)> text(::BIO_new(::BIO_s_mem()), &::BIO_free);
  const X509* const certificate = ::SSL_CTX_get0_certificate(context_.get());
  if (!text || certificate == nullptr || ::ASN1_TIME_print(text.get(), ::X509_get0_notAfter(certificate)) != 1)
    return {};
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

Channel Tls::accept(int socket) const {
  std::shared_ptr<SSL_CTX> context;
  {
    const std::lock_guard lock(mutex_);
    context = context_;
  }
  return {socket, Channel::Session(::SSL_new(context.get()), &::SSL_free)};
}

}  // namespace refserver
