#include "security_headers.h"

#include <string_view>

namespace refserver {

namespace {

void add(openwop::http::Headers& headers, std::string_view name, std::string_view value) {
  if (!headers.contains(name)) headers.emplace(name, value);
}

}  // namespace

void add_security_headers(openwop::http::Headers& headers, Transport transport) {
  add(headers, "X-Content-Type-Options", "nosniff");
  add(headers, "Cache-Control", "no-store");
  // A year. Subdomains are not this server's to speak for.
  if (transport == Transport::tls) add(headers, "Strict-Transport-Security", "max-age=31536000");
}

}  // namespace refserver
