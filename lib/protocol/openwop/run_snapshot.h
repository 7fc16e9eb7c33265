// RunSnapshot: what GET /v1/runs/{runId} and `state.snapshot` frames carry (protocol 01 §11.1, 02 §7).
//
// Thread-safety: a free function, safe from any thread.
#pragma once

#include <cstdint>
#include <string>

#include "openwop/engine.h"

namespace openwop::wire {

/// What lets a reader resolve the interrupt that a run waits with; for readers who may (protocol 03 §2.6).
struct InterruptLink {
  std::string token;
  std::string callback_url;
};

/// What kind of key a run was made with; shown as `testRun: true`, an extra member of the open document.
enum class RunKind : std::uint8_t { production, test };

/// Appends the snapshot of a run. Sensitive variables and channels are shown by the run's masking
/// mode; what looks like a secret is "[REDACTED]" wherever it stands.
void append_run_snapshot(std::string& out, const RunView& run, RunKind kind, const InterruptLink* link = nullptr);

/// The closed InterruptPayload {kind, key, data, resumeSchema?, timeoutMs?}.
void append_interrupt_payload(std::string& out, const InterruptState& interrupt);

}  // namespace openwop::wire
