// The signing key of the audit log on disk: made once, and given a successor.
#include <sys/stat.h>

#include <fstream>

#include "support/catch.h"
#include "support/server.h"

using namespace openwop;
using namespace openwop::test;

namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

int exit_of(const std::vector<std::string>& arguments) { return Server(arguments).wait_for_exit(); }

}  // namespace

TEST_CASE("the audit log's key gets a successor, and all that was signed before goes on to verify", "[wire][server]") {
  const TempDir files;
  const std::string folder = files.file("data");
  const std::string path = folder + "/audit-key";
  const std::vector<std::string> arguments = {"--store", "rocksdb:" + folder};
  const auto checkpoints = [&] {
    Server server(arguments);
    REQUIRE(server.ready());
    CHECK(server.get("/v1/audit/verify").at({"chainValid"}) == "true");
    const Answer exported = server.get("/v1/audit/checkpoints");
    CHECK(server.terminate() == 0);
    return exported;
  };
  const std::string first_id = checkpoints().at({"signingKey", "keyId"});
  const auto before = lines_of(path);
  REQUIRE(before.size() == 1);
  REQUIRE(exit_of({"--rotate-audit-key", folder}) == 0);
  // Until a start takes it up another one takes its place.
  REQUIRE(exit_of({"--rotate-audit-key", folder}) == 0);
  CHECK(lines_of(path) == before);
  CHECK(exit_of({"--verify", folder}) == 0);
  const Answer exported = checkpoints();
  const auto after = lines_of(path);
  REQUIRE(after.size() == 2);
  CHECK(after[1] == before[0]);
  CHECK(after[0] != before[0]);
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);

  CHECK(exported.at({"signingKey", "keyId"}) != first_id);
  CHECK_THAT(exported.at({"earlierKeys"}), Catch::Contains(first_id));
  CHECK_THAT(exported.body, Catch::Contains("\"coSigningKeyId\":\"" + first_id + "\""));
  CHECK(exit_of({"--verify", folder}) == 0);

  // A start that was cut off before it took the next key away.
  std::ofstream(path + ".next") << after[0] << "\n";
  CHECK(checkpoints().at({"signingKey", "keyId"}) == exported.at({"signingKey", "keyId"}));
  CHECK(lines_of(path) == after);
  {
    std::ofstream full(path, std::ios::app);
    for (int i = 0; i < 15; ++i) full << after[1] << "\n";
  }
  CHECK(exit_of({"--rotate-audit-key", folder}) == 1);
  CHECK(lines_of(path).size() == 17);
  std::ofstream(path) << "no key\n";
  CHECK(exit_of({"--rotate-audit-key", folder}) == 1);
  CHECK(lines_of(path) == std::vector<std::string>{"no key"});
  CHECK(exit_of({"--rotate-audit-key", files.file("no-such-folder")}) == 1);
}
