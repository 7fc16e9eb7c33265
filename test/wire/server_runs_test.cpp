// Runs over real sockets: workflows reach their ends, streams follow them, polls wait for them.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <map>
#include <thread>

#include "openwop/json.h"
#include "support/catch.h"
#include "support/server.h"

using namespace openwop;
using namespace openwop::test;

namespace {

std::vector<std::string> with_workflows(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"--workflows", wire_workflows(), "--fixtures"});
  return arguments;
}

Server& shared_server() {
  static Server server(with_workflows({"--store", "memory", "--test-api-key", "wire-test-key=default", "--api-key",
                                       kServerKey, "--api-key", "wire-other-key=other"}));
  return server;
}

class Stopwatch {
 public:
  [[nodiscard]] std::int64_t ms() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began_).count();
  }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

std::string types_of(const Answer& log) {
  std::string types;
  json::for_each_element(log.at({"events"}), [&](std::string_view event) {
    types += json::as_string(*json::member(event, "type")).value_or("?") + " ";
    return true;
  });
  return types;
}

}  // namespace

TEST_CASE("every kind of workflow reaches its documented end over HTTP", "[wire][server]") {
  const Server& server = shared_server();
  REQUIRE(server.ready());
  const auto end_of = [&](const std::string& workflow, const std::string& inputs = "{}") {
    return server.wait_for_end(server.create_run(workflow, inputs));
  };
  CHECK(end_of("wire-noop").at({"status"}) == "completed");
  CHECK(end_of("wire-echo", R"({"payload":{"x":[1,{"y":2}]}})").at({"variables", "payload"}) == R"({"x":[1,{"y":2}]})");
  CHECK(end_of("wire-sleep", R"({"delayMs":50})").at({"status"}) == "completed");
  CHECK(end_of("wire-fails").at({"error", "code"}) == "conformance_test_failure");
  CHECK(end_of("wire-nonce", R"({"nonce":"n"})").at({"status"}) == "completed");
  CHECK_THAT(end_of("wire-missing-capability").at({"error", "message"}), Catch::Contains("conformance.never-provided"));
  const Answer ttl = end_of("wire-channel-ttl");
  CHECK_THAT(ttl.at({"variables", "entries"}),
             Catch::StartsWith(R"([{"value":"new","_ts":)") && !Catch::Contains("old"));
}

TEST_CASE("a run that exceeds its recursion limit breaches the cap, then fails", "[wire][server]") {
  const Server& server = shared_server();
  const Answer created = server.post("/v1/runs", R"({"workflowId":"wire-steps","configurable":{"recursionLimit":3}})");
  const Answer snapshot = server.wait_for_end(created.at({"runId"}));
  CHECK(snapshot.at({"status"}) == "failed");
  CHECK(snapshot.at({"error", "code"}) == "recursion_limit_exceeded");
  const std::string types = types_of(server.get(created.at({"eventsUrl"})));
  CHECK_THAT(types, Catch::EndsWith("cap.breached run.failed "));
}

TEST_CASE("cancel ends a sleeping run at once", "[wire][server]") {
  const Server& server = shared_server();
  const std::string run = server.create_run("wire-sleep");
  const Stopwatch watch;
  CHECK(server.post("/v1/runs/" + run + "/cancel", "").status == 200);
  CHECK(server.wait_for_end(run).at({"status"}) == "cancelled");
  CHECK(watch.ms() < 2000);
}

TEST_CASE("a stream over HTTP follows a run to its end and is closed by the server", "[wire][server]") {
  const Server& server = shared_server();
  const std::string run = server.create_run("wire-sleep", R"({"delayMs":300})");
  const Stopwatch watch;
  const Answer stream = server.get("/v1/runs/" + run + "/events", {{"Accept", "text/event-stream"}});
  CHECK(stream.status == 200);
  CHECK(watch.ms() < 5000);
  CHECK(stream.header("Content-Type") == "text/event-stream");
  CHECK(stream.header("Content-Length").empty());
  CHECK_THAT(stream.body, Catch::Contains("event: run.started\n") && Catch::Contains("event: run.completed\n"));
  const Answer rest =
      server.get("/v1/runs/" + run + "/events", {{"Accept", "text/event-stream"}, {"Last-Event-ID", "2"}});
  CHECK_THAT(rest.body, Catch::StartsWith("id: 3\n"));
}

TEST_CASE("a batched stream is flushed at the end, long before its window", "[wire][server]") {
  const Server& server = shared_server();
  const std::string run = server.create_run("wire-noop");
  const Stopwatch watch;
  const Answer stream =
      server.get("/v1/runs/" + run + "/events?streamMode=debug&bufferMs=4000", {{"Accept", "text/event-stream"}});
  CHECK(watch.ms() < 2000);
  CHECK_THAT(stream.body, Catch::StartsWith("id: 3\nevent: batch\n"));
}

