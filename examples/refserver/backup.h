// Backups of the data folder while the server runs: each a folder of its own, which a server can be started on.
#pragma once

#include <memory>
#include <string>

#include "openwop/result.h"
#include "openwop/store.h"

namespace refserver {

/// Makes BACKUP_FOLDER/backup-YYYYMMDDTHHMMSS.mmmZ (UTC) of a RocksDB store and of the keys that the server has made
/// itself, and gives its path. What was acknowledged before the call is in it. What has that name is whole; what ends
/// in `.partial` is not. Errors: store errors.
[[nodiscard]] openwop::Result<std::string> make_backup(const openwop::Store& store, const std::string& data_folder,
                                                       const std::string& backup_folder);

}  // namespace refserver
