// The examples are part of the product: each workflow runs to its end, the embedding program works, and the README
// shows it as it is.
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/engine_rig.h"
#include "support/temp_dir.h"

using namespace openwop;
using namespace openwop::test;

namespace {

const std::filesystem::path kSource = OPENWOP_SOURCE_DIR;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string output_of(const std::string& command) {
  std::string out;
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> buffer{};
  while (fgets(buffer.data(), buffer.size(), pipe) != nullptr) out += buffer.data();
  CHECK(pclose(pipe) == 0);
  return out;
}

}  // namespace

TEST_CASE("every example workflow loads and runs to completed") {
  const std::map<std::string, std::vector<std::string>> inputs = {
      {"order-fulfilment", {"{}", R"({"gift":true})", R"({"quantity":99})", R"({"price":99999})"}},
      {"poll-until-ready", {"{}", R"({"readyAfter":1})"}},
      {"refund-approval", {R"({"orderId":"A1","amount":1500})"}},
  };
  std::size_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kSource / "examples" / "workflows")) {
    if (entry.path().extension() != ".json") continue;
    ++found;
    EngineRig rig;
    rig.open();
    const auto added = rig.engine->register_workflow(read_file(entry.path()));
    INFO(entry.path().filename() << ": " << (added.ok() ? "" : added.error().message));
    REQUIRE(added.ok());
    const auto known = inputs.find((*added)->id);
    for (const std::string& input : known == inputs.end() ? std::vector<std::string>{"{}"} : known->second) {
      CreateRun request;
      request.workflow_id = (*added)->id;
      request.inputs = input;
      const auto created = rig.engine->create_run(request);
      INFO((created.ok() ? "" : created.error().message));
      REQUIRE(created.ok());
      while (!is_terminal(rig.status(created->run_id))) {
        const auto next = rig.engine->tick(rig.clock->now_ms());
        REQUIRE(next);
        rig.clock->set(*next);
        rig.tick();
      }
      INFO(rig.view(created->run_id).state.error);
      CHECK(rig.status(created->run_id) == RunStatus::completed);
    }
  }
  CHECK(found >= 4);
}

TEST_CASE("the embedding example runs, and the README quotes it word for word") {
  const TempDir folder;
  const std::string program = std::string(OPENWOP_TEST_BIN_DIR) + "/embed " + (folder.path() / "data").string();
  const std::string first = output_of(program);
  CHECK(first.find("hello world") != std::string::npos);
  CHECK(first.find("run.completed") != std::string::npos);
  CHECK(output_of(program).find("run.completed") != std::string::npos);
  CHECK(read_file(kSource / "README.md").find(read_file(kSource / "examples" / "embed" / "main.cpp")) !=
        std::string::npos);
}
