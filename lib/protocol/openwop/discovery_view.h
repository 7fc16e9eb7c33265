// Discovery as one key sees it: what its scopes do not let it use is shown as not supported. Never more than is true
// (protocol 01 §7.3).
//
// Thread-safety: a free function, safe from any thread.
#pragma once

#include <string>

#include "openwop/protocol/openwop_surface.h"

namespace openwop::wire {

/// Narrows a capabilities document; true if it changed.
bool narrow_to(const ApiKey& key, std::string& document);

}  // namespace openwop::wire
