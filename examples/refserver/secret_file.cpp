#include "secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "keys.h"
#include "openwop/audit_log.h"
#include "openwop/random_text.h"

namespace refserver {

using openwop::Error;
using openwop::ErrorCode;
using openwop::Result;
using openwop::Status;

namespace {

constexpr std::size_t kSeedBytes = 32;

Error failed(const std::string& path) { return {ErrorCode::store_io_error, path + ": " + std::strerror(errno)}; }

/// A new file, for its owner only. False in errno's words.
bool write_new(const std::string& path, std::string_view text) {
  const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return false;
  const bool written =
      ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  const int problem = errno;
  const bool closed = ::close(file) == 0;
  if (written && closed) return true;
  ::unlink(path.c_str());
  errno = problem;
  return false;
}

std::string audit_key_path(const std::string& folder) { return folder + "/" + std::string(kAuditKeyFile); }

/// 32 bytes of 64 hex digits; empty when it is something else.
std::string seed_of(std::string_view hex) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (hex.size() != 2 * kSeedBytes || !std::all_of(hex.begin(), hex.end(), is_hex)) return {};
  const auto digit = [](char c) { return static_cast<unsigned>(c >= 'a' ? c - 'a' + 10 : c - '0'); };
  std::string seed;
  for (std::size_t i = 0; i < hex.size(); i += 2) seed += static_cast<char>(digit(hex[i]) << 4U | digit(hex[i + 1]));
  return seed;
}

}  // namespace

Result<std::vector<std::string>> load_or_make_lines(const std::string& path, const std::string& fresh) {
  if (write_new(path, fresh + "\n")) return std::vector<std::string>{fresh};
  if (errno != EEXIST) return failed(path);
  std::ifstream kept(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(kept, line);) lines.push_back(line);
  if (lines.empty()) return failed(path);
  return lines;
}

Status replace_lines(const std::string& path, const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());  // of an earlier call that was cut off
  if (!write_new(fresh, text)) return failed(fresh);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return failed(path);
  const int folder = ::open(path.substr(0, path.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = folder >= 0 && ::fsync(folder) == 0;
  if (folder >= 0) ::close(folder);
  return synced ? Status{} : Status(failed(path));
}

Result<std::vector<std::string>> audit_signing_keys(const std::string& folder) {
  const std::string fresh = openwop::random_hex(kSeedBytes);
  auto lines = folder.empty() ? Result<std::vector<std::string>>(std::vector<std::string>{fresh})
                              : load_or_make_lines(audit_key_path(folder), fresh);
  if (!lines) return lines;
  std::vector<std::string> seeds;
  for (const std::string& line : *lines) {
    auto seed = seed_of(line);
    if (seed.empty()) return Error{ErrorCode::store_corrupt, audit_key_path(folder) + " holds no signing key"};
    seeds.push_back(std::move(seed));
  }
  return seeds;
}

Status rotate_audit_key(const std::string& folder) {
  // Also proves the keys that are there.
  const auto seeds = audit_signing_keys(folder);
  if (!seeds) return seeds.error();
  const std::string path = audit_key_path(folder);
  const std::string fresh = openwop::random_hex(kSeedBytes);
  auto lines = load_or_make_lines(path, fresh);
  if (!lines) return std::move(lines).error();
  lines->insert(lines->begin(), fresh);
  // What the oldest signed does not verify any more.
  lines->resize(std::min(lines->size(), openwop::kMaxEarlierAuditKeys + 1));
  return replace_lines(path, *lines);
}

}  // namespace refserver
