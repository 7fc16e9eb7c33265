#include "forward.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace refserver {

using openwop::Error;
using openwop::ErrorCode;
using openwop::HttpFailure;
using openwop::Result;
namespace http = openwop::http;

namespace {

constexpr std::int64_t kTimeoutMs = 15'000;
constexpr std::size_t kMaxAnswerBytes = std::size_t{16} << 20;

/// They say something about one connection, not about the request (RFC 9110 §7.6.1).
constexpr std::array<std::string_view, 13> kOfConnection = {
    "Connection", "Content-Length",      "Transfer-Encoding", "Host", "Keep-Alive",     "Expect", "TE", "Trailer",
    "Upgrade",    "Proxy-Authorization", "Proxy-Connection",  "Date", "Accept-Encoding"};

bool is_of_connection(std::string_view name) {
  const http::NameLess less;
  return std::any_of(kOfConnection.begin(), kOfConnection.end(),
                     [&](std::string_view each) { return !less(each, name) && !less(name, each); });
}

}  // namespace

Result<http::Response> forward(openwop::HttpClient& client, const http::Request& request, const std::string& address) {
  openwop::HttpCall call{.method = request.method,
                         .url = address + request.target,
                         .body = request.body,
                         .timeout_ms = kTimeoutMs,
                         .max_response_bytes = kMaxAnswerBytes};
  for (const auto& [name, value] : request.headers) {
    if (!is_of_connection(name)) call.headers.emplace_back(name, value);
  }
  openwop::HttpAnswer answer = client.send(call);
  if (answer.failure == HttpFailure::connect || answer.failure == HttpFailure::unresolved) {
    return Error{ErrorCode::not_owner, "the run's host cannot be reached", R"({"retryAfter":1})"};
  }
  if (answer.failure != HttpFailure::none) {
    return Error{ErrorCode::service_unavailable, "the run's host did not answer", R"({"retryAfter":1})"};
  }
  http::Response response{.status = answer.status, .body = std::move(answer.body)};
  for (auto& [name, value] : answer.headers) {
    if (!is_of_connection(name)) response.headers.emplace(std::move(name), std::move(value));
  }
  return response;
}

}  // namespace refserver
