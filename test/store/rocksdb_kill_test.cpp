// kill -9 of a process that commits: everything it was told is committed is there afterwards, and nothing by halves.
//
// The writer is this same test program, started anew (a fork alone would copy RocksDB's state without its threads) to
// run the hidden test below.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

#include "store/store_backends.h"

namespace openwop::test {
namespace {

constexpr const char* kFolderVariable = "OPENWOP_TEST_WRITER_FOLDER";
constexpr const char* kDurabilityVariable = "OPENWOP_TEST_WRITER_DURABILITY";
constexpr int kReportDescriptor = 3;

std::string row_key(std::uint32_t n) {
  auto digits = std::to_string(n);
  return "row" + std::string(10 - digits.size(), '0') + digits;
}

std::uint32_t head_of(const Store& store) {
  const auto head = value_of(store, "head");
  return head ? static_cast<std::uint32_t>(std::stoul(*head)) : 0;
}

TEST_CASE("the writer that the kill test kills", "[.]") {
  const char* folder = std::getenv(kFolderVariable);
  if (folder == nullptr) return;
  const bool syncs = std::getenv(kDurabilityVariable) == std::string("sync");
  const auto durability = syncs ? Durability::sync : Durability::async;
  // A small buffer, so that kills also meet flushes and compactions.
  auto opened = open_rocksdb_store({.path = folder, .write_buffer_bytes = 256 << 10});
  if (!opened) FAIL(opened.error().message);
  Store& store = **opened;
  for (std::uint32_t n = head_of(store) + 1;; ++n) {
    Transaction transaction;
    if (n == 1) transaction.require_absent("head");
    if (n > 1) transaction.require_equals("head", std::to_string(n - 1));
    transaction.put("head", std::to_string(n));
    transaction.put(row_key(n), std::string(n % 3'000, 'v'));
    if (commit_one(store, transaction, durability) != CommitOutcome::committed) std::abort();
    if (::write(kReportDescriptor, &n, sizeof n) != sizeof n) return;
  }
}

class WriterProcess {
 public:
  WriterProcess(const std::string& folder, const std::string& durability) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    ::setenv(kFolderVariable, folder.c_str(), 1);
    ::setenv(kDurabilityVariable, durability.c_str(), 1);
    process_ = ::fork();
    REQUIRE(process_ >= 0);
    if (process_ == 0) {
      ::dup2(ends[1], kReportDescriptor);
      ::execl("/proc/self/exe", "writer", "the writer that the kill test kills", nullptr);
      ::_exit(1);
    }
    ::close(ends[1]);
    reports_ = ends[0];
  }
  WriterProcess(const WriterProcess&) = delete;
  WriterProcess& operator=(const WriterProcess&) = delete;
  ~WriterProcess() {
    if (process_ > 0) kill_and_wait();
    ::close(reports_);
  }

  /// The next acknowledged commit, or 0 when the writer is gone.
  std::uint32_t next_acknowledged() {
    std::uint32_t n = 0;
    return ::read(reports_, &n, sizeof n) == sizeof n ? n : 0;
  }

  void kill_and_wait() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
  }

 private:
  pid_t process_ = -1;
  int reports_ = -1;
};

void check_rows(const Store& store, std::uint32_t acknowledged) {
  const auto head = head_of(store);
  CHECK(head >= acknowledged);
  std::uint32_t n = 0;
  for (const auto& [key, value] : rows_of(store, {.begin = "row", .end = "rox"})) {
    ++n;
    REQUIRE(key == row_key(n));
    REQUIRE(value.size() == n % 3'000);
  }
  CHECK(n == head);
}

TEST_CASE("after kill -9 every acknowledged commit is there and none is half there", "[store][rocksdb][kill]") {
  for (const std::string durability : {"sync", "async"}) {
    const TempDir folder;
    const auto path = folder.file("store");
    std::mt19937 random(20'240'607);
    for (int round = 0; round < 8; ++round) {
      WriterProcess writer(path, durability);
      std::uint32_t acknowledged = 0;
      for (auto left = 1 + random() % 400; left > 0; --left) {
        acknowledged = writer.next_acknowledged();
        REQUIRE(acknowledged > 0);
      }
      const auto second = open_rocksdb_store({.path = path});
      REQUIRE_FALSE(second);
      CHECK(second.error().code == ErrorCode::store_locked);

      writer.kill_and_wait();
      while (const auto n = writer.next_acknowledged()) acknowledged = n;
      auto store = open_rocksdb_store({.path = path});
      if (!store) FAIL(store.error().message);
      INFO(durability << " round " << round);
      check_rows(**store, acknowledged);
    }
  }
}

}  // namespace
}  // namespace openwop::test
