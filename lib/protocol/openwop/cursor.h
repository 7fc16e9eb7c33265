// Cursors of listings: any bytes to the engine, hexadecimal on the wire.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace openwop::wire {

inline std::string cursor_to_hex(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out += kHex[static_cast<unsigned char>(c) >> 4U];
    out += kHex[static_cast<unsigned char>(c) & 15U];
  }
  return out;
}

/// Nothing for text that cursor_to_hex() does not write.
inline std::optional<std::string> cursor_from_hex(std::string_view text) {
  constexpr std::size_t kMaxCursorCharacters = 1024;
  if (text.size() % 2 != 0 || text.size() > kMaxCursorCharacters) return std::nullopt;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto high = kHex.find(text[i]);
    const auto low = kHex.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

}  // namespace openwop::wire
