// Webhooks of a server that is killed: with retries, no event of an acknowledged run is lost.
#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "openwop/json.h"
#include "outbound/http_receiver.h"
#include "support/server.h"

using namespace openwop;
using namespace openwop::test;

TEST_CASE("with retries, every event reaches the receiver although the server is killed again and again", "[crash]") {
  std::mutex mutex;
  std::map<std::string, std::set<std::string>> seen;  // run -> sequences
  HttpReceiver receiver;
  receiver.server.Post("/in", [&](const httplib::Request& request, httplib::Response& response) {
    const auto run = json::member(request.body, "runId");
    const auto event = json::member(request.body, "event");
    const std::lock_guard lock(mutex);
    if (run && event) seen[json::as_string(*run).value_or("")].emplace(json::member(*event, "sequence").value_or(""));
    response.status = 204;
  });
  receiver.start();

  const TempDir folder;
  const std::vector<std::string> arguments = {
      "--store", "rocksdb:" + folder.file("data"), "--workflows", wire_workflows(), "--webhook-retries",
      "10",      "--webhook-allow-private"};
  std::vector<std::string> acknowledged;
  constexpr int kRounds = 5;
  constexpr int kRunsPerRound = 20;
  for (int round = 0; round < kRounds; ++round) {
    Server server(arguments);
    REQUIRE(server.ready());
    if (round == 0) {
      const Answer made =
          server.post("/v1/webhooks", R"({"url":")" + receiver.url("/in") +
                                          R"(","events":["run.started","node.completed","run.completed"]})");
      REQUIRE(made.status == 201);
    }
    for (int i = 0; i < kRunsPerRound; ++i) {
      const std::string run = server.create_run("wire-noop");
      if (!run.empty()) acknowledged.push_back(run);
    }
    server.kill();
  }
  REQUIRE(acknowledged.size() == std::size_t{kRounds} * kRunsPerRound);

  Server server(arguments);
  REQUIRE(server.ready());
  const auto complete = [&] {
    const std::lock_guard lock(mutex);
    return std::all_of(acknowledged.begin(), acknowledged.end(), [&](const std::string& run) {
      return seen.contains(run) && seen[run] == std::set<std::string>{"0", "2", "3"};
    });
  };
  for (int i = 0; i < 3'000 && !complete(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(complete());
  const Answer audit = server.get("/v1/audit/verify");
  CHECK(audit.at({"chainValid"}) == "true");
  CHECK(server.terminate() == 0);
}
