// What a read of one key reads from the disk: a block or two, however large the tables and however small the cache.
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>
#include <string>

#include "store/store_backends.h"

namespace openwop::test {
namespace {

class CountingFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  CountingFile(std::atomic<std::uint64_t>& bytes, std::unique_ptr<rocksdb::FSRandomAccessFile> file)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), bytes_(bytes) {}

  rocksdb::IOStatus Read(std::uint64_t offset, std::size_t size, const rocksdb::IOOptions& options,
                         rocksdb::Slice* result, char* scratch, rocksdb::IODebugContext* debug) const override {
    bytes_ += size;
    return FSRandomAccessFileOwnerWrapper::Read(offset, size, options, result, scratch, debug);
  }

 private:
  std::atomic<std::uint64_t>& bytes_;
};

class CountingFs final : public rocksdb::FileSystemWrapper {
 public:
  CountingFs() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "CountingFs"; }

  rocksdb::IOStatus NewRandomAccessFile(const std::string& name, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override {
    auto status = target()->NewRandomAccessFile(name, options, file, debug);
    if (status.ok()) *file = std::make_unique<CountingFile>(bytes, std::move(*file));
    return status;
  }

  std::atomic<std::uint64_t> bytes{0};
};

std::string key_of(int n) { return "row" + std::to_string(1'000'000 + n); }

}  // namespace

TEST_CASE("a read of one key unpacks a few blocks, not the filter of a whole table", "[store][rocksdb]") {
  constexpr int kRows = 1'500'000;
  constexpr int kReads = 500;
  const TempDir folder;
  const auto fs = std::make_shared<CountingFs>();
  const auto env = rocksdb::NewCompositeEnv(fs);
  const RocksDbOptions options{.path = folder.file("store"),
                               .write_buffer_bytes = std::size_t{4} << 20,
                               .block_cache_bytes = std::size_t{256} << 10,
                               .append_prefix_bytes = 0,
                               .env = env.get()};
  {
    auto store = open_rocksdb_store(options);
    REQUIRE(store.ok());
    for (int n = 0; n < kRows;) {
      Transaction transaction;
      for (int i = 0; i < 10'000; ++i, ++n) transaction.put(key_of(n * 2), "value");
      REQUIRE(commit_one(**store, transaction, Durability::async) == CommitOutcome::committed);
    }
  }
  // Opened again, whatever was left in the log is in tables too.
  const auto store = open_rocksdb_store(options);
  REQUIRE(store.ok());
  for (const bool present : {false, true}) {
    const std::uint64_t before = fs->bytes;
    for (int i = 0; i < kReads; ++i) {
      const int n = (i * 7'919 % kRows) * 2;
      const auto value = (*store)->get(key_of(present ? n : n + 1));
      REQUIRE(value.ok());
      CHECK(value->has_value() == present);
    }
    INFO((present ? "keys that are there" : "keys that are absent"));
    CHECK((fs->bytes - before) / kReads < 40'000);
  }
}

}  // namespace openwop::test
