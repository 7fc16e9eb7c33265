// What every fuzz target shares. A target is one file with LLVMFuzzerTestOneInput(); it is linked with libFuzzer or
// with driver.cpp. What an input leads to must not depend on the inputs before it, or a finding could not be repeated.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace openwop::fuzz {

/// Ends the process unless `holds`: whoever drives the target keeps the input. In every build, unlike assert().
inline void expect(bool holds, std::string_view claim, std::string_view about = "", const char* file = __builtin_FILE(),
                   unsigned line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: does not hold: ", file, line);
  for (const std::string_view text : {claim, std::string_view("\n"), about, std::string_view("\n")}) {
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
  std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};  // NOLINT(*-reinterpret-cast)
}

}  // namespace openwop::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
