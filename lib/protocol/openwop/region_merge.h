// What another region tells meets what this one remembers (protocol 01 §18). The lexicographically smallest run id
// survives, whatever order regions hear of one another in.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <vector>

#include "protocol/openwop/region_claims.h"
#include "protocol/openwop/surface_parts.h"

namespace openwop::wire {

/// Takes what it can, all of it durable when this returns; the same message again changes nothing more, so that a crash
/// in between loses nothing. Gives the indices of the claims that could not be taken: those whose run, which has to
/// give way, is another host's or cannot be cancelled now. Errors: for a message of one claim, why that one was not
/// taken; store errors.
[[nodiscard]] Result<std::vector<std::size_t>> merge_message(SurfaceParts& surface, const RegionMessage& message);

}  // namespace openwop::wire
