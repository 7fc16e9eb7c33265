// What a store folder promises: one owner, a known format, and nothing lost between a close and an open.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "store/store_backends.h"

namespace openwop::test {
namespace {

namespace fs = std::filesystem;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_file(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  REQUIRE(file.flush());
}

std::unique_ptr<Store> open_at(const std::string& path) {
  auto store = open_rocksdb_store({.path = path});
  if (!store) FAIL(store.error().message);
  return std::move(*store);
}

ErrorCode code_of_open(const RocksDbOptions& options) {
  const auto store = open_rocksdb_store(options);
  REQUIRE_FALSE(store);
  CHECK_THAT(store.error().message, Catch::Contains(options.path));
  return store.error().code;
}

/// A closed store with one row in it.
void make_store_at(const std::string& path) { commit_one(*open_at(path), put_of("key", "value"), Durability::sync); }

TEST_CASE("opening makes the folder with its parents and names the format in it", "[store][rocksdb]") {
  const TempDir folder;
  const auto path = folder.file("a/b/c");
  make_store_at(path);
  CHECK(read_file(path + "/FORMAT") == "openwop store format 2\n");
}

TEST_CASE("committed rows survive a close and an open", "[store][rocksdb]") {
  const TempDir folder;
  const auto path = folder.file("store");
  for (const auto durability : {Durability::sync, Durability::async}) {
    const auto store = open_at(path);
    Transaction transaction;
    for (int i = 0; i < 100; ++i) transaction.put("row" + std::to_string(i), std::to_string(i));
    commit_one(*store, transaction, durability);
  }
  const auto store = open_at(path);
  for (int i = 0; i < 100; ++i) CHECK(value_of(*store, "row" + std::to_string(i)) == std::to_string(i));
}

TEST_CASE("a second opener gets store_locked and disturbs nothing", "[store][rocksdb]") {
  const TempDir folder;
  const auto path = folder.file("store");
  {
    const auto owner = open_at(path);
    commit_one(*owner, put_of("before", "1"));
    CHECK(code_of_open({.path = path}) == ErrorCode::store_locked);
    CHECK(code_of_open({.path = path}) == ErrorCode::store_locked);
    CHECK(commit_one(*owner, put_of("after", "2"), Durability::sync) == CommitOutcome::committed);
  }
  const auto next = open_at(path);
  CHECK(rows_of(*next, {}) == Rows{{"after", "2"}, {"before", "1"}});
}

TEST_CASE("a folder of a format that this build does not read is refused and left as it is", "[store][rocksdb]") {
  const TempDir folder;
  const auto path = folder.file("store");
  make_store_at(path);
  for (const std::string other : {"openwop store format 1\n", "openwop store format 3\n"}) {
    write_file(path + "/FORMAT", other);
    CHECK(code_of_open({.path = path}) == ErrorCode::store_version_unsupported);
    CHECK(read_file(path + "/FORMAT") == other);
  }
  write_file(path + "/FORMAT", "openwop store format 2\n");
  CHECK(value_of(*open_at(path), "key") == "value");
}

TEST_CASE("a FORMAT that is not one is reported as corruption", "[store][rocksdb]") {
  const TempDir folder;
  const auto path = folder.file("store");
  make_store_at(path);
  for (const std::string garbage :
       {"", "\n", "garbage", "openwop store format", "openwop store format \n", "openwop store format 0\n",
        "openwop store format -1\n", "openwop store format 2", "openwop store format 2x\n",
        "openwop store format 99999999999\n", "openwop store format 2\nand more\n"}) {
    write_file(path + "/FORMAT", garbage);
    INFO(garbage);
    CHECK(code_of_open({.path = path}) == ErrorCode::store_corrupt);
  }
}

TEST_CASE("a folder that lost FORMAT or CURRENT is corrupt, not empty", "[store][rocksdb]") {
  for (const std::string lost : {"FORMAT", "CURRENT"}) {
    const TempDir folder;
    const auto path = folder.file("store");
    make_store_at(path);
    fs::remove(path + "/" + lost);
    CHECK(code_of_open({.path = path}) == ErrorCode::store_corrupt);
    CHECK_FALSE(fs::exists(path + "/" + lost));
  }
}

TEST_CASE("a folder whose making was cut short opens", "[store][rocksdb]") {
  const TempDir folder;
  const auto path = folder.file("store");
  fs::create_directories(path);
  SECTION("before FORMAT was whole") { write_file(path + "/FORMAT.new", "openw"); }
  SECTION("before the database was made") { write_file(path + "/FORMAT", "openwop store format 2\n"); }
  const auto store = open_at(path);
  CHECK(rows_of(*store, {}).empty());
}

TEST_CASE("without create_if_missing an absent store is an error and stays absent", "[store][rocksdb]") {
  const TempDir folder;
  const auto path = folder.file("store");
  CHECK(code_of_open({.path = path, .create_if_missing = false}) == ErrorCode::store_io_error);
  CHECK_FALSE(fs::exists(path));
  fs::create_directories(path);
  CHECK(code_of_open({.path = path, .create_if_missing = false}) == ErrorCode::store_io_error);
  CHECK_FALSE(fs::exists(path + "/FORMAT"));
  make_store_at(path);
  CHECK(open_rocksdb_store({.path = path, .create_if_missing = false}).ok());
}

TEST_CASE("a path that is a file is an I/O error", "[store][rocksdb]") {
  const TempDir folder;
  write_file(folder.file("store"), "not a folder");
  CHECK(code_of_open({.path = folder.file("store")}) == ErrorCode::store_io_error);
}

TEST_CASE("every option may be at the end of its range", "[store][rocksdb]") {
  const TempDir folder;
  RocksDbOptions options{.path = folder.file("store"),
                         .write_buffer_bytes = 64 << 10,
                         .max_write_buffers = 1,
                         .block_cache_bytes = 0,
                         .bloom_bits_per_key = 0,
                         .compress = false,
                         .background_threads = 0,
                         .max_wal_bytes = 0,
                         .guard_cache_entries = 0};
  for (int round = 0; round < 2; ++round) {
    auto store = open_rocksdb_store(options);
    REQUIRE(store);
    for (int i = 0; i < 300; ++i) commit_one(**store, put_of("row" + std::to_string(i), std::string(1'000, 'v')));
    CHECK(rows_of(**store, {}).size() == 300);
  }
}

}  // namespace
}  // namespace openwop::test
