// HttpClient and HostResolver: how the library reaches other machines. Interfaces only; openwop/net.h has the real
// ones, tests give their own.
//
// Thread-safety: both interfaces are called from any thread, at the same time.
#pragma once

#include <array>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openwop/result.h"

namespace openwop {

struct HttpCall {
  std::string method = "GET";
  /// http or https, without credentials.
  std::string url;
  /// Names and values without line breaks.
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  /// For everything: connecting, sending, and the whole answer.
  std::int64_t timeout_ms = 5'000;
  /// Bytes of the answer's body; more is HttpFailure::too_large.
  std::size_t max_response_bytes = std::size_t{1} << 20;
  /// An IP address in text to connect to, whatever the URL's host resolves to; TLS still proves the URL's host. No
  /// proxy is used then. Empty: the host is resolved, and proxies of the environment are honoured.
  std::string connect_to = {};
  /// Ends the call early, as HttpFailure::cancelled.
  std::stop_token stop = {};
};

/// Why there is no answer.
enum class HttpFailure : std::uint8_t {
  none,
  invalid_call,  // not a URL, a line break in a header
  unresolved,
  connect,
  tls,
  timeout,
  too_large,
  protocol,  // the connection broke, or what came was not HTTP
  cancelled,
};

inline constexpr std::array<std::string_view, 9> kHttpFailureNames = {
    "none", "invalid_call", "unresolved", "connect", "tls", "timeout", "too_large", "protocol", "cancelled"};
static_assert(kHttpFailureNames.size() == static_cast<std::size_t>(HttpFailure::cancelled) + 1);
constexpr std::string_view http_failure_name(HttpFailure failure) {
  return kHttpFailureNames[static_cast<std::size_t>(failure)];
}

struct HttpAnswer {
  HttpFailure failure = HttpFailure::none;
  /// 0 when there is a failure.
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};

  [[nodiscard]] bool success() const { return failure == HttpFailure::none && status >= 200 && status < 300; }
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  /// One exchange, without following redirects: a 3xx is the answer. Certificates are verified. Blocks.
  [[nodiscard]] virtual HttpAnswer send(const HttpCall& call) = 0;
};

class HostResolver {
 public:
  virtual ~HostResolver() = default;
  /// Every address of a host name, as text; an address in text gives itself. Blocks, at most `timeout_ms`. Errors:
  /// not_found; service_unavailable when the time is over.
  [[nodiscard]] virtual Result<std::vector<std::string>> resolve(std::string_view host, std::int64_t timeout_ms) = 0;
};

}  // namespace openwop
