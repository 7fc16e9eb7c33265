#include "backup.h"

#include <algorithm>
#include <filesystem>

#include "keys.h"
#include "openwop/clock.h"
#include "openwop/rocksdb_store.h"
#include "openwop/time.h"

namespace refserver {

namespace fs = std::filesystem;
using openwop::Error;
using openwop::ErrorCode;
using openwop::Result;

namespace {

Error failed(const std::string& what, const std::error_code& problem) {
  return {ErrorCode::store_io_error, what + ": " + problem.message()};
}

std::string name_of_now() {
  std::string time = openwop::format_rfc3339(openwop::SystemClock().now_ms());
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return "backup-" + time;
}

}  // namespace

Result<std::string> make_backup(const openwop::Store& store, const std::string& data_folder,
                                const std::string& backup_folder) {
  std::error_code problem;
  fs::create_directories(backup_folder, problem);
  if (problem) return failed("cannot create " + backup_folder, problem);
  const fs::path target = fs::path(backup_folder) / name_of_now();
  const fs::path draft = target.string() + ".partial";
  if (auto copied = openwop::checkpoint_rocksdb_store(store, draft.string()); !copied) return std::move(copied).error();
  for (const std::string_view name : kOwnFiles) {
    const fs::path own = fs::path(data_folder) / name;
    if (!fs::exists(own, problem)) continue;
    fs::copy_file(own, draft / name, problem);
    if (problem) return failed("cannot copy " + own.string(), problem);
  }
  fs::rename(draft, target, problem);
  if (problem) return failed("cannot rename " + draft.string(), problem);
  return target.string();
}

}  // namespace refserver
