// JSON as bytes. Values stay serialized text from the caller to the store to the reader; this header checks, slices
// and writes such text. A DOM (RapidJSON) is built only where values are compared or merged.
//
//  - check()          full validation at the edge (simdjson): syntax, UTF-8, numbers, nesting, duplicate keys
//  - member() …       slices of text that has been checked before; no allocation, no copy
//  - Writer           appends JSON text to a string
//  - Document         RapidJSON DOM
//
// Thread-safety: free functions are safe from any thread; a Writer or Document belongs to one thread at a time.
#pragma once

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/detail/json_dom.h"
#include "openwop/result.h"

namespace openwop::json {

struct Limits {
  std::size_t max_bytes = std::size_t{1} << 20;
  std::size_t max_depth = 64;
};

namespace detail {

inline Error invalid(std::string message) { return Error{ErrorCode::validation_error, std::move(message)}; }

inline Status check_keys(const simdjson::dom::element& element, std::size_t depth_left);

inline Status check_object_keys(const simdjson::dom::object& object, std::size_t depth_left) {
  std::vector<std::string_view> keys;
  keys.reserve(object.size());
  for (const auto field : object) {
    keys.push_back(field.key);
    if (auto inner = check_keys(field.value, depth_left); !inner) return inner;
  }
  std::sort(keys.begin(), keys.end());
  if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) return invalid("JSON object repeats a key");
  return {};
}

// `depth_left` containers may still open. The parser's own limit does not count empty containers, so this one decides.
inline Status check_keys(const simdjson::dom::element& element, std::size_t depth_left) {
  if (simdjson::dom::object object; element.get(object) == simdjson::SUCCESS) {
    if (depth_left == 0) return invalid("JSON is nested too deeply");
    return check_object_keys(object, depth_left - 1);
  }
  if (simdjson::dom::array array; element.get(array) == simdjson::SUCCESS) {
    if (depth_left == 0) return invalid("JSON is nested too deeply");
    for (const auto item : array) {
      if (auto inner = check_keys(item, depth_left - 1); !inner) return inner;
    }
  }
  return {};
}

inline std::string describe(simdjson::error_code code) {
  switch (code) {
    case simdjson::DEPTH_ERROR: return "JSON is nested too deeply";
    case simdjson::UTF8_ERROR: return "JSON text is not valid UTF-8";
    case simdjson::NUMBER_ERROR: return "JSON holds a number outside the range of 64-bit integers and doubles";
    case simdjson::EMPTY: return "JSON text is empty";
    case simdjson::UNCLOSED_STRING: return "JSON string is not closed";
    default: return "JSON text is malformed";
  }
}

}  // namespace detail

/// Validates untrusted text. Errors: payload_too_large beyond max_bytes; validation_error for anything that is not one
/// well-formed JSON value: bad syntax, bad UTF-8 or UTF-16 escapes, numbers beyond 64-bit integers and doubles, nesting
/// beyond max_depth, an object with a repeated key.
inline Status check(std::string_view text, const Limits& limits = {}) {
  if (text.size() > limits.max_bytes) {
    return Error{ErrorCode::payload_too_large,
                 "JSON text is larger than " + std::to_string(limits.max_bytes) + " bytes"};
  }
  // Some versions of simdjson pass over a byte order mark; the slices below do not.
  if (text.empty() || text.starts_with("\xEF\xBB\xBF")) {
    return detail::invalid(text.empty() ? "JSON text is empty" : "JSON text begins with a byte order mark");
  }
  // One parser a thread keeps its buffers; a large text must not pin its memory for good.
  constexpr std::size_t kKeptCapacityBytes = std::size_t{4} << 20;
  thread_local simdjson::dom::parser kept_parser(kKeptCapacityBytes);
  simdjson::dom::parser large_parser;
  simdjson::dom::parser& parser = text.size() <= kKeptCapacityBytes ? kept_parser : large_parser;
  if (parser.max_depth() != limits.max_depth + 1) {
    if (parser.allocate(std::min(std::max<std::size_t>(text.size(), 4096), kKeptCapacityBytes), limits.max_depth + 1) !=
        simdjson::SUCCESS) {
      return Error{ErrorCode::service_unavailable, "no memory to parse JSON"};
    }
  }
  simdjson::dom::element root;
  if (const auto code = parser.parse(text.data(), text.size()).get(root); code != simdjson::SUCCESS) {
    return detail::invalid(detail::describe(code));
  }
  return detail::check_keys(root, limits.max_depth);
}

/// Checked text without the white space between its tokens: what is stored and sent on many times should be short.
inline std::string minified(std::string_view checked) {
  std::string out(checked.size(), '\0');
  std::size_t size = 0;
  if (simdjson::minify(checked.data(), checked.size(), out.data(), size) != simdjson::SUCCESS)
    return std::string(checked);
  out.resize(size);
  return out;
}

