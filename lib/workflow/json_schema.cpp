#include "workflow/json_schema.h"

#include <array>
#include <exception>
#include <string>
#include <utility>

#include "openwop/json.h"

// valijson would give RapidJSON an assertion that throws, in this file only: the same inline functions would then
// differ between files. RapidJSON is included above with its own; without the macro valijson does not complain about
// that.
#undef RAPIDJSON_ASSERT
#include <valijson/adapters/rapidjson_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "workflow/schema_guard.h"
#include "workflow/schema_walk.h"

namespace openwop::workflow {
namespace {

using valijson::adapters::RapidJsonAdapter;

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

// What a validator that recurses over text and compares each pair of a list must not be given.
class ValueBounds {
 public:
  ValueBounds(bool bound_texts, bool bound_lists) : bound_texts_(bound_texts), bound_lists_(bound_lists) {}

  void check(const std::string& pointer, std::string_view raw) {
    const json::Kind kind = json::kind(raw);
    if (kind == json::Kind::string && bound_texts_ && raw.size() > kMaxPatternBytes) {
      add(pointer, "is longer than " + std::to_string(kMaxPatternBytes) + " bytes");
    }
    std::size_t count = 0;
    if (kind == json::Kind::array) {
      json::for_each_element(raw, [&](std::string_view element) {
        check(pointer_to(pointer, count++), element);
        return problems_.size() < kMaxReportedProblems;
      });
      if (bound_lists_ && count > kMaxUniqueElements) {
        add(pointer, "has more than " + std::to_string(kMaxUniqueElements) + " elements");
      }
    } else if (kind == json::Kind::object) {
      json::for_each_member(raw, [&](std::string_view name, std::string_view value) {
        if (bound_texts_ && name.size() > kMaxPatternBytes) add(pointer, "has a very long member name");
        check(pointer_to(pointer, json::unescape(name)), value);
        return problems_.size() < kMaxReportedProblems;
      });
    }
  }
  [[nodiscard]] std::vector<WorkflowProblem> problems() { return std::move(problems_); }

 private:
  void add(std::string pointer, std::string message) { problems_.push_back({std::move(pointer), std::move(message)}); }
  bool bound_texts_;
  bool bound_lists_;
  std::vector<WorkflowProblem> problems_;
};

}  // namespace

Result<JsonSchema> JsonSchema::compile(std::string_view schema, SchemaBounds bounds) try {
  auto document = json::parse(schema);
  if (!document) return std::move(document).error();
  const bool trusted = bounds == SchemaBounds::checked_before;
  SchemaWalk walk(trusted ? SchemaWalk::Keywords::any : SchemaWalk::Keywords::enforceable);
  if (auto prepared = walk.prepare(*document); !prepared) return std::move(prepared).error();
  JsonSchema made;
  made.has_patterns_ = !trusted && walk.has_patterns();
  made.has_unique_lists_ = !trusted && walk.has_unique_lists();
  auto compiled = std::make_shared<valijson::Schema>();
  valijson::SchemaParser(valijson::SchemaParser::kDraft7).populateSchema(RapidJsonAdapter(*document), *compiled);
  made.compiled_ = std::move(compiled);
  return made;
} catch (const std::exception& thrown) {
  return Error{ErrorCode::validation_error, std::string("the schema cannot be used: ") + thrown.what()};
}

Result<std::vector<WorkflowProblem>> JsonSchema::check(std::string_view value) const try {
  if (has_patterns_ || has_unique_lists_) {
    ValueBounds bounds(has_patterns_, has_unique_lists_);
    bounds.check("", value);
    if (auto problems = bounds.problems(); !problems.empty()) return problems;
  }
  const auto document = json::parse(value);
  if (!document) return document.error();
  const RapidJsonAdapter target(*document);
  const auto& schema = *static_cast<const valijson::Schema*>(compiled_.get());
  // A validator keeps the patterns that it has compiled, and is not thread-safe.
  thread_local valijson::Validator validator;
  // Most values are valid, and without a place for results the validator builds no messages.
  if (validator.validate(schema, target, nullptr)) return std::vector<WorkflowProblem>{};
  valijson::ValidationResults results;
  validator.validate(schema, target, &results);
  return problems_from(results);
} catch (const std::exception&) {
  return Error{ErrorCode::internal_error, "a JSON Schema could not be applied"};
}

}  // namespace openwop::workflow
