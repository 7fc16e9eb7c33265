// The one way for a host to accept a workflow definition: the JSON Schema and the model, all problems in one answer.
//
// Thread-safety: a free function, safe from any thread.
#pragma once

#include <string_view>

#include "openwop/workflow_parse.h"

namespace openwop {

/// Checks `source` against schemas/workflow-definition.schema.json, and parses it.
/// Errors: as parse_workflow(); the problems that the schema finds come first, and what parsing says about the same
/// places is left out.
[[nodiscard]] Result<Workflow> load_workflow(std::string_view source, const KnownNodeTypes& known,
                                             const WorkflowParseOptions& options = {});

}  // namespace openwop
