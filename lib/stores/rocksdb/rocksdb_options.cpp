#include "stores/rocksdb/rocksdb_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>

#include "stores/rocksdb/append_hint.h"

namespace openwop::rocks {
namespace {

bool has_compression(rocksdb::CompressionType wanted) {
  const auto supported = rocksdb::GetSupportedCompressions();
  return std::find(supported.begin(), supported.end(), wanted) != supported.end();
}

void set_compression(const RocksDbOptions& options, rocksdb::Options& out) {
  out.compression = rocksdb::kNoCompression;
  if (!options.compress) return;
  if (has_compression(rocksdb::kLZ4Compression)) out.compression = rocksdb::kLZ4Compression;
  if (has_compression(rocksdb::kZSTD)) out.bottommost_compression = rocksdb::kZSTD;
}

void set_tables(const RocksDbOptions& options, rocksdb::Options& out) {
  rocksdb::BlockBasedTableOptions table;
  if (options.block_cache_bytes == 0) {
    table.no_block_cache = true;
  } else {
    table.block_cache = rocksdb::NewLRUCache(options.block_cache_bytes);
    // Index and filter blocks count against the cache, so that its size is the bound of memory it claims to be.
    table.cache_index_and_filter_blocks = true;
    table.pin_l0_filter_and_index_blocks_in_cache = true;
    // In small parts: the filter of a large table as one block would be larger than a shard of the cache, never stay
    // there, and be read from the disk and unpacked for every single key.
    table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
    table.partition_filters = options.bloom_bits_per_key > 0;
    table.pin_top_level_index_and_filter = true;
  }
  if (options.bloom_bits_per_key > 0) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(options.bloom_bits_per_key));
    table.whole_key_filtering = true;
  }
  table.format_version = 5;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
}

void set_write_path(const RocksDbOptions& options, rocksdb::Options& out) {
  out.write_buffer_size = options.write_buffer_bytes;
  out.max_write_buffer_number = std::max(2, options.max_write_buffers);
  out.max_total_wal_size = options.max_wal_bytes;
  out.max_background_jobs = std::max(2, options.background_threads);
  // One writer at a time by design: nothing to pipeline and no concurrent memtable inserts.
  out.enable_pipelined_write = false;
  out.allow_concurrent_memtable_write = false;
  // Written pages go to the disk as they come rather than in one burst that a later fsync waits for.
  out.bytes_per_sync = std::uint64_t{1} << 20;
  out.wal_bytes_per_sync = std::uint64_t{512} << 10;
  out.avoid_unnecessary_blocking_io = true;
  out.level_compaction_dynamic_level_bytes = true;
  // Levels in proportion to what a flush brings (RocksDB's own sizes with the default buffer): a small flush that had
  // to be merged into a large level would make writers wait for it.
  constexpr std::uint64_t kSmallestTable = std::uint64_t{2} << 20;
  out.target_file_size_base = std::max<std::uint64_t>(options.write_buffer_bytes, kSmallestTable);
  out.max_bytes_for_level_base = 4 * out.target_file_size_base;
  if (options.append_prefix_bytes > 0 || !options.ordered_kinds.empty()) {
    out.memtable_insert_with_hint_prefix_extractor = make_append_hint(options);
  }
}

void set_recovery(rocksdb::Options& out) {
  out.paranoid_checks = true;
  // Point-in-time recovery replays the log up to the first bad record and drops what follows. That is right for the
  // tail that a crash tore, and wrong for damage in the middle, which would lose acknowledged commits in silence; and
  // kTolerateCorruptedTailRecords is no cure, for it refuses to open on a torn tail that has bytes behind it. The two
  // are told apart before RocksDB opens (log_inspection.h); what reaches it has at most a torn tail.
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // A recycled log ends in an older log's records, so its end cannot be told from damage. Nor was a sync faster with
  // it: 144 us against 142 us on ext4, 256-byte puts.
  out.recycle_log_file_num = 0;
}

class NoInfoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

void set_idle_and_logging(rocksdb::Options& out) {
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  out.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  out.keep_log_file_num = 2;
  out.max_log_file_size = std::size_t{1} << 20;
}

}  // namespace

rocksdb::Options make_rocksdb_options(const RocksDbOptions& options) {
  rocksdb::Options out;
  out.create_if_missing = options.create_if_missing;
  if (options.env != nullptr) out.env = options.env;
  set_compression(options, out);
  set_tables(options, out);
  set_write_path(options, out);
  set_recovery(out);
  set_idle_and_logging(out);
  if (options.read_only) out.info_log = std::make_shared<NoInfoLog>();
  return out;
}

}  // namespace openwop::rocks
