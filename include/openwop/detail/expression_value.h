// Values of the expression language. Arrays and objects stay JSON text; numbers that are no 64-bit integers remember
// their spelling, so that a value that is only passed on keeps its bytes.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "openwop/json.h"

namespace openwop::detail::expression {

struct Real {
  double value = 0;
  std::string text = {};  // as it was spelled; empty for a computed number
};
struct Composite {
  std::string text;  // a JSON array or object
};
using Null = std::monostate;
using Value = std::variant<Null, bool, std::int64_t, Real, std::string, Composite>;

inline bool is_null(const Value& value) { return std::holds_alternative<Null>(value); }
inline bool is_number(const Value& value) {
  return std::holds_alternative<std::int64_t>(value) || std::holds_alternative<Real>(value);
}
inline double to_double(const Value& number) {
  if (const auto* integer = std::get_if<std::int64_t>(&number)) return static_cast<double>(*integer);
  return std::get<Real>(number).value;
}

inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t from = text.find_first_not_of(kSpace);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

inline Value number_from(std::string_view token) {
  const auto integer = json::as_int(token);
  if (integer && token != "-0") return *integer;
  return Real{json::as_number(token).value_or(0.0), std::string(token)};
}

/// A value from checked JSON text.
inline Value value_from(std::string_view raw) {
  raw = trimmed(raw);
  switch (json::kind(raw)) {
    case json::Kind::boolean: return raw == "true";
    case json::Kind::number: return number_from(raw);
    case json::Kind::string: return json::unescape(raw);
    case json::Kind::array:
    case json::Kind::object: return Composite{std::string(raw)};
    case json::Kind::null:
    case json::Kind::invalid: break;
  }
  return Null{};
}

inline void append_double(std::string& out, double value) {
  // Written out, a whole number of 20 digits would be an integer of more than 64 bits, which json::check() refuses.
  constexpr double kTwoTo63 = 9223372036854775808.0;
  std::array<char, 32> digits;
  const auto written = std::abs(value) < kTwoTo63 ? std::to_chars(digits.data(), digits.data() + digits.size(), value)
                                                  : std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                                                  std::chars_format::scientific);
  out.append(digits.data(), written.ptr);
}

inline void append_json(std::string& out, const Value& value) {
  if (const auto* boolean = std::get_if<bool>(&value)) {
    out += *boolean ? "true" : "false";
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    out += std::to_string(*integer);
  } else if (const auto* real = std::get_if<Real>(&value)) {
    if (real->text.empty()) {
      append_double(out, real->value);
    } else {
      out += real->text;
    }
  } else if (const auto* string = std::get_if<std::string>(&value)) {
    json::append_quoted(out, *string);
  } else if (const auto* composite = std::get_if<Composite>(&value)) {
    out += composite->text;
  } else {
    out += "null";
  }
}

inline std::string to_json(const Value& value) {
  std::string out;
  append_json(out, value);
  return out;
}

inline bool truthy(const Value& value) {
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer != 0;
  if (const auto* real = std::get_if<Real>(&value)) return real->value != 0;
  if (const auto* string = std::get_if<std::string>(&value)) return !string->empty();
  return std::holds_alternative<Composite>(value);
}

// ---- equality ----

