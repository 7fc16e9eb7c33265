// Keys of the reference server: those of its options, those of a file of hashes, or one of its own making.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/protocol/openwop_surface.h"
#include "openwop/result.h"

namespace refserver {

// Files of the data folder that the server makes itself.
inline constexpr std::string_view kApiKeysFile = "api-keys.json";
inline constexpr std::string_view kTokenSecretFile = "token-secret";
inline constexpr std::string_view kAuditKeyFile = "audit-key";
inline constexpr std::array kOwnFiles = {kApiKeysFile, kTokenSecretFile, kAuditKeyFile};

/// Reads KEY[=TENANT[:SCOPE,…]]. Errors: validation_error, without the key.
[[nodiscard]] openwop::Result<openwop::ApiKey> parse_key(std::string_view text);

/// Reads ID=SECRET, the secret of 16 bytes at least. Errors: validation_error, without the secret.
[[nodiscard]] openwop::Result<openwop::TokenKey> parse_token_key(std::string_view text);

/// The secret of interrupt tokens: from `token-secret` in the folder, made at the first call with mode 0600; without a
/// folder a new one each time.
[[nodiscard]] openwop::Result<openwop::TokenKey> own_token_key(const std::string& folder);

/// A new random key for TENANT[:SCOPE,…], and what is kept of it.
struct NewKey {
  std::string text;
  openwop::ApiKey key;
};
[[nodiscard]] openwop::Result<NewKey> make_key(std::string_view owner);

/// The server's own key, for the tenant `default`. Only its hash is kept, in `api-keys.json` of the data folder (mode
/// 0600), so that the text is known when the key is made and never again.
struct OwnKey {
  std::optional<std::string> text;
  openwop::ApiKey key;
  std::string path;  // empty when nothing is kept
};
[[nodiscard]] openwop::Result<OwnKey> load_or_make_key(const std::string& folder);

/// One of ApiKey::all_scopes(), or that with which regions tell one another of keys.
[[nodiscard]] bool is_scope(std::string_view text);

/// Tenants that keys for tests and keys for production have in common: what one makes, the other can reach.
[[nodiscard]] std::set<std::string> mixed_tenants(const std::vector<openwop::ApiKey>& keys);

}  // namespace refserver
