// What SIGHUP reads again, and the options for load and keys, on the server as a process.
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "openwop/hash.h"
#include "support/catch.h"
#include "support/server.h"

using namespace openwop;
using namespace openwop::test;

namespace {

void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  ::chmod(path.c_str(), 0600);
}

std::string workflow(const std::string& version, const std::string& type) {
  return R"({"id":"reloaded","name":"r","version":")" + version +
         R"(","metadata":{},"settings":{},"variables":[],"triggers":[{"id":"m","type":"manual"}],"edges":[],"nodes":[{"id":"n","typeId":")" +
         type + R"(","name":"n","position":{"x":0,"y":0},"config":{"ms":600},"inputs":{}}]})";
}

std::string key_entry(const std::string& key, const std::string& more = "") {
  return R"({"sha256":")" + sha256_hex(key) + R"(","tenant":"acme","principal":"robot")" + more + "}";
}

/// Sends SIGHUP and waits for the line that says it is done.
void reload(const Server& server, int times) {
  ::kill(server.pid(), SIGHUP);
  for (int i = 0; i < 500; ++i) {
    const std::string log = server.log();
    int seen = 0;
    for (auto at = log.find("workflows reloaded"); at != std::string::npos;
         at = log.find("workflows reloaded", at + 1)) {
      ++seen;
    }
    if (seen >= times) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL("the server did not reload");
}

}  // namespace

TEST_CASE("SIGHUP takes changed workflows for new runs; runs in flight keep theirs; bad and missing files are told",
          "[wire][server]") {
  TempDir folder;
  write_file(folder.file("one.json"), workflow("1", "core.delay"));
  Server server({"--store", "memory", "--workflows", folder.path().string(), "--fixtures"});
  REQUIRE(server.ready());
  const std::string old_run = server.create_run("reloaded");
  REQUIRE_FALSE(old_run.empty());
  write_file(folder.file("one.json"), workflow("2", "core.fail"));
  reload(server, 1);
  CHECK_THAT(server.log(), Catch::Contains(R"("loaded":1,"changed":1,"refused":0,"removed":0)"));
  CHECK(server.wait_for_end(server.create_run("reloaded")).at({"status"}) == "failed");
  CHECK(server.wait_for_end(old_run).at({"status"}) == "completed");

  write_file(folder.file("one.json"), "{");
  reload(server, 2);
  CHECK_THAT(server.log(), Catch::Contains("workflow refused") && Catch::Contains("one.json"));
  CHECK(server.get("/v1/workflows/reloaded").at({"version"}) == "2");
  std::filesystem::remove(folder.file("one.json"));
  reload(server, 3);
  CHECK_THAT(server.log(), Catch::Contains("is gone") && Catch::Contains(R"("workflowId":"reloaded")"));
  CHECK(server.get("/v1/workflows/reloaded").status == 200);
  CHECK(server.terminate() == 0);
}

TEST_CASE("keys come from a file of hashes, are rotated by SIGHUP, and stay when the file is bad", "[wire][server]") {
  TempDir folder;
  const std::string path = folder.file("keys.json");
  write_file(path, R"({"keys":[)" + key_entry("old-key") + "]}");
  Server server({"--store", "memory", "--keys", path});
  REQUIRE(server.ready());
  const auto status = [&](const char* key) { return server.get("/v1/runs", {}, key).status; };
  CHECK(status("old-key") == 200);
  CHECK(status("new-key") == 401);
  write_file(path, R"({"keys":[)" + key_entry("old-key") + "," + key_entry("new-key") + "]}");
  reload(server, 1);
  CHECK(status("old-key") == 200);
  CHECK(status("new-key") == 200);
  write_file(path, R"({"keys":[)" + key_entry("old-key", R"(,"revokedAt":"2020-01-01T00:00:00Z")") + "," +
                       key_entry("new-key", R"(,"scopes":["runs:create"])") + "," +
                       key_entry("past-key", R"(,"expiresAt":"2020-01-01T00:00:00Z")") + "]}");
  reload(server, 2);
  CHECK(server.get("/v1/runs", {}, "old-key").at({"error"}) == "key_revoked");
  CHECK(server.get("/v1/runs", {}, "past-key").at({"error"}) == "key_expired");
  CHECK(status("new-key") == 403);
  int times = 2;
  for (const std::string& bad :
       {std::string("{"), std::string(R"({"keys":[{"sha256":"short"}]})"), std::string(R"({"keys":[{"tenant":"t"}]})"),
        std::string(R"({"keys":[{"key":"c4nary"}]})"), std::string(R"({"keys":{}})")}) {
    write_file(path, bad);
    reload(server, ++times);
    CHECK(status("new-key") == 403);
  }
  CHECK_THAT(server.log(), Catch::Contains("the old ones stay") && !Catch::Contains("c4nary"));
}

