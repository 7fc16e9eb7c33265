// Expressions and conditions. An input is one expression, path or condition (an object) on its first line; behind it an
// object of roots may follow: {"variables":{"x":1},"output":{…}}.
#include <optional>
#include <string>
#include <string_view>

#include "fuzz/fuzz.h"
#include "openwop/expression.h"

using namespace openwop;
using openwop::fuzz::expect;

namespace {

constexpr std::string_view kDefaultRoots =
    R"({"variables":{"n":7,"x":2.5,"s":"a\"b\u00e9","a":[1,"two",[3],null],"o":{"k":{"d-e":true}},"big":9223372036854775807},
"inputs":{"amount":1999,"tags":["a","b"]},"output":{"status":"ok","items":[{"price":1.0}],"error":null},
"nodes":{"my-node":{"status":"completed","outputs":{"k":-1}}},"channels":{"c":[]},"run":{"workflowId":"w","inputs":{}}})";

class JsonScope final : public ExpressionScope {
 public:
  explicit JsonScope(std::string_view roots) : roots_(roots) {}
  [[nodiscard]] std::optional<std::string> find(std::string_view root, std::string_view name) const override {
    const auto object = json::member(roots_, root);
    const auto value = object ? json::member(*object, name) : std::nullopt;
    return value ? std::optional<std::string>(*value) : std::nullopt;
  }

 private:
  std::string_view roots_;
};

void check_error(const Error& error) {
  expect(error.code == ErrorCode::validation_error && !error.message.empty(), "a failure says why", error.message);
}

void check_expression(const Result<Expression>& parsed, const ExpressionScope& scope) {
  if (!parsed) return check_error(parsed.error());
  const auto value = parsed->evaluate(scope);
  const auto again = parsed->evaluate(scope);
  expect(value.ok() == again.ok(), "the same outcome twice", parsed->source());
  if (!value) {
    check_error(value.error());
    expect(value.error().message == again.error().message, "the same failure twice", parsed->source());
    return;
  }
  expect(*value == *again, "the same value twice", parsed->source());
  expect(value->size() <= kMaxExpressionResultBytes, "a result is bounded", parsed->source());
  expect(json::check(*value).ok(), "a result is JSON", *value);
  const auto condition = Condition::of(*parsed).holds(scope);
  expect(condition.ok() && *condition == truthy(*value), "a condition holds where its value is truthy", *value);
}

void check_condition(std::string_view text, const ExpressionScope& scope) {
  if (!json::check(text)) return;
  const auto condition = Condition::parse(text);
  if (!condition) return check_error(condition.error());
  const auto holds = condition->holds(scope);
  const auto again = condition->holds(scope);
  expect(holds.ok() == again.ok() && (!holds || *holds == *again), "the same outcome twice", text);
  if (!holds) check_error(holds.error());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = fuzz::text_of(data, size);
  const std::string_view text = input.substr(0, input.find('\n'));
  const std::string_view given = input.substr(text.size());
  const JsonScope scope(json::check(given) ? given : kDefaultRoots);

  const auto parsed = Expression::parse(text);
  check_expression(parsed, scope);
  if (parsed) expect(parsed->source() == text && Expression::parse(parsed->source()).ok(), "it parses again", text);
  check_expression(Expression::parse_path(text), scope);
  check_condition(text, scope);
  return 0;
}
