// kill -9 of the reference server under load over HTTP: a run that was answered with 201 is there after the restart,
// and reaches its end.
#include <atomic>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "crash/crash_workflows.h"
#include "openwop/json.h"
#include "support/catch.h"
#include "support/server.h"

namespace openwop::test {
namespace {

struct Answered {
  std::mutex mutex;
  std::set<std::string> runs;
  std::map<std::string, std::string> cancels;  // run -> status as answered
  std::atomic<std::size_t> count{0};

  void add_run(const std::string& run) {
    const std::lock_guard lock(mutex);
    runs.insert(run);
    count.fetch_add(1);
    count.notify_all();
  }
  void add_cancel(const std::string& run, const std::string& status) {
    const std::lock_guard lock(mutex);
    cancels.emplace(run, status);
  }
};

/// One caller, until the server is gone.
void load(const Server& server, std::uint64_t seed, Answered& answered) {
  std::mt19937_64 random(seed);
  const auto client = server.client();
  while (true) {
    const std::string body = R"({"workflowId":")" +
                             std::string(kCrashWorkflowIds[random() % kCrashWorkflowIds.size()]) + R"(","inputs":{}})";
    const auto created = client->Post("/v1/runs", body, "application/json");
    if (!created) break;
    if (created->status != 201) continue;
    const std::string run = Answer{.body = created->body}.at({"runId"});
    answered.add_run(run);
    if (random() % 8 != 0) continue;
    const auto cancelled = client->Post("/v1/runs/" + run + "/cancel", "{}", "application/json");
    if (!cancelled) break;
    if (cancelled->status == 200) answered.add_cancel(run, Answer{.body = cancelled->body}.at({"status"}));
  }
  // Whoever waits for answers must not wait for a server that is gone.
  answered.count.fetch_add(1'000'000);
  answered.count.notify_all();
}

void wait_until(const Answered& answered, std::size_t count) {
  for (std::size_t seen = answered.count.load(); seen < count; seen = answered.count.load()) answered.count.wait(seen);
}

void check_log(const Server& server, const std::string& run) {
  const Answer events = server.get("/v1/runs/" + run + "/events/poll?timeout=1");
  INFO(run << ": " << events.body.substr(0, 300));
  REQUIRE(events.status == 200);
  std::int64_t expected = 0;
  int terminal = 0;
  json::for_each_element(json::member(events.body, "events").value_or("[]"), [&](std::string_view event) {
    CHECK(json::as_int(json::member(event, "sequence").value_or("-1")) == expected++);
    const std::string type = json::as_string(json::member(event, "type").value_or("null")).value_or("");
    if (type == "run.completed" || type == "run.failed" || type == "run.cancelled") ++terminal;
    return true;
  });
  CHECK(expected > 0);
  CHECK(terminal == 1);
}

void check_all(const Server& server, const Answered& answered) {
  for (const std::string& run : answered.runs) {
    const Answer snapshot = server.wait_for_end(run, 30'000);
    INFO(run << ": " << snapshot.body);
    CHECK(snapshot.status == 200);
    const std::string status = snapshot.at({"status"});
    CHECK((status == "completed" || status == "cancelled"));
    const auto cancel = answered.cancels.find(run);
    if (cancel != answered.cancels.end()) CHECK(status == cancel->second);
    check_log(server, run);
  }
}

TEST_CASE("after kill -9 of the server every run answered with 201 is there and reaches its end", "[crash][server]") {
  const TempDir files;
  for (const char* id : kCrashWorkflowIds) std::ofstream(files.file(std::string(id) + ".json")) << crash_workflow(id);
  const std::vector<std::string> arguments = {"--store", "rocksdb:" + files.file("store"), "--workflows",
                                              files.path().string()};
  Answered answered;
  std::mt19937 random(20'250'102);
  constexpr int kRounds = 50;
  for (int round = 0; round < kRounds; ++round) {
    Server server(arguments);
    INFO(server.log());
    REQUIRE(server.ready());
    answered.count.store(0);
    std::vector<std::thread> callers;
    for (std::uint64_t i = 0; i < 3; ++i) {
      callers.emplace_back([&, i, round] { load(server, i + 10 * static_cast<std::uint64_t>(round), answered); });
    }
    wait_until(answered, 1 + random() % 60);
    server.kill();
    for (std::thread& caller : callers) caller.join();
  }
  Server server(arguments);
  INFO(server.log());
  REQUIRE(server.ready());
  check_all(server, answered);
  WARN(answered.runs.size() << " runs answered with 201, " << answered.cancels.size() << " cancels");
}

}  // namespace
}  // namespace openwop::test
