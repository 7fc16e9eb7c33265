// The power goes at any operation of the file system: what was acknowledged as synced is there afterwards, whatever the
// disk made of the rest, and no commit is there by halves.
#include <rocksdb/env.h>
#include <rocksdb/system_clock.h>

#include <array>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "crash/crash_workflows.h"
#include "crash/power_loss_fs.h"
#include "openwop/engine.h"
#include "openwop/rocksdb_store.h"
#include "openwop/store_check.h"
#include "support/catch.h"
#include "support/temp_dir.h"

namespace openwop::test {
namespace {

constexpr std::array kTails = {PowerLossFs::Tail::gone, PowerLossFs::Tail::torn, PowerLossFs::Tail::garbled};

/// RocksDB's threads sleep a second whenever they meet an error.
class NoSleepClock final : public rocksdb::SystemClockWrapper {
 public:
  using SystemClockWrapper::SystemClockWrapper;
  const char* Name() const override { return "NoSleepClock"; }
  void SleepForMicroseconds(int) override { std::this_thread::yield(); }
};

class PowerLossEnv final : public rocksdb::EnvWrapper {
 public:
  explicit PowerLossEnv(const std::shared_ptr<PowerLossFs>& fs) : EnvWrapper(rocksdb::Env::Default()) {
    file_system_ = fs;
    system_clock_ = std::make_shared<NoSleepClock>(rocksdb::SystemClock::Default());
  }
};

struct Machine {
  std::shared_ptr<PowerLossFs> fs = std::make_shared<PowerLossFs>();
  std::unique_ptr<rocksdb::Env> env = std::make_unique<PowerLossEnv>(fs);
  TempDir folder;

