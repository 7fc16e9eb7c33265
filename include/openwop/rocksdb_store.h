// The embedded default: a Store in a local folder, on RocksDB.
//
// One process at a time owns the folder; a second opener gets store_locked. A file FORMAT in the folder names the
// layout version; a folder of a layout that is newer, or older than this build reads, is refused with
// store_version_unsupported. Corruption is reported with the file or key and never skipped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "openwop/store.h"

namespace rocksdb {
class Env;
}

namespace openwop {

/// Rows whose keys begin alike and hold a time-ordered id of 16 bytes.
struct RowKind {
  std::string prefix;
  /// The id ends the key, and what comes before it tells kinds apart; otherwise it follows the prefix.
  bool id_is_last = false;
};

/// What the engine writes for a new run.
inline std::vector<RowKind> kinds_of_new_runs() { return {{"L", false}, {"Is", true}, {"Iw", true}}; }

struct RocksDbOptions {
  /// Folder of the database; made (with parents) when `create_if_missing`.
  std::string path = {};
  bool create_if_missing = true;
  /// Nothing of the database is written, not even the tail of its log into tables; commits give store_io_error. The
  /// folder has one owner all the same.
  bool read_only = false;
  /// Bytes of one in-memory write buffer before it is flushed to a table file.
  std::size_t write_buffer_bytes = std::size_t{64} << 20;
  /// Write buffers kept before writers are slowed.
  int max_write_buffers = 4;
  /// Cache of uncompressed table blocks.
  std::size_t block_cache_bytes = std::size_t{128} << 20;
  /// Bits of Bloom filter for each key; 0 turns filters off.
  int bloom_bits_per_key = 10;
  /// Compress table files with LZ4 (ZSTD at the bottom level) where the RocksDB build has them.
  bool compress = true;
  /// Threads for flush and compaction.
  int background_threads = 2;
  /// Bytes of write-ahead log after which memtables are flushed so that old logs can go; 0 = RocksDB's own choice.
  std::size_t max_wal_bytes = std::size_t{512} << 20;
  /// Keys of so many bytes and a big-endian 64-bit counter are written in ascending order, as the batches of one run's
  /// log are (prefix, run id, kind): the memtable then remembers where the last one went instead of searching, and the
  /// store where they end, so that it knows without a read that the next one is absent. 0 = off; over 32, only the
  /// first of the two.
  std::size_t append_prefix_bytes = 18;
  /// Kinds of rows that are mostly new, in about the order of time: the memtable begins its search for a place where
  /// the last row of the kind went. A hint costs a quarter of a KiB of memtable for each kind.
  std::vector<RowKind> ordered_kinds = kinds_of_new_runs();
  /// Entries of each of the two caches that answer precondition checks without a read: on keys that were required
  /// lately, and on the ends of counted keys.
  std::size_t guard_cache_entries = 65'536;
  /// Where RocksDB's own files go, such as an encrypted environment; must outlive the store. Null: the file system. The
  /// files FORMAT and OWNER are on the file system in any case, and so has to be what the environment writes its
  /// logs as: they are read before RocksDB opens (an environment that changes their bytes gives store_corrupt).
  rocksdb::Env* env = nullptr;
};

/// Opens or creates the folder. Errors: store_locked, store_version_unsupported, store_corrupt, store_io_error.
[[nodiscard]] Result<std::unique_ptr<Store>> open_rocksdb_store(const RocksDbOptions& options);

/// Copies an open store of this kind, as it is at one moment of the call, into a new folder that open_rocksdb_store()
/// opens. Everything that was committed before the call is in it, each commit wholly or not at all; commits go on
/// meanwhile. Table files are hard links where the folder is on the same file system, so a copy costs little at first;
/// it is no copy on another disk until it is copied there. Thread-safe. Errors: validation_error for a store of another
/// kind; conflict when the folder is there already; store_corrupt, store_io_error.
[[nodiscard]] Status checkpoint_rocksdb_store(const Store& store, const std::string& folder);

}  // namespace openwop
