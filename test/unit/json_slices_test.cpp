#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <random>
#include <string>
#include <vector>

#include "openwop/json.h"
#include "support/catch.h"

using namespace openwop;

namespace {

using Members = std::vector<std::pair<std::string, std::string>>;

Members members_of(std::string_view object) {
  Members members;
  json::for_each_member(object, [&](std::string_view key, std::string_view value) {
    members.emplace_back(json::unescape(key), value);
    return true;
  });
  return members;
}

std::vector<std::string> elements_of(std::string_view array) {
  std::vector<std::string> elements;
  json::for_each_element(array, [&](std::string_view value) {
    elements.emplace_back(value);
    return true;
  });
  return elements;
}

/// Writes random documents with RapidJSON; white space between tokens as the seed has it.
class RandomDocument {
 public:
  explicit RandomDocument(std::uint32_t seed) : random_(seed) {
    document_.SetNull();
    fill(document_, 4);
  }
  [[nodiscard]] const json::Document& dom() const { return document_; }
  std::string text() {
    std::string out;
    append(out, document_);
    space(out);
    return out;
  }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }

  json::Value random_string() {
    static const std::vector<std::string> pieces = {"a",
                                                    "key",
                                                    "\"",
                                                    "\\",
                                                    "/",
                                                    "\n",
                                                    "\t",
                                                    "\x01",
                                                    "{",
                                                    "}",
                                                    "[",
                                                    "]",
                                                    ",",
                                                    ":",
                                                    " ",
                                                    "\xC3\xA9",
                                                    "\xE2\x82\xAC",
                                                    "\xF0\x9F\x98\x80",
                                                    "\\\"",
                                                    "\x7F",
                                                    std::string(1, '\0')};
    std::string text;
    for (std::size_t n = below(6); n > 0; --n) text += pieces[below(pieces.size())];
    json::Value value;
    value.SetString(text.data(), static_cast<rapidjson::SizeType>(text.size()), document_.GetAllocator());
    return value;
  }

  void fill(json::Value& value, std::size_t depth_left) {
    switch (below(depth_left > 0 ? 8 : 5)) {
      case 0: value.SetNull(); break;
      case 1: value.SetBool(below(2) == 0); break;
      case 2:
        value.SetInt64(static_cast<std::int64_t>((static_cast<std::uint64_t>(random_()) << 32) | random_()));
        break;
      case 3: value.SetDouble(static_cast<double>(random_()) / 7919.0); break;
      case 4: value = random_string(); break;
      case 5: {
        value.SetArray();
        for (std::size_t n = below(5); n > 0; --n) {
          json::Value item;
          fill(item, depth_left - 1);
          value.PushBack(item, document_.GetAllocator());
        }
        break;
      }
      default: {
        value.SetObject();
        for (std::size_t n = below(6); n > 0; --n) {
          json::Value key = random_string();
          if (value.HasMember(key)) continue;
          json::Value item;
          fill(item, depth_left - 1);
          value.AddMember(key, item, document_.GetAllocator());
        }
      }
    }
  }

  void space(std::string& out) {
    static constexpr std::string_view kSpaces = " \n\r\t";
    while (below(3) == 0) out += kSpaces[below(kSpaces.size())];
  }

  void append(std::string& out, const json::Value& value) {
    space(out);
    if (value.IsArray()) {
      out += '[';
      for (auto item = value.Begin(); item != value.End(); ++item) {
        if (item != value.Begin()) out += ',';
        append(out, *item);
        space(out);
      }
      space(out);
      out += ']';
    } else if (value.IsObject()) {
      out += '{';
      for (auto member = value.MemberBegin(); member != value.MemberEnd(); ++member) {
        if (member != value.MemberBegin()) out += ',';
        append(out, member->name);
        space(out);
        out += ':';
        append(out, member->value);
        space(out);
      }
      space(out);
      out += '}';
    } else if (value.IsString() && below(4) == 0) {
      append_escaped(out, json::string_of(value));
    } else {
      out += json::write(value);
    }
  }

  /// ASCII letters as \u escapes: another spelling of the same string.
  static void append_escaped(std::string& out, std::string_view text) {
    std::string quoted = json::quoted(text);
    out += '"';
    for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
      if (quoted[i] == '\\') {
        out += quoted[i];
        out += quoted[++i];
      } else if (quoted[i] == 'a') {
        out += "\\u0061";
      } else {
        out += quoted[i];
      }
    }
    out += '"';
  }

  std::mt19937 random_;
  json::Document document_;
};

