// Copies of a RocksDB store that is in use, and stores that are open for reading only.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "maintenance/maintenance_rig.h"
#include "openwop/rocksdb_store.h"
#include "support/temp_dir.h"

namespace openwop::test {

namespace fs = std::filesystem;

TEST_CASE("a checkpoint holds everything that was committed before it, while commits go on", "[rocksdb]") {
  const TempDir folder;
  auto store = open_rocksdb_store({.path = folder.file("store"), .write_buffer_bytes = std::size_t{1} << 20});
  REQUIRE(store.ok());
  std::atomic<int> committed{0};
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop.load(); ++i) {
      Transaction pair;
      pair.put("a" + std::to_string(i), std::string(500, 'x'));
      pair.put("b" + std::to_string(i), "y");
      if (!(*store)->commit(pair, Durability::sync).ok()) return;
      committed.store(i + 1);
    }
  });
  for (int copy = 0; copy < 3; ++copy) {
    while (committed.load() < 50 * (copy + 1)) std::this_thread::yield();
    const int before = committed.load();
    const std::string target = folder.file("copy" + std::to_string(copy));
    const auto made = checkpoint_rocksdb_store(**store, target);
    INFO((made.ok() ? std::string() : made.error().message));
    REQUIRE(made.ok());
    const auto opened = open_rocksdb_store({.path = target, .create_if_missing = false});
    INFO((opened.ok() ? std::string() : opened.error().message));
    REQUIRE(opened.ok());
    for (int i = 0; i < before; ++i) CHECK((*opened)->get("b" + std::to_string(i))->has_value());
    // A commit is in it wholly or not at all.
    CHECK(rows_under(**opened, "a").size() == rows_under(**opened, "b").size());
  }
  stop.store(true);
  writer.join();
  CHECK(rows_under(**store, "b").size() == static_cast<std::size_t>(committed.load()));
}

TEST_CASE("a checkpoint does not write over a folder, and is of RocksDB stores only", "[rocksdb]") {
  const TempDir folder;
  auto store = open_rocksdb_store({.path = folder.file("store")});
  REQUIRE(store.ok());
  fs::create_directories(folder.file("there"));
  const auto code = [](const Status& status) {
    return status.ok() ? "ok" : std::string(error_name(status.error().code));
  };
  CHECK(code(checkpoint_rocksdb_store(**store, folder.file("there"))) == "conflict");
  CHECK(fs::is_empty(folder.file("there")));
  CHECK(code(checkpoint_rocksdb_store(**store, "")) == "store_io_error");
  CHECK(code(checkpoint_rocksdb_store(**store, "/dev/null/no")) == "store_io_error");
  CHECK(code(checkpoint_rocksdb_store(MemoryStore(), folder.file("m"))) == "validation_error");
  // What a copy that was cut off has left is in nobody's way.
  fs::create_directories(folder.file("copy.partial"));
  CHECK(code(checkpoint_rocksdb_store(**store, folder.file("copy"))) == "ok");
  CHECK_FALSE(fs::exists(folder.file("copy.partial")));
}

TEST_CASE("a store that is open for reading only shows what is there and leaves every file as it is", "[rocksdb]") {
  const TempDir folder;
  const std::string path = folder.file("store");
  CHECK_FALSE(open_rocksdb_store({.path = path, .read_only = true}).ok());
  CHECK_FALSE(fs::exists(path));
  {
    auto store = open_rocksdb_store({.path = path});
    REQUIRE(store.ok());
    put_row(**store, "key", "value");
  }
  const auto files = [&] {
    std::map<std::string, std::pair<std::uintmax_t, fs::file_time_type>> all;
    for (const auto& file : fs::directory_iterator(path)) {
      if (file.path().filename() != "OWNER") all[file.path().filename()] = {file.file_size(), file.last_write_time()};
    }
    return all;
  };
  const auto before = files();
  {
    auto store = open_rocksdb_store({.path = path, .read_only = true});
    INFO((store.ok() ? std::string() : store.error().message));
    REQUIRE(store.ok());
    CHECK((*store)->get("key")->value_or("") == "value");
    Transaction transaction;
    transaction.put("other", "");
    const auto refused = (*store)->commit(transaction, Durability::sync);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::store_io_error);
    const auto second = open_rocksdb_store({.path = path, .read_only = true});
    REQUIRE_FALSE(second.ok());
    CHECK(second.error().code == ErrorCode::store_locked);
  }
  CHECK(files() == before);
}

}  // namespace openwop::test
