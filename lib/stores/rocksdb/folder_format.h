// The FORMAT file: which layout a store folder was written with. One line of text, "openwop store format 2".
//
// It is written before RocksDB makes its first file and replaced atomically, so a folder that holds a database always
// holds a whole FORMAT. Call with the folder's lock held.
#pragma once

#include <cstdint>
#include <string>

#include "openwop/result.h"

namespace openwop::rocks {

/// 1 keyed the batches of a log by their last sequence; 2 keys them by their first.
inline constexpr std::uint32_t kFolderFormatVersion = 2;
/// Folders of older formats are refused.
inline constexpr std::uint32_t kOldestFolderFormatVersion = 2;

/// The version in FORMAT, or 0 when the folder holds neither FORMAT nor a database.
/// Errors: store_corrupt (FORMAT is garbage, or files that belong together are missing), store_io_error.
[[nodiscard]] Result<std::uint32_t> read_folder_format(const std::string& folder);

/// Writes FORMAT with the current version, durably. Errors: store_io_error.
[[nodiscard]] Status write_folder_format(const std::string& folder);

}  // namespace openwop::rocks
