// RunSnapshot: what GET /v1/runs/{runId} and `state.snapshot` frames carry (protocol 01 §11.1, 02 §7).
//
// Thread-safety: a free function, safe from any thread.
#pragma once

#include <string>

#include "openwop/engine.h"

namespace openwop::wire {

/// Appends the snapshot of a run. Sensitive variables and channels are shown by the run's masking
/// mode; what looks like a secret is "[REDACTED]" wherever it stands.
void append_run_snapshot(std::string& out, const RunView& run);

}  // namespace openwop::wire
