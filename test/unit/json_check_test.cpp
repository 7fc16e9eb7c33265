#include <string>
#include <thread>
#include <vector>

#include "openwop/json.h"
#include "support/catch.h"

using namespace openwop;

namespace {

std::string nested(std::size_t depth, const std::string& inner = "") {
  return std::string(depth, '[') + inner + std::string(depth, ']');
}

std::string nested_objects(std::size_t depth) {
  std::string text;
  for (std::size_t i = 1; i < depth; ++i) text += R"({"a":)";
  return text + "{}" + std::string(depth - 1, '}');
}

bool accepts(std::string_view text, std::size_t max_depth = 64) {
  return json::check(text, {.max_bytes = std::size_t{1} << 24, .max_depth = max_depth}).ok();
}

}  // namespace

TEST_CASE("check accepts every kind of well-formed value") {
  for (const char* text : {"null",
                           "true",
                           "false",
                           "0",
                           "-0",
                           "-1",
                           "1e5",
                           "1E+5",
                           "1.25e-7",
                           "9223372036854775807",
                           "-9223372036854775808",
                           "18446744073709551615",
                           "1e308",
                           "1e-400",
                           "\"\"",
                           "\"\xC3\xA9\"",
                           "\"\\u00e9\"",
                           "\"\\ud83d\\ude00\"",
                           "\"\\u0000\"",
                           "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                           "[]",
                           "{}",
                           " [ 1 , 2 ] ",
                           "\t\r\n {\"a\" : [ ] } \n",
                           R"({"":1})",
                           R"({"a":1,"b":{"a":1}})",
                           R"([{"a":1},{"a":1}])",
                           "\"\x7F\""}) {
    INFO(text);
    CHECK(json::check(text).ok());
  }
}

TEST_CASE("check refuses every kind of malformed text with validation_error") {
  using namespace std::string_literals;
  const std::vector<std::string> texts = {
      // nothing, or more than one value
      "", " ", "\n", "1 2", "{}{}", "[] x", "null,", "1]", "\"a\"b",
      // byte order marks
      "\xEF\xBB\xBF{}", "\xEF\xBB\xBF", "\xFF\xFE{\0}\0"s,
      // NUL bytes
      "\0"s, "1\0"s, "{}\0"s, "[1,\0 2]"s, "\"a\0b\""s, "\0{}"s,
      // literals and numbers
      "nul", "nulll", "True", "NaN", "Infinity", "-Infinity", "undefined", "01", "-01", "+1", ".5", "5.", "-", "1e",
      "1e+", "0x10", "1_000", "--1", "1.2.3", "1a", "18446744073709551616", "-9223372036854775809",
      "100000000000000000000000000000000", "1e309", "-1e400", "1e99999",
      // strings
      "\"", "\"a", "'a'", "\"\\\"", "\"\\x41\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\U0041\"", "\"a\nb\"", "\"\t\"",
      "\"\x01\"",
      // UTF-16 escapes without their other half
      "\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\ud800\\ud800\"", "\"\\udbff\\n\"",
      "\"\\udc00\\ud800\"", "{\"\\ud800\":1}",
      // bytes that are not UTF-8: overlong, lone continuation, cut short, surrogates, beyond Unicode
      "\"\xC0\x80\"", "\"\xC1\xBF\"", "\"\x80\"", "\"\xC3\"", "\"\xE2\x82\"", "\"\xED\xA0\x80\"", "\"\xED\xBF\xBF\"",
      "\"\xF4\x90\x80\x80\"", "\"\xF8\x88\x80\x80\x80\"", "\"\xFF\"", "{\"\xFF\":1}", "\"\xE0\x80\x80\"", "\xC3\xA9",
      // structure
      "[", "]", "{", "}", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1,,2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}",
      "{a:1}", "{'a':1}", "{1:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1]", "[1}", "{\"a\":1,,\"b\":2}", "[[]",
      "{\"a\":{}", "/*c*/1", "1//c", "#1", "\f1", "\v1",
      // repeated keys, at any level, however spelt
      R"({"a":1,"a":2})", R"({"a":1,"b":2,"a":1})", R"({"a":1,"\u0061":2})", R"({"\n":1,"\u000a":2})",
      R"({"x":{"a":1,"a":1}})", R"([[{"a":1,"a":1}]])", R"({"":1,"":2})", R"({"a":[1,{"b":{"c":1,"d":2,"c":3}}]})",
      R"({"\ud83d\ude00":1,"😀":2})"};
  for (const auto& text : texts) {
    INFO(json::quoted(text));
    const auto checked = json::check(text);
    CHECK_FALSE(checked.ok());
    if (!checked.ok()) CHECK(checked.error().code == ErrorCode::validation_error);
  }
  CHECK_FALSE(json::check(std::string_view{}).ok());
}

