// Bytes from their text in lower-case hexadecimal.
//
// Thread-safety: a free function, safe from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace openwop {

/// Nothing unless the text has exactly 2 N lower-case digits.
template <std::size_t N>
std::optional<std::array<std::uint8_t, N>> array_from_hex(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<std::uint8_t, N> bytes{};
  if (text.size() != 2 * N) return std::nullopt;
  for (std::size_t i = 0; i < N; ++i) {
    const auto high = kHex.find(text[2 * i]);
    const auto low = kHex.find(text[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return bytes;
}

}  // namespace openwop