void require_agreement(std::string_view raw, const json::Value& dom) {
  switch (json::kind(raw)) {
    case json::Kind::null: REQUIRE(dom.IsNull()); break;
    case json::Kind::boolean: REQUIRE(json::as_bool(raw) == dom.GetBool()); break;
    case json::Kind::string: REQUIRE(json::as_string(raw) == json::string_of(dom)); break;
    case json::Kind::number:
      if (dom.IsInt64()) {
        REQUIRE(json::as_int(raw) == dom.GetInt64());
      } else {
        REQUIRE(json::as_number(raw) == dom.GetDouble());
      }
      break;
    case json::Kind::array: {
      REQUIRE(dom.IsArray());
      const auto elements = elements_of(raw);
      REQUIRE(elements.size() == dom.Size());
      for (rapidjson::SizeType i = 0; i < dom.Size(); ++i) require_agreement(elements[i], dom[i]);
      break;
    }
    case json::Kind::object: {
      REQUIRE(dom.IsObject());
      const auto members = members_of(raw);
      REQUIRE(members.size() == dom.MemberCount());
      std::size_t i = 0;
      for (auto member = dom.MemberBegin(); member != dom.MemberEnd(); ++member, ++i) {
        REQUIRE(members[i].first == json::string_of(member->name));
        REQUIRE(json::member(raw, members[i].first) == members[i].second);
        require_agreement(members[i].second, member->value);
      }
      break;
    }
    case json::Kind::invalid: FAIL("an invalid value in valid text");
  }
}

}  // namespace

TEST_CASE("slices of random documents agree with the DOM") {
  for (std::uint32_t seed = 0; seed < 3000; ++seed) {
    RandomDocument document(seed);
    const std::string text = document.text();
    INFO("seed " << seed << ": " << text);
    REQUIRE(json::check(text).ok());
    REQUIRE(json::kind(text) != json::Kind::invalid);
    require_agreement(text, document.dom());
    const auto parsed = json::parse(text);
    REQUIRE(parsed.ok());
    REQUIRE(json::equal(text, json::write(document.dom())));
    REQUIRE(static_cast<const json::Value&>(*parsed) == document.dom());
  }
}

TEST_CASE("slices never run past a cut document") {
  for (std::uint32_t seed = 0; seed < 150; ++seed) {
    const std::string text = RandomDocument(seed).text();
    for (std::size_t size = 0; size < text.size(); ++size) {
      const std::vector<char> cut(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
      const std::string_view view(cut.data(), cut.size());
      members_of(view);
      elements_of(view);
      json::member(view, "key");
      json::as_string(view);
    }
  }
}

TEST_CASE("a member is found through white space, escapes and nesting") {
  const std::string text =
      " {\n\t\"a\" : 1 ,\r\n \"b\\u0063\":{\"a\":2,\"s\":\"}\"} ,\"\":[ 1 , {\"x\":\"]\"} ],\"q\\\"\" : \"\\\\\" , "
      "\"n\":null } ";
  REQUIRE(json::check(text).ok());
  CHECK(json::member(text, "a") == "1");
  CHECK(json::member(text, "bc") == R"({"a":2,"s":"}"})");
  CHECK(json::member(*json::member(text, "bc"), "a") == "2");
  CHECK(json::member(text, "") == R"([ 1 , {"x":"]"} ])");
  CHECK(json::member(text, "q\"") == R"("\\")");
  CHECK(json::member(text, "n") == "null");
  CHECK_FALSE(json::member(text, "x"));
  CHECK_FALSE(json::member(text, "b\\u0063"));
}

TEST_CASE("what is not an object has no members, what is not an array no elements") {
  for (const char* text : {"", " ", "1", "\"a\"", "null", "[{\"a\":1}]"}) CHECK(members_of(text).empty());
  for (const char* text : {"", " ", "1", "\"a\"", "null", "{\"a\":[1]}"}) CHECK(elements_of(text).empty());
  CHECK(members_of(" { } ").empty());
  CHECK(elements_of(" [ ] ").empty());
}

TEST_CASE("a walk stops when it is told to") {
  int seen = 0;
  json::for_each_member(R"({"a":1,"b":2,"c":3})", [&](std::string_view, std::string_view) { return ++seen < 2; });
  CHECK(seen == 2);
  seen = 0;
  json::for_each_element("[1,2,3]", [&](std::string_view) { return ++seen < 1; });
  CHECK(seen == 1);
}

TEST_CASE("a walk over malformed text ends instead of failing") {
  for (const char* text : {"{\"a\"", "{\"a\" ", "{\"a\":", "{\"a\": ", "{\"a\":1", "{\"a\":1,", "{\"", "{\"a\\",
                           "{\"a\"x1}", "{\"a\":[", "{\"a\":\"", "{,}", "{\"a\":,\"b\":1}"}) {
    INFO(text);
    members_of(text);
    json::member(text, "zz");
  }
  for (const char* text : {"[", "[1", "[1,", "[,", "[}", "[\"", "[[", "[1 2]"}) elements_of(text);
  SUCCEED();
}

