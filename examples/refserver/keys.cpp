#include "keys.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "openwop/ids.h"

namespace refserver {

using openwop::ApiKey;
using openwop::Error;
using openwop::ErrorCode;
using openwop::Result;

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

Result<std::string> read_key_file(const std::string& path) {
  struct stat info {};
  std::ifstream file(path);
  std::string key;
  if (!std::getline(file, key) || key.empty()) return Error{ErrorCode::store_corrupt, path + " holds no key"};
  if (::stat(path.c_str(), &info) == 0 && (info.st_mode & 077U) != 0) {
    return Error{ErrorCode::forbidden, path + " can be read by others; chmod 600 it"};
  }
  return key;
}

}  // namespace

Result<ApiKey> parse_key(std::string_view text) {
  const auto equals = text.find('=');
  const std::string_view key = text.substr(0, equals);
  const bool clean = std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (key.empty() || !clean) return Error{ErrorCode::validation_error, "a key is visible ASCII without spaces"};
  if (equals == std::string_view::npos) return ApiKey::of(key);
  const std::string_view rest = text.substr(equals + 1);
  const auto colon = rest.find(':');
  const std::string tenant(rest.substr(0, colon));
  if (tenant.empty()) return Error{ErrorCode::validation_error, "the tenant is empty; write KEY=TENANT[:SCOPE,…]"};
  if (colon == std::string_view::npos) return ApiKey::of(key, tenant);
  const auto known = ApiKey::all_scopes();
  auto scopes = split_commas(rest.substr(colon + 1));
  for (const std::string& scope : scopes) {
    if (std::find(known.begin(), known.end(), scope) == known.end()) {
      return Error{ErrorCode::validation_error, "unknown scope '" + scope + "'"};
    }
  }
  return ApiKey::of(key, tenant, std::move(scopes));
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

std::string make_key() {
  constexpr std::string_view kPrefix = "owp_";
  std::array<unsigned char, openwop::Id::kBytes * 2> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) std::abort();
  openwop::Id halves[2];
  std::memcpy(halves[0].bytes.data(), random.data(), openwop::Id::kBytes);
  std::memcpy(halves[1].bytes.data(), random.data() + openwop::Id::kBytes, openwop::Id::kBytes);
  return std::string(kPrefix) + halves[0].text() + halves[1].text();
}

Result<std::string> load_or_make_key(const std::string& folder, std::string_view file_name) {
  const std::string path = folder + "/" + std::string(file_name);
  const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0 && errno == EEXIST) return read_key_file(path);
  const auto failed = [&] { return Error{ErrorCode::store_io_error, path + ": " + std::strerror(errno)}; };
  if (file < 0) return failed();
  const std::string key = make_key();
  const std::string line = key + "\n";
  const bool written =
      ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && ::fsync(file) == 0;
  const bool closed = ::close(file) == 0;
  if (written && closed) return key;
  const Error error = failed();
  ::unlink(path.c_str());
  return error;
}

}  // namespace refserver
