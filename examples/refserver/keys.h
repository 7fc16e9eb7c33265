// Keys of the reference server: those of the configuration, or one of its own making.
#pragma once

#include <string>
#include <string_view>

#include "openwop/protocol/openwop_surface.h"
#include "openwop/result.h"

namespace refserver {

/// Reads KEY[=TENANT[:SCOPE,…]]. Errors: validation_error, without the key.
[[nodiscard]] openwop::Result<openwop::ApiKey> parse_key(std::string_view text);

/// Reads ID=SECRET, the secret of 16 bytes at least. Errors: validation_error, without the secret.
[[nodiscard]] openwop::Result<openwop::TokenKey> parse_token_key(std::string_view text);

/// A random key.
[[nodiscard]] std::string make_key();

/// The key in a file of a data folder, such as `api-key`; made, with mode 0600, when there is none.
[[nodiscard]] openwop::Result<std::string> load_or_make_key(const std::string& folder, std::string_view file_name);

}  // namespace refserver
