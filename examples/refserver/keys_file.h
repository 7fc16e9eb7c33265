// A file of keys, hashed:
//
//   {"keys": [{"sha256": "<64 hex digits>", "tenant": "acme", "scopes": ["runs:read"], "kind": "production",
//              "id": "ci", "principal": "robot", "expiresAt": "2027-01-01T00:00:00Z", "revokedAt": …}]}
//
// `sha256` is that of the key's text. Without `scopes` a key has all, without `kind` it is for production; the rest is
// optional. Two keys of one `principal` act as one while the older is replaced.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "openwop/protocol/openwop_surface.h"
#include "openwop/result.h"

namespace refserver {

inline constexpr std::size_t kMaxKeys = 10'000;

/// Errors: validation_error that names the file and the place; forbidden for a file that others may write.
[[nodiscard]] openwop::Result<std::vector<openwop::ApiKey>> read_keys_file(const std::string& path);

/// A key as an element of the file's list.
[[nodiscard]] std::string keys_file_entry(const openwop::ApiKey& key);

}  // namespace refserver
