#include "openwop/rocksdb_store.h"

#include <rocksdb/db.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "stores/rocksdb/append_tails.h"
#include "stores/rocksdb/checkpoint.h"
#include "stores/rocksdb/folder_format.h"
#include "stores/rocksdb/folder_lock.h"
#include "stores/rocksdb/group_overlay.h"
#include "stores/rocksdb/guard_cache.h"
#include "stores/rocksdb/log_inspection.h"
#include "stores/rocksdb/rocksdb_error.h"
#include "stores/rocksdb/rocksdb_options.h"

namespace openwop {
namespace {

using rocks::AppendTails;
using rocks::GroupOverlay;
using rocks::GuardCache;
using rocks::RowState;

rocksdb::Slice to_slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view to_view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

/// RocksDB counts each comparison of keys in thread-local variables, which cost a twentieth of a commit of 64 rows.
class NoPerfCounters {
 public:
  NoPerfCounters() { rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable); }
  NoPerfCounters(const NoPerfCounters&) = delete;
  NoPerfCounters& operator=(const NoPerfCounters&) = delete;
  ~NoPerfCounters() { rocksdb::SetPerfLevel(before_); }

 private:
  rocksdb::PerfLevel before_ = rocksdb::GetPerfLevel();
};

/// Thread-safe. Commits take turns under one mutex, which is held across their I/O because the mutex is what orders
/// them; reads never take it.
class RocksDbStore final : public Store {
 public:
  RocksDbStore(rocks::FolderLock lock, std::unique_ptr<rocksdb::DB> db, const RocksDbOptions& options)
      : folder_lock_(std::move(lock)),
        db_(std::move(db)),
        read_only_(options.read_only),
        guard_cache_(options.guard_cache_entries),
        append_tails_(options.append_prefix_bytes, options.guard_cache_entries) {}

  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override;
  [[nodiscard]] Status scan(const ScanRange& range, const RowVisitor& visit) const override;

  using Store::commit;
  [[nodiscard]] Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                          Durability durability) override;

  [[nodiscard]] Status checkpoint(const std::string& folder) const { return rocks::make_checkpoint(*db_, folder); }

 private:
  Result<bool> preconditions_hold(const Transaction& transaction);
  Result<bool> requirement_holds(const Transaction::Entry& requirement);
  Result<bool> known_absent_by_tail(std::string_view key);
  Status learn_tail(std::string_view key);
  Status stage(const Transaction& transaction);
  Status stage_group(std::span<const Transaction* const> group, std::vector<CommitOutcome>& outcomes);
  Status write_batch(Durability durability);
  void release_large_batch();

  // In this order: the database closes before the folder is given up.
  rocks::FolderLock folder_lock_;
  std::unique_ptr<rocksdb::DB> db_;
  const bool read_only_;

  // What follows belongs to the commit in hand.
  std::mutex commit_mutex_;
  rocksdb::WriteBatch batch_;
  GroupOverlay overlay_;
  GuardCache guard_cache_;
  AppendTails append_tails_;
};

