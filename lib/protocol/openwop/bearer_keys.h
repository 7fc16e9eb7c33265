// Bearer keys: who calls, and may they (protocol 01 §4).
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <string_view>
#include <vector>

#include "openwop/protocol/http.h"
#include "openwop/protocol/openwop_surface.h"

namespace openwop::wire {

/// The key that the request carries. Looks at every key, each in constant time. Errors: unauthenticated, with nothing
/// in it of what was sent.
[[nodiscard]] Result<const ApiKey*> authenticate(const std::vector<ApiKey>& keys, const http::Headers& headers);

/// Errors: forbidden with details.scopeRequired.
[[nodiscard]] Status require_scope(const ApiKey& key, std::string_view scope);

}  // namespace openwop::wire
