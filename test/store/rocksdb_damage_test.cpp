// Damaged files and failing writes: an error that names the place, never a wrong answer.
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "store/store_backends.h"

namespace openwop::test {
namespace {

namespace fs = std::filesystem;

constexpr int kRows = 200;

std::string row_key(int i) { return "row" + std::to_string(1'000 + i); }

/// Cannot be compressed, and differs from row to row.
std::string row_value(int i, std::size_t bytes) {
  std::mt19937 random(static_cast<std::uint32_t>(i));
  std::string value(bytes, '\0');
  for (char& c : value) c = static_cast<char>(random());
  return value;
}

/// Each row in a commit of its own; closed when done.
void write_rows(const RocksDbOptions& options, std::size_t value_bytes) {
  auto store = open_rocksdb_store(options);
  REQUIRE(store);
  for (int i = 0; i < kRows; ++i) commit_one(**store, put_of(row_key(i), row_value(i, value_bytes)));
}

std::vector<fs::path> files_of(const std::string& folder, const std::string& extension) {
  std::vector<fs::path> files;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() == extension && file.file_size() > 0) files.push_back(file.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void flip_byte(const fs::path& path, std::uintmax_t at) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(at));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 0x5A));
  REQUIRE(file.flush());
}

/// Rows from the first on without a gap, each with its value; the number of them. Fails on anything else.
int whole_rows(const Store& store, std::size_t value_bytes) {
  int rows = 0;
  for (const auto& [key, value] : rows_of(store, {})) {
    REQUIRE(key == row_key(rows));
    REQUIRE((value == row_value(rows, value_bytes)));
    ++rows;
  }
  return rows;
}

/// A closed folder with one log of many commits, and ways to try damage on a copy of it.
class LogFolder {
 public:
  explicit LogFolder(std::size_t value_bytes) : value_bytes_(value_bytes) {
    write_rows({.path = original_}, value_bytes);
    const auto logs = files_of(original_, ".log");
    REQUIRE(logs.size() == 1);
    log_bytes_ = fs::file_size(logs.front());
  }

  [[nodiscard]] std::uintmax_t log_bytes() const { return log_bytes_; }

  /// Rows left after `damage` was done to the log, or the error of the open.
  template <class Damage>
  Result<int> open_after(Damage damage) const {
    fs::remove_all(copy_);
    fs::copy(original_, copy_);
    damage(files_of(copy_, ".log").front());
    const auto store = open_rocksdb_store({.path = copy_});
    if (!store) return store.error();
    return whole_rows(**store, value_bytes_);
  }

