#include "openwop/expression.h"

#include <string>
#include <string_view>
#include <vector>

#include "support/catch.h"
#include "workflow/scope.h"

namespace openwop::test {
namespace {

const FixedScope& scope() {
  static const FixedScope fixed(FixedScope::Roots{
      {"variables", R"({"order":{"items":[{"price":3},{"price":4.50}],"note":"héllo","a b":1},"n":7,"zero":0,"real":1.0,
        "big":9007199254740993,"huge":18446744073709551615,"empty":"","list":[1,"two",{"k":[1,2]}],"no":null,
        "nested":{"b":2,"a":[1.0,{"y":1,"x":"\u0041"}]},"max":9223372036854775807,"true":5})"},
      {"inputs", R"({"x":1})"},
      {"output", R"({"approved":true,"status":"done","is-ready":true})"},
      {"nodes", R"({"a":{"status":"completed","outputs":{"k":"v"}},"my-node":{"outputs":{"k":2}}})"},
      {"channels", R"({"log":["a","b"]})"},
      {"run", R"({"runId":"r1"})"},
  });
  return fixed;
}

std::string evaluated(std::string_view text) {
  const auto expression = Expression::parse(text);
  if (!expression) return "parse: " + expression.error().message;
  const auto value = expression->evaluate(scope());
  if (!value) return "evaluate: " + value.error().message;
  return *value;
}

struct Case {
  std::string_view text;
  std::string_view value;
};

constexpr Case kValues[] = {
    // literals
    {"1", "1"},
    {" \t\n1\r ", "1"},
    {"0", "0"},
    {"-0", "-0"},
    {"2.50", "2.50"},
    {"1e3", "1e3"},
    {"1E-2", "1E-2"},
    {"9223372036854775807", "9223372036854775807"},
    {"-9223372036854775808", "-9223372036854775808"},
    {"true", "true"},
    {"false", "false"},
    {"null", "null"},
    {"'a'", R"("a")"},
    {R"("a")", R"("a")"},
    {R"('it\'s "x"')", R"("it's \"x\"")"},
    {R"("\u00e9\ud83d\ude00\n\t\r\b\f\/\\")", "\"é😀\\n\\t\\r\\u0008\\u000c/\\\\\""},
    {"[]", "[]"},
    {"[1, 'two', [3.0], variables.n]", R"([1,"two",[3.0],7])"},
    // names
    {"variables.n", "7"},
    {"variables.order.items[0].price", "3"},
    {"variables.order.items[1].price", "4.50"},
    {"variables.order.items[2].price", "null"},
    {"variables.order.items[-1]", "null"},
    {"variables.order.items['0']", "null"},
    {"variables.order['a b']", "1"},
    {R"(variables["order"]["a b"])", "1"},
    {"variables['or' + 'der'].note", R"("héllo")"},
    {"variables[1]", "null"},
    {"variables.list[variables.n - 5].k[1]", "2"},
    {"variables.true", "5"},
    {"variables.missing.deeper[3].still", "null"},
    {"variables.n.deeper", "null"},
    {"variables.real", "1.0"},
    {"variables.huge", "18446744073709551615"},
    {"variables.order.items", R"([{"price":3},{"price":4.50}])"},
    {"inputs.x", "1"},
    {"output.approved", "true"},
    {"nodes.a.outputs.k", R"("v")"},
    {"nodes['my-node'].outputs.k", "2"},
    {"channels.log[1]", R"("b")"},
    {"run.runId", R"("r1")"},
    {"[1,2,3][1]", "2"},
    {"(variables.order).note", R"("héllo")"},
    // arithmetic
    {"1 + 2 * 3", "7"},
    {"(1 + 2) * 3", "9"},
    {"10 - 3 - 2", "5"},
    {"8 / 2", "4"},
    {"7 / 2", "3.5"},
    {"7.5 / 2.5", "3"},
    {"7 % 3", "1"},
    {"-7 % 3", "-1"},
    {"7.5 % 2", "1.5"},
    {"-9223372036854775807 - 1", "-9223372036854775808"},
    {"-9223372036854775808 % -1", "0"},
    {"0.1 + 0.2", "0.30000000000000004"},
    {"-variables.n", "-7"},
    {"--1", "1"},
    {"-variables.real", "-1"},
    {"2--1", "3"},
    {"'a' + 'b'", R"("ab")"},
    {"'n=' + variables.n + ',' + true + null + variables.real", R"("n=7,truenull1.0")"},
    {"1 + '2'", R"("12")"},
    {"'' + [1]", R"("[1]")"},
    // equality
    {"1 == 1.0", "true"},
    {"-0 == 0", "true"},
    {"variables.big == 9007199254740993.0", "false"},
    {"variables.huge == 18446744073709551615.0", "false"},
    {"1 == '1'", "false"},
    {"1 != '1'", "true"},
    {"null == variables.missing", "true"},
    {"null == false", "false"},
    {"'a' == \"a\"", "true"},
    {"[1, [2]] == [1.0, [2.0]]", "true"},
    {"[1] == [1, 2]", "false"},
    {"variables.nested == variables.nested", "true"},
    {"variables.nested.a == [1, variables.nested.a[1]]", "true"},
    {"true == (1 == 1)", "true"},
    // order
    {"1 < 2", "true"},
    {"2 <= 2.0", "true"},
    {"3 > 2.5", "true"},
    {"1 >= 2", "false"},
    {"'a' < 'b'", "true"},
    {"'b' >= 'ba'", "false"},
    {"variables.max > 9223372036854775806", "true"},
    {"1 + 1 < 3 == true", "true"},
    // logic
    {"!0", "true"},
    {"!'x'", "false"},
    {"!!variables.no", "false"},
    {"!![]", "true"},
    {"0 || 'd'", R"("d")"},
    {"'x' || 1 / 0", R"("x")"},
    {"0 && 1 / 0", "0"},
    {"1 && 2", "2"},
    {"1 || 0 && 0", "1"},
    {"(1 || 0) && 0", "0"},
    {"true ? 1 : 1 / 0", "1"},
    {"false ? 1 / 0 : 2", "2"},
    {"false ? 1 : false ? 2 : 3", "3"},
    {"true ? false ? 1 : 2 : 3", "2"},
    {"1 < 2 ? 'y' : 'n'", R"("y")"},
    {"0.0 ? 1 : 2", "2"},
    // membership
    {"'ell' in 'hello'", "true"},
    {"1 in 'a1'", "false"},
    {"'two' in variables.list", "true"},
    {"1.0 in variables.list", "true"},
    {"variables.list[2] in variables.list", "true"},
    {"3 in variables.list", "false"},
    {"'a b' in variables.order", "true"},
    {"'x' in variables.order", "false"},
    {"1 in variables.order", "false"},
    {"'x' in variables.missing", "false"},
    // functions
    {"len('héllo')", "5"},
    {"len(variables.list)", "3"},
    {"len(variables.nested)", "2"},
    {"len(null)", "0"},
    {"len([])", "0"},
    {"contains('hello', 'ell')", "true"},
    {"contains([1, 2], 2)", "true"},
    {"startsWith('hello', 'he')", "true"},
    {"startsWith('hello', 'lo')", "false"},
    {"startsWith(null, 'x')", "false"},
    {"endsWith('hello', 'lo')", "true"},
    {"lower('ÀbC')", R"("Àbc")"},
    {"upper('abC1')", R"("ABC1")"},
    {"upper(null)", "null"},
    {"number(' 12 ')", "12"},
    {"number('1.50')", "1.50"},
    {"number('-3')", "-3"},
    {"number(true)", "1"},
    {"number(null)", "null"},
    {"number(2.5)", "2.5"},
    {"string(1.0)", R"("1.0")"},
    {"string('a')", R"("a")"},
    {"string([1, 'a'])", R"("[1,\"a\"]")"},
    {"min(3, 1.5, 2)", "1.5"},
    {"max([1, 5, 3])", "5"},
    {"max([])", "null"},
    {"max(1)", "1"},
    {"abs(-3)", "3"},
    {"abs(2.5)", "2.5"},
    {"abs(-2.5)", "2.5"},
    {"floor(2.7)", "2"},
    {"floor(-2.1)", "-3"},
    {"ceil(2.1)", "3"},
    {"round(2.5)", "3"},
    {"round(-2.5)", "-3"},
    {"round(7)", "7"},
    {"floor(1e300)", "1e+300"},
    {"-9223372036854775808.0 * 10", "-9.223372036854776e+19"},
    {"18446744073709551615.0 + 1", "1.8446744073709552e+19"},
    {"coalesce(variables.no, output.missing, 'd')", R"("d")"},
    {"coalesce(null)", "null"},
    {"len(string(variables.n)) + 1", "2"},
};

constexpr Case kRefused[] = {
    {"", "unexpected end at byte 0"},
    {"  ", "unexpected end at byte 2"},
    {"1 +", "unexpected end at byte 3"},
    {"1 2", "unexpected '2' at byte 2"},
    {"(1", "expected ')' at byte 2"},
    {"[1", "expected ',' at byte 2"},
    {"[1,]", "unexpected ']' at byte 3"},
    {"1 ? 2", "expected ':' at byte 5"},
    {"foo", "unknown name 'foo' at byte 0"},
    {"variable.x", "unknown name 'variable' at byte 0"},
    {"variables", "'variables' needs a member at byte 0"},
    {"1 + output", "'output' needs a member at byte 4"},
    {"variables.", "expected a name behind '.' at byte 10"},
    {"variables.1", "expected a name behind '.' at byte 10"},
    {"variables[", "unexpected end at byte 10"},
    {"variables[0", "expected ']' at byte 11"},
    {"in", "unexpected 'in' at byte 0"},
    {"foo()", "unknown function 'foo' at byte 0"},
    {"len()", "wrong number of arguments for len() at byte 0"},
    {"len(1, 2)", "wrong number of arguments for len() at byte 0"},
    {"coalesce()", "wrong number of arguments for coalesce() at byte 0"},
    {"len", "unknown name 'len' at byte 0"},
    {"01", "number with a leading zero at byte 0"},
    {"1.", "number without digits behind its point at byte 0"},
    {"1e", "number without digits in its exponent at byte 0"},
    {"1x", "malformed number at byte 0"},
    {"9223372036854775808", "integer beyond 64 bits at byte 0"},
    {"1e999", "number out of range at byte 0"},
    {"'a", "string is not closed at byte 0"},
    {"'a\\", "invalid escape in a string at byte 0"},
    {R"('\x')", "invalid escape in a string at byte 2"},
    {R"('\u12')", "invalid escape in a string at byte 2"},
    {R"('\ud800')", "invalid escape in a string at byte 6"},
    {R"('\udc00')", "invalid escape in a string at byte 6"},
    {R"('\ud800\u0041')", "invalid escape in a string at byte 6"},
    {"1 = 1", "unexpected character at byte 2"},
    {"1 & 1", "unexpected character at byte 2"},
    {"1; 2", "unexpected character at byte 1"},
    {"é", "unexpected character at byte 0"},
};

constexpr Case kFailing[] = {
    {"1 / 0", "division by zero at byte 2"},
    {"1 % 0", "division by zero at byte 2"},
    {"1.5 / 0", "division by zero at byte 4"},
    {"1 / 0.0", "division by zero at byte 2"},
    {"9223372036854775807 + 1", "integer overflow at byte 20"},
    {"-9223372036854775808 - 1", "integer overflow at byte 21"},
    {"9223372036854775807 * 2", "integer overflow at byte 20"},
    {"-9223372036854775808 / -1", "integer overflow at byte 21"},
    {"-(-9223372036854775808)", "integer overflow at byte 0"},
    {"abs(-9223372036854775808)", "integer overflow at byte 0"},
    {"1e308 * 10", "number out of range at byte 6"},
    {"1 + null", "arithmetic needs numbers at byte 2"},
    {"true * 2", "arithmetic needs numbers at byte 5"},
    {"[1] + [2]", "arithmetic needs numbers at byte 4"},
    {"'a' - 'b'", "arithmetic needs numbers at byte 4"},
    {"-'a'", "arithmetic needs numbers at byte 0"},
    {"1 < 'a'", "only two numbers or two strings have an order at byte 2"},
    {"null < 1", "only two numbers or two strings have an order at byte 5"},
    {"1 in 2", "only strings, arrays and objects contain something at byte 2"},
    {"contains(1, 2)", "only strings, arrays and objects contain something at byte 0"},
    {"len(1)", "len() needs a string, array or object at byte 0"},
    {"startsWith('a', 1)", "startsWith() needs strings at byte 0"},
    {"endsWith(1, 'a')", "endsWith() needs strings at byte 0"},
    {"lower(1)", "lower() needs a string at byte 0"},
    {"number('12x')", "number() cannot read this value at byte 0"},
    {"number('')", "number() cannot read this value at byte 0"},
    {"number('0x10')", "number() cannot read this value at byte 0"},
    {"number([])", "number() cannot read this value at byte 0"},
    {"min(1, 'a')", "min() needs numbers at byte 0"},
    {"max(['a'])", "max() needs numbers at byte 0"},
    {"abs('a')", "abs() needs a number at byte 0"},
    {"floor(null)", "floor() needs a number at byte 0"},
};

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST_CASE("an expression has the value of its operators, names and functions") {
  for (const auto& [text, value] : kValues) {
    INFO(text);
    CHECK(evaluated(text) == value);
  }
}

TEST_CASE("text that is no expression is refused with its position") {
  for (const auto& [text, message] : kRefused) {
    INFO(text);
    CHECK(evaluated(text) == "parse: expression: " + std::string(message));
  }
}

TEST_CASE("an expression that cannot be computed fails with a validation_error and its position") {
  for (const auto& [text, message] : kFailing) {
    INFO(text);
    CHECK(evaluated(text) == "evaluate: expression: " + std::string(message));
    CHECK(Expression::parse(text)->evaluate(scope()).error().code == ErrorCode::validation_error);
  }
}

TEST_CASE("every result is JSON that the edge would accept") {
  for (const auto& [text, value] : kValues) {
    INFO(text);
    CHECK(json::check(evaluated(text)).ok());
  }
}

TEST_CASE("no prefix and no suffix of an expression does harm") {
  for (const auto& entry : kValues) {
    for (std::size_t i = 0; i <= entry.text.size(); ++i) {
      (void)evaluated(entry.text.substr(0, i));
      (void)evaluated(entry.text.substr(i));
    }
  }
  SUCCEED();
}

TEST_CASE("garbage is refused or computed, and never does harm") {
  constexpr std::string_view kPieces[] = {"variables", ".",   "[",    "]",  "(",  ")", "1",    "'",
                                          "\"",        "\\",  "?",    ":",  "||", "-", "!",    "in",
                                          ",",         "len", "\x80", "e9", " ",  "+", "null", "%"};
  std::uint32_t state = 12345;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (int piece = 0; piece < 12; ++piece) {
      state = state * 1664525U + 1013904223U;
      text += kPieces[(state >> 16U) % std::size(kPieces)];
    }
    (void)evaluated(text);
    (void)Expression::parse_path(text);
  }
  SUCCEED();
}

TEST_CASE("nesting is bounded, chains are not") {
  const auto nested = [](std::string_view open, std::string_view close, std::size_t levels) {
    return evaluated(repeated(open, levels) + "1" + repeated(close, levels));
  };
  CHECK(nested("(", ")", kMaxExpressionDepth - 1) == "1");
  for (const auto& [open, close] :
       {std::pair{"(", ")"}, {"[", "]"}, {"-", ""}, {"!", ""}, {"1?", ":2"}, {"len([", "])"}}) {
    INFO(open);
    CHECK_THAT(nested(open, close, 2000 / std::string_view(open).size()),
               Catch::Matchers::Contains("nested more than 32"));
  }
  CHECK(evaluated("1" + repeated("+1", 2000)) == "2001");
  CHECK(evaluated(repeated("0||", 1000) + "5") == "5");
  CHECK(evaluated(repeated("0?1:", 1000) + "5") == "5");
  CHECK(evaluated("[1]" + repeated("[0]", 1000)) == "null");
}

TEST_CASE("text, result and reads are limited") {
  CHECK(evaluated(repeated(" ", kMaxExpressionBytes - 1) + "1") == "1");
  CHECK(evaluated(repeated(" ", kMaxExpressionBytes) + "1") == "parse: expression is longer than 4096 bytes");
  CHECK(evaluated("'\xff'") == "parse: expression is not valid UTF-8");

  const std::string large = json::quoted(repeated("x", kMaxExpressionResultBytes - 2));
  const FixedScope reading(FixedScope::Roots{{"variables", "{\"large\":" + large + "}"}});
  const auto failure = [&](std::string_view text) {
    const auto value = Expression::parse(text)->evaluate(reading);
    return value ? std::string("none") : value.error().message;
  };
  CHECK(failure("variables.large") == "none");
  CHECK(failure("[variables.large]") == "expression: result is too large at byte 0");
  CHECK(failure("variables.large + '123'") == "expression: result is too large at byte 16");
  CHECK(failure("len(variables.large + 'ab')") == "none");
  CHECK(failure(repeated("len(variables.large) + ", 16) + "0") == "none");
  CHECK_THAT(failure(repeated("len(variables.large) + ", 17) + "0"), Catch::Matchers::Contains("reads too much data"));
}

TEST_CASE("a result is never nested deeper than JSON may be") {
  const FixedScope deep(
      FixedScope::Roots{{"variables", "{\"deep\":" + repeated("[", 63) + "\"]\"" + repeated("]", 63) + "}"}});
  CHECK(Expression::parse("[variables.deep]")->evaluate(deep).ok());
  CHECK_FALSE(Expression::parse("[[variables.deep]]")->evaluate(deep).ok());
}

TEST_CASE("a path is a path and nothing else") {
  const auto read = [](std::string_view text) {
    const auto path = Expression::parse_path(text);
    return path ? *path->evaluate(scope()) : path.error().message;
  };
  CHECK(read("output.approved") == "true");
  CHECK(read("status") == R"("done")");
  CHECK(read("output") == "null");
  CHECK(read("is-ready") == "true");
  CHECK(read("output.is-ready") == "true");
  CHECK(read("nodes.my-node.outputs.k") == "2");
  CHECK(read("variables.order.items[1].price") == "4.50");
  CHECK(read("variables['order']['a b']") == "1");
  CHECK(read("") == "expression: expected a path at byte 0");
  CHECK(read("1") == "expression: expected a path at byte 0");
  CHECK(read("status == 1") == "expression: unexpected '==' at byte 7");
  CHECK(read("variables.list[1 + 1]") == "expression: a path cannot compute at byte 17");
  CHECK(read("variables.") == "expression: expected a name behind '.' at byte 10");
}

TEST_CASE("truthiness is that of the value") {
  for (const std::string_view falsy : {"null", "false", "0", "0.0", "-0", "\"\"", "", " null "}) {
    INFO(falsy);
    CHECK_FALSE(truthy(falsy));
  }
  for (const std::string_view holds : {"true", "1", "-1", "0.1", "\"0\"", "[]", "{}", " [] "}) {
    INFO(holds);
    CHECK(truthy(holds));
  }
}

TEST_CASE("a default-constructed expression is null, and copies share their program") {
  CHECK(*Expression().evaluate(scope()) == "null");
  CHECK(Expression().source() == "null");
  const auto original = *Expression::parse("1 + 1");
  const Expression copy = original;  // NOLINT(performance-unnecessary-copy-initialization)
  CHECK(copy.source() == "1 + 1");
  CHECK(copy.source().data() == original.source().data());
}

}  // namespace
}  // namespace openwop::test
