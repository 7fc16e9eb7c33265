// What a create request must satisfy before it becomes a run (protocol 01 §3.2, §10).
#pragma once

#include "openwop/engine.h"

namespace openwop::runtime {

/// The header of the new run. Errors: validation_error (details name the field), payload_too_large.
[[nodiscard]] Result<RunHeader> check_create(const CreateRun& request, const Workflow& workflow,
                                             const EngineOptions& options, std::int64_t now_ms);

}  // namespace openwop::runtime
