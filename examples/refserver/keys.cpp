#include "keys.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "keys_file.h"
#include "openwop/ids.h"
#include "openwop/random_text.h"
#include "secret_file.h"

namespace refserver {

using openwop::ApiKey;
using openwop::Error;
using openwop::ErrorCode;
using openwop::Result;
using openwop::Status;

namespace {

std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const auto comma = text.find(',');
    if (comma != 0 && !text.empty()) parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text = text.substr(comma + 1);
  }
}

/// Reads TENANT[:SCOPE,…] into a key.
Status read_owner(std::string_view text, ApiKey& key) {
  const auto colon = text.find(':');
  key.tenant = text.substr(0, colon);
  if (key.tenant.empty()) return Error{ErrorCode::validation_error, "the tenant is empty; write TENANT[:SCOPE,…]"};
  if (colon == std::string_view::npos) return {};
  key.scopes = split_commas(text.substr(colon + 1));
  for (const std::string& scope : key.scopes) {
    if (!is_scope(scope)) {
      return Error{ErrorCode::validation_error, "unknown scope '" + scope + "'"};
    }
  }
  return {};
}

std::string random_key() {
  constexpr std::string_view kPrefix = "owp_";
  std::array<unsigned char, openwop::Id::kBytes * 2> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) std::abort();
  openwop::Id halves[2];
  std::memcpy(halves[0].bytes.data(), random.data(), openwop::Id::kBytes);
  std::memcpy(halves[1].bytes.data(), random.data() + openwop::Id::kBytes, openwop::Id::kBytes);
  return std::string(kPrefix) + halves[0].text() + halves[1].text();
}

}  // namespace

Result<ApiKey> parse_key(std::string_view text) {
  const auto equals = text.find('=');
  const std::string_view key = text.substr(0, equals);
  const bool clean = std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (key.empty() || !clean) return Error{ErrorCode::validation_error, "a key is visible ASCII without spaces"};
  ApiKey made = ApiKey::of(key);
  if (equals == std::string_view::npos) return made;
  if (auto read = read_owner(text.substr(equals + 1), made); !read) return std::move(read).error();
  return made;
}

Result<NewKey> make_key(std::string_view owner) {
  NewKey made{.text = random_key(), .key = {}};
  made.key = ApiKey::of(made.text);
  if (auto read = read_owner(owner, made.key); !read) return std::move(read).error();
  return made;
}

Result<OwnKey> load_or_make_key(const std::string& folder) {
  auto made = make_key("default");
  if (!made) return std::move(made).error();
  OwnKey own{.text = made->text, .key = made->key, .path = {}};
  if (folder.empty()) return own;
  own.path = folder + "/" + std::string(kApiKeysFile);
  const int file = ::open(own.path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0 && errno == EEXIST) {
    auto keys = read_keys_file(own.path);
    if (!keys) return std::move(keys).error();
    if (keys->empty()) return Error{ErrorCode::store_corrupt, own.path + " holds no key"};
    return OwnKey{.text = std::nullopt, .key = std::move(keys->front()), .path = own.path};
  }
  const auto failed = [&] { return Error{ErrorCode::store_io_error, own.path + ": " + std::strerror(errno)}; };
  if (file < 0) return failed();
  const std::string text = R"({"keys":[)" + keys_file_entry(own.key) + "]}\n";
  const bool written =
      ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  const bool closed = ::close(file) == 0;
  if (written && closed) return own;
  const Error error = failed();
  ::unlink(own.path.c_str());
  return error;
}

bool is_scope(std::string_view text) {
  const auto known = ApiKey::all_scopes();
  return text == openwop::kRegionScope || std::find(known.begin(), known.end(), text) != known.end();
}

std::set<std::string> mixed_tenants(const std::vector<ApiKey>& keys) {
  std::set<std::string> of_tests;
  std::set<std::string> mixed;
  for (const ApiKey& key : keys) {
    if (key.test) of_tests.insert(key.tenant);
  }
  for (const ApiKey& key : keys) {
    if (!key.test && of_tests.contains(key.tenant)) mixed.insert(key.tenant);
  }
  return mixed;
}

Result<openwop::TokenKey> parse_token_key(std::string_view text) {
  constexpr std::size_t kMinSecretBytes = 16;
  constexpr std::size_t kMaxIdBytes = 64;
  const auto equals = text.find('=');
  const std::string_view id = text.substr(0, equals);
  if (equals == std::string_view::npos || id.empty() || id.size() > kMaxIdBytes) {
    return Error{ErrorCode::validation_error, "write ID=SECRET"};
  }
  const std::string_view secret = text.substr(equals + 1);
  if (secret.size() < kMinSecretBytes) {
    return Error{ErrorCode::validation_error, "a secret has 16 characters at least"};
  }
  return openwop::TokenKey{std::string(id), std::string(secret)};
}

Result<openwop::TokenKey> own_token_key(const std::string& folder) {
  const std::string fresh = random_key();
  if (folder.empty()) return openwop::TokenKey{"own", fresh};
  const auto lines = load_or_make_lines(folder + "/" + std::string(kTokenSecretFile), fresh);
  if (!lines) return lines.error();
  return openwop::TokenKey{"own", lines->front()};
}

}  // namespace refserver
