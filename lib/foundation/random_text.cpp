#include "openwop/random_text.h"

#include <openssl/rand.h>

#include <cstdlib>
#include <string_view>
#include <vector>

namespace openwop {

std::string random_hex(std::size_t bytes) {
  std::vector<unsigned char> raw(bytes);
  if (RAND_bytes(raw.data(), static_cast<int>(raw.size())) != 1) std::abort();
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes);
  for (const unsigned char byte : raw) {
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
  return out;
}

}  // namespace openwop
