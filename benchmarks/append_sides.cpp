#include "append_sides.h"

#include <fcntl.h>
#include <rocksdb/db.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "engine/group_commit.h"
#include "engine/run_rows.h"
#include "openwop/clock.h"
#include "openwop/log.h"
#include "openwop/rocksdb_store.h"
#include "rig.h"
#include "stores/rocksdb/rocksdb_options.h"

namespace openwop::bench {
namespace {

constexpr std::size_t kPayloadBytes = 256;

const std::string& payload() {
  static const std::string text = R"({"text":")" + std::string(kPayloadBytes - 11, 'x') + R"("})";
  return text;
}

Event make_event(std::int64_t now_ms) {
  return {.type = EventType::log_appended, .time_ms = now_ms, .node_id = "step", .payload = payload()};
}

RunId make_run_id(RandomIdSource& ids) { return RunId(ids.next(SystemClock().now_ms())); }

/// One run's log, as a shard keeps it between turns.
class RunLog {
 public:
  explicit RunLog(const RunId& run) : run_(run) {
    marks_.status = RunStatus::running;
    marks_.created_ms = marks_.changed_ms = clock_.now_ms();
    marks_.tenant = "default";
    marks_.workflow_id = "benchmark";
  }

  void create(Store& store) {
    Transaction transaction;
    const LogHead head{.summary = marks_.encode()};
    Log::create(transaction, run_, "{}", {}, head);
    head_row_ = head.encode();
    if (must(store.commit(transaction, Durability::async)) != CommitOutcome::committed) fail("create was refused");
  }

  void append(Transaction& transaction) {
    const Event event = make_event(clock_.now_ms());
    Log::append_events(transaction, run_, head_row_, next_sequence_++, std::span(&event, 1));
  }

 private:
  SystemClock clock_;
  RunId run_;
  runtime::RunMarks marks_;
  std::string head_row_;
  std::uint64_t next_sequence_ = 0;
};

std::vector<RunLog> make_runs(Store& store, std::size_t count) {
  RandomIdSource ids;
  std::vector<RunLog> runs;
  for (std::size_t i = 0; i < count; ++i) runs.emplace_back(make_run_id(ids)).create(store);
  return runs;
}

std::unique_ptr<Store> open_store(const TempFolder& folder) {
  return must(open_rocksdb_store({.path = folder.path()}));
}

/// What the appends of one driving thread share.
struct Driver {
  runtime::GroupCommit& commits;
  Durability durability;
  Window window = {};
  std::size_t appended = 0;

  void append(RunLog& run);
};

class AppendTask final : public runtime::CommitTask {
 public:
  AppendTask(Driver& driver, RunLog& run) : driver_(driver), run_(run) {}
  void finished(const Result<CommitOutcome>& outcome) override {
    if (!outcome || *outcome != CommitOutcome::committed) fail("an append was refused");
    ++driver_.appended;
    if (driver_.window.open()) driver_.append(run_);
  }

 private:
  Driver& driver_;
  RunLog& run_;
};

void Driver::append(RunLog& run) {
  auto task = std::make_unique<AppendTask>(*this, run);
  task->durability = durability;
  run.append(task->transaction);
  commits.submit(std::move(task));
}

/// Runs `work(thread index)` on each of `threads` threads; the sum of what they return for each second.
template <class Work>
double on_threads(std::size_t threads, Work work) {
  std::atomic<std::size_t> done{0};
  const StopWatch watch;
  std::vector<std::thread> running;
  for (std::size_t i = 0; i < threads; ++i) running.emplace_back([&, i] { done += work(i); });
  for (std::thread& thread : running) thread.join();
  return static_cast<double>(done.load()) / watch.seconds();
}

/// The key and the value of the row that one append makes.
class RawRows {
 public:
  explicit RawRows(const RunId& run) : run_(run) {
    const Event event = make_event(SystemClock().now_ms());
    value_ = Log::encode_batch(std::span(&event, 1), 1);
  }
  [[nodiscard]] std::string next_key() { return Log::batch_key(run_, sequence_++); }
  [[nodiscard]] const std::string& value() const { return value_; }