// ---- slices of checked text ----

namespace detail {

inline std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')) ++at;
  return at;
}

/// `at` is on the opening quote; the result is just behind the closing one.
inline std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

/// `at` is on the first character of a value; the result is just behind it.
inline std::size_t skip_value(std::string_view text, std::size_t at) {
  if (at >= text.size()) return text.size();
  if (text[at] == '"') return skip_string(text, at);
  if (text[at] != '{' && text[at] != '[') {
    while (at < text.size() && text[at] != ',' && text[at] != '}' && text[at] != ']' && text[at] != ' ' &&
           text[at] != '\n' && text[at] != '\r' && text[at] != '\t') {
      ++at;
    }
    return at;
  }
  int open = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
      continue;
    }
    if (c == '{' || c == '[') ++open;
    if ((c == '}' || c == ']') && --open == 0) return at + 1;
    ++at;
  }
  return text.size();
}

inline void append_utf8(std::string& out, std::uint32_t code_point) {
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | (code_point >> 6));
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | (code_point >> 12));
    out += static_cast<char>(0x80 | ((code_point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code_point >> 18));
    out += static_cast<char>(0x80 | ((code_point >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code_point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code_point & 0x3F));
  }
}

/// Without the white space around it.
inline std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

inline std::uint32_t hex4(std::string_view text, std::size_t at) {
  std::uint32_t value = 0;
  std::from_chars(text.data() + at, text.data() + std::min(at + 4, text.size()), value, 16);
  return value;
}

}  // namespace detail

/// The text inside a raw JSON string token (quotes included in `raw`), escapes resolved.
inline std::string unescape(std::string_view raw) {
  if (raw.size() < 2) return {};
  const std::string_view body = raw.substr(1, raw.size() - 2);
  if (body.find('\\') == std::string_view::npos) return std::string(body);
  std::string out;
  out.reserve(body.size());
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\' || i + 1 >= body.size()) {
      out += body[i];
      continue;
    }
    switch (body[++i]) {
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'u': {
        std::uint32_t code_point = detail::hex4(body, i + 1);
        i += 4;
        if (code_point >= 0xD800 && code_point < 0xDC00 && i + 6 < body.size()) {
          code_point = 0x10000 + ((code_point - 0xD800) << 10) + (detail::hex4(body, i + 3) - 0xDC00);
          i += 6;
        }
        detail::append_utf8(out, code_point);
        break;
      }
      default: out += body[i];
    }
  }
  return out;
}

enum class Kind : std::uint8_t { null, boolean, number, string, array, object, invalid };

inline Kind kind(std::string_view raw) {
  const std::size_t at = detail::skip_space(raw, 0);
  if (at >= raw.size()) return Kind::invalid;
  switch (raw[at]) {
    case 'n': return Kind::null;
    case 't':
    case 'f': return Kind::boolean;
    case '"': return Kind::string;
    case '[': return Kind::array;
    case '{': return Kind::object;
    default: return Kind::number;
  }
}

/// Calls `visit(raw_key, raw_value)` for each member of an object, in order, keys with their quotes; stops when it
/// returns false. Text that is not an object has no members.
template <class Visit>
void for_each_member(std::string_view object, Visit&& visit) {
  std::size_t at = detail::skip_space(object, 0);
  if (at >= object.size() || object[at] != '{') return;
  at = detail::skip_space(object, at + 1);
  while (at < object.size() && object[at] == '"') {
    const std::size_t key_end = detail::skip_string(object, at);
    const std::string_view key = object.substr(at, key_end - at);
    at = detail::skip_space(object, key_end);
    if (at >= object.size() || object[at] != ':') return;
    at = detail::skip_space(object, at + 1);
    const std::size_t value_end = detail::skip_value(object, at);
    if (!visit(key, object.substr(at, value_end - at))) return;
    at = detail::skip_space(object, value_end);
    if (at >= object.size() || object[at] != ',') return;
    at = detail::skip_space(object, at + 1);
  }
}

/// Calls `visit(raw_value)` for each element of an array; stops when it returns false.
template <class Visit>
void for_each_element(std::string_view array, Visit&& visit) {
  std::size_t at = detail::skip_space(array, 0);
  if (at >= array.size() || array[at] != '[') return;
  at = detail::skip_space(array, at + 1);
  while (at < array.size() && array[at] != ']') {
    const std::size_t end = detail::skip_value(array, at);
    if (!visit(array.substr(at, end - at))) return;
    at = detail::skip_space(array, end);
    if (at >= array.size() || array[at] != ',') return;
    at = detail::skip_space(array, at + 1);
  }
}

/// True if a raw key (with quotes) spells `name`.
inline bool key_is(std::string_view raw_key, std::string_view name) {
  const std::string_view body = raw_key.substr(1, raw_key.size() - 2);
  return body.find('\\') == std::string_view::npos ? body == name : unescape(raw_key) == name;
}

