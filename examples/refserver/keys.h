// Keys of the reference server: those of the configuration, or one of its own making.
#pragma once

#include <string>
#include <string_view>

#include "openwop/protocol/openwop_surface.h"
#include "openwop/result.h"

namespace refserver {

/// Reads KEY[=TENANT[:SCOPE,…]]. Errors: validation_error, without the key.
[[nodiscard]] openwop::Result<openwop::ApiKey> parse_key(std::string_view text);

/// A random key.
[[nodiscard]] std::string make_key();

/// The key in the file `api-key` of a data folder; made, with mode 0600, when there is none.
[[nodiscard]] openwop::Result<std::string> load_or_make_key(const std::string& folder);

/// The 32 bytes that sign the audit log: from `audit-key` in the folder, made at the first call and readable by the
/// owner only; without a folder new ones each time. Errors: as above.
[[nodiscard]] openwop::Result<std::string> audit_signing_key(const std::string& folder);

}  // namespace refserver
