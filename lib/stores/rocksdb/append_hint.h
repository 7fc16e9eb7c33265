// Which keys the memtable should remember an insert position for: those that grow in order. A hint costs a quarter of a
// KiB of memtable for each prefix, so it is not spent on rows that are mostly written once.
#pragma once

#include <rocksdb/slice_transform.h>

#include <memory>

namespace openwop::rocks {

/// In domain: keys of `prefix_bytes` and a big-endian 64-bit counter from kFirstHintedCounter on; short-lived prefixes
/// are not worth a hint, nor are rows that a run overwrites a few times.
[[nodiscard]] std::shared_ptr<const rocksdb::SliceTransform> make_append_hint(std::size_t prefix_bytes);

inline constexpr unsigned char kFirstHintedCounter = 8;

}  // namespace openwop::rocks
