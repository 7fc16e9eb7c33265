// JSON bodies of requests, checked at the edge; afterwards they are only sliced.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "protocol/openwop/surface_parts.h"

namespace openwop::wire {

/// The body, proved to be one JSON object. Errors: unsupported_media_type; validation_error for anything else than a
/// well-formed object.
[[nodiscard]] Result<std::string_view> object_body(const SurfaceParts& surface, const Call& call);

/// The same, but an empty body gives "{}".
[[nodiscard]] Result<std::string_view> optional_object_body(const SurfaceParts& surface, const Call& call);

/// Errors: validation_error that names a member of the object which is none of `names`.
[[nodiscard]] Status require_members(std::string_view object, std::initializer_list<std::string_view> names);

/// The text of `reason`, or empty. Errors: validation_error unless it is a string of at most 1024 characters.
[[nodiscard]] Result<std::string> reason_of(std::string_view object);

}  // namespace openwop::wire