  Result<std::unique_ptr<Store>> open() {
    // Small buffers, so that the power also goes in flushes and compactions.
    return open_rocksdb_store(
        {.path = folder.file("store"), .write_buffer_bytes = 64 << 10, .max_wal_bytes = 128 << 10, .env = env.get()});
  }
};

std::string row_key(std::uint32_t n) {
  const auto digits = std::to_string(n);
  return "row" + std::string(10 - digits.size(), '0') + digits;
}

std::uint32_t head_of(const Store& store) {
  const auto head = store.get("head");
  REQUIRE(head.ok());
  return *head ? static_cast<std::uint32_t>(std::stoul(**head)) : 0;
}

/// Commits until the power is gone; the last that was acknowledged.
std::uint32_t commit_rows(Store& store, std::uint32_t after) {
  for (std::uint32_t n = after + 1;; ++n) {
    Transaction transaction;
    if (n == 1) transaction.require_absent("head");
    if (n > 1) transaction.require_equals("head", std::to_string(n - 1));
    transaction.put("head", std::to_string(n));
    transaction.put(row_key(n), std::string(n % 3'000, 'v'));
    const Transaction* const group[] = {&transaction};
    const auto outcome = store.commit(group, Durability::sync);
    if (!outcome) return n - 1;
    REQUIRE(outcome->front() == CommitOutcome::committed);
  }
}

void check_rows(const Store& store, std::uint32_t acknowledged) {
  const std::uint32_t head = head_of(store);
  CHECK(head >= acknowledged);
  // The one whose sync met the loss may be there; no other was begun.
  CHECK(head <= acknowledged + 1);
  std::uint32_t n = 0;
  const auto scanned = store.scan({.begin = "row", .end = "rox"}, [&](std::string_view key, std::string_view value) {
    ++n;
    CHECK(key == row_key(n));
    CHECK(value == std::string(n % 3'000, 'v'));
    return true;
  });
  CHECK(scanned.ok());
  CHECK(n == head);
}

}  // namespace

TEST_CASE("a store whose power goes at any operation has every commit that was acknowledged", "[crash][rocksdb]") {
  std::mt19937 random(20'261'129);
  std::uint32_t losses = 0;
  for (const auto tail : kTails) {
    Machine machine;
    std::uint32_t acknowledged = 0;
    for (int round = 0; round < 40; ++round) {
      INFO("tail " << static_cast<int>(tail) << ", round " << round);
      // Early ones hit the opening itself, which replays a log and writes tables.
      machine.fs->lose_power_at(1 + random() % (round % 4 == 0 ? 60 : 2'000));
      {
        auto store = machine.open();
        if (store) acknowledged = commit_rows(**store, head_of(**store));
      }
      REQUIRE(machine.fs->is_off());
      ++losses;
      machine.fs->restart(tail, random);
      auto store = machine.open();
      INFO((store.ok() ? std::string() : store.error().message));
      REQUIRE(store.ok());
      check_rows(**store, acknowledged);
      acknowledged = head_of(**store);
    }
    CHECK(acknowledged > 1'000);
  }
  CHECK(losses == 120);
}

TEST_CASE("an engine whose power goes at any operation has every run that was acknowledged", "[crash][rocksdb]") {
  std::mt19937 random(7);
  for (const auto tail : kTails) {
    Machine machine;
    std::set<RunId> acknowledged;
    std::set<RunId> cancelled;
    const auto clock = std::make_shared<ManualClock>(1'700'000'000'000);
    const auto ids = std::make_shared<RandomIdSource>(3);
    const auto open_engine = [&](std::shared_ptr<Store> store) {
      EngineOptions options{.store = std::move(store)};
      add_builtin_nodes(options.nodes);
      options.threads = 0;
      options.clock = clock;
      options.ids = ids;
      options.max_events_per_commit = 6;
      return Engine::open(std::move(options));
    };
    for (int round = 0; round < 15; ++round) {
      INFO("tail " << static_cast<int>(tail) << ", round " << round);
      machine.fs->lose_power_at(1 + random() % 1'500);
      {
        auto store = machine.open();
        auto engine = store ? open_engine(*std::move(store)) : Result<std::unique_ptr<Engine>>(store.error());
        bool works = engine.ok();
        for (const char* id : kCrashWorkflowIds) {
          if (works) works = (*engine)->register_workflow(crash_workflow(id)).ok();
        }
        while (works && !machine.fs->is_off()) {
          const auto run = (*engine)->create_run({.workflow_id = kCrashWorkflowIds[random() % 3]});
          if (run) acknowledged.insert(run->run_id);
          if (run && random() % 8 == 0) {
            const auto status = (*engine)->cancel_run({.run_id = run->run_id});
            if (status && *status == RunStatus::cancelled) cancelled.insert(run->run_id);
          }
          clock->advance(1);
          (*engine)->tick(clock->now_ms());
        }
      }
      machine.fs->restart(tail, random);
      auto opened = machine.open();
      INFO((opened.ok() ? std::string() : opened.error().message));
      REQUIRE(opened.ok());
      const std::shared_ptr<Store> store = *std::move(opened);
      const auto summary = check_store(
          {.store = store, .on_finding = [](const StoreFinding& finding) { UNSCOPED_INFO(finding.to_json()); }});
      REQUIRE(summary.ok());
      CHECK(summary->findings == 0);
      auto engine = open_engine(store);
      REQUIRE(engine.ok());
      for (const RunId& run : acknowledged) {
        const auto view = (*engine)->run("default", run);
        REQUIRE(view.ok());
        if (cancelled.contains(run)) CHECK(view->state.status == RunStatus::cancelled);
      }
    }
    CHECK(acknowledged.size() > 200);
    CHECK_FALSE(cancelled.empty());
    auto store = machine.open();
    REQUIRE(store.ok());
    auto engine = open_engine(*std::move(store));
    REQUIRE(engine.ok());
    for (int i = 0; i < 100; ++i) {
      clock->advance(60'000);
      (*engine)->tick(clock->now_ms());
    }
    for (const RunId& run : acknowledged) CHECK(is_terminal((*engine)->run("default", run)->state.status));
  }
}

}  // namespace openwop::test
