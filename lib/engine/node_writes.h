// What a completed node wants written, checked as a whole before any of it becomes an event: a node that writes
// something forbidden leaves nothing behind.
#pragma once

#include "openwop/engine.h"
#include "openwop/run_command.h"

namespace openwop::runtime {

struct Run;

/// The variable writes, channel writes and events of a completion, in the order in which they are recorded; the host's
/// rows, the artifacts and the outputs are only checked. Errors: validation_error (not JSON, a wrong type, a forbidden
/// event), channel_access_denied, payload_too_large.
[[nodiscard]] Result<std::vector<RunCommand>> plan_writes(const EngineOptions& options, const Run& run,
                                                          const WorkflowNode& node, const NodeCompleted& completed);

/// A failure as it may be stored: valid UTF-8, bounded texts, details that are a JSON object.
[[nodiscard]] Failure storable(Failure failure);

}  // namespace openwop::runtime
