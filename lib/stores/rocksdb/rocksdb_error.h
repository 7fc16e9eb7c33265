// How a RocksDB status becomes an Error of the Store contract.
#pragma once

#include <rocksdb/status.h>

#include <string>
#include <string_view>

#include "openwop/result.h"

namespace openwop::rocks {

/// store_corrupt for damage, store_io_error for all else; `doing` says what failed, RocksDB's text names the file.
[[nodiscard]] Error to_error(const rocksdb::Status& status, std::string_view doing);

/// The key as text for a message: printable bytes as they are, others as \xNN, shortened past 64 bytes.
[[nodiscard]] std::string printable_key(std::string_view key);

}  // namespace openwop::rocks
