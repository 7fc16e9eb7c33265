// TLS for the server: the certificate it shows and the authority that its clients' certificates have to come from.
// TLS 1.2 and 1.3, forward secrecy and authenticated encryption only.
//
// Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "channel.h"
#include "openwop/result.h"

namespace refserver {

/// PEM files.
struct TlsFiles {
  /// The server's certificate, then those between it and the root. Empty: no TLS.
  std::string cert = {};
  std::string key = {};
  /// Authorities whose certificates clients have to show; empty: clients show none.
  std::string client_ca = {};
};

class Tls {
 public:
  /// Reads the files. Errors: validation_error that names the file.
  [[nodiscard]] static openwop::Result<std::unique_ptr<Tls>> open(TlsFiles files);

  /// Reads the files again, for connections that begin from now on; after an error the old ones stay. Connections that
  /// are open keep what they began with.
  [[nodiscard]] openwop::Status reload();
  /// When the server's certificate ends, as text in UTC.
  [[nodiscard]] std::string expires() const;

  /// Takes over the socket of a client that has yet to begin its handshake.
  [[nodiscard]] Channel accept(int socket) const;

 private:
  explicit Tls(TlsFiles files) : files_(std::move(files)) {}

  const TlsFiles files_;
  mutable std::mutex mutex_;
  std::shared_ptr<SSL_CTX> context_;
};

}  // namespace refserver
