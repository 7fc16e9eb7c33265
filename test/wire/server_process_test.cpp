// The server as a process: start, stop, restart, its key, its configuration, and clients that misbehave.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "openwop/hash.h"
#include "openwop/json.h"
#include "support/catch.h"
#include "support/server.h"

using namespace openwop;
using namespace openwop::test;

namespace {

std::vector<std::string> on_folder(const std::string& folder, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"--store", "rocksdb:" + folder, "--workflows", wire_workflows(), "--fixtures"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::string request_line(const std::string& line) {
  return line + "\r\nHost: x\r\nAuthorization: Bearer " + kServerKey + "\r\n";
}

void write_file(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

}  // namespace

TEST_CASE("the server says on stdout that it listens, and nothing else", "[wire][server]") {
  Server server;
  REQUIRE(server.ready());
  CHECK(server.output() == "{\"listening\":\"http://127.0.0.1:" + std::to_string(server.port()) + "\"}\n");
  CHECK(server.terminate() == 0);
  CHECK_THAT(server.log(), Catch::Contains("draining") && !Catch::Contains(kServerKey));
}

TEST_CASE("SIGTERM ends open streams and polls properly and exits 0", "[wire][server]") {
  TempDir folder;
  Server server(on_folder(folder.file("data")));
  REQUIRE(server.ready());
  const std::string run = server.create_run("wire-sleep");
  Answer stream;
  Answer poll;
  std::thread streaming([&] { stream = server.get("/v1/runs/" + run + "/events", {{"Accept", "text/event-stream"}}); });
  std::thread polling([&] { poll = server.get("/v1/runs/" + run + "/events/poll?lastSequence=1&timeout=60"); });
  const int idle = server.connect();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(server.terminate() == 0);
  streaming.join();
  polling.join();
  ::close(idle);
  CHECK(stream.status == 200);
  CHECK_THAT(stream.body, Catch::Contains("run.started"));
  CHECK(poll.body == R"({"events":[],"isComplete":false})");
}

TEST_CASE("runs, keys and idempotency survive restarts, graceful and not", "[wire][server]") {
  TempDir folder;
  const std::string body = R"({"workflowId":"wire-noop"})";
  std::string finished;
  std::string sleeping;
  std::string keyed;
  {
    Server server(on_folder(folder.file("data")));
    REQUIRE(server.ready());
    finished = server.create_run("wire-noop");
    sleeping = server.create_run("wire-sleep", R"({"delayMs":1000})");
    keyed = server.post("/v1/runs", body, {{"Idempotency-Key", "k"}}).body;
    CHECK(server.wait_for_end(finished).at({"status"}) == "completed");
    server.kill();
  }
  {
    Server server(on_folder(folder.file("data")));
    REQUIRE(server.ready());
    CHECK(server.get("/v1/runs/" + finished).at({"status"}) == "completed");
    CHECK(server.post("/v1/runs", body, {{"Idempotency-Key", "k"}}).body == keyed);
    CHECK(server.wait_for_end(sleeping).at({"status"}) == "completed");
    CHECK(server.terminate() == 0);
  }
  Server server(on_folder(folder.file("data")));
  CHECK(server.get("/v1/runs/" + sleeping + "/events").at({"isComplete"}) == "true");
}

TEST_CASE("a second server on the same folder or port fails and says why", "[wire][server]") {
  TempDir folder;
  Server first(on_folder(folder.file("data")));
  REQUIRE(first.ready());
  Server same_folder(on_folder(folder.file("data")));
  CHECK_FALSE(same_folder.ready());
  CHECK(same_folder.wait_for_exit() == 1);
  CHECK_THAT(same_folder.log(), Catch::Contains("store_locked"));
  Server same_port({"--store", "memory", "--listen", "127.0.0.1:" + std::to_string(first.port())});
  CHECK_FALSE(same_port.ready());
  CHECK(same_port.wait_for_exit() == 1);
  CHECK_THAT(same_port.log(), Catch::Contains("cannot listen"));
  CHECK(first.get("/.well-known/openwop").status == 200);
}

TEST_CASE("without a key the server makes one, tells it once on stderr and keeps its hash", "[wire][server]") {
  TempDir folder;
  const std::string path = folder.file("data/api-keys.json");
  std::string key;
  for (int start = 0; start < 2; ++start) {
    Server server(on_folder(folder.file("data"), {"--own-key"}));
    REQUIRE(server.ready());
    const std::string log = server.log();
    CHECK_THAT(log, Catch::Contains("curl -sN"));
    if (start == 0) {
      const auto at = log.find("owp_");
      REQUIRE(at != std::string::npos);
      key = log.substr(at, log.find('\n', at) - at);
      CHECK(key.size() > 32);
    } else {
      CHECK_THAT(log, Catch::Contains("api-keys.json") && Catch::Contains("Bearer $KEY"));
      CHECK(log.find(key) == std::string::npos);
    }
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600U);
    std::ostringstream kept;
    kept << std::ifstream(path).rdbuf();
    CHECK(kept.str().find(key) == std::string::npos);
    CHECK_THAT(kept.str(), Catch::Contains(sha256_hex(key)));
    CHECK(server.output().find(key) == std::string::npos);
    CHECK(server.get("/v1/runs", {}, key).status == 200);
    CHECK(server.get("/v1/runs", {}, kServerKey).status == 401);
    CHECK(server.terminate() == 0);
  }
}

TEST_CASE("workflows that do not validate are reported by file, place and reason; the others are served",
          "[wire][server]") {
  TempDir folder;
  write_file(folder.file("a-broken.json"), "{");
  write_file(
      folder.file("b-unknown.json"),
      R"({"id":"u","name":"u","version":"1","nodes":[{"id":"n","typeId":"acme.unknown","name":"n","position":{"x":0,"y":0},"config":{},"inputs":{}}],"edges":[],"triggers":[],"variables":[],"metadata":{},"settings":{"timeout":0}})");
  Server server(
      {"--store", "memory", "--workflows", folder.path().string(), "--workflows", wire_workflows(), "--fixtures"});
  REQUIRE(server.ready());
  CHECK_THAT(server.log(), Catch::Contains("a-broken.json") && Catch::Contains("b-unknown.json") &&
                               Catch::Contains("/nodes/0/typeId") && Catch::Contains("acme.unknown"));
  CHECK_THAT(server.log(), Catch::Contains(R"("loaded":9,"changed":9,"refused":2)"));
  CHECK(server.get("/v1/workflows/wire-noop").status == 200);
}

TEST_CASE("flags win over the environment, that over the file", "[wire][server]") {
  TempDir folder;
  write_file(folder.file("config.json"),
             R"({"store":"memory","public-url":"http://file/","threads":1,"api-key":["file-key"]})");
  ::setenv("OPENWOP_PUBLIC_URL", "http://environment", 1);
  const Server server({"--config", folder.file("config.json"), "--workflows", wire_workflows(), "--fixtures"});
  ::unsetenv("OPENWOP_PUBLIC_URL");
  REQUIRE(server.ready());
  CHECK(server.get("/v1/runs", {}, "file-key").status == 401);
  CHECK_THAT(server.post("/v1/runs", R"({"workflowId":"wire-noop"})").at({"eventsUrl"}),
             Catch::StartsWith("http://environment/v1/runs/"));
}

TEST_CASE("bad configuration is refused without repeating keys", "[wire][server]") {
  const std::vector<std::vector<std::string>> table = {
      {"--store", "disk"},           {"--listen", "nowhere"},     {"--threads", "0"},
      {"--durability", "maybe"},     {"--log-level", "loud"},     {"--bogus"},
      {"--config", "/no/such.json"}, {"--workflows", "/no/such"}, {"--api-key", "s3cret=t:no:scope"},
      {"--api-keys=s3cret"}};
  for (std::vector<std::string> arguments : table) {
    INFO(arguments.front());
    if (arguments.front() != "--store") arguments.insert(arguments.end(), {"--store", "memory"});
    Server server(arguments);
    CHECK_FALSE(server.ready());
    CHECK(server.wait_for_exit() == 1);
    CHECK_THAT(server.log(), Catch::Contains(R"("level":"error")") && !Catch::Contains("s3cret"));
  }
}

TEST_CASE("options of a cluster that cannot work are refused, with what is missing", "[wire][server][cluster]") {
  const std::string database = "postgres:host=/no/such/folder";
  const std::vector<std::pair<std::vector<std::string>, const char*>> table = {
      {{"--store", "memory"}, "--cluster needs --store postgres:DSN"},
      {{"--store", database, "--listen", "127.0.0.1:0"}, "--host-address URL"},
      {{"--store", database, "--listen", "0.0.0.0:8080"}, "--host-address URL"},
      {{"--store", database, "--host-address", "10.0.0.7:8080"}, "--host-address URL"},
      {{"--store", database, "--claim-ttl-ms", "1000", "--heartbeat-ms", "501"}, "at most half of --claim-ttl-ms"},
      {{"--store", database, "--heartbeat-ms", "0"}, "--heartbeat-ms has to be a whole number"}};
  for (auto [arguments, message] : table) {
    INFO(message);
    arguments.emplace_back("--cluster");
    Server server(arguments);
    CHECK_FALSE(server.ready());
    CHECK(server.wait_for_exit() == 1);
    CHECK_THAT(server.log(), Catch::Contains(message));
  }
}

TEST_CASE("what is no proper request gets an envelope and a closed connection", "[wire][server]") {
  const Server server;
  REQUIRE(server.ready());
  const auto answer = [&](const std::string& bytes) { return server.raw(bytes, Server::After::shut_down); };
  CHECK_THAT(answer("hello\r\n\r\n"),
             Catch::StartsWith("HTTP/1.1 400") && Catch::Contains(R"("error":"validation_error")"));
  CHECK_THAT(answer("GET /v1/runs HTTP/9.9\r\n\r\n"), Catch::StartsWith("HTTP/1.1 400"));
  CHECK_THAT(answer("GET /" + std::string(9000, 'x') + " HTTP/1.1\r\nHost: x\r\n\r\n"),
             Catch::StartsWith("HTTP/1.1 414") && Catch::Contains("uri_too_long"));
  std::string many_headers = "GET /v1/runs HTTP/1.1\r\n";
  for (int i = 0; i < 100; ++i) many_headers += "X-H" + std::to_string(i) + ": " + std::string(1000, 'x') + "\r\n";
  CHECK_THAT(answer(many_headers + "\r\n"), Catch::StartsWith("HTTP/1.1 431") && Catch::Contains("headers_too_large"));
  CHECK_THAT(answer(request_line("POST /v1/runs HTTP/1.1") +
                    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
             Catch::StartsWith("HTTP/1.1 400"));
  CHECK_THAT(answer(request_line("POST /v1/runs HTTP/1.1") + "Content-Length: -1\r\n\r\n"),
             Catch::StartsWith("HTTP/1.1 400"));
  CHECK_THAT(answer(request_line("POST /v1/runs HTTP/1.1") + "Content-Length: 99999999\r\n\r\n{"),
             Catch::StartsWith("HTTP/1.1 413") && Catch::Contains("max_request_body_bytes"));
  CHECK_THAT(answer(request_line("POST /v1/runs HTTP/1.1") + "Content-Length: 50\r\n\r\n{\"workflowId\""),
             Catch::StartsWith("HTTP/1.1 400"));
  CHECK_THAT(answer(request_line("POST /v1/runs HTTP/1.1") +
                    "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 3\r\n\r\nabc"),
             Catch::StartsWith("HTTP/1.1 415"));
  // No body and no length, as curl -X POST sends it: answered, not waited for.
  CHECK_THAT(answer(request_line("POST /v1/runs HTTP/1.1") + "\r\n"), Catch::StartsWith("HTTP/1.1 400"));
  CHECK_THAT(answer(request_line("GET /v1/runs HTTP/1.1") + "Range: bytes=0-3\r\nConnection: close\r\n\r\n"),
             Catch::StartsWith("HTTP/1.1 200") && Catch::EndsWith(R"({"runs":[]})"));
  CHECK_THAT(answer(request_line("GET /%0A HTTP/1.1") + "\r\n"), Catch::StartsWith("HTTP/1.1 400"));
  CHECK_THAT(answer("BREW /v1/runs HTTP/1.1\r\n\r\n"), Catch::StartsWith("HTTP/1.1 400"));
}

TEST_CASE("several requests may be sent on one connection, also all at once", "[wire][server]") {
  const Server server;
  const std::string one = request_line("GET /v1/runs HTTP/1.1") + "\r\n";
  const std::string got = server.raw(one + one + one, Server::After::shut_down);
  std::size_t answers = 0;
  for (auto at = got.find("HTTP/1.1 200"); at != std::string::npos; at = got.find("HTTP/1.1 200", at + 1)) ++answers;
  CHECK(answers == 3);
}

TEST_CASE("clients beyond the limit are told so at once, and those that dawdle hold up nobody", "[wire][server]") {
  const Server server({"--store", "memory", "--max-connections", "3"});
  REQUIRE(server.ready());
  std::vector<int> dawdlers;
  for (int i = 0; i < 3; ++i) {
    dawdlers.push_back(server.connect());
    REQUIRE(::send(dawdlers.back(), "GET / HT", 8, MSG_NOSIGNAL) == 8);
  }
  // The server takes and drops connections in its own time.
  const auto refused_one = [&] {
    const std::string answer = server.raw("", Server::After::keep_open);
    return answer.starts_with("HTTP/1.1 503") && answer.find("Retry-After: 1") != std::string::npos;
  };
  CHECK(eventually(refused_one));
  for (const int fd : dawdlers) ::close(fd);
  CHECK(eventually([&] { return server.get("/.well-known/openwop").status == 200; }));
}

TEST_CASE("fixtures are advertised only when asked for, and only those that run as they are meant to",
          "[wire][server]") {
  TempDir folder;
  const auto fixture = [&](const std::string& id, const std::string& config, const std::string& metadata) {
    write_file(folder.file(id + ".json"),
               R"({"id":")" + id +
                   R"(","name":"f","version":"1","nodes":[{"id":"n","typeId":"core.identity","name":"n",)" +
                   R"("position":{"x":0,"y":0},"config":)" + config +
                   R"(,"inputs":{}}],"edges":[],"triggers":[],"variables":[],"metadata":)" + metadata +
                   R"(,"settings":{"timeout":0}})");
  };
  fixture("conformance-own-memory", R"({"memoryAction":"write-then-read"})", "{}");
  fixture("conformance-own-pack", "{}", R"({"requiresInstalledPack":"core.a.pack"})");
  fixture("conformance-own-plain", "{}", "{}");
  const Server with({"--store", "memory", "--workflows", folder.path().string(), "--fixtures"});
  CHECK(with.get("/.well-known/openwop").at({"fixtures"}) == R"(["conformance-own-memory","conformance-own-plain"])");
  const Server without({"--store", "memory", "--workflows", folder.path().string()});
  CHECK(without.get("/.well-known/openwop").at({"fixtures"}).empty());
}
