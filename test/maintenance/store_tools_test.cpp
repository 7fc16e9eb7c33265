// The server's tools, each a process of its own, as an operator uses them.
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "maintenance/maintenance_rig.h"
#include "openwop/log.h"
#include "openwop/rocksdb_store.h"
#include "support/server.h"
#include "support/temp_dir.h"

namespace openwop::test {

namespace {

namespace fs = std::filesystem;

struct Tool {
  int exit_code = -1;
  std::string out;
  std::string err;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// openwop-refserver with these arguments; `input` is a file.
Tool run_tool(const std::string& arguments, const std::string& input = "/dev/null") {
  const TempDir files;
  const std::string command = std::string(OPENWOP_TEST_BIN_DIR) + "/openwop-refserver " + arguments + " < '" + input +
                              "' > " + files.file("out") + " 2> " + files.file("err");
  const int status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe,cert-env33-c)
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text_of(files.file("out")), text_of(files.file("err"))};
}

std::vector<std::string> server_on(const std::string& folder) {
  return {"--store", "rocksdb:" + folder, "--workflows", wire_workflows()};
}

/// A folder that a server has worked on; the id of one of its runs.
std::string fill(const std::string& folder) {
  Server server(server_on(folder));
  REQUIRE(server.ready());
  std::string run;
  for (int i = 0; i < 5; ++i) run = server.create_run("wire-steps");
  REQUIRE_FALSE(run.empty());
  CHECK(server.wait_for_end(run).at({"status"}) == "completed");
  CHECK(server.terminate() == 0);
  return run;
}

std::string member(const std::string& line, std::string_view name) {
  return std::string(json::member(line, name).value_or(""));
}
std::string summary_of(const Tool& tool) {
  const auto at = tool.out.rfind("{\"summary\":");
  REQUIRE(at != std::string::npos);
  return member(tool.out.substr(at), "summary");
}

}  // namespace

TEST_CASE("--verify finds what is wrong, --rebuild puts it right, and both tell by their exit code") {
  const TempDir files;
  const std::string folder = files.file("store");
  const std::string run = fill(folder);
  for (const std::string& name : {folder, "rocksdb:" + folder}) {
    const Tool sound = run_tool("--verify " + name);
    INFO(sound.out << sound.err);
    CHECK(sound.exit_code == 0);
    CHECK(member(summary_of(sound), "runs") == "5");
    CHECK(member(summary_of(sound), "findings") == "0");
    CHECK(member(summary_of(sound), "auditEntries") != "0");
  }
  {
    auto store = open_rocksdb_store({.path = folder});
    REQUIRE(store.ok());
    put_row(**store, "A" + std::string(RunId::parse(run)->view()), "");
    for (const auto& [key, value] : rows_under(**store, "Iw")) put_row(**store, key, std::nullopt);
  }
  const Tool wrong = run_tool("--verify " + folder);
  CHECK(wrong.exit_code == 1);
  CHECK(member(summary_of(wrong), "findings") == "6");
  CHECK_THAT(wrong.out, Catch::Contains(R"({"what":"row_stray","key":"A)"));
  CHECK_THAT(wrong.out, Catch::Contains(R"("run":")" + run));
  const Tool rebuilt = run_tool("--rebuild " + folder);
  CHECK(rebuilt.exit_code == 0);
  CHECK_THAT(rebuilt.out, Catch::Contains(R"({"changed":{"what":"row_missing")"));
  CHECK(member(summary_of(rebuilt), "changes") == "6");
  CHECK(run_tool("--verify " + folder).exit_code == 0);
  // Damage of a log is left, and said.
  {
    auto store = open_rocksdb_store({.path = folder});
    REQUIRE(store.ok());
    put_row(**store, Log::batch_key(*RunId::parse(run), 0), "x");
  }
  const Tool left = run_tool("--rebuild " + folder);
  CHECK(left.exit_code == 1);
  CHECK_THAT(left.out, Catch::Contains(R"({"left":{"what":"log_damaged")"));
}

TEST_CASE("tools refuse a store that is in use, absent or damaged, and say which file") {
  const TempDir files;
  const std::string folder = files.file("store");
  fill(folder);
  {
    Server server(server_on(folder));
    REQUIRE(server.ready());
    for (const std::string option : {"--verify", "--rebuild", "--import"}) {
      const Tool locked = run_tool(option + " " + folder);
      CHECK(locked.exit_code == 1);
      CHECK_THAT(locked.err, Catch::Contains("store_locked"));
    }
    CHECK(server.terminate() == 0);
  }
  const Tool absent = run_tool("--verify " + files.file("nothing"));
  CHECK(absent.exit_code == 1);
  CHECK_THAT(absent.err, Catch::Contains("nothing"));
  CHECK_FALSE(fs::exists(files.file("nothing")));
  std::string table;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() == ".sst" && (table.empty() || file.file_size() > fs::file_size(table)))
      table = file.path();
  }
  REQUIRE_FALSE(table.empty());
  {
    std::fstream damage(table, std::ios::binary | std::ios::in | std::ios::out);
    damage.seekp(static_cast<std::streamoff>(fs::file_size(table) / 3));
    damage << "damage";
  }
  const Tool damaged = run_tool("--verify " + folder);
  CHECK(damaged.exit_code == 1);
  CHECK_THAT(damaged.out + damaged.err, Catch::Contains("store_corrupt") || Catch::Contains("log_damaged"));
  CHECK_THAT(damaged.out + damaged.err, Catch::Contains(fs::path(table).filename().string()));
}

