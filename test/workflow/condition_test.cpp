#include <string>
#include <string_view>

#include "openwop/expression.h"
#include "support/catch.h"
#include "workflow/scope.h"

namespace openwop::test {
namespace {

std::string judged(std::string_view object) {
  static const FixedScope scope(FixedScope::Roots{
      {"variables", R"({"n":3,"tags":["a",{"k":1}]})"},
      {"output", R"({"approved":true,"status":"done-7","count":1.0,"map":{"k":null},"order":{"b":2,"a":1}})"},
  });
  const auto condition = Condition::parse(object);
  if (!condition) return "parse: " + condition.error().message;
  const auto holds = condition->holds(scope);
  if (!holds) return "holds: " + holds.error().message;
  return *holds ? "true" : "false";
}

struct Case {
  std::string_view object;
  std::string_view outcome;
};

constexpr Case kCases[] = {
    // expression
    {R"({"type":"expression","expression":"variables.n > 2"})", "true"},
    {R"({"expression":"variables.n"})", "true"},
    {R"({"expression":"variables.none"})", "false"},
    {R"({"expression":"variables.n < 'x'"})",
     "holds: expression: only two numbers or two strings have an order at byte 12"},
    {R"({"expression":"1 +"})", "parse: expression: unexpected end at byte 3"},
    {R"({"expression":5})", "parse: condition: expression has to be a string"},
    {R"({"type":"expression"})", "parse: condition: expression has to be a string"},
    // equals
    {R"({"type":"equals","left":"output.approved","right":true})", "true"},
    {R"({"type":"equals","left":"approved"})", "true"},
    {R"({"left":"approved"})", "true"},
    {R"({"left":"missing"})", "false"},
    {R"({"type":"equals","left":"status","right":"done-7"})", "true"},
    {R"({"type":"equals","left":"count","right":1})", "true"},
    {R"({"type":"equals","left":"count","right":"1"})", "false"},
    {R"({"type":"equals","left":"order","right":{"a":1,"b":2.0}})", "true"},
    {R"({"type":"equals","left":"missing","right":null})", "true"},
    {R"({"type":"notEquals","left":"status","right":"x"})", "true"},
    {R"({"type":"notEquals","left":"approved"})", "false"},
    {R"({"type":"notEquals","left":"missing"})", "true"},
    // contains
    {R"({"type":"contains","left":"status","right":"ne-"})", "true"},
    {R"({"type":"contains","left":"status","right":7})", "false"},
    {R"({"type":"contains","left":"variables.tags","right":{"k":1}})", "true"},
    {R"({"type":"contains","left":"map","right":"k"})", "true"},
    {R"({"type":"contains","left":"missing","right":"k"})", "false"},
    {R"({"type":"contains","left":"approved","right":"k"})", "false"},
    {R"({"type":"contains","left":"status"})", "parse: condition: right is missing"},
    // regex
    {R"({"type":"regex","left":"status","right":"^done-\\d+$"})", "true"},
    {R"({"type":"regex","left":"status","right":"one"})", "true"},
    {R"({"type":"regex","left":"status","right":"^one"})", "false"},
    {R"({"type":"regex","left":"count","right":"1"})", "false"},
    {R"({"type":"regex","left":"missing","right":".*"})", "false"},
    {R"({"type":"regex","left":"status","right":"("})", "parse: regular expression: missing ): ("},
    {R"j({"type":"regex","left":"status","right":"(?=x)"})j", "parse: regular expression: invalid perl operator: (?="},
    {R"({"type":"regex","left":"status","right":1})", "parse: condition: right has to be a pattern"},
    // shape
    {"{}", "parse: condition: left has to be a path"},
    {R"({"type":"equals"})", "parse: condition: left has to be a path"},
    {R"({"type":"equals","left":7})", "parse: condition: left has to be a path"},
    {R"({"type":"equals","left":"a ="})", "parse: expression: unexpected character at byte 2"},
    {R"({"type":"EQUALS","left":"a"})", "parse: condition: unknown type"},
    {R"({"type":1,"left":"a"})", "parse: condition: unknown type"},
    {"[]", "parse: condition has to be an object"},
    {"\"variables.n\"", "parse: condition has to be an object"},
};

TEST_CASE("a condition holds, does not, or is refused") {
  for (const auto& [object, outcome] : kCases) {
    INFO(object);
    CHECK(judged(object) == outcome);
  }
}

TEST_CASE("a pattern that would take a backtracking matcher for ever is linear") {
  const FixedScope scope(FixedScope::Roots{{"output", R"({"s":")" + std::string(100000, 'a') + R"("})"}});
  const auto condition = Condition::parse(R"({"type":"regex","left":"s","right":"^(a+)+$b"})");
  REQUIRE(condition);
  CHECK_FALSE(*condition->holds(scope));
}

TEST_CASE("a pattern is limited in length and in what it compiles to") {
  const auto with_pattern = [](const std::string& pattern) {
    return judged(R"({"type":"regex","left":"s","right":)" + json::quoted(pattern) + "}");
  };
  CHECK(with_pattern(std::string(512, 'a')) == "false");
  CHECK(with_pattern(std::string(513, 'a')) == "parse: regular expression is longer than 512 bytes");
  CHECK_THAT(with_pattern("((a{100}){100}){100}"), Catch::Matchers::Contains("parse: regular expression"));
}

TEST_CASE("a condition can be made of an expression, and is none by default") {
  const FixedScope scope(FixedScope::Roots{{"variables", R"({"n":1})"}});
  CHECK(*Condition::of(*Expression::parse("variables.n == 1")).holds(scope));
  CHECK_FALSE(*Condition().holds(scope));
}

}  // namespace
}  // namespace openwop::test
