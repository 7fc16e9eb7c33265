// kill -9 of a process whose engine works on RocksDB: every acknowledged run is there afterwards and reaches its end;
// every acknowledged cancel holds.
//
// The victim is this same test program, started anew (a fork alone would copy RocksDB's state without its threads) to
// run the hidden test below. It reports each acknowledgement on a pipe, after the engine gave it.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "crash/crash_workflows.h"
#include "openwop/engine.h"
#include "openwop/ledger.h"
#include "openwop/rocksdb_store.h"
#include "support/catch.h"
#include "support/temp_dir.h"

namespace openwop::test {
namespace {

constexpr const char* kFolderVariable = "OPENWOP_TEST_ENGINE_FOLDER";
constexpr const char* kVictim = "the engine that the kill test kills";
constexpr int kReportDescriptor = 3;
constexpr std::int64_t kWaitMs = 60'000;

/// One write of fewer than PIPE_BUF bytes: whole or not at all, also from several threads.
struct Report {
  char what = 'r';  // r: run acknowledged, c: cancel acknowledged
  char status = 0;
  RunId run;
};

NodeRegistry crash_nodes() {
  NodeRegistry registry;
  add_builtin_nodes(registry);
  // A recorded effect and a row of the host's own, on the executor.
  registry.add({"crash.work", SyncHandler([](NodeContext& context) -> NodeOutcome {
                  const auto receipt = context.step("charge", [] { return Result<std::string>("receipt"); });
                  if (!receipt) return Failure{"try_again", receipt.error().message, {}, true};
                  NodeCompleted completed;
                  completed.host_writes.push_back({"done/" + context.invocation().run_id.text(), "1"});
                  return completed;
                })});
  return registry;
}

const std::string kWorkWorkflow = R"({"id":"crash-work","name":"c","version":"1","nodes":[)" +
                                  crash_node("a", "crash.work") + "," + crash_node("b", "core.delay", R"({"ms":5})") +
                                  "," + crash_node("c", "crash.work") + R"(],"edges":[)" + crash_edge("a", "b") + "," +
                                  crash_edge("b", "c") +
                                  R"(],"triggers":[],"variables":[],"metadata":{},"settings":{"maxRetries":3}})";

std::unique_ptr<Engine> open_engine(const std::string& folder) {
  auto store = open_rocksdb_store({.path = folder, .write_buffer_bytes = 256 << 10});
  if (!store) FAIL(store.error().message);
  EngineOptions options{.store = std::move(*store)};
  options.nodes = crash_nodes();
  options.threads = 2;
  options.executor_threads = 2;
  // Small, so that kills also meet runs that are split over several commits.
  options.max_events_per_commit = 6;
  auto engine = Engine::open(std::move(options));
  if (!engine) FAIL(engine.error().message);
  for (const char* id : kCrashWorkflowIds) REQUIRE((*engine)->register_workflow(crash_workflow(id)));
  REQUIRE((*engine)->register_workflow(kWorkWorkflow));
  return std::move(*engine);
}

/// Creates runs as fast as the engine lets it, cancels some, and reports every acknowledgement.
void load(Engine& engine, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto send = [](const Report& report) {
    if (::write(kReportDescriptor, &report, sizeof report) != sizeof report) ::_exit(0);
  };
  for (std::uint64_t n = 0;; ++n) {
    const std::uint64_t kind = random() % 4;
    auto created = engine.create_run({.workflow_id = kind == 3 ? "crash-work" : kCrashWorkflowIds[kind]});
    if (!created) ::_exit(1);
    send({'r', 0, created->run_id});
    if (random() % 8 != 0) continue;
    const auto status = engine.cancel_run({.run_id = created->run_id, .reason = "test"});
    if (status) send({'c', static_cast<char>(*status), created->run_id});
  }
}

TEST_CASE("the engine that the kill test kills", "[.]") {
  const char* folder = std::getenv(kFolderVariable);
  if (folder == nullptr) return;
  const auto engine = open_engine(folder);
  std::vector<std::thread> callers;
  for (std::uint64_t i = 0; i < 4; ++i) callers.emplace_back([&, i] { load(*engine, i); });
  for (std::thread& caller : callers) caller.join();
}

class VictimProcess {
 public:
  explicit VictimProcess(const std::string& folder) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    ::setenv(kFolderVariable, folder.c_str(), 1);
    process_ = ::fork();
    REQUIRE(process_ >= 0);
    if (process_ == 0) {
      ::dup2(ends[1], kReportDescriptor);
      ::execl("/proc/self/exe", "victim", kVictim, nullptr);
      ::_exit(1);
    }
    ::close(ends[1]);
    reports_ = ends[0];
  }
  VictimProcess(const VictimProcess&) = delete;
  VictimProcess& operator=(const VictimProcess&) = delete;
  ~VictimProcess() {
    kill_and_wait();
    ::close(reports_);
  }