 private:
  RunId run_;
  std::uint64_t sequence_ = 0;
  std::string value_;
};

std::vector<RawRows> make_raw_rows(std::size_t runs) {
  RandomIdSource ids;
  std::vector<RawRows> rows;
  for (std::size_t i = 0; i < runs; ++i) rows.emplace_back(make_run_id(ids));
  return rows;
}

std::unique_ptr<rocksdb::DB> open_raw(const TempFolder& folder) {
  rocksdb::DB* db = nullptr;
  if (!rocksdb::DB::Open(rocks::make_rocksdb_options({}), folder.path(), &db).ok()) fail("cannot open RocksDB");
  return std::unique_ptr<rocksdb::DB>(db);
}

void put_raw(rocksdb::DB& db, const rocksdb::WriteOptions& options, RawRows& rows) {
  if (!db.Put(options, rows.next_key(), rows.value()).ok()) fail("a raw Put failed");
}

rocksdb::WriteOptions write_options(Durability durability) {
  rocksdb::WriteOptions options;
  options.sync = durability == Durability::sync;
  return options;
}

}  // namespace

double append_ours(Durability durability, std::size_t runs) {
  const TempFolder folder;
  const auto store = open_store(folder);
  auto logs = make_runs(*store, runs);
  runtime::GroupCommit commits(*store);
  Driver driver{commits, durability};
  const StopWatch watch;
  for (RunLog& log : logs) driver.append(log);
  while (commits.lead()) {
  }
  return static_cast<double>(driver.appended) / watch.seconds();
}

double append_ours_waiting(Durability durability, std::size_t threads) {
  const TempFolder folder;
  const auto store = open_store(folder);
  auto logs = make_runs(*store, threads);
  runtime::GroupCommit commits(*store);
  const Window window;
  return on_threads(threads, [&](std::size_t i) {
    std::size_t appended = 0;
    for (; window.open(); ++appended) {
      Transaction transaction;
      logs[i].append(transaction);
      if (must(commits.commit_and_wait(std::move(transaction), durability)) != CommitOutcome::committed) {
        fail("an append was refused");
      }
    }
    return appended;
  });
}

double append_raw(Durability durability, std::size_t runs) {
  const TempFolder folder;
  const auto db = open_raw(folder);
  auto rows = make_raw_rows(runs);
  const auto options = write_options(durability);
  const Window window;
  const StopWatch watch;
  std::size_t appended = 0;
  for (; window.open(); ++appended) put_raw(*db, options, rows[appended % runs]);
  return static_cast<double>(appended) / watch.seconds();
}

double append_raw_threads(Durability durability, std::size_t threads) {
  const TempFolder folder;
  const auto db = open_raw(folder);
  auto rows = make_raw_rows(threads);
  const auto options = write_options(durability);
  const Window window;
  return on_threads(threads, [&](std::size_t i) {
    std::size_t appended = 0;
    for (; window.open(); ++appended) put_raw(*db, options, rows[i]);
    return appended;
  });
}

double append_file(std::size_t group) {
  const TempFolder folder;
  const int file = open((folder.path() + "/log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) fail("cannot make a file");
  auto rows = make_raw_rows(1);
  std::string records;
  for (std::size_t i = 0; i < group; ++i) records += rows[0].next_key() + rows[0].value();
  const Window window;
  const StopWatch watch;
  std::size_t appended = 0;
  for (; window.open(); appended += group) {
    if (write(file, records.data(), records.size()) != static_cast<ssize_t>(records.size())) fail("write");
    if (fdatasync(file) != 0) fail("fdatasync");
  }
  const double rate = static_cast<double>(appended) / watch.seconds();
  close(file);
  return rate;
}

}  // namespace openwop::bench
