// Two servers that are two regions, each with a data folder of its own.
#include "support/catch.h"
#include "support/server.h"

using namespace openwop;
using namespace openwop::test;

namespace {

/// A region and the other one, which need not be there.
struct Place {
  std::string name;
  int port;
  std::string folder;
  const Place* other = nullptr;

  [[nodiscard]] std::vector<std::string> arguments() const {
    return {"--store",       "rocksdb:" + folder,
            "--workflows",   wire_workflows(),
            "--listen",      "127.0.0.1:" + std::to_string(port),
            "--region",      name,
            "--region-peer", other->name + "=http://127.0.0.1:" + std::to_string(other->port) + "/",
            "--region-key",  other->name + "=key-of-regions",
            "--api-key",     "key-of-regions=" + other->name + ":regions:exchange",
            "--api-key",     kServerKey};
  }
};

}  // namespace

TEST_CASE("what a region had to tell when it was killed the other one hears after all", "[wire][server][regions]") {
  const TempDir files;
  Place eu{"eu", free_port(), files.file("eu")};
  Place us{"us", free_port(), files.file("us"), &eu};
  eu.other = &us;
  const std::string body = R"({"workflowId":"wire-sleep","inputs":{"delayMs":600000}})";
  const httplib::Headers keyed = {{"Idempotency-Key", "k"}};
  std::string winner;
  {
    Server first(eu.arguments());
    REQUIRE(first.ready());
    const Answer created = first.post("/v1/runs", body, keyed);
    REQUIRE(created.status == 201);
    winner = created.at({"runId"});
    CHECK(eventually([&] { return first.log().find("another region is not reached") != std::string::npos; }));
    first.kill();
  }
  Server other(us.arguments());
  REQUIRE(other.ready());
  const Answer loser = other.post("/v1/runs", body, keyed);
  REQUIRE(loser.status == 201);
  REQUIRE(loser.at({"runId"}) > winner);
  CHECK(other.get("/.well-known/openwop").at({"idempotency", "crossRegion"}) == "best-effort");

  Server again(eu.arguments());
  REQUIRE(again.ready());
  CHECK(eventually([&] { return other.get("/v1/runs/" + loser.at({"runId"})).at({"status"}) == "cancelled"; }));
  CHECK(eventually([&] { return other.post("/v1/runs", body, keyed).at({"runId"}) == winner; }));
  CHECK(again.post("/v1/runs", body, keyed).at({"runId"}) == winner);
  CHECK(again.get("/v1/runs/" + winner).at({"status"}) == "running");
  // Neither region's key may do anything else, and no other key may tell of claims.
  CHECK(again.get("/v1/runs/" + winner, {}, "key-of-regions").status == 403);
  CHECK(again.post("/v1/regions/claims", R"({"region":"us","claims":[]})").status == 403);
  CHECK(again.terminate() == 0);
  CHECK(other.terminate() == 0);
}

TEST_CASE("options of regions that do not go together end the server with their names", "[wire][server][regions]") {
  for (const auto& [arguments, named] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--region", "eu"}, "--region-peer"},
           {{"--region-peer", "us=http://127.0.0.1:1", "--region-key", "us=k"}, "--region"},
           {{"--region", "eu", "--region-peer", "us=http://127.0.0.1:1"}, "--region-key"},
           {{"--region", "eu", "--region-peer", "us=http://x", "--region-key", "ap=secret-c4nary"}, "--region-key"},
           {{"--region", "eu", "--region-peer", "us"}, "NAME=URL"},
           {{"--region", "eu", "--region-peer", "us=http://x", "--region-key", "c4nary"}, "NAME=KEY"},
           {{"--region", "EU", "--region-peer", "us=http://x", "--region-key", "us=c4nary"}, "name"}}) {
    std::vector<std::string> all = {"--store", "memory"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    Server server(all);
    INFO(named);
    CHECK_FALSE(server.ready());
    CHECK(server.wait_for_exit() == 1);
    CHECK_THAT(server.log(), Catch::Contains(named) && !Catch::Contains("c4nary"));
  }
}
