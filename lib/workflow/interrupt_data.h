// The shapes of InterruptPayload.data, one for each kind (protocol 03 §2.2, §2.3).
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <string_view>

#include "openwop/interrupt.h"
#include "openwop/result.h"

namespace openwop::workflow {

/// `data` is text that json::check() has passed. Errors: validation_error that names the member.
[[nodiscard]] Status check_interrupt_data(InterruptKind kind, std::string_view data);

/// A JSON Schema that a resume value can be held against: local references only, no recursion, bounded size.
/// Errors: validation_error.
[[nodiscard]] Status check_resume_schema(std::string_view schema);

/// Errors: validation_error that says where the value does not match; also for strings and arrays beyond what a pattern
/// or uniqueItems of the schema is applied to.
[[nodiscard]] Status check_against_schema(std::string_view schema, std::string_view value);

}  // namespace openwop::workflow