TEST_CASE("check accepts nesting exactly at the limit and refuses one level more") {
  for (const std::size_t limit : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{64}, std::size_t{200}}) {
    INFO(limit);
    for (const char* inner : {"", "1", "\"a\"", "1,2"}) {
      CHECK(accepts(nested(limit, inner), limit));
      CHECK_FALSE(accepts(nested(limit + 1, inner), limit));
    }
    CHECK(accepts(nested_objects(limit), limit));
    CHECK_FALSE(accepts(nested_objects(limit + 1), limit));
    CHECK_FALSE(accepts("[1," + nested(limit) + "]", limit));
    CHECK_FALSE(accepts(R"({"a":1,"b":)" + nested(limit) + "}", limit));
  }
}

TEST_CASE("a depth of zero leaves only values without members") {
  CHECK(accepts("1", 0));
  CHECK(accepts("\"[[[\"", 0));
  CHECK_FALSE(accepts("[]", 0));
  CHECK_FALSE(accepts("{}", 0));
}

TEST_CASE("brackets in strings are not nesting") { CHECK(accepts("\"" + std::string(1000, '[') + "\"", 1)); }

TEST_CASE("absurd nesting is refused, not recursed into") {
  const auto checked = json::check(std::string(500'000, '['));
  REQUIRE_FALSE(checked.ok());
  CHECK(checked.error().code == ErrorCode::validation_error);
  CHECK_FALSE(json::check(nested(500'000), {.max_bytes = 2'000'000}).ok());
}

TEST_CASE("text of exactly the largest size is checked, one byte more is payload_too_large") {
  const std::string text = "\"" + std::string(98, 'x') + "\"";
  CHECK(json::check(text, {.max_bytes = 100}).ok());
  const auto larger = json::check(text, {.max_bytes = 99});
  REQUIRE_FALSE(larger.ok());
  CHECK(larger.error().code == ErrorCode::payload_too_large);
  // The size is refused before the text is looked at.
  const auto garbage = json::check(std::string(101, '\xFF'), {.max_bytes = 100});
  REQUIRE_FALSE(garbage.ok());
  CHECK(garbage.error().code == ErrorCode::payload_too_large);
}

TEST_CASE("texts larger than the kept parser are checked as all others are") {
  const json::Limits limits{.max_bytes = std::size_t{16} << 20, .max_depth = 3};
  std::string inner = "1";
  while (inner.size() < (std::size_t{5} << 20)) inner += ",\"some text that fills the array\"";
  CHECK(json::check("[[[" + inner + "]]]", limits).ok());
  CHECK_FALSE(json::check("[[[[" + inner + "]]]]", limits).ok());
  CHECK_FALSE(json::check("[[[" + inner + "]]", limits).ok());
  CHECK(json::check("[[[1]]]", limits).ok());
}

TEST_CASE("one thread may check with different limits in turn") {
  for (int round = 0; round < 20; ++round) {
    for (const std::size_t depth :
         {std::size_t{3}, std::size_t{64}, std::size_t{1}, std::size_t{300}, std::size_t{2}}) {
      REQUIRE(accepts(nested(depth, "1"), depth));
      REQUIRE_FALSE(accepts(nested(depth + 1, "1"), depth));
      REQUIRE(accepts("[\"" + std::string(20'000, 'x') + "\"]", depth));
    }
  }
}

TEST_CASE("threads check at the same time without disturbing each other") {
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&wrong, t] {
      for (std::size_t i = 0; i < 500; ++i) {
        const std::size_t depth = 1 + (i + t) % 9;
        if (!accepts(nested(depth, "1"), depth)) ++wrong[t];
        if (accepts(nested(depth + 1, "1"), depth)) ++wrong[t];
        if (accepts(R"({"a":1,"a":2})")) ++wrong[t];
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("a buffer without a byte to spare behind it is not read past") {
  for (const std::string_view text : {"{\"a\":[1,2,3]}", "123456", "\"text\"", "tru", "[1,2", "\"\\u00"}) {
    const std::vector<char> exact(text.begin(), text.end());
    const bool whole = json::check(std::string_view(exact.data(), exact.size())).ok();
    CHECK(whole == json::check(std::string(text)).ok());
  }
}
