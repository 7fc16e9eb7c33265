// Which keys the memtable should remember an insert position for: those that grow in order. A hint costs a quarter of a
// KiB of memtable for each prefix, so it is not spent on rows that are mostly written once.
#pragma once

#include <rocksdb/slice_transform.h>

#include <memory>

#include "openwop/rocksdb_store.h"

namespace openwop::rocks {

/// In domain: keys of `append_prefix_bytes` and a big-endian 64-bit counter from kFirstHintedCounter on, by their
/// prefix (short-lived prefixes are not worth a hint of their own); and those of `ordered_kinds`, by their kind.
[[nodiscard]] std::shared_ptr<const rocksdb::SliceTransform> make_append_hint(const RocksDbOptions& options);

inline constexpr unsigned char kFirstHintedCounter = 8;

}  // namespace openwop::rocks