TEST_CASE("--export and --import move a run to another store") {
  const TempDir files;
  const std::string from = files.file("from");
  const std::string to = files.file("to");
  const std::string run = fill(from);
  fill(to);
  const Tool exported = run_tool("--export " + from + " --run " + run);
  INFO(exported.err);
  REQUIRE(exported.exit_code == 0);
  CHECK(exported.out.starts_with(R"({"archive":{"format":"openwop-run","version":1)"));
  const std::string file = files.file("run.jsonl");
  std::ofstream(file, std::ios::binary) << exported.out;
  const Tool imported = run_tool("--import rocksdb:" + to, file);
  INFO(imported.err);
  CHECK(imported.exit_code == 0);
  CHECK(member(imported.out, "runId") == "\"" + run + "\"");
  CHECK(run_tool("--verify " + to).exit_code == 0);
  const Tool again = run_tool("--import " + to, file);
  CHECK(again.exit_code == 0);
  CHECK(member(again.out, "unchanged") == "true");
  const auto snapshot = [&](const std::string& folder) {
    Server server(server_on(folder));
    REQUIRE(server.ready());
    const std::string events = server.get("/v1/runs/" + run + "/events/poll").body;
    return server.get("/v1/runs/" + run).body + events;
  };
  CHECK(snapshot(to) == snapshot(from));

  std::ofstream(file, std::ios::binary) << exported.out.substr(0, exported.out.size() - 30);
  const Tool cut = run_tool("--import " + to, file);
  CHECK(cut.exit_code == 1);
  CHECK_THAT(cut.err, Catch::Contains("validation_error"));
  CHECK(run_tool("--export " + from).exit_code == 1);
  CHECK(run_tool("--export " + from + " --run 01hf7yat00aaaaaaaaaaaaaaaa").exit_code == 1);
}

TEST_CASE("SIGUSR1 makes a backup under load that holds all that was acknowledged, and a server starts on it") {
  const TempDir files;
  auto arguments = server_on(files.file("store"));
  arguments.insert(arguments.end(), {"--backup-folder", files.file("backups")});
  Server server(arguments);
  REQUIRE(server.ready());
  std::mutex mutex;
  std::vector<std::string> acknowledged;
  std::atomic<bool> stop{false};
  std::vector<std::thread> clients;
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back([&] {
      const auto client = server.client();
      while (!stop.load()) {
        const auto answer = client->Post("/v1/runs", R"({"workflowId":"wire-steps","inputs":{}})", "application/json");
        if (!answer || answer->status != 201) continue;
        const std::lock_guard lock(mutex);
        acknowledged.push_back(json::as_string(json::member(answer->body, "runId").value_or("null")).value_or(""));
      }
    });
  }
  const auto so_far = [&] {
    const std::lock_guard lock(mutex);
    return acknowledged;
  };
  while (so_far().size() < 40) std::this_thread::yield();
  const std::vector<std::string> before = so_far();
  REQUIRE(::kill(server.pid(), SIGUSR1) == 0);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (server.log().find("backup made") == std::string::npos && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  stop.store(true);
  for (std::thread& client : clients) client.join();
  REQUIRE_THAT(server.log(), Catch::Contains("backup made"));
  CHECK(server.terminate() == 0);

  std::vector<fs::path> backups;
  for (const auto& each : fs::directory_iterator(files.file("backups"))) backups.push_back(each.path());
  REQUIRE(backups.size() == 1);
  const std::string backup = backups.front().string();
  for (const char* name : {"audit-key", "token-secret"}) CHECK(fs::exists(backup + "/" + name));
  const Tool verified = run_tool("--verify " + backup);
  INFO(verified.out << verified.err);
  CHECK(verified.exit_code == 0);
  Server restored(server_on(backup));
  REQUIRE(restored.ready());
  for (const std::string& run : before) CHECK(restored.wait_for_end(run).at({"status"}) == "completed");
  CHECK(restored.get("/v1/audit/verify").at({"chainValid"}) == "true");
}

TEST_CASE("SIGUSR1 without a folder for backups is answered in the log and does nothing else") {
  Server server({"--store", "memory", "--workflows", wire_workflows()});
  REQUIRE(server.ready());
  REQUIRE(::kill(server.pid(), SIGUSR1) == 0);
  while (server.log().find("no backup") == std::string::npos) std::this_thread::yield();
  CHECK_FALSE(server.create_run("wire-steps").empty());
  CHECK(server.terminate() == 0);
}

TEST_CASE("--retention-days is a number of days") {
  CHECK(run_tool("--store memory --retention-days soon").exit_code == 1);
  CHECK(run_tool("--store memory --retention-days -1").exit_code == 1);
  Server server({"--store", "memory", "--retention-days", "30"});
  REQUIRE(server.ready());
  CHECK(server.terminate() == 0);
}

}  // namespace openwop::test
