// The options of a run, `configurable`, beyond the reserved ones: what the workflow's configurableSchema and the host's
// list of options say about them (protocol 01 §10.3).
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <string_view>
#include <vector>

#include "openwop/result.h"
#include "openwop/workflow.h"
#include "openwop/workflow_problems.h"

namespace openwop::runtime {

/// At registration: the schema can be enforced in full, and names no option that the host does not know. `options` as
/// in EngineOptions::configurable_options. Errors: as workflow_error().
[[nodiscard]] Status check_configurable_schema(const Workflow& workflow, std::string_view options);

/// At creation, for a workflow without a schema. Errors: validation_error with details {key, value?, min?, max?}.
[[nodiscard]] Status check_options(std::string_view configurable, std::string_view options);

/// EngineOptions::configurable_options itself. Errors: validation_error.
[[nodiscard]] Status check_option_list(std::string_view options);

/// The error of a `configurable` that its schema refuses.
[[nodiscard]] Error configurable_error(const std::vector<WorkflowProblem>& problems);

}  // namespace openwop::runtime