TEST_CASE("escapes are resolved, surrogate pairs to one character") {
  CHECK(json::unescape(R"("")").empty());
  CHECK(json::unescape(R"("plain")") == "plain");
  CHECK(json::unescape(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
  CHECK(json::unescape(R"("\u0041\u00e9\u20AC\uFFFF")") == "A\xC3\xA9\xE2\x82\xAC\xEF\xBF\xBF");
  CHECK(json::unescape(R"("\ud83d\ude00")") == "\xF0\x9F\x98\x80");
  CHECK(json::unescape(R"("x\uD800\uDC00y\uDBFF\uDFFFz")") == "x\xF0\x90\x80\x80y\xF4\x8F\xBF\xBFz");
  CHECK(json::unescape(R"("\u0000")") == std::string(1, '\0'));
  CHECK(json::unescape(R"("a\\u0041")") == "a\\u0041");
}

TEST_CASE("scalars are read exactly or not at all") {
  CHECK(json::as_int("9223372036854775807") == std::numeric_limits<std::int64_t>::max());
  CHECK(json::as_int("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
  CHECK(json::as_int("-0") == 0);
  for (const char* text : {"9223372036854775808", "1.0", "1e3", "\"1\"", "null", "", "true"})
    CHECK_FALSE(json::as_int(text));
  CHECK(json::as_number("1e3") == 1000.0);
  CHECK(json::as_number("-2.5") == -2.5);
  CHECK_FALSE(json::as_number("\"1\""));
  CHECK(json::as_bool("true") == true);
  CHECK(json::as_bool("false") == false);
  CHECK_FALSE(json::as_bool("1"));
  CHECK_FALSE(json::as_string("1"));
}

TEST_CASE("a whole text with white space around it reads like its value") {
  CHECK(json::as_string(" \"a\" ") == "a");
  CHECK(json::as_int("\n7\t") == 7);
  CHECK(json::as_number(" 7.5 ") == 7.5);
  CHECK(json::as_bool(" true\r\n") == true);
  CHECK(json::kind(" \n{") == json::Kind::object);
}

TEST_CASE("quoting escapes what JSON forbids and nothing else, and check accepts it") {
  CHECK(json::quoted("a\"b\\c/d") == R"("a\"b\\c/d")");
  CHECK(json::quoted("\n\r\t\x01\x1F\x7F") == "\"\\n\\r\\t\\u0001\\u001f\x7F\"");
  CHECK(json::quoted("\xC3\xA9") == "\"\xC3\xA9\"");
  std::string all;
  for (char c = 0; c < 0x7F; ++c) all += c;
  CHECK(json::check(json::quoted(all)).ok());
  CHECK(json::unescape(json::quoted(all)) == all);
}

TEST_CASE("an object writer puts commas, quotes and braces where they belong") {
  std::string out;
  json::ObjectWriter(out).string("only", "x");
  CHECK(out == R"({"only":"x"})");
  out.clear();
  { const json::ObjectWriter object(out); }
  CHECK(out == "{}");
  out.clear();
  {
    json::ObjectWriter object(out);
    object.raw("raw", "[1]").string("text", "a\"b").integer("low", std::numeric_limits<std::int64_t>::min());
    object.boolean("yes", true).boolean("no", false).raw_member("k\"\n", "null");
    json::ObjectWriter(object.value_of("inner")).integer("n", 1);
    json::ObjectWriter(object.value_of_member("\t")).integer("n", 2);
    object.integer("last", 0);
  }
  CHECK(out == R"({"raw":[1],"text":"a\"b","low":-9223372036854775808,"yes":true,"no":false,"k\"\n":null,)"
               R"("inner":{"n":1},"\t":{"n":2},"last":0})");
  CHECK(json::check(out).ok());
}

TEST_CASE("the DOM holds numbers as they are read without one") {
  const std::vector<std::string> spelled = {"0e99",
                                            "-0.0e99",
                                            "2e-325",
                                            "-3e-400",
                                            "0.1",
                                            "1e308",
                                            "4.9e-324",
                                            "-0",
                                            "18446744073709551615.5e4",
                                            "9223372036854775808",
                                            "1E+2",
                                            "0.000001e-330"};
  for (const std::string& text : spelled) {
    INFO(text);
    const auto document = json::parse("[" + text + "]");
    REQUIRE(document.ok());
    const auto number = json::as_number(text);
    REQUIRE(number);
    CHECK((*document)[0].GetDouble() == *number);
  }
  CHECK_FALSE(json::parse("1e400").ok());
  CHECK_FALSE(json::as_number("1e400"));
  CHECK_FALSE(json::as_number("-1e400"));
}

TEST_CASE("equality is of values, not of spelling") {
  CHECK(json::equal(R"({"a":1,"b":[1,2]})", R"( {"b":[1, 2.0],"\u0061":1} )"));
  CHECK(json::equal("1", "1.0"));
  CHECK(json::equal("\"a\"", "\"\\u0061\""));
  CHECK(json::equal("0e99", "0"));
  CHECK(json::equal("-0", "0.0"));
  CHECK(json::equal("123456789012345678901234567890", "1.2345678901234567890123456789e29"));
  CHECK_FALSE(json::equal("0.0e99", "1.5e79"));
  CHECK_FALSE(json::equal("18446744073709551615", "18446744073709551614"));
  CHECK_FALSE(json::equal("[1,2]", "[2,1]"));
  CHECK_FALSE(json::equal(R"({"a":1})", R"({"a":1,"b":2})"));
  CHECK_FALSE(json::equal("1", "\"1\""));
  CHECK_FALSE(json::equal("null", "false"));
  CHECK_FALSE(json::equal("9223372036854775807", "9223372036854775806"));
  CHECK_FALSE(json::equal("{", "}"));
}
