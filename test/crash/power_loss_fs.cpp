#include "crash/power_loss_fs.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

namespace openwop::test {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class WatchedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WatchedFile(PowerLossFs& fs, std::string name, std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)), fs_(fs), name_(std::move(name)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    auto status = fs_.operate();
    if (status.ok()) status = target()->Append(data, options, debug);
    if (status.ok()) fs_.note_written(name_, data.size());
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    auto status = fs_.operate();
    return status.ok() ? target()->Truncate(size, options, debug) : status;
  }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    // The test's process survives, so nothing has to reach a disk.
    auto status = fs_.operate();
    if (status.ok()) fs_.note_synced(name_);
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override { return Sync(options, debug); }
  IOStatus RangeSync(std::uint64_t, std::uint64_t, const IOOptions&, IODebugContext*) override { return fs_.operate(); }
  IOStatus Allocate(std::uint64_t offset, std::uint64_t bytes, const IOOptions& options,
                    IODebugContext* debug) override {
    auto status = fs_.operate();
    return status.ok() ? target()->Allocate(offset, bytes, options, debug) : status;
  }

 private:
  PowerLossFs& fs_;
  const std::string name_;
};

class WatchedFolder final : public rocksdb::FSDirectoryWrapper {
 public:
  WatchedFolder(PowerLossFs& fs, std::string name, std::unique_ptr<rocksdb::FSDirectory> folder)
      : FSDirectoryWrapper(std::move(folder)), fs_(fs), name_(std::move(name)) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    auto status = fs_.operate();
    if (status.ok()) fs_.note_folder_synced(name_);
    return status;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions&) override {
    return Fsync(options, debug);
  }

 private:
  PowerLossFs& fs_;
  const std::string name_;
};

void PowerLossFs::lose_power_at(std::uint64_t operation) {
  const std::lock_guard lock(mutex_);
  loses_power_at_ = operations_ + operation;
}

bool PowerLossFs::is_off() const {
  const std::lock_guard lock(mutex_);
  return operations_ >= loses_power_at_;
}

std::uint64_t PowerLossFs::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

IOStatus PowerLossFs::operate() {
  const std::lock_guard lock(mutex_);
  if (operations_ >= loses_power_at_ || ++operations_ >= loses_power_at_) return IOStatus::IOError("no power");
  return IOStatus::OK();
}

void PowerLossFs::note_written(const std::string& name, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  files_[name].written += bytes;
}

void PowerLossFs::note_synced(const std::string& name) {
  const std::lock_guard lock(mutex_);
  FileState& file = files_[name];
  file.synced = file.written;
}

void PowerLossFs::note_folder_synced(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  for (auto& [name, file] : files_) {
    if (std::filesystem::path(name).parent_path() == std::filesystem::path(folder)) file.is_named = true;
  }
}

void PowerLossFs::watch(const std::string& name, FileState state, std::unique_ptr<rocksdb::FSWritableFile>* file) {
  *file = std::make_unique<WatchedFile>(*this, name, std::move(*file));
  const std::lock_guard lock(mutex_);
  files_[name] = state;
}

IOStatus PowerLossFs::NewWritableFile(const std::string& name, const FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  auto status = operate();
  if (status.ok()) status = target()->NewWritableFile(name, options, file, debug);
  if (status.ok()) watch(name, {}, file);
  return status;
}

IOStatus PowerLossFs::ReopenWritableFile(const std::string& name, const FileOptions& options,
                                         std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) {
  auto status = operate();
  std::uint64_t size = 0;
  if (status.ok()) static_cast<void>(target()->GetFileSize(name, options.io_options, &size, debug));
  if (status.ok()) status = target()->ReopenWritableFile(name, options, file, debug);
  if (status.ok()) watch(name, {size, size, true}, file);
  return status;
}

IOStatus PowerLossFs::ReuseWritableFile(const std::string&, const std::string&, const FileOptions&,
                                        std::unique_ptr<rocksdb::FSWritableFile>*, IODebugContext*) {
  return IOStatus::NotSupported("logs are not recycled");
}

IOStatus PowerLossFs::NewDirectory(const std::string& name, const IOOptions& options,
                                   std::unique_ptr<rocksdb::FSDirectory>* folder, IODebugContext* debug) {
  auto status = target()->NewDirectory(name, options, folder, debug);
  if (status.ok()) *folder = std::make_unique<WatchedFolder>(*this, name, std::move(*folder));
  return status;
}

IOStatus PowerLossFs::DeleteFile(const std::string& name, const IOOptions& options, IODebugContext* debug) {
  auto status = operate();
  if (status.ok()) status = target()->DeleteFile(name, options, debug);
  const std::lock_guard lock(mutex_);
  if (status.ok()) files_.erase(name);
  return status;
}

IOStatus PowerLossFs::RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                                 IODebugContext* debug) {
  auto status = operate();
  if (status.ok()) status = target()->RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  {
    const std::lock_guard lock(mutex_);
    const auto state = files_.extract(from);
    if (!state.empty()) files_[to] = state.mapped();
  }
  note_folder_synced(std::filesystem::path(to).parent_path().string());
  return status;
}

IOStatus PowerLossFs::LinkFile(const std::string& from, const std::string& to, const IOOptions& options,
                               IODebugContext* debug) {
  auto status = operate();
  if (status.ok()) status = target()->LinkFile(from, to, options, debug);
  const std::lock_guard lock(mutex_);
  if (status.ok() && files_.contains(from)) files_[to] = files_[from];
  return status;
}

IOStatus PowerLossFs::Truncate(const std::string& name, std::size_t size, const IOOptions& options,
                               IODebugContext* debug) {
  auto status = operate();
  return status.ok() ? target()->Truncate(name, size, options, debug) : status;
}

void PowerLossFs::restart(Tail tail, std::mt19937& random) {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, file] : files_) {
    if (!file.is_named) {
      std::filesystem::remove(name);
      continue;
    }
    if (!std::filesystem::exists(name)) continue;
    const std::uint64_t size = std::filesystem::file_size(name);
    if (size <= file.synced) continue;
    const std::uint64_t unsynced = size - file.synced;
    const std::uint64_t kept = tail == Tail::gone ? 0 : random() % (unsynced + 1);
    std::filesystem::resize_file(name, file.synced + kept);
    if (tail != Tail::garbled) continue;
    std::fstream bytes(name, std::ios::binary | std::ios::in | std::ios::out);
    bytes.seekp(static_cast<std::streamoff>(file.synced));
    bytes << std::string(kept, '\0');
  }
  files_.clear();
  loses_power_at_ = UINT64_MAX;
}

}  // namespace openwop::test
