// Signed links to interrupts: who is shown one, and how long it lives (protocol 03 §2.6).
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <optional>

#include "protocol/openwop/run_snapshot.h"
#include "protocol/openwop/surface_parts.h"

namespace openwop::wire {

/// For the interrupt that the run waits with. Nothing when the caller may not resolve it, when it takes no token, or
/// when the host has no secret. External events come from outside, so whoever reads the run can pass their link on.
[[nodiscard]] std::optional<InterruptLink> interrupt_link(const SurfaceParts& surface, const Call& call,
                                                          const RunView& run);

}  // namespace openwop::wire