TEST_CASE("a poll waits for the next event of a live run", "[wire][server]") {
  const Server& server = shared_server();
  const std::string run = server.create_run("wire-sleep", R"({"delayMs":400})");
  const Answer now = server.get("/v1/runs/" + run + "/events/poll");
  CHECK(now.at({"isComplete"}) == "false");
  const Stopwatch watch;
  const Answer later = server.get("/v1/runs/" + run + "/events/poll?lastSequence=1&timeout=20");
  CHECK(watch.ms() < 5000);
  CHECK(later.at({"isComplete"}) == "true");
  CHECK(types_of(later) == "node.completed run.completed ");

  const std::string sleeper = server.create_run("wire-sleep");
  const Stopwatch timeout;
  const Answer nothing = server.get("/v1/runs/" + sleeper + "/events/poll?lastSequence=1&timeout=1");
  CHECK(nothing.body == R"({"events":[],"isComplete":false})");
  CHECK(timeout.ms() >= 900);
  (void)server.post("/v1/runs/" + sleeper + "/cancel", "");
}

TEST_CASE("of many racing creates with one key exactly one takes effect", "[wire][server][idempotency]") {
  const Server& server = shared_server();
  const std::string body = R"({"workflowId":"wire-nonce","inputs":{"nonce":"race"}})";
  std::vector<Answer> answers(16);
  std::vector<std::thread> threads;
  for (Answer& answer : answers) {
    threads.emplace_back([&] { answer = server.post("/v1/runs", body, {{"Idempotency-Key", "race"}}); });
  }
  for (std::thread& thread : threads) thread.join();
  int first = 0;
  for (const Answer& answer : answers) {
    CHECK(answer.status == 201);
    CHECK(answer.body == answers.front().body);
    if (answer.header("openwop-Idempotent-Replay") == "false") ++first;
  }
  CHECK(first == 1);
}

TEST_CASE("tenants do not see each other over HTTP", "[wire][server]") {
  const Server& server = shared_server();
  const std::string run = server.create_run("wire-noop");
  CHECK(server.get("/v1/runs/" + run, {}, "wire-other-key").status == 404);
  CHECK(server.get("/v1/runs/" + run, {}, "no-such-key").status == 401);
  CHECK(server.get("/v1/runs/" + run, {}, "").status == 401);
}

TEST_CASE("a client that leaves a stream frees its place", "[wire][server]") {
  const Server& server = shared_server();
  const std::string run = server.create_run("wire-sleep");
  const std::string request =
      "GET /v1/runs/" + run + "/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + kServerKey + "\r\n\r\n";
  for (int i = 0; i < 20; ++i) {
    CHECK_THAT(server.raw(request, Server::After::keep_open, 50), Catch::StartsWith("HTTP/1.1 200"));
  }
  CHECK(server.get("/.well-known/openwop").status == 200);
  (void)server.post("/v1/runs/" + run + "/cancel", "");
}

TEST_CASE("a thousand open streams cost the server neither threads nor a hundred megabytes",
          "[wire][server][streams]") {
  TempDir folder;
  Server server({"--store", "rocksdb:" + folder.file("data"), "--workflows", wire_workflows()});
  REQUIRE(server.ready());
  const std::string run = server.create_run("wire-sleep");
  constexpr std::size_t kStreams = 1'000;
  std::vector<int> sockets;
  const std::string request = "GET /v1/runs/" + run +
                              "/events?streamMode=debug HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + kServerKey +
                              "\r\n\r\n";
  std::size_t open = 0;
  for (std::size_t i = 0; i < kStreams; ++i) {
    sockets.push_back(server.connect());
    if (sockets.back() < 0) break;
    REQUIRE(::send(sockets.back(), request.data(), request.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(request.size()));
    // The backlog is here once the second event is.
    std::string got;
    std::array<char, 4096> buffer;
    while (got.find("node.started") == std::string::npos) {
      const ssize_t count = ::recv(sockets.back(), buffer.data(), buffer.size(), 0);
      if (count <= 0) break;
      got.append(buffer.data(), static_cast<std::size_t>(count));
    }
    open += got.find("node.started") != std::string::npos ? 1 : 0;
  }
  CHECK(open == kStreams);
  std::map<std::string, long> status;
  std::ifstream file("/proc/" + std::to_string(server.pid()) + "/status");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (colon != std::string::npos) status[line.substr(0, colon)] = std::atol(line.c_str() + colon + 1);
  }
  INFO("VmRSS " << status["VmRSS"] << " kB, threads " << status["Threads"]);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(status["VmRSS"] < 100 * 1024);
#endif
  CHECK(status["Threads"] < 100);
  // All of them hear of the end, and the connection is good for another request.
  CHECK(server.post("/v1/runs/" + run + "/cancel", "{}").status == 200);
  const std::string next = "GET /.well-known/openwop HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  std::size_t told = 0;
  std::size_t reused = 0;
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    std::string got;
    std::array<char, 8192> buffer;
    while (got.find("\r\n0\r\n\r\n") == std::string::npos) {
      const ssize_t count = ::recv(sockets[i], buffer.data(), buffer.size(), 0);
      if (count <= 0) break;
      got.append(buffer.data(), static_cast<std::size_t>(count));
    }
    told += got.find("run.cancelled") != std::string::npos ? 1 : 0;
    if (i % 100 == 0 && ::send(sockets[i], next.data(), next.size(), MSG_NOSIGNAL) > 0) {
      std::string answer;
      for (ssize_t count = 1; (count = ::recv(sockets[i], buffer.data(), buffer.size(), 0)) > 0;) {
        answer.append(buffer.data(), static_cast<std::size_t>(count));
      }
      reused += answer.starts_with("HTTP/1.1 200") ? 1 : 0;
    }
    ::close(sockets[i]);
  }
  CHECK(told == kStreams);
  CHECK(reused > 0);
}
