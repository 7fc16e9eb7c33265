// Bounds that a workflow definition has to keep before a schema validator may see it.
//
//  - Strings that meet a `pattern`: the validator matches with std::regex, which recurses once for each character and
//    overflows the stack on long ones.
//  - Lengths of lists: each problem that the validator finds costs it several hundred bytes.
//  - Lists of unique elements: checked here, because the validator compares each pair and reports each equal one.
#pragma once

#include <string_view>
#include <vector>

#include "openwop/workflow_problems.h"

namespace openwop::workflow {

inline constexpr std::size_t kMaxPatternBytes = 1024;
inline constexpr std::size_t kMaxUniqueElements = 256;

/// `source` is text that json::check() has passed. Values of the wrong kind are the schema's business.
[[nodiscard]] std::vector<WorkflowProblem> check_bounds(std::string_view source);

}  // namespace openwop::workflow