/// The raw value of one member, or nothing.
inline std::optional<std::string_view> member(std::string_view object, std::string_view name) {
  std::optional<std::string_view> found;
  for_each_member(object, [&](std::string_view key, std::string_view value) {
    if (!key_is(key, name)) return true;
    found = value;
    return false;
  });
  return found;
}

inline std::optional<std::string> as_string(std::string_view raw) {
  if (kind(raw) != Kind::string) return std::nullopt;
  return unescape(detail::trim(raw));
}
inline std::optional<std::int64_t> as_int(std::string_view raw) {
  return detail::read_integer<std::int64_t>(detail::trim(raw));
}
inline std::optional<double> as_number(std::string_view raw) { return detail::read_double(detail::trim(raw)); }
inline std::optional<bool> as_bool(std::string_view raw) {
  raw = detail::trim(raw);
  if (raw == "true") return true;
  if (raw == "false") return false;
  return std::nullopt;
}

// ---- writing ----

namespace detail {
// RapidJSON output stream that appends to a std::string.
struct StringSink {
  using Ch = char;
  std::string* out;
  void Put(char c) { out->push_back(c); }
  void Flush() {}
};
}  // namespace detail

/// Appends `text` as a JSON string token.
inline void append_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  std::size_t plain_from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text.substr(plain_from, i - plain_from));
    plain_from = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        out += "\\u00";
        out += kHex[c >> 4U];
        out += kHex[c & 15U];
    }
  }
  out.append(text.substr(plain_from));
  out += '"';
}

inline std::string quoted(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

/// Appends one JSON object to a string: members in the order they are added, commas and quotes taken care of.
/// Keys are written as they are and must need no escaping; everything else is escaped.
/// The destructor closes the object: end the writer's scope before the string is returned or moved.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;
  ~ObjectWriter() { out_ += '}'; }

  /// `raw` is serialized JSON.
  ObjectWriter& raw(std::string_view key, std::string_view raw_value) {
    begin(key);
    out_ += raw_value;
    return *this;
  }
  ObjectWriter& string(std::string_view key, std::string_view value) {
    begin(key);
    append_quoted(out_, value);
    return *this;
  }
  ObjectWriter& integer(std::string_view key, std::int64_t value) {
    begin(key);
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out_.append(digits.data(), end);
    return *this;
  }
  ObjectWriter& boolean(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
  /// The string that the value for `key` is to be appended to, by an inner writer.
  std::string& value_of(std::string_view key) {
    begin(key);
    return out_;
  }
  /// A member whose key is arbitrary text.
  ObjectWriter& raw_member(std::string_view any_key, std::string_view raw_value) {
    comma();
    append_quoted(out_, any_key);
    out_ += ':';
    out_ += raw_value;
    return *this;
  }
  std::string& value_of_member(std::string_view any_key) {
    comma();
    append_quoted(out_, any_key);
    out_ += ':';
    return out_;
  }

 private:
  void comma() {
    if (!first_) out_ += ',';
    first_ = false;
  }
  void begin(std::string_view key) {
    comma();
    out_ += '"';
    out_ += key;
    out_ += "\":";
  }
  std::string& out_;
  bool first_ = true;
};

// ---- DOM ----

using Document = rapidjson::Document;
using Value = rapidjson::Value;

/// A DOM of checked text. Errors: validation_error with the byte offset.
inline Result<Document> parse(std::string_view text) {
  constexpr unsigned kFlags = rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseIterativeFlag;
  Document document;
  rapidjson::ParseResult result;
  const auto build = [&](Document& target) {
    rapidjson::MemoryStream bytes(text.data(), text.size());
    rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
    detail::DomBuilder builder(target);
    result = rapidjson::Reader().Parse<kFlags>(stream, builder);
    return !result.IsError();
  };
  document.Populate(build);
  if (result.IsError()) {
    return Error{ErrorCode::validation_error, std::string(rapidjson::GetParseError_En(result.Code())) + " at byte " +
                                                  std::to_string(result.Offset())};
  }
  return document;
}

inline std::string write(const Value& value) {
  std::string out;
  detail::StringSink sink{&out};
  rapidjson::Writer<detail::StringSink> writer(sink);
  value.Accept(writer);
  return out;
}

inline std::string_view string_of(const Value& value) { return {value.GetString(), value.GetStringLength()}; }

/// Deep equality as JSON values: member order and number spelling do not matter.
inline bool equal(std::string_view left, std::string_view right) {
  if (left == right) return true;
  const auto a = parse(left);
  const auto b = parse(right);
  return a.ok() && b.ok() && static_cast<const Value&>(*a) == static_cast<const Value&>(*b);
}

}  // namespace openwop::json
