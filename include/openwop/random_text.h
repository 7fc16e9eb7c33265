// Random text that nobody can guess, for secrets.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <cstddef>
#include <string>

namespace openwop {

/// Lower-case hex of `bytes` random bytes from OpenSSL's generator. A generator that fails ends the process: a secret
/// that can be guessed is worse.
[[nodiscard]] std::string random_hex(std::size_t bytes);

}  // namespace openwop
