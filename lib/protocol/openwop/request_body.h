// JSON bodies of requests, checked at the edge; afterwards they are only sliced.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <string_view>

#include "protocol/openwop/surface_parts.h"

namespace openwop::wire {

/// The body, proved to be one JSON object. Errors: unsupported_media_type; validation_error for anything else than a
/// well-formed object.
[[nodiscard]] Result<std::string_view> object_body(const SurfaceParts& surface, const Call& call);

/// The same, but an empty body gives "{}".
[[nodiscard]] Result<std::string_view> optional_object_body(const SurfaceParts& surface, const Call& call);

}  // namespace openwop::wire
