// The run options of a create request: configurable, tags, metadata (protocol 01 §10).
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "openwop/protocol/openwop_surface.h"

namespace openwop::wire {

/// Checks the reserved keys of `configurable`, a raw JSON object; others are the engine's business. What the key may
/// not do comes before what is malformed. Errors: validation_error with details {key, value?, min?, max?};
/// mock_provider_forbidden, unsupported_mock_provider, credential_forbidden.
[[nodiscard]] Status check_configurable(std::string_view configurable, const ApiKey& key,
                                        const SurfaceOptions& options);

/// Tags of a raw JSON value. Errors: validation_error.
[[nodiscard]] Result<std::vector<std::string>> read_tags(std::string_view raw);

/// Errors: validation_error for anything but an object of depth 4 at most and 8192 bytes at most.
[[nodiscard]] Status check_metadata(std::string_view raw);

}  // namespace openwop::wire
