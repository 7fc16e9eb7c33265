// Checks of text that did not come as JSON: header values, path segments, query values.
#pragma once

#include <simdjson.h>

#include <algorithm>
#include <string_view>

namespace openwop::wire {

inline bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

/// Valid UTF-8 without control characters.
inline bool is_plain_text(std::string_view text) {
  return std::none_of(text.begin(), text.end(), is_control) && simdjson::validate_utf8(text.data(), text.size());
}

/// Characters of valid UTF-8.
inline std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/// At most `max_bytes` of valid UTF-8, without half a character at the end: for quoting what a client sent.
inline std::string_view clipped(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  while (max_bytes > 0 && (static_cast<unsigned char>(text[max_bytes]) & 0xC0U) == 0x80U) --max_bytes;
  return text.substr(0, max_bytes);
}

}  // namespace openwop::wire
