#include "stores/rocksdb/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace openwop::rocks {

Result<FolderLock> FolderLock::acquire(const std::string& folder) {
  const std::string file = folder + "/OWNER";
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return Error{ErrorCode::store_io_error,
                 "cannot open lock file " + file + ": " + std::generic_category().message(errno)};
  }
  FolderLock lock(descriptor);
  int result = 0;
  do {
    result = ::flock(descriptor, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return lock;
  if (errno == EWOULDBLOCK) {
    return Error{ErrorCode::store_locked,
                 "store folder " + folder + " is in use by another opener; one process at a " + "time may own it"};
  }
  return Error{ErrorCode::store_io_error, "cannot lock " + file + ": " + std::generic_category().message(errno)};
}

FolderLock::FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace openwop::rocks
