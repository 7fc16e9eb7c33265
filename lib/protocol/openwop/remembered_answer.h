// An answer as a ledger entry keeps it: status, body, headers but Set-Cookie.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "openwop/ids.h"
#include "openwop/protocol/http.h"
#include "openwop/result.h"

namespace openwop::wire {

[[nodiscard]] std::string remembered_answer(const http::Response& response);

/// Errors: store_corrupt.
[[nodiscard]] Result<http::Response> read_remembered_answer(std::string_view outcome);

/// The run that the answer tells was created; nothing when it tells something else.
[[nodiscard]] std::optional<RunId> created_run(const http::Response& response);

}  // namespace openwop::wire
