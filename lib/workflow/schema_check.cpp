#include "workflow/schema_check.h"

#include <cstdlib>

#include "openwop/embedded_schemas.h"
#include "workflow/json_schema.h"
#include "workflow/schema_guard.h"

namespace openwop::workflow {

Result<std::vector<WorkflowProblem>> check_schema(std::string_view source) {
  if (auto problems = check_bounds(source); !problems.empty()) return problems;
  // Lives as long as the process: other static objects may still use it.
  static const JsonSchema* const schema = [] {
    auto compiled = JsonSchema::compile(schemas::workflow_definition, SchemaBounds::checked_before);
    if (!compiled) std::abort();  // the text is part of the library
    return new JsonSchema(*std::move(compiled));
  }();
  return schema->check(source);
}

}  // namespace openwop::workflow
