#include "keys_file.h"

#include <sys/stat.h>

#include <fstream>
#include <optional>
#include <sstream>

#include "keys.h"
#include "openwop/hex.h"
#include "openwop/json.h"
#include "openwop/time.h"

namespace refserver {

using openwop::ApiKey;
using openwop::Error;
using openwop::ErrorCode;
using openwop::Result;
using openwop::Sha256;
using openwop::Status;
namespace json = openwop::json;

namespace {

Error invalid(std::string message) { return {ErrorCode::validation_error, std::move(message)}; }

std::string hex_of(const Sha256& hash) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : hash) out.append(1, kHex[byte >> 4U]).append(1, kHex[byte & 15U]);
  return out;
}

Status read_scopes(std::string_view raw, ApiKey& key) {
  key.scopes.clear();
  bool sound = json::kind(raw) == json::Kind::array;
  json::for_each_element(raw, [&](std::string_view element) {
    auto scope = json::as_string(element);
    sound = scope && is_scope(*scope);
    if (sound) key.scopes.push_back(*std::move(scope));
    return sound;
  });
  return sound ? Status{} : Status(invalid("scopes has to be a list of known scopes"));
}

Status read_time(std::string_view name, std::string_view raw, std::int64_t& time_ms) {
  const auto text = json::as_string(raw);
  const auto time = text ? openwop::parse_rfc3339(*text) : std::nullopt;
  if (!time) return invalid(std::string(name) + " has to be an RFC 3339 time");
  time_ms = *time;
  return {};
}

Status read_member(std::string_view name, std::string_view raw, ApiKey& key) {
  if (name == "scopes") return read_scopes(raw, key);
  if (name == "expiresAt") return read_time(name, raw, key.expires_ms);
  if (name == "revokedAt") return read_time(name, raw, key.revoked_ms);
  const auto text = json::as_string(raw);
  if (!text || text->empty()) return invalid(std::string(name) + " has to be a string that is not empty");
  if (name == "sha256") {
    const auto hash = openwop::array_from_hex<32>(*text);
    if (!hash) return invalid("sha256 has to be 64 lower-case hexadecimal digits");
    key.key_sha256 = *hash;
  } else if (name == "kind") {
    if (*text != "production" && *text != "test") return invalid("kind has to be production or test");
    key.test = *text == "test";
  } else if (name == "tenant") {
    key.tenant = *text;
  } else if (name == "id") {
    key.id = *text;
  } else if (name == "principal") {
    key.principal = *text;
  } else {
    // Not repeated: it may be a key in the wrong place.
    return invalid("a member is unknown");
  }
  return {};
}

Result<ApiKey> read_key(std::string_view raw) {
  if (json::kind(raw) != json::Kind::object) return invalid("has to be an object");
  if (!json::member(raw, "sha256")) return invalid("sha256 is missing");
  ApiKey key{.scopes = ApiKey::all_scopes()};
  Status status;
  json::for_each_member(raw, [&](std::string_view name, std::string_view value) {
    status = read_member(json::unescape(name), value, key);
    return status.ok();
  });
  if (!status) return std::move(status).error();
  if (key.id.empty()) key.id = hex_of(key.key_sha256).substr(0, 8);
  return key;
}

}  // namespace

Result<std::vector<ApiKey>> read_keys_file(const std::string& path) {
  struct stat info {};
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()) || ::stat(path.c_str(), &info) != 0) {
    return invalid("keys file " + path + " cannot be read");
  }
  if ((info.st_mode & 022U) != 0) {
    return Error{ErrorCode::forbidden, "keys file " + path + " can be written by others; chmod 600 it"};
  }
  const std::string body = text.str();
  if (const auto checked = json::check(body, {.max_bytes = std::size_t{16} << 20}); !checked) {
    return invalid("keys file " + path + ": " + checked.error().message);
  }
  const auto list = json::member(body, "keys");
  if (!list || json::kind(*list) != json::Kind::array) {
    return invalid("keys file " + path + " has to be an object with a list `keys`");
  }
  std::vector<ApiKey> keys;
  std::string problem;
  json::for_each_element(*list, [&](std::string_view raw) {
    auto key = read_key(raw);
    if (!key) problem = key.error().message;
    if (keys.size() == kMaxKeys) problem = "more than 10000 keys";
    if (!problem.empty()) return false;
    keys.push_back(*std::move(key));
    return true;
  });
  if (problem.empty()) return keys;
  return invalid("keys file " + path + ": /keys/" + std::to_string(keys.size()) + ": " + problem);
}

std::string keys_file_entry(const ApiKey& key) {
  std::string out;
  {
    json::ObjectWriter entry(out);
    entry.string("sha256", hex_of(key.key_sha256)).string("id", key.id).string("tenant", key.tenant);
    std::string& scopes = entry.value_of("scopes");
    scopes += '[';
    for (std::size_t i = 0; i < key.scopes.size(); ++i) {
      if (i > 0) scopes += ',';
      json::append_quoted(scopes, key.scopes[i]);
    }
    scopes += ']';
    entry.string("kind", key.test ? "test" : "production");
  }
  return out;
}

}  // namespace refserver