/// The integer that a double is exactly, if it fits 64 bits.
inline std::optional<std::int64_t> exact_integer(double value) {
  constexpr double kTwoTo63 = 9223372036854775808.0;
  if (!(value >= -kTwoTo63 && value < kTwoTo63) || std::trunc(value) != value) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

inline void append_canonical_number(std::string& out, std::string_view token) {
  if (const auto integer = json::as_int(token)) {
    out += std::to_string(*integer);  // "-0" becomes "0"
    return;
  }
  std::uint64_t large = 0;
  const char* const end = token.data() + token.size();
  if (const auto parsed = std::from_chars(token.data(), end, large); parsed.ec == std::errc{} && parsed.ptr == end) {
    out += token;
    return;
  }
  const double value = json::as_number(token).value_or(0.0);
  if (const auto integer = exact_integer(value)) {
    out += std::to_string(*integer);
  } else {
    append_double(out, value);
  }
}

inline void append_canonical(std::string& out, std::string_view raw);

inline void append_canonical_object(std::string& out, std::string_view raw) {
  std::vector<std::pair<std::string, std::string_view>> members;
  json::for_each_member(raw, [&](std::string_view key, std::string_view value) {
    members.emplace_back(json::unescape(key), value);
    return true;
  });
  std::sort(members.begin(), members.end());
  out += '{';
  for (const auto& [key, value] : members) {
    json::append_quoted(out, key);
    out += ':';
    append_canonical(out, value);
    out += ',';
  }
  out += '}';
}

/// One spelling for all JSON texts of equal value (members sorted, numbers and escapes normalized): equality is linear
/// in the text where comparing two object trees member by member is quadratic. Recursion is as deep as the text, which
/// was checked for depth when it came in.
inline void append_canonical(std::string& out, std::string_view raw) {
  raw = trimmed(raw);
  switch (json::kind(raw)) {
    case json::Kind::object: append_canonical_object(out, raw); return;
    case json::Kind::array:
      out += '[';
      json::for_each_element(raw, [&](std::string_view element) {
        append_canonical(out, element);
        out += ',';
        return true;
      });
      out += ']';
      return;
    case json::Kind::string: json::append_quoted(out, json::unescape(raw)); return;
    case json::Kind::number: append_canonical_number(out, raw); return;
    default: out += raw;
  }
}

inline std::string canonical(const Value& value) {
  std::string out;
  append_canonical(out, to_json(value));
  return out;
}

/// Deep equality of JSON values; 1 equals 1.0, a string never equals a number.
inline bool equal(const Value& left, const Value& right) {
  if (is_number(left) && is_number(right)) return canonical(left) == canonical(right);
  if (left.index() != right.index()) return false;
  if (const auto* composite = std::get_if<Composite>(&left)) {
    const auto& other = std::get<Composite>(right);
    return composite->text == other.text || canonical(left) == canonical(right);
  }
  if (const auto* string = std::get_if<std::string>(&left)) return *string == std::get<std::string>(right);
  if (const auto* boolean = std::get_if<bool>(&left)) return *boolean == std::get<bool>(right);
  return true;
}

/// Substring of a string, element of an array, key of an object. Nothing is in null; nothing else contains.
inline std::optional<bool> contains(const Value& container, const Value& item) {
  if (is_null(container)) return false;
  if (const auto* string = std::get_if<std::string>(&container)) {
    const auto* part = std::get_if<std::string>(&item);
    return part != nullptr && string->find(*part) != std::string::npos;
  }
  const auto* composite = std::get_if<Composite>(&container);
  if (composite == nullptr) return std::nullopt;
  bool found = false;
  if (json::kind(composite->text) == json::Kind::object) {
    const auto* key = std::get_if<std::string>(&item);
    return key != nullptr && json::member(composite->text, *key).has_value();
  }
  const std::string wanted = canonical(item);
  std::string candidate;
  json::for_each_element(composite->text, [&](std::string_view element) {
    candidate.clear();
    append_canonical(candidate, element);
    found = candidate == wanted;
    return !found;
  });
  return found;
}

// ---- members ----

/// Member of an object, element of an array by integer; null for everything that is not there.
inline Value at(const Value& container, const Value& key) {
  const auto* composite = std::get_if<Composite>(&container);
  if (composite == nullptr) return Null{};
  if (const auto* name = std::get_if<std::string>(&key)) {
    const auto member = json::member(composite->text, *name);
    return member ? value_from(*member) : Value{};
  }
  const auto* index = std::get_if<std::int64_t>(&key);
  if (index == nullptr || *index < 0) return Null{};
  std::int64_t position = 0;
  Value found;
  json::for_each_element(composite->text, [&](std::string_view element) {
    if (position++ != *index) return true;
    found = value_from(element);
    return false;
  });
  return found;
}

inline Error failed(const std::string& what, std::size_t offset) {
  return Error{ErrorCode::validation_error, "expression: " + what + " at byte " + std::to_string(offset)};
}

}  // namespace openwop::detail::expression
