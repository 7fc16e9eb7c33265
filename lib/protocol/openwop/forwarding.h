// Requests for a run of another host (openwop/cluster.h): they are handed to that host, and its answer is given.
//
//   openwop-forwarded   on a request that a host has handed on: it is not handed on again
//   openwop-not-owner   on the answer of a host that has not got the run either: nothing was done
//
// Whoever hands on waits a little for a run that is just changing hosts, and asks anew where it is.
#pragma once

#include <functional>

#include "protocol/openwop/surface_parts.h"

namespace openwop::wire {

inline constexpr const char* kForwardedHeader = "openwop-forwarded";
inline constexpr const char* kNotOwnerHeader = "openwop-not-owner";

/// The answer to a request that this host has refused with `refusal`, which is not_owner; `again` answers it here once
/// more. Errors: not_owner while nobody has the run; service_unavailable when the other host did not say what it did.
[[nodiscard]] Result<http::Reply> answer_elsewhere(SurfaceParts& surface, const http::Request& request, Error refusal,
                                                   const std::function<Result<http::Reply>()>& again);

}  // namespace openwop::wire
