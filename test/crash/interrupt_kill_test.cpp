// kill -9 of the reference server while interrupts are answered: an answer with 200 has taken effect for ever, and what
// still waits keeps its question, its token and its place in the inbox.
#include <atomic>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "crash/crash_workflows.h"
#include "support/catch.h"
#include "support/server.h"

namespace openwop::test {
namespace {

constexpr const char* kAccept = R"({"resumeValue":{"action":"accept"}})";

struct Answers {
  std::mutex mutex;
  std::set<std::string> waiting;
  std::set<std::string> accepted;
};

/// Creates runs and answers some of them, until the server is gone.
void load(const Server& server, std::uint64_t seed, Answers& answers, std::atomic<std::size_t>& count) {
  std::mt19937_64 random(seed);
  const auto client = server.client();
  while (true) {
    const auto created = client->Post("/v1/runs", R"({"workflowId":"crash-gate"})", "application/json");
    if (!created) break;
    const std::string run = Answer{.body = created->body}.at({"runId"});
    if (created->status == 201) {
      const std::lock_guard lock(answers.mutex);
      answers.waiting.insert(run);
    }
    count.fetch_add(1);
    count.notify_all();
    if (created->status != 201 || random() % 3 == 0) continue;
    const auto accepted = client->Post("/v1/runs/" + run + "/interrupts/gate", kAccept, "application/json");
    if (!accepted) break;
    const std::lock_guard lock(answers.mutex);
    if (accepted->status == 200) answers.accepted.insert(run);
  }
  count.fetch_add(1'000'000);
  count.notify_all();
}

TEST_CASE("after kill -9 of the server an accepted answer has taken effect, and the others can still be given",
          "[crash][server]") {
  const TempDir files;
  std::ofstream(files.file("gate.json"))
      << R"({"id":"crash-gate","name":"c","version":"1","nodes":[)" + crash_node("gate", "core.approvalGate") +
             R"(],"edges":[],"triggers":[],"variables":[],"metadata":{},"settings":{}})";
  const std::vector<std::string> arguments = {"--store", "rocksdb:" + files.file("store"), "--workflows",
                                              files.path().string()};
  Answers answers;
  std::mt19937 random(20'260'303);
  constexpr int kRounds = 15;
  for (int round = 0; round < kRounds; ++round) {
    Server server(arguments);
    INFO(server.log());
    REQUIRE(server.ready());
    std::atomic<std::size_t> count{0};
    std::vector<std::thread> callers;
    for (std::uint64_t i = 0; i < 3; ++i) {
      callers.emplace_back([&, i, round] { load(server, i + 10 * static_cast<std::uint64_t>(round), answers, count); });
    }
    const std::size_t enough = 1 + random() % 60;
    for (std::size_t seen = count.load(); seen < enough; seen = count.load()) count.wait(seen);
    server.kill();
    for (std::thread& caller : callers) caller.join();
  }
  Server server(arguments);
  REQUIRE(server.ready());
  std::size_t still_waiting = 0;
  for (const std::string& run : answers.waiting) {
    const Answer snapshot = server.get("/v1/runs/" + run);
    INFO(run << ": " << snapshot.body);
    const std::string status = snapshot.at({"status"});
    CHECK((status == "completed" || status == "waiting-approval"));
    if (answers.accepted.contains(run)) CHECK(status == "completed");
    if (status != "waiting-approval") continue;
    ++still_waiting;
    const std::string token = snapshot.at({"interrupt", "interruptToken"});
    CHECK(server.post("/v1/interrupts/" + token, kAccept, {}, "").status == 200);
    CHECK(server.post("/v1/runs/" + run + "/interrupts/gate", kAccept).status == 409);
  }
  // Runs whose creation was cut off may wait too; those that were answered must not be listed any more.
  const std::string inbox = server.get("/v1/interrupts?limit=1000").body;
  for (const std::string& run : answers.waiting) CHECK(inbox.find(run) == std::string::npos);
  WARN(answers.accepted.size() << " answers accepted before a kill, " << still_waiting << " runs still waited");
}

}  // namespace
}  // namespace openwop::test
