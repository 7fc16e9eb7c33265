#include "stores/rocksdb/checkpoint.h"

#include <rocksdb/utilities/checkpoint.h>

#include <filesystem>
#include <memory>

#include "stores/rocksdb/folder_format.h"
#include "stores/rocksdb/rocksdb_error.h"

namespace openwop::rocks {

Status make_checkpoint(rocksdb::DB& db, const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code problem;
  const fs::path target = fs::absolute(folder, problem).lexically_normal();
  if (problem || folder.empty()) return Error{ErrorCode::store_io_error, "no path of a folder: '" + folder + "'"};
  if (fs::exists(target, problem)) {
    return Error{ErrorCode::conflict, "folder " + target.string() + " is there already"};
  }
  // Whatever has the folder's name is whole: made under another one, and renamed.
  const fs::path draft = target.string() + ".partial";
  fs::remove_all(draft, problem);
  rocksdb::Checkpoint* made = nullptr;
  auto status = rocksdb::Checkpoint::Create(&db, &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  if (status.ok()) status = checkpoint->CreateCheckpoint(draft.string());
  if (!status.ok()) {
    fs::remove_all(draft, problem);
    return to_error(status, "checkpoint in " + draft.string());
  }
  auto finished = write_folder_format(draft.string());
  if (finished) {
    fs::rename(draft, target, problem);
    if (problem) {
      finished = Error{ErrorCode::store_io_error, "cannot rename " + draft.string() + ": " + problem.message()};
    }
  }
  if (!finished) fs::remove_all(draft, problem);
  return finished;
}

}  // namespace openwop::rocks