  /// The next acknowledgement; nothing once the victim is gone.
  std::optional<Report> next() {
    Report report;
    if (::read(reports_, &report, sizeof report) != sizeof report) return std::nullopt;
    return report;
  }

  void kill_and_wait() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
  }

 private:
  pid_t process_ = -1;
  int reports_ = -1;
};

struct Acknowledged {
  std::set<RunId> runs;
  std::map<RunId, RunStatus> cancels;

  void add(const Report& report) {
    if (report.what == 'r') runs.insert(report.run);
    if (report.what == 'c') cancels.emplace(report.run, static_cast<RunStatus>(report.status));
  }
};

void wait_for_end(Engine& engine, const RunId& run) {
  auto subscription = engine.subscribe("default", run, 0);
  if (!subscription) FAIL(subscription.error().message);
  while (!(*subscription)->complete()) {
    const auto read = (*subscription)->read(1'000, [](const EventView&) { return true; });
    REQUIRE(read);
    if (*read == 0) REQUIRE((*subscription)->wait(kWaitMs));
  }
}

/// Gapless from 0, one terminal event, the last.
RunStatus check_log(const Engine& engine, const RunId& run) {
  std::uint64_t expected = 0;
  int terminal = 0;
  bool last_is_terminal = false;
  const auto read = engine.read_events("default", run, 0, [&](const EventView& event) {
    CHECK(event.sequence == expected++);
    last_is_terminal = is_terminal(event.type);
    terminal += last_is_terminal ? 1 : 0;
    return true;
  });
  INFO(run.text());
  REQUIRE(read);
  CHECK(terminal == 1);
  CHECK(last_is_terminal);
  const auto view = engine.run("default", run);
  REQUIRE(view);
  return view->state.status;
}

/// Everything that any process acknowledged is there and ends well. Gives the number of runs, unacknowledged included.
std::size_t check_all(const std::string& folder, const Acknowledged& acknowledged) {
  const auto engine = open_engine(folder);
  std::size_t count = 0;
  std::set<RunId> found;
  std::string cursor;
  do {
    const auto page = engine->list_runs({}, cursor, 1'000);
    REQUIRE(page);
    for (const RunSummary& run : page->runs) found.insert(run.run_id);
    cursor = page->cursor;
  } while (!cursor.empty());
  for (const RunId& run : acknowledged.runs) CHECK(found.contains(run));
  for (const RunId& run : found) {
    wait_for_end(*engine, run);
    const RunStatus status = check_log(*engine, run);
    const auto cancel = acknowledged.cancels.find(run);
    if (cancel != acknowledged.cancels.end()) CHECK(status == cancel->second);
    if (status == RunStatus::failed) FAIL_CHECK("run " << run.text() << " failed");
    const auto row = engine->host_get("done/" + run.text());
    REQUIRE(row);
    const auto view = engine->run("default", run);
    const bool works = view->header.workflow_id == "crash-work" && status == RunStatus::completed;
    if (works) CHECK(row->has_value());
    ++count;
  }
  return count;
}

std::size_t rounds() {
  const char* text = std::getenv("OPENWOP_KILL_ROUNDS");
  return text == nullptr ? 50 : std::strtoul(text, nullptr, 10);
}

TEST_CASE("after kill -9 every acknowledged run is there and reaches its end", "[crash][engine]") {
  const TempDir files;
  const std::string folder = files.file("store");
  Acknowledged acknowledged;
  std::mt19937 random(20'250'101);
  for (std::size_t round = 0; round < rounds(); ++round) {
    VictimProcess victim(folder);
    for (auto left = 1 + random() % 120; left > 0; --left) {
      const auto report = victim.next();
      REQUIRE(report);
      acknowledged.add(*report);
    }
    victim.kill_and_wait();
    while (const auto report = victim.next()) acknowledged.add(*report);
    // Most rounds kill a process that has just recovered from the kill before.
    if (round % 10 == 9) check_all(folder, acknowledged);
  }
  const std::size_t runs = check_all(folder, acknowledged);
  CHECK(runs >= acknowledged.runs.size());
  WARN(acknowledged.runs.size() << " acknowledged of " << runs << " runs, " << acknowledged.cancels.size()
                                << " cancels");
}

}  // namespace
}  // namespace openwop::test
