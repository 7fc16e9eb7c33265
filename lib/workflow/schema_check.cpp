#include "workflow/schema_check.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "openwop/json.h"

// valijson would give RapidJSON an assertion that throws, in this file only: the same inline functions would then
// differ between files. RapidJSON is included above with its own; without the macro valijson does not complain about
// that.
#undef RAPIDJSON_ASSERT
#include <valijson/adapters/rapidjson_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "openwop/embedded_schemas.h"
#include "workflow/schema_guard.h"

namespace openwop::workflow {
namespace {

using valijson::adapters::RapidJsonAdapter;

// `uniqueItems` was checked before (schema_guard.h). `format` runs a regular expression over text of any length and
// throws for values that are no text; the schema has a `pattern` beside each.
void remove_unused_keywords(json::Value& schema) {
  if (schema.IsArray()) {
    for (auto& item : schema.GetArray()) remove_unused_keywords(item);
  }
  if (!schema.IsObject()) return;
  for (const char* const keyword : {"uniqueItems", "format"}) schema.RemoveMember(keyword);
  // RapidJSON's member iterators do not compare without ambiguity in C++20, so no range loop.
  for (auto member = schema.MemberBegin(); member < schema.MemberEnd(); ++member) {
    remove_unused_keywords(member->value);
  }
}

// The text is part of the library, so a failure here is a programmer error.
const valijson::Schema& compiled_schema() {
  static const valijson::Schema* const schema = [] {
    auto document = json::parse(schemas::workflow_definition);
    if (!document) std::abort();
    remove_unused_keywords(*document);
    auto* compiled = new valijson::Schema;  // lives as long as the process: other static objects may still use it
    valijson::SchemaParser(valijson::SchemaParser::kDraft7).populateSchema(RapidJsonAdapter(*document), *compiled);
    return compiled;
  }();
  return *schema;
}

// ["<root>", "[nodes]", "[0]"] -> /nodes/0
std::string pointer_from(const std::vector<std::string>& context) {
  std::string pointer;
  for (std::size_t i = 1; i < context.size(); ++i) {
    const std::string_view part = context[i];
    pointer = pointer_to(std::move(pointer), part.size() >= 2 ? part.substr(1, part.size() - 2) : part);
  }
  return pointer;
}

struct Wording {
  std::string_view theirs;  // how the validator begins
  std::string_view ours;
};
constexpr std::array kWordings = {
    Wording{"Failed to match against any enum values", "has no known value"},
    Wording{"Failed to match regex", "does not match its pattern"},
    Wording{"Value type not permitted", "has the wrong type"},
};

// Text between the first and the last apostrophe.
std::string_view quoted_part(std::string_view text) {
  const std::size_t from = text.find('\'');
  const std::size_t to = text.rfind('\'');
  return to > from ? text.substr(from + 1, to - from - 1) : std::string_view();
}

WorkflowProblem problem_from(const valijson::ValidationResults::Error& error) {
  WorkflowProblem problem{pointer_from(error.context), error.description};
  const std::string_view text = error.description;
  if (text.starts_with("Object contains a property that could not be validated")) {
    // '…' around the name is the third quoted part; the two before it are keywords.
    const std::size_t name_from = text.find(": '");
    const std::string_view name = quoted_part(text.substr(std::min(name_from, text.size())));
    return {pointer_to(std::move(problem.pointer), name), "is not a member of this object"};
  }
  if (text.starts_with("Missing required property")) {
    problem.message = "'" + std::string(quoted_part(text)) + "' is missing";
    return problem;
  }
  for (const auto& wording : kWordings) {
    if (text.starts_with(wording.theirs)) problem.message = wording.ours;
  }
  return problem;
}

// The validator repeats each problem for every container around it ("Failed to validate …"); the innermost one says
// what is wrong and where.
std::vector<WorkflowProblem> problems_from(valijson::ValidationResults& results) {
  std::vector<WorkflowProblem> problems;
  for (const auto& error : results) {
    if (!error.description.starts_with("Failed to validate")) problems.push_back(problem_from(error));
  }
  if (problems.empty()) problems.push_back({"", "does not match the schema"});
  return problems;
}

}  // namespace

Result<std::vector<WorkflowProblem>> check_schema(std::string_view source) try {
  if (auto problems = check_bounds(source); !problems.empty()) return problems;
  const auto document = json::parse(source);
  if (!document) return document.error();
  const RapidJsonAdapter target(*document);

  // A validator keeps the patterns that it has compiled, and is not thread-safe.
  thread_local valijson::Validator validator;
  // Most documents are valid, and without a place for results the validator builds no messages.
  if (validator.validate(compiled_schema(), target, nullptr)) return std::vector<WorkflowProblem>{};
  valijson::ValidationResults results;
  validator.validate(compiled_schema(), target, &results);
  return problems_from(results);
} catch (const std::exception&) {
  return Error{ErrorCode::internal_error, "the schema of workflow definitions could not be applied"};
}

}  // namespace openwop::workflow
