// RocksDB tuned for what this store does: many small appends, point reads of hot rows, short ordered scans, and no
// work at all while idle.
#pragma once

#include <rocksdb/options.h>

#include "openwop/rocksdb_store.h"

namespace openwop::rocks {

[[nodiscard]] rocksdb::Options make_rocksdb_options(const RocksDbOptions& options);

}  // namespace openwop::rocks
