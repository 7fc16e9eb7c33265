// The OpenAPI document as a judge: every answer that a test rig gets is held against the operation and status that it
// belongs to. What disagrees fails the test that asked.
//
// Thread-safety: all functions from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "openwop/json.h"

namespace openwop::test {

struct Answer;

/// One operation of the document.
struct Operation {
  std::string method;  // upper case
  std::string path;    // as in the document
  const json::Value* node = nullptr;
};

/// The document, parsed, with `$ref`s as they stand.
[[nodiscard]] const json::Value& openapi_document();
/// What a `$ref` node points at; any other node itself.
[[nodiscard]] const json::Value& resolve(const json::Value& node);
[[nodiscard]] const std::vector<Operation>& operations();
/// The operation of a method and request target, or nothing.
[[nodiscard]] const Operation* find_operation(std::string_view method, std::string_view target);

/// An exchange to judge. `request_body` counts only when the answer is a success: the document has to admit it.
struct Exchange {
  std::string_view method = "GET";
  std::string_view target;
  std::string_view request_body = {};
};

/// What the answer breaks; empty when it agrees with the document.
[[nodiscard]] std::vector<std::string> contract_problems(const Exchange& exchange, const Answer& answer);
/// What the frames of a stream break.
[[nodiscard]] std::vector<std::string> frame_problems(std::string_view frames);
/// What a JSON text breaks in a component schema.
[[nodiscard]] std::vector<std::string> schema_problems(std::string_view component, std::string_view json_text);

/// Fails the current test for each problem; away from the test's thread they are kept and fail the program at its end.
void report_contract_problems(std::string_view about, const std::vector<std::string>& problems);
/// Prints what was kept; true if there was anything.
[[nodiscard]] bool print_kept_contract_problems();

inline void expect_contract(const Exchange& exchange, const Answer& answer) {
  report_contract_problems(std::string(exchange.method).append(" ").append(exchange.target),
                           contract_problems(exchange, answer));
}

}  // namespace openwop::test
