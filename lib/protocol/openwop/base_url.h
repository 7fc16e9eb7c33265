// Where this host is reached, for the answers whose URLs are absolute.
//
// Thread-safety: a free function, safe from any thread.
#pragma once

#include <string>

#include "protocol/openwop/surface_parts.h"

namespace openwop::wire {

/// The public URL, if one is configured; else what the caller has called the host.
[[nodiscard]] std::string base_url(const SurfaceParts& surface, const Call& call);

}  // namespace openwop::wire
