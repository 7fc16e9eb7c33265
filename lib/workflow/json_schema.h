// A compiled JSON Schema, and values against it.
//
// Of JSON Schema 2020-12 it takes what the validator beneath can enforce: the keywords that draft 7 has too, and
// references to "#/$defs/<name>" or "#/definitions/<name>" that do not recurse. A schema with other assertions is
// refused when it is compiled, so that nothing it asks for is passed over. `format` is an annotation, as 2020-12 has
// it.
//
// Immutable; may be shared between threads. Copies are cheap.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "openwop/result.h"
#include "openwop/workflow_problems.h"

namespace openwop::workflow {

/// Who sees to it that no value makes the validator go too deep (`pattern`) or too long (`uniqueItems`).
enum class SchemaBounds : std::uint8_t {
  /// check(): text beyond kMaxPatternBytes and lists beyond kMaxUniqueElements do not pass a schema with such keywords.
  checked_here,
  /// The caller, before check(): `uniqueItems` is not looked at, and any keyword is taken.
  checked_before,
};

class JsonSchema {
 public:
  /// `schema` is text that json::check() has passed. Errors: validation_error that names the place.
  [[nodiscard]] static Result<JsonSchema> compile(std::string_view schema,
                                                  SchemaBounds bounds = SchemaBounds::checked_here);

  /// What is wrong with a value that json::check() has passed; empty when nothing is.
  /// Errors: internal_error when the validator itself fails.
  [[nodiscard]] Result<std::vector<WorkflowProblem>> check(std::string_view value) const;

 private:
  JsonSchema() = default;
  std::shared_ptr<const void> compiled_;
  bool has_patterns_ = false;
  bool has_unique_lists_ = false;
};

}  // namespace openwop::workflow