 private:
  TempDir folder_;
  std::string original_ = folder_.file("original");
  std::string copy_ = folder_.file("copy");
  std::size_t value_bytes_;
  std::uintmax_t log_bytes_ = 0;
};

TEST_CASE("a byte changed anywhere in the log is corruption, or in its last commit a torn tail", "[store][rocksdb]") {
  for (const std::size_t value_bytes : {std::size_t{20}, std::size_t{1'000}, std::size_t{50'000}}) {
    const LogFolder folder(value_bytes);
    const auto last_commit_bytes = value_bytes + 100;
    const auto step = folder.log_bytes() / 23;
    for (std::uintmax_t at = 0; at + last_commit_bytes < folder.log_bytes(); at += step) {
      const auto rows = folder.open_after([&](const fs::path& log) { flip_byte(log, at); });
      INFO("value bytes " << value_bytes << ", flipped at " << at << " of " << folder.log_bytes());
      REQUIRE_FALSE(rows);
      CHECK(rows.error().code == ErrorCode::store_corrupt);
      CHECK_THAT(rows.error().message, Catch::Contains(".log"));
    }
    const auto rows = folder.open_after([&](const fs::path& log) { flip_byte(log, folder.log_bytes() - 3); });
    REQUIRE(rows);
    CHECK(*rows == kRows - 1);
  }
}

TEST_CASE("a changed length field does not hide the commits behind it", "[store][rocksdb]") {
  const LogFolder folder(1'000);
  // The length of the first record: bytes 4 and 5.
  for (const std::uintmax_t at : {4U, 5U}) {
    const auto rows = folder.open_after([&](const fs::path& log) { flip_byte(log, at); });
    REQUIRE_FALSE(rows);
    CHECK(rows.error().code == ErrorCode::store_corrupt);
  }
}

TEST_CASE("a hole of zeros in the log is corruption", "[store][rocksdb]") {
  const LogFolder folder(1'000);
  for (const std::uintmax_t hole_bytes : {4'096U, 32'768U, 65'536U}) {
    const auto rows = folder.open_after([&](const fs::path& log) {
      std::fstream file(log, std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(32'768);
      file << std::string(hole_bytes, '\0');
    });
    INFO("hole of " << hole_bytes);
    REQUIRE_FALSE(rows);
    CHECK(rows.error().code == ErrorCode::store_corrupt);
  }
}

TEST_CASE("a last commit whose end reached the disk without its beginning is a torn tail", "[store][rocksdb]") {
  constexpr std::size_t kValueBytes = 200'000;
  const LogFolder folder(kValueBytes);
  const auto rows = folder.open_after([&](const fs::path& log) {
    std::fstream file(log, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(folder.log_bytes() - 150'000));
    file << std::string(4'096, '\0');
  });
  REQUIRE(rows);
  CHECK(*rows == kRows - 1);
}

TEST_CASE("a log cut off anywhere opens with the commits before the cut", "[store][rocksdb]") {
  for (const std::size_t value_bytes : {std::size_t{20}, std::size_t{1'000}, std::size_t{50'000}}) {
    const LogFolder folder(value_bytes);
    int last = 0;
    const auto step = folder.log_bytes() / 13;
    for (std::uintmax_t keep = 0; keep <= folder.log_bytes(); keep += step) {
      INFO("value bytes " << value_bytes << ", kept " << keep << " of " << folder.log_bytes());
      const auto rows = folder.open_after([&](const fs::path& log) { fs::resize_file(log, keep); });
      REQUIRE(rows);
      CHECK(*rows >= last);
      // What a power loss leaves of a file whose length was recorded before its bytes were written: zeros.
      const auto with_zeros = folder.open_after([&](const fs::path& log) {
        fs::resize_file(log, keep);
        fs::resize_file(log, folder.log_bytes());
      });
      REQUIRE(with_zeros);
      CHECK(*with_zeros == *rows);
      last = *rows;
    }
    CHECK(last >= kRows * 12 / 13);
  }
}

TEST_CASE("a store that opened on a torn tail takes new commits and keeps them", "[store][rocksdb]") {
  const TempDir folder;
  const RocksDbOptions options{.path = folder.file("store")};
  write_rows(options, 1'000);
  const auto log = files_of(options.path, ".log").front();
  fs::resize_file(log, fs::file_size(log) - 5);
  for (int round = 0; round < 2; ++round) {
    auto store = open_rocksdb_store(options);
    REQUIRE(store);
    CHECK(value_of(**store, row_key(kRows - 1)).has_value() == (round == 1));
    commit_one(**store, put_of(row_key(kRows - 1), "again"), Durability::sync);
  }
}

/// A flush may not have come before the store was closed; recovery from the log makes table files in any case.
void make_table_file(const RocksDbOptions& options) {
  REQUIRE(open_rocksdb_store(options).ok());
  REQUIRE_FALSE(files_of(options.path, ".sst").empty());
}

TEST_CASE("a damaged table file gives errors that name it and no wrong row", "[store][rocksdb]") {
  const TempDir folder;
  const RocksDbOptions options{.path = folder.file("store"), .write_buffer_bytes = 64 << 10};
  constexpr std::size_t kValueBytes = 1'000;
  write_rows(options, kValueBytes);
  make_table_file(options);
  const auto table = files_of(options.path, ".sst").front();
  flip_byte(table, fs::file_size(table) / 2);

  auto store = open_rocksdb_store(options);
  if (!store) {
    CHECK(store.error().code == ErrorCode::store_corrupt);
    return;
  }
  int damaged = 0;
  for (int i = 0; i < kRows; ++i) {
    const auto value = (*store)->get(row_key(i));
    if (value) {
      REQUIRE(value->has_value());
      CHECK((**value == row_value(i, kValueBytes)));
      continue;
    }
    ++damaged;
    CHECK(value.error().code == ErrorCode::store_corrupt);
    CHECK_THAT(value.error().message, Catch::Contains(row_key(i)) && Catch::Contains(".sst"));
    Transaction transaction;
    transaction.require_absent(row_key(i));
    transaction.put("written", "value");
    const auto outcome = (*store)->commit(transaction, Durability::async);
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == ErrorCode::store_corrupt);
  }
  CHECK(damaged > 0);
  CHECK_FALSE(value_of(**store, "written").has_value());
  for (const bool reverse : {false, true}) {
    const auto scanned = (*store)->scan({.reverse = reverse}, [](std::string_view, std::string_view) { return true; });
    REQUIRE_FALSE(scanned);
    CHECK(scanned.error().code == ErrorCode::store_corrupt);
  }
}

TEST_CASE("a lost table file is corruption", "[store][rocksdb]") {
  const TempDir folder;
  const RocksDbOptions options{.path = folder.file("store"), .write_buffer_bytes = 64 << 10};
  write_rows(options, 1'000);
  make_table_file(options);
  fs::remove(files_of(options.path, ".sst").front());
  const auto store = open_rocksdb_store(options);
  REQUIRE_FALSE(store);
  CHECK(store.error().code == ErrorCode::store_corrupt);
}

/// While it lives, a write past this size of any file fails as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_{};
  void (*old_handler_)(int);
};

TEST_CASE("a write that the disk refuses is store_io_error and loses nothing acknowledged", "[store][rocksdb]") {
  const TempDir folder;
  const RocksDbOptions options{.path = folder.file("store")};
  int acknowledged = 0;
  {
    auto store = open_rocksdb_store(options);
    REQUIRE(store);
    std::optional<Error> error;
    {
      const FileSizeLimit full(100'000);
      while (!error && acknowledged < kRows) {
        const auto row = put_of(row_key(acknowledged), row_value(acknowledged, 1'000));
        const auto outcome = (*store)->commit(row, Durability::sync);
        if (outcome) ++acknowledged;
        if (!outcome) error = outcome.error();
      }
    }
    REQUIRE(error);
    CHECK(error->code == ErrorCode::store_io_error);
    CHECK(acknowledged > 50);
  }
  auto store = open_rocksdb_store(options);
  REQUIRE(store);
  const int rows = whole_rows(**store, 1'000);
  CHECK(rows >= acknowledged);
  CHECK(rows <= acknowledged + 1);
}

TEST_CASE("after a failed commit preconditions agree with what is read", "[store][rocksdb]") {
  const TempDir folder;
  auto store = open_rocksdb_store({.path = folder.file("store")});
  REQUIRE(store);
  commit_one(**store, put_of("head", "old"), Durability::sync);
  Transaction transaction;
  transaction.require_equals("head", "old");
  transaction.put("head", "new");
  transaction.put("large", row_value(1, 1'000'000));
  {
    const FileSizeLimit full(100'000);
    REQUIRE_FALSE((*store)->commit(transaction, Durability::sync));
  }
  for (const std::string value : {"old", "new"}) {
    Transaction question;
    question.require_equals("head", value);
    const bool holds = commit_one(**store, question) == CommitOutcome::committed;
    CHECK(holds == (value_of(**store, "head") == value));
  }
}

}  // namespace
}  // namespace openwop::test
