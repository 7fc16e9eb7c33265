// Answers: JSON bodies, and the closed error envelope {error, message, details?} of protocol 01 §5.1.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "openwop/protocol/http.h"
#include "openwop/result.h"

namespace openwop::wire {

[[nodiscard]] http::Response json_response(int status, std::string body);

/// The envelope of an error as it stands; headers that its status asks for are set (Retry-After from
/// details.retryAfter or details.retryAfterMs, WWW-Authenticate).
[[nodiscard]] http::Response error_response(const Error& error);

/// `details` with one more member, whose value is serialized JSON.
[[nodiscard]] std::string with_detail(std::string_view details, std::string_view key, std::string_view raw_value);

/// A validation_error about one member of the body, query or headers: details {"field"}, with dots for nesting.
[[nodiscard]] Error invalid_field(std::string_view field, std::string_view message);

}  // namespace openwop::wire
