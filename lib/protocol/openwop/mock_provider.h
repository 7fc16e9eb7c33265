// `configurable.mockProvider` of a create request (protocol 01 §10.6).
//
// Thread-safety: a free function, safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "openwop/protocol/openwop_surface.h"

namespace openwop::wire {

/// `raw` is any JSON value, `supported` the ids of this host. Errors: mock_provider_forbidden for a key that is none
/// for tests, unsupported_mock_provider, both with details.supportedProviders; validation_error with details.key.
[[nodiscard]] Status check_mock_provider(std::string_view raw, const ApiKey& key,
                                         const std::vector<std::string>& supported);

}  // namespace openwop::wire
