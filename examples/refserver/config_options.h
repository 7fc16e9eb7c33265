// The options of the server: their names, where else they may be set, and what the help says of them. config.cpp gives
// them their meaning.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace refserver {

enum class Values : std::uint8_t { none, one, many };

struct Option {
  std::string_view name;
  Values values;
  std::string_view environment;
  std::string_view value;  // what the value is called in the help
  std::string_view help;
};

/// In the order of the help.
[[nodiscard]] std::span<const Option> all_options();
/// Null if there is none of this name.
[[nodiscard]] const Option* find_option(std::string_view name);

}  // namespace refserver
