// A workflow definition against its JSON Schema.
//
// Thread-safety: free functions, safe from any thread. The schema is compiled once, on first use.
#pragma once

#include <string_view>
#include <vector>

#include "openwop/result.h"
#include "openwop/workflow_problems.h"

namespace openwop::workflow {

/// What the schema finds in a source that json::check() has passed; empty when it is valid.
/// Errors: internal_error when the validator itself fails.
[[nodiscard]] Result<std::vector<WorkflowProblem>> check_schema(std::string_view source);

}  // namespace openwop::workflow
