#include "stores/rocksdb/folder_format.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace openwop::rocks {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormatPrefix = "openwop store format ";

Error io_error(std::string_view action, const std::string& path) {
  return Error{ErrorCode::store_io_error,
               "cannot " + std::string(action) + " " + path + ": " + std::generic_category().message(errno)};
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  [[nodiscard]] int get() const { return value_; }

 private:
  int value_;
};

/// At most one buffer of the file: a valid FORMAT is far shorter.
Result<std::string> read_start(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return io_error("open", path);
  std::array<char, 64> buffer{};
  const auto bytes = ::read(file.get(), buffer.data(), buffer.size());
  if (bytes < 0) return io_error("read", path);
  return std::string(buffer.data(), static_cast<std::size_t>(bytes));
}

Result<std::uint32_t> parse_format(std::string_view text, const std::string& path) {
  const Error garbage{ErrorCode::store_corrupt, "file " + path + " is not a store format file"};
  if (!text.starts_with(kFormatPrefix) || !text.ends_with('\n')) return garbage;
  text.remove_prefix(kFormatPrefix.size());
  text.remove_suffix(1);
  std::uint32_t version = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (problem != std::errc{} || end != text.data() + text.size() || version == 0) return garbage;
  return version;
}

struct DatabaseFiles {
  bool current = false;
  bool data = false;
};

Result<DatabaseFiles> look_for_database(const std::string& folder) {
  DatabaseFiles found;
  std::error_code problem;
  for (fs::directory_iterator file(folder, problem), end; !problem && file != end; file.increment(problem)) {
    const auto name = file->path().filename();
    if (name == "CURRENT") found.current = true;
    if (name.extension() == ".sst" || name.extension() == ".log") found.data = true;
  }
  if (problem) return Error{ErrorCode::store_io_error, "cannot list " + folder + ": " + problem.message()};
  return found;
}

Status sync_path(const std::string& path, int flags) {
  const Descriptor file(::open(path.c_str(), flags | O_CLOEXEC));
  if (file.get() < 0) return io_error("open", path);
  if (::fsync(file.get()) != 0) return io_error("sync", path);
  return {};
}

Status write_and_sync(const std::string& path, std::string_view text) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.get() < 0) return io_error("create", path);
  while (!text.empty()) {
    const auto bytes = ::write(file.get(), text.data(), text.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return io_error("write", path);
    text.remove_prefix(static_cast<std::size_t>(bytes));
  }
  if (::fsync(file.get()) != 0) return io_error("sync", path);
  return {};
}

}  // namespace

Result<std::uint32_t> read_folder_format(const std::string& folder) {
  auto database = look_for_database(folder);
  if (!database) return std::move(database).error();
  // With CURRENT gone RocksDB would begin an empty database over the old one. CURRENT is made before the first log or
  // table, so no crash leaves this behind.
  if (database->data && !database->current) {
    return Error{ErrorCode::store_corrupt, "store folder " + folder + " has data files but no file CURRENT"};
  }
  const std::string path = folder + "/FORMAT";
  std::error_code problem;
  const bool exists = fs::exists(path, problem);
  if (problem) return Error{ErrorCode::store_io_error, "cannot look at " + path + ": " + problem.message()};
  if (!exists && database->current) {
    return Error{ErrorCode::store_corrupt, "store folder " + folder + " has a database but no file FORMAT"};
  }
  if (!exists) return std::uint32_t{0};
  auto text = read_start(path);
  if (!text) return std::move(text).error();
  return parse_format(*text, path);
}

Status write_folder_format(const std::string& folder) {
  const std::string path = folder + "/FORMAT";
  const std::string draft = path + ".new";
  const std::string text = std::string(kFormatPrefix) + std::to_string(kFolderFormatVersion) + "\n";
  if (auto written = write_and_sync(draft, text); !written) return written;
  if (std::rename(draft.c_str(), path.c_str()) != 0) return io_error("rename", draft);
  if (auto synced = sync_path(folder, O_RDONLY | O_DIRECTORY); !synced) return synced;
  // The folder itself may be new: its entry in the parent must outlive a power loss too.
  const auto parent = fs::path(folder).lexically_normal().parent_path();
  return sync_path(parent.empty() ? "." : parent.string(), O_RDONLY | O_DIRECTORY);
}

}  // namespace openwop::rocks
