#include "openwop/canonical_json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "openwop/json.h"

namespace openwop {

namespace {

/// UTF-16 units of valid UTF-8: the order of RFC 8785 §3.2.3.
std::u16string utf16_of(std::string_view text) {
  std::u16string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    std::uint32_t code = size == 1 ? first : first & (0xFFU >> (size + 1));
    for (std::size_t k = 1; k < size && i + k < text.size(); ++k) {
      code = code << 6U | (static_cast<unsigned char>(text[i + k]) & 0x3FU);
    }
    i += size;
    if (code < 0x10000) {
      out += static_cast<char16_t>(code);
    } else {
      out += static_cast<char16_t>(0xD800 + ((code - 0x10000) >> 10U));
      out += static_cast<char16_t>(0xDC00 + ((code - 0x10000) & 0x3FFU));
    }
  }
  return out;
}

void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"': out += "\\\""; continue;
      case '\\': out += "\\\\"; continue;
      case '\b': out += "\\b"; continue;
      case '\t': out += "\\t"; continue;
      case '\n': out += "\\n"; continue;
      case '\f': out += "\\f"; continue;
      case '\r': out += "\\r"; continue;
      default: break;
    }
    if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_value(std::string& out, std::string_view raw);

void append_object(std::string& out, std::string_view raw) {
  struct Member {
    std::u16string order;
    std::string name;
    std::string_view value;
  };
  std::vector<Member> members;
  json::for_each_member(raw, [&](std::string_view key, std::string_view value) {
    std::string name = json::unescape(key);
    members.push_back({utf16_of(name), std::move(name), value});
    return true;
  });
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) { return a.order < b.order; });
  out += '{';
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i > 0) out += ',';
    append_string(out, members[i].name);
    out += ':';
    append_value(out, members[i].value);
  }
  out += '}';
}

void append_array(std::string& out, std::string_view raw) {
  out += '[';
  bool first = true;
  json::for_each_element(raw, [&](std::string_view element) {
    if (!std::exchange(first, false)) out += ',';
    append_value(out, element);
    return true;
  });
  out += ']';
}

void append_value(std::string& out, std::string_view raw) {
  switch (json::kind(raw)) {
    case json::Kind::object: return append_object(out, raw);
    case json::Kind::array: return append_array(out, raw);
    case json::Kind::string: return append_string(out, json::unescape(raw));
    case json::Kind::number: {
      const std::string_view token = raw;
      double value = 0;
      std::from_chars(token.data(), token.data() + token.size(), value);
      out += canonical_number(value);
      return;
    }
    case json::Kind::boolean:
    case json::Kind::null:
    case json::Kind::invalid: out += raw; return;
  }
}

}  // namespace

std::string canonical_number(double value) {
  if (value == 0) return "0";  // also minus zero
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value < 0 ? -value : value, std::chars_format::scientific);
  const std::string_view shortest(text.data(), static_cast<std::size_t>(end.ptr - text.data()));
  const auto e = shortest.find('e');
  std::string digits(shortest.substr(0, e));
  std::erase(digits, '.');
  const std::string_view exponent = shortest.substr(shortest[e + 1] == '+' ? e + 2 : e + 1);
  int power = 0;
  std::from_chars(exponent.data(), exponent.data() + exponent.size(), power);
  // ECMA-262 Number::toString: k digits, the decimal point behind the n-th of them.
  const int k = static_cast<int>(digits.size());
  const int n = power + 1;
  std::string out = value < 0 ? "-" : "";
  if (k <= n && n <= 21) return out + digits + std::string(static_cast<std::size_t>(n - k), '0');
  if (0 < n && n <= 21) {
    return out + digits.substr(0, static_cast<std::size_t>(n)) + "." + digits.substr(static_cast<std::size_t>(n));
  }
  if (-6 < n && n <= 0) return out + "0." + std::string(static_cast<std::size_t>(-n), '0') + digits;
  out += digits.substr(0, 1);
  if (k > 1) out += "." + digits.substr(1);
  return out + "e" + (n - 1 < 0 ? "-" : "+") + std::to_string(n - 1 < 0 ? 1 - n : n - 1);
}

std::string canonical_json(std::string_view checked) {
  std::string out;
  out.reserve(checked.size());
  append_value(out, json::detail::trim(checked));
  return out;
}

}  // namespace openwop
