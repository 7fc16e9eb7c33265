// FolderLock: ownership of a store folder by one FolderLock in one process, for as long as the object lives. The
// system releases it when the process dies, however it dies.
//
// RocksDB takes a lock of its own (LOCK). This one comes first, so that nothing in the folder is read or written by an
// opener that is not the owner. It uses flock on another file: RocksDB's lock is a POSIX record lock, which any close
// of the same file by the same process would drop.
#pragma once

#include <string>

#include "openwop/result.h"

namespace openwop::rocks {

class FolderLock {
 public:
  /// Errors: store_locked when another owner lives, store_io_error. The folder must exist.
  [[nodiscard]] static Result<FolderLock> acquire(const std::string& folder);

  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace openwop::rocks
