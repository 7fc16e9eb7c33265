// What every answer of the server says against misuse by browsers and caches.
#pragma once

#include <cstdint>

#include "openwop/protocol/http.h"

namespace refserver {

enum class Transport : std::uint8_t { clear, tls };

/// `X-Content-Type-Options`; `Cache-Control: no-store`, for what is answered belongs to the holder of a key; and under
/// TLS `Strict-Transport-Security`, which browsers ignore otherwise. What the answer says already stays.
void add_security_headers(openwop::http::Headers& headers, Transport transport);

}  // namespace refserver
