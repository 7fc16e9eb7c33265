// Files of secrets that the server makes itself: of mode 0600, whole or not there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "openwop/result.h"

namespace refserver {

/// The lines of the file; made with the one line `fresh` if there is none. Errors: store_io_error.
[[nodiscard]] openwop::Result<std::vector<std::string>> load_or_make_lines(const std::string& path,
                                                                           const std::string& fresh);

/// Puts other lines into the file's place, durable when it returns. Errors: store_io_error.
[[nodiscard]] openwop::Status replace_lines(const std::string& path, const std::vector<std::string>& lines);

/// The keys of the audit log, from `audit-key` in the folder: the one that signs, then those before it. Made at the
/// first call; without a folder a new one each time. Errors: also store_corrupt.
[[nodiscard]] openwop::Result<std::vector<std::string>> audit_signing_keys(const std::string& folder);

/// Makes a new key, which take_up_audit_key() puts before the others. Errors: as above; validation_error when there are
/// as many as there can be.
[[nodiscard]] openwop::Status rotate_audit_key(const std::string& folder);
/// What a start does first. Errors: as above.
[[nodiscard]] openwop::Status take_up_audit_key(const std::string& folder);

}  // namespace refserver
