#include "secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "keys.h"
#include "openwop/audit_log.h"
#include "openwop/hex.h"
#include "openwop/random_text.h"

namespace refserver {

using openwop::Error;
using openwop::ErrorCode;
using openwop::Result;
using openwop::Status;

namespace {

constexpr std::size_t kSeedBytes = 32;
/// The key that the next start takes up.
constexpr std::string_view kNext = ".next";

Error failed(const std::string& path) { return {ErrorCode::store_io_error, path + ": " + std::strerror(errno)}; }

/// Whatever the folder has a name for, it has for good.
bool sync_folder_of(const std::string& path) {
  const int folder = ::open(path.substr(0, path.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = folder >= 0 && ::fsync(folder) == 0;
  if (folder >= 0) ::close(folder);
  return synced;
}

/// A file of mode 0600 beside `path`, whole; its owner is that of `path` if that is there. Empty on failure, in errno's
/// words.
std::string write_beside(const std::string& path, std::string_view text) {
  std::string fresh = path + ".new" + std::to_string(::getpid());
  ::unlink(fresh.c_str());  // of a process that was cut off
  const int file = ::open(fresh.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return {};
  struct stat old {};
  const bool is_owned = ::stat(path.c_str(), &old) != 0 || ::fchown(file, old.st_uid, old.st_gid) == 0;
  const bool written =
      is_owned && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  const int problem = errno;
  const bool closed = ::close(file) == 0;
  if (written && closed) return fresh;
  ::unlink(fresh.c_str());
  errno = problem;
  return {};
}

std::string audit_key_path(const std::string& folder) { return folder + "/" + std::string(kAuditKeyFile); }

/// 32 bytes of 64 hex digits; empty when it is something else.
std::string seed_of(std::string_view hex) {
  const auto bytes = openwop::array_from_hex<kSeedBytes>(hex);
  return bytes ? std::string(bytes->begin(), bytes->end()) : std::string();
}

}  // namespace

Result<std::vector<std::string>> load_or_make_lines(const std::string& path, const std::string& fresh) {
  if (::access(path.c_str(), F_OK) != 0) {
    const std::string made = write_beside(path, fresh + "\n");
    if (made.empty()) return failed(path);
    // Of two processes that make the file at once, one does.
    const bool is_ours = ::link(made.c_str(), path.c_str()) == 0;
    const int problem = errno;
    ::unlink(made.c_str());
    errno = problem;
    if (!is_ours && errno != EEXIST) return failed(path);
    if (is_ours && !sync_folder_of(path)) return failed(path);
  }
  std::ifstream kept(path);
  if (!kept) return failed(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(kept, line);) lines.push_back(line);
  if (lines.empty()) return Error{ErrorCode::store_corrupt, path + " is empty"};
  return lines;
}

Status replace_lines(const std::string& path, const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  const std::string fresh = write_beside(path, text);
  if (fresh.empty() || ::rename(fresh.c_str(), path.c_str()) != 0 || !sync_folder_of(path)) return failed(path);
  return {};
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
  const std::string path = audit_key_path(folder);
  if (::access(path.c_str(), F_OK) != 0) return failed(path);
  const auto seeds = audit_signing_keys(folder);
  if (!seeds) return seeds.error();
  if (seeds->size() > openwop::kMaxEarlierAuditKeys) {
    return Error{
        ErrorCode::validation_error,
        path + " has as many keys as there can be: without its last line, what that one signed does not verify"};
  }
  const std::string next = path + std::string(kNext);
  // Another one that no start has taken up signs nothing.
  auto made = write_beside(path, openwop::random_hex(kSeedBytes) + "\n");
  if (made.empty() || ::rename(made.c_str(), next.c_str()) != 0 || !sync_folder_of(next)) return failed(next);
  return {};
}

Status take_up_audit_key(const std::string& folder) {
  const std::string path = audit_key_path(folder);
  const std::string next = path + std::string(kNext);
  if (folder.empty() || ::access(next.c_str(), F_OK) != 0) return {};
  const auto fresh = load_or_make_lines(next, {});
  if (!fresh) return fresh.error();
  if (seed_of(fresh->front()).empty()) return Error{ErrorCode::store_corrupt, next + " holds no signing key"};
  auto lines = load_or_make_lines(path, fresh->front());
  if (!lines) return std::move(lines).error();
  // Else an earlier start got as far as here.
  if (lines->front() != fresh->front()) {
    lines->insert(lines->begin(), fresh->front());
    if (auto replaced = replace_lines(path, *lines); !replaced) return replaced;
  }
  if (::unlink(next.c_str()) != 0) return failed(next);
  return {};
}

}  // namespace refserver
