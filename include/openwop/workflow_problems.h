// What is wrong with a workflow definition: a list of places, carried by one validation_error.
//
// Thread-safety: plain values and free functions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openwop/json.h"
#include "openwop/result.h"

namespace openwop {

struct WorkflowProblem {
  std::string pointer;  // JSON pointer into the document; "" is the whole of it
  std::string message;

  friend bool operator==(const WorkflowProblem&, const WorkflowProblem&) = default;
};

/// Details list this many; the message always has the full count.
inline constexpr std::size_t kMaxReportedProblems = 100;

/// The validation_error of one or more problems: its message names the first and their number, its details are
/// {"problems":[{"pointer","message"}]}.
inline Error workflow_error(const std::vector<WorkflowProblem>& problems) {
  Error error{ErrorCode::validation_error, "workflow definition is invalid"};
  if (!problems.empty()) {
    const WorkflowProblem& first = problems.front();
    error.message += ": " + (first.pointer.empty() ? std::string("document") : first.pointer) + ": " + first.message;
    if (problems.size() > 1) error.message += " (and " + std::to_string(problems.size() - 1) + " more)";
  }
  {
    json::ObjectWriter details(error.details);
    std::string& list = details.value_of("problems");
    list += '[';
    for (std::size_t i = 0; i < std::min(problems.size(), kMaxReportedProblems); ++i) {
      if (i > 0) list += ',';
      json::ObjectWriter(list).string("pointer", problems[i].pointer).string("message", problems[i].message);
    }
    list += ']';
  }
  return error;
}

/// Reads back what workflow_error() wrote; empty for other errors.
inline std::vector<WorkflowProblem> workflow_problems(const Error& error) {
  std::vector<WorkflowProblem> problems;
  const auto list = json::member(error.details, "problems");
  if (!list) return problems;
  json::for_each_element(*list, [&](std::string_view item) {
    const auto text = [&](std::string_view name) {
      const auto raw = json::member(item, name);
      return raw ? json::as_string(*raw).value_or("") : std::string();
    };
    problems.push_back({text("pointer"), text("message")});
    return true;
  });
  return problems;
}

/// `pointer` extended by a member or an index.
inline std::string pointer_to(std::string pointer, std::string_view member) {
  pointer += '/';
  for (const char c : member) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
  return pointer;
}
inline std::string pointer_to(std::string pointer, std::size_t index) {
  return std::move(pointer) + "/" + std::to_string(index);
}

}  // namespace openwop
