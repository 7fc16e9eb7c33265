// A copy of an open database at one moment, by RocksDB's own means.
#pragma once

#include <rocksdb/db.h>

#include <string>

#include "openwop/result.h"

namespace openwop::rocks {

/// As checkpoint_rocksdb_store() says.
[[nodiscard]] Status make_checkpoint(rocksdb::DB& db, const std::string& folder);

}  // namespace openwop::rocks
