// A file system that loses its power: from a chosen operation on nothing more is written, and what was never synced is
// then lost, in whole or in part, together with the entries of folders that were never synced.
//
// Bytes that were handed to the operating system count for nothing before their fsync. Removals and renames are durable
// at once, and take along what was done in the folder before, as the journals of file systems do.
//
// Thread-safe, as RocksDB writes from several threads.
#pragma once

#include <rocksdb/file_system.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>

namespace openwop::test {

class PowerLossFs final : public rocksdb::FileSystemWrapper {
 public:
  PowerLossFs() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

  const char* Name() const override { return "PowerLossFs"; }

  /// The power goes at the n-th operation from now on that changes something; that one does not take effect.
  void lose_power_at(std::uint64_t operation);
  [[nodiscard]] bool is_off() const;
  /// Operations so far.
  [[nodiscard]] std::uint64_t operations() const;

  enum class Tail {
    gone,     // files end with what was synced
    torn,     // and a part of what came behind it
    garbled,  // a file has its length, but not the bytes
  };
  /// What the disk holds after the loss; all users of the files have to be gone. The power is on again.
  void restart(Tail tail, std::mt19937& random);

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name,
                                      const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* folder,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Truncate(const std::string& name, std::size_t size, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;

 private:
  friend class WatchedFile;
  friend class WatchedFolder;

  struct FileState {
    std::uint64_t written = 0;
    std::uint64_t synced = 0;
    /// The folder that names the file was synced since it was made.
    bool is_named = false;
  };

  /// OK as long as there is power.
  [[nodiscard]] rocksdb::IOStatus operate();
  void note_written(const std::string& name, std::uint64_t bytes);
  void note_synced(const std::string& name);
  void note_folder_synced(const std::string& folder);
  void watch(const std::string& name, FileState state, std::unique_ptr<rocksdb::FSWritableFile>* file);

  mutable std::mutex mutex_;
  std::uint64_t operations_ = 0;
  std::uint64_t loses_power_at_ = UINT64_MAX;
  std::map<std::string, FileState> files_;
};

}  // namespace openwop::test
