// JSON at the edge: what check() passes, everything else reads alike, RapidJSON as the judge; what it refuses,
// RapidJSON refuses too, but for the rules that are check()'s own.
#include <rapidjson/reader.h>

#include <cmath>
#include <string>
#include <string_view>

#include "fuzz/fuzz.h"
#include "openwop/canonical_json.h"
#include "openwop/json.h"

using namespace openwop;
using openwop::fuzz::expect;

namespace {

/// Nothing where it is not JSON for RapidJSON, which then also looks at encodings.
bool rapidjson_takes(std::string_view text) {
  // Numbers as text: reading them, RapidJSON asserts on some.
  constexpr unsigned kFlags =
      rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  rapidjson::BaseReaderHandler<> nobody;
  return !rapidjson::Reader().Parse<kFlags>(stream, nobody).IsError();
}

bool same_kind(json::Kind kind, const json::Value& value) {
  switch (kind) {
    case json::Kind::null: return value.IsNull();
    case json::Kind::boolean: return value.IsBool();
    case json::Kind::number: return value.IsNumber();
    case json::Kind::string: return value.IsString();
    case json::Kind::array: return value.IsArray();
    case json::Kind::object: return value.IsObject();
    case json::Kind::invalid: return false;
  }
  return false;
}

void compare_scalar(std::string_view raw, const json::Value& value) {
  const auto text = json::as_string(raw);
  expect(text.has_value() == value.IsString(), "as_string() is for strings", raw);
  if (text) expect(*text == json::string_of(value), "both read the same string", raw);
  const auto flag = json::as_bool(raw);
  expect(flag.has_value() == value.IsBool() && (!flag || *flag == value.GetBool()), "both read the same truth", raw);
  if (!value.IsNumber()) return;
  const auto whole = json::as_int(raw);
  if (value.IsInt64() && raw.find_first_of(".eE") == std::string_view::npos) {
    expect(whole == value.GetInt64(), "both read the same integer", raw);
  }
  const auto number = json::as_number(raw);
  expect(number && *number == value.GetDouble(), "both read the same double", raw);
}

// Whole numbers that a double cannot hold: canonical JSON may not tell them apart.
bool has_large_integer(const json::Value& value) {
  constexpr double kExact = 9007199254740992.0;
  if (value.IsNumber()) return std::abs(value.GetDouble()) >= kExact;
  if (value.IsArray()) {
    for (const auto& item : value.GetArray()) {
      if (has_large_integer(item)) return true;
    }
  }
  if (!value.IsObject()) return false;
  for (auto member = value.MemberBegin(); member < value.MemberEnd(); ++member) {
    if (has_large_integer(member->value)) return true;
  }
  return false;
}

void compare(std::string_view raw, const json::Value& value) {
  expect(same_kind(json::kind(raw), value), "both see the same kind", raw);
  compare_scalar(raw, value);
  std::size_t count = 0;
  json::for_each_element(raw, [&](std::string_view item) {
    expect(value.IsArray() && count < value.Size(), "elements are those of an array", raw);
    compare(item, value[static_cast<rapidjson::SizeType>(count++)]);
    return true;
  });
  expect(!value.IsArray() || count == value.Size(), "no element is passed over", raw);
  count = 0;
  json::for_each_member(raw, [&](std::string_view key, std::string_view item) {
    expect(value.IsObject() && count < value.MemberCount(), "members are those of an object", raw);
    const auto& member = *(value.MemberBegin() + static_cast<std::ptrdiff_t>(count++));
    const std::string name = json::unescape(key);
    expect(name == json::string_of(member.name) && json::key_is(key, name), "both read the same name", key);
    const auto found = json::member(raw, name);
    expect(found && found->data() == item.data(), "a member is found by its name", key);
    compare(item, member.value);
    return true;
  });
  expect(!value.IsObject() || count == value.MemberCount(), "no member is passed over", raw);
}

void check_rewritings(std::string_view text, const json::Value& value) {
  for (const std::string& other : {json::minified(text), json::write(value)}) {
    expect(json::check(other).ok(), "what is written passes", other);
    expect(json::equal(text, other), "what is written is equal", other);
  }
  const std::string minified = json::minified(text);
  expect(json::minified(minified) == minified, "minified text stays as it is", minified);
  const std::string canonical = canonical_json(text);
  expect(rapidjson_takes(canonical), "canonical text is JSON", canonical);
  expect(canonical_json(canonical) == canonical, "canonical text stays as it is", canonical);
  expect(canonical_json(minified) == canonical, "one value has one canonical text", canonical);
  // As a double, the largest unsigned integer is one more than check() passes.
  if (has_large_integer(value)) return;
  expect(json::check(canonical).ok(), "canonical text passes", canonical);
  expect(json::equal(text, canonical), "canonical text is equal", canonical);
}

void check_refusal(std::string_view text, const Error& error) {
  expect(error.code == ErrorCode::validation_error && !error.message.empty(), "a refusal says why", error.message);
  // RapidJSON ends at a null byte, takes some escapes of surrogates that are not a pair, and passes over each byte of a
  // byte order mark even where the others are missing.
  if (text.find('\0') != std::string_view::npos || text.find("\\u") != std::string_view::npos) return;
  if (!text.empty() && static_cast<unsigned char>(text.front()) >= 0x80) return;
  const bool own_rule =
      error.message.find("deeply") != std::string::npos || error.message.find("repeats") != std::string::npos ||
      error.message.find("number") != std::string::npos || error.message.find("byte order") != std::string::npos;
  if (!own_rule) expect(!rapidjson_takes(text), "RapidJSON refuses it too", error.message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const std::string quoted = json::quoted(text);
  expect(json::unescape(quoted) == text, "quoted text reads as it was", quoted);
  if (simdjson::validate_utf8(text.data(), text.size())) expect(json::check(quoted).ok(), "quoted text passes", quoted);
  const auto checked = json::check(text);
  if (!checked) {
    check_refusal(text, checked.error());
    return 0;
  }
  const auto document = json::parse(text);
  // Spellings of numbers that only simdjson takes, such as 0e999: a DOM of them is refused with its reason.
  if (!document && document.error().message.find("Number too big") != std::string::npos) return 0;
  expect(document.ok() && rapidjson_takes(text), "what passes is JSON for RapidJSON", text);
  compare(text, *document);
  check_rewritings(text, *document);
  return 0;
}
