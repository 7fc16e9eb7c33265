#include "openwop/workflow_check.h"

#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "workflow/schema_check.h"

namespace openwop {

Result<Workflow> load_workflow(std::string_view source, const KnownNodeTypes& known,
                               const WorkflowParseOptions& options) {
  if (auto checked = detail::check_workflow_json(source, options); !checked) return std::move(checked).error();
  auto schema = workflow::check_schema(source);
  if (!schema) return std::move(schema).error();
  auto problems = std::move(schema).value();

  std::vector<WorkflowProblem> parse_problems;
  auto parsed = detail::parse_checked_workflow(source, known, &parse_problems);
  if (problems.empty()) return parsed;

  std::unordered_set<std::string> named;
  for (const auto& problem : problems) named.insert(problem.pointer);
  for (auto& problem : parse_problems) {
    if (!named.contains(problem.pointer)) problems.push_back(std::move(problem));
  }
  return workflow_error(problems);
}

}  // namespace openwop