Result<std::optional<std::string>> RocksDbStore::get(std::string_view key) const {
  rocksdb::PinnableSlice value;
  const auto status = db_->Get(rocksdb::ReadOptions(), db_->DefaultColumnFamily(), to_slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>{};
  if (!status.ok()) return rocks::to_error(status, "read of key " + rocks::printable_key(key));
  return std::optional<std::string>{std::in_place, value.data(), value.size()};
}

Status RocksDbStore::scan(const ScanRange& range, const RowVisitor& visit) const {
  if (!range.end.empty() && range.end <= range.begin) return {};
  const auto lower = to_slice(range.begin);
  const auto upper = to_slice(range.end);
  rocksdb::ReadOptions read;
  if (!range.begin.empty()) read.iterate_lower_bound = &lower;
  if (!range.end.empty()) read.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> row(db_->NewIterator(read));
  if (range.reverse) {
    for (row->SeekToLast(); row->Valid() && visit(to_view(row->key()), to_view(row->value())); row->Prev()) {
    }
  } else {
    for (row->SeekToFirst(); row->Valid() && visit(to_view(row->key()), to_view(row->value())); row->Next()) {
    }
  }
  if (!row->status().ok()) {
    return rocks::to_error(row->status(), "scan from key " + rocks::printable_key(range.begin));
  }
  return {};
}

Result<std::vector<CommitOutcome>> RocksDbStore::commit(std::span<const Transaction* const> group,
                                                        Durability durability) {
  if (auto limits = check_limits(group); !limits) return std::move(limits).error();
  std::vector<CommitOutcome> outcomes;
  outcomes.reserve(group.size());
  if (read_only_) return Error{ErrorCode::store_io_error, "the store is open for reading only"};
  const std::lock_guard lock(commit_mutex_);
  auto done = stage_group(group, outcomes);
  if (done && batch_.Count() > 0) done = write_batch(durability);
  release_large_batch();
  if (!done) {
    // The caches already hold the writes of this group, and whether they took effect is not known.
    guard_cache_.clear();
    append_tails_.clear();
    return std::move(done).error();
  }
  return outcomes;
}

Status RocksDbStore::stage_group(std::span<const Transaction* const> group, std::vector<CommitOutcome>& outcomes) {
  batch_.Clear();
  overlay_.begin(group);
  append_tails_.begin_group();
  for (const Transaction* transaction : group) {
    auto holds = preconditions_hold(*transaction);
    if (!holds) return std::move(holds).error();
    outcomes.push_back(*holds ? CommitOutcome::committed : CommitOutcome::refused);
    if (!*holds) continue;
    if (auto staged = stage(*transaction); !staged) return staged;
  }
  return {};
}

Result<bool> RocksDbStore::preconditions_hold(const Transaction& transaction) {
  for (std::size_t i = 0; i < transaction.size(); ++i) {
    const auto entry = transaction.entry(i);
    if (!rocks::is_requirement(entry.op)) continue;
    auto holds = requirement_holds(entry);
    if (!holds || !*holds) return holds;
  }
  return true;
}

Result<bool> RocksDbStore::requirement_holds(const Transaction::Entry& requirement) {
  const bool wants_value = requirement.op == Transaction::Op::require_equals;
  const RowState wanted{wants_value, wants_value ? requirement.value : std::string_view{}};
  const std::size_t hash = rocks::hash_key(requirement.key);
  if (const auto written = overlay_.find(hash, requirement.key)) return *written == wanted;
  // Counted keys are many and required once each: they would only push others out of the guard cache.
  const bool counted = append_tails_.covers(requirement.key);
  if (counted && !wants_value) {
    auto known_absent = known_absent_by_tail(requirement.key);
    if (!known_absent || *known_absent) return known_absent;
  }
  if (!counted) {
    if (const auto known = guard_cache_.find(hash, requirement.key)) return *known == wanted;
  }
  rocksdb::PinnableSlice value;
  const auto status = db_->Get(rocksdb::ReadOptions(), db_->DefaultColumnFamily(), to_slice(requirement.key), &value);
  if (!status.ok() && !status.IsNotFound()) {
    return rocks::to_error(status, "read of required key " + rocks::printable_key(requirement.key));
  }
  const RowState stored = status.ok() ? RowState{true, to_view(value)} : RowState{};
  if (!counted) guard_cache_.learn(hash, requirement.key, stored);
  return stored == wanted;
}

Result<bool> RocksDbStore::known_absent_by_tail(std::string_view key) {
  auto answer = append_tails_.ask(key);
  if (answer == AppendTails::Answer::worth_learning) {
    if (auto learned = learn_tail(key); !learned) return std::move(learned).error();
    answer = append_tails_.ask(key);
  }
  return answer == AppendTails::Answer::absent;
}

Status RocksDbStore::learn_tail(std::string_view key) {
  std::optional<std::string> last;
  const std::string prefix(append_tails_.prefix_of(key));
  Status scanned = scan({prefix, prefix_end(prefix), true}, [&](std::string_view found, std::string_view) {
    last = found;
    return false;
  });
  if (scanned) append_tails_.learn(key, last);
  return scanned;
}

Status RocksDbStore::stage(const Transaction& transaction) {
  const bool followed = !overlay_.empty() || !guard_cache_.empty() || !append_tails_.empty();
  for (std::size_t i = 0; i < transaction.size(); ++i) {
    const auto entry = transaction.entry(i);
    if (rocks::is_requirement(entry.op)) continue;
    const bool is_put = entry.op == Transaction::Op::put;
    const auto status =
        is_put ? batch_.Put(to_slice(entry.key), to_slice(entry.value)) : batch_.Delete(to_slice(entry.key));
    if (!status.ok()) return rocks::to_error(status, "write of key " + rocks::printable_key(entry.key));
    if (!followed) continue;
    const RowState state = is_put ? RowState{true, entry.value} : RowState{};
    const std::size_t hash = rocks::hash_key(entry.key);
    overlay_.note_write(hash, entry.key, state);
    if (!append_tails_.covers(entry.key)) {
      guard_cache_.update(hash, entry.key, state);
    } else if (is_put) {
      append_tails_.note_put(entry.key);
    }
  }
  return {};
}

Status RocksDbStore::write_batch(Durability durability) {
  rocksdb::WriteOptions write;
  write.sync = durability == Durability::sync;
  const NoPerfCounters no_counters;
  const auto status = db_->Write(write, &batch_);
  if (!status.ok()) return rocks::to_error(status, "commit");
  return {};
}

/// The buffer of the batch is kept from commit to commit, but not one that an unusual commit made large.
void RocksDbStore::release_large_batch() {
  constexpr std::size_t kKeptBatchBytes = std::size_t{4} << 20;
  if (batch_.GetDataSize() > kKeptBatchBytes) batch_ = rocksdb::WriteBatch();
}

Status make_folder(const RocksDbOptions& options) {
  std::error_code problem;
  if (options.create_if_missing) std::filesystem::create_directories(options.path, problem);
  if (problem) {
    return Error{ErrorCode::store_io_error, "cannot create store folder " + options.path + ": " + problem.message()};
  }
  if (!std::filesystem::is_directory(options.path, problem)) {
    return Error{ErrorCode::store_io_error, "store folder " + options.path + " does not exist"};
  }
  return {};
}

Status settle_format(const RocksDbOptions& options) {
  auto version = rocks::read_folder_format(options.path);
  if (!version) return std::move(version).error();
  if (*version > rocks::kFolderFormatVersion) {
    return Error{ErrorCode::store_version_unsupported,
                 "store folder " + options.path + " has format " + std::to_string(*version) +
                     "; this build knows formats up to " + std::to_string(rocks::kFolderFormatVersion)};
  }
  if (*version != 0 && *version < rocks::kOldestFolderFormatVersion) {
    return Error{ErrorCode::store_version_unsupported,
                 "store folder " + options.path + " has format " + std::to_string(*version) +
                     "; this build reads none older than " + std::to_string(rocks::kOldestFolderFormatVersion)};
  }
  if (*version != 0) return {};
  if (!options.create_if_missing) {
    return Error{ErrorCode::store_io_error, "folder " + options.path + " holds no store"};
  }
  return rocks::write_folder_format(options.path);
}

/// RocksDB's newest releases hand out a unique_ptr, older ones a raw pointer.
template <class Db>
rocksdb::Status open_to_read(const rocksdb::Options& options, const std::string& path, std::unique_ptr<Db>& db) {
  if constexpr (requires { Db::OpenForReadOnly(options, path, &db); }) {
    return Db::OpenForReadOnly(options, path, &db);
  } else {
    Db* opened = nullptr;
    auto status = Db::OpenForReadOnly(options, path, &opened);
    db.reset(opened);
    return status;
  }
}
template <class Db>
rocksdb::Status open_into(const rocksdb::Options& options, const std::string& path, std::unique_ptr<Db>& db) {
  if constexpr (requires { Db::Open(options, path, &db); }) {
    return Db::Open(options, path, &db);
  } else {
    Db* opened = nullptr;
    auto status = Db::Open(options, path, &opened);
    db.reset(opened);
    return status;
  }
}

Result<std::unique_ptr<rocksdb::DB>> open_database(const RocksDbOptions& options) {
  auto tuned = rocks::make_rocksdb_options(options);
  // FORMAT is there, so a missing database is one whose making a crash cut short.
  tuned.create_if_missing = true;
  std::unique_ptr<rocksdb::DB> db;
  const auto status = options.read_only ? open_to_read(tuned, options.path, db) : open_into(tuned, options.path, db);
  if (status.ok()) return db;
  if (status.IsIOError() && status.ToString().find(options.path + "/LOCK") != std::string::npos) {
    return Error{ErrorCode::store_locked, "store folder " + options.path + " is in use by another RocksDB process"};
  }
  return rocks::to_error(status, "open of store folder " + options.path);
}

}  // namespace

Status checkpoint_rocksdb_store(const Store& store, const std::string& folder) {
  const auto* const ours = dynamic_cast<const RocksDbStore*>(&store);
  if (ours == nullptr) return Error{ErrorCode::validation_error, "only a RocksDB store can be copied like this"};
  return ours->checkpoint(folder);
}

Result<std::unique_ptr<Store>> open_rocksdb_store(const RocksDbOptions& wanted) {
  RocksDbOptions options = wanted;
  options.create_if_missing = options.create_if_missing && !options.read_only;
  if (auto made = make_folder(options); !made) return std::move(made).error();
  auto lock = rocks::FolderLock::acquire(options.path);
  if (!lock) return std::move(lock).error();
  if (auto format = settle_format(options); !format) return std::move(format).error();
  if (auto logs = rocks::inspect_logs(options.path); !logs) return std::move(logs).error();
  auto db = open_database(options);
  if (!db) return std::move(db).error();
  return std::unique_ptr<Store>(std::make_unique<RocksDbStore>(std::move(*lock), std::move(*db), options));
}

}  // namespace openwop
