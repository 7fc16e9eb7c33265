// The real network behind openwop/http_client.h.
#pragma once

#include <memory>
#include <string>

#include "openwop/http_client.h"

namespace openwop {

/// The system's resolver (getaddrinfo).
[[nodiscard]] std::shared_ptr<HostResolver> make_system_resolver();

#ifdef OPENWOP_HAS_CURL
struct CurlOptions {
  /// PEM file of certificate authorities; empty: those of the system.
  std::string ca_file = {};
  /// Idle connections that are kept for later calls.
  std::size_t max_idle_handles = 16;
};

/// An HttpClient on libcurl: HTTP/1.1 and 2, connections are used again.
[[nodiscard]] std::shared_ptr<HttpClient> make_curl_http_client(CurlOptions options = {});
#endif

}  // namespace openwop