TEST_CASE("keys that come, go or are revoked at a SIGHUP are in the audit log", "[wire][server]") {
  TempDir folder;
  const std::string path = folder.file("keys.json");
  write_file(path, R"({"keys":[)" + key_entry("first") + "]}");
  Server server({"--store", "memory", "--audit-log", "on", "--keys", path});
  REQUIRE(server.ready());
  const auto last = [&](const char* key) { return std::stoi(server.get("/v1/audit/verify", {}, key).at({"toSeq"})); };
  const int begin = last("first");  // with key.used of this very request
  write_file(path, R"({"keys":[)" + key_entry("first") + "," + key_entry("second") + "]}");
  reload(server, 1);
  CHECK(last("first") == begin + 1);
  reload(server, 2);
  CHECK(last("first") == begin + 1);  // nothing has changed
  write_file(path, R"({"keys":[)" + key_entry("first", R"(,"revokedAt":"2020-01-01T00:00:00Z")") + "," +
                       key_entry("second") + "]}");
  reload(server, 3);
  CHECK(last("second") == begin + 3);  // key.revoked, and the use of the second key
  CHECK(server.get("/v1/audit/verify", {}, "second").at({"chainValid"}) == "true");
}

TEST_CASE("a keys file that others can write, or that is not there, does not start a server", "[wire][server]") {
  TempDir folder;
  const std::string path = folder.file("keys.json");
  write_file(path, R"({"keys":[]})");
  ::chmod(path.c_str(), 0666);
  for (const std::string& file : {path, folder.file("none.json")}) {
    Server server({"--store", "memory", "--keys", file});
    CHECK_FALSE(server.ready());
    CHECK(server.wait_for_exit() == 1);
  }
}

TEST_CASE("a key that is made is printed with the entry that admits it", "[wire][server]") {
  TempDir folder;
  Server maker({"--new-key", "acme:runs:read"});
  CHECK(maker.wait_for_exit() == 0);
  const std::string out = maker.output();
  const auto word_after = [&](const std::string& label) {
    const auto at = out.find(label);
    REQUIRE(at != std::string::npos);
    const auto from = out.find_first_not_of(' ', at + label.size());
    return out.substr(from, out.find('\n', from) - from);
  };
  write_file(folder.file("keys.json"), R"({"keys":[)" + word_after("entry:") + "]}");
  Server server({"--store", "memory", "--keys", folder.file("keys.json")});
  REQUIRE(server.ready());
  CHECK(server.get("/v1/runs", {}, word_after("key:")).status == 200);
  CHECK(server.get("/v1/workflows/x", {}, word_after("key:")).status == 403);
}

TEST_CASE("the environment that hosts have in common is taken, and what has no effect is told", "[wire][server]") {
  const std::vector<std::pair<const char*, const char*>> environment = {{"OPENWOP_SECONDARY_API_KEY", "second-key"},
                                                                        {"OPENWOP_TENANT2_API_KEY", "other-key"},
                                                                        {"OPENWOP_FORCE_RATE_LIMIT", "true"},
                                                                        {"OPENWOP_RETRY_AFTER_SECONDS", "9"},
                                                                        {"OPENWOP_MAX_INFLIGHT", "50"},
                                                                        {"OPENWOP_CLAIM_TTL_MS", "2000"}};
  for (const auto& [name, value] : environment) ::setenv(name, value, 1);
  const std::string fixtures = wire_workflows();
  ::setenv("OPENWOP_FIXTURES_DIR", fixtures.c_str(), 1);
  Server server({"--store", "memory", "--fixtures"});
  for (const auto& [name, value] : environment) ::unsetenv(name);
  ::unsetenv("OPENWOP_FIXTURES_DIR");
  REQUIRE(server.ready());
  CHECK_THAT(server.log(), Catch::Contains("OPENWOP_CLAIM_TTL_MS"));
  const std::string run = server.create_run("wire-noop");
  CHECK(server.get("/v1/runs/" + run, {}, "second-key").status == 200);
  CHECK(server.get("/v1/runs/" + run, {}, "other-key").status == 404);
  int limited = 0;
  for (int i = 0; i < 200; ++i) limited += server.get("/.well-known/openwop").status == 429 ? 1 : 0;
  CHECK(limited > 0);
}
