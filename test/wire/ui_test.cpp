// The timeline page as a client sees it without a browser: off unless enabled, its files, its headers, its refusals.
// What the page does is tested in test/ui.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/catch.h"
#include "support/server.h"

using namespace openwop;
using namespace openwop::test;

namespace {

// Not with Server::get: /ui is no part of the API, so the OpenAPI document does not have it.
Answer fetch(const Server& server, const std::string& method, const std::string& target,
             httplib::Headers headers = {}) {
  httplib::Request request;
  request.method = method;
  request.path = target;
  request.headers = std::move(headers);
  httplib::Client client("127.0.0.1", server.port());
  const auto result = client.send(request);
  if (!result) return {};
  return {.status = result->status, .body = result->body, .headers = result->headers};
}

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::filesystem::path ui_folder() { return std::filesystem::path(OPENWOP_SOURCE_DIR) / "examples/refserver/ui"; }

void check_protections(const Answer& answer) {
  const std::string policy = answer.header("Content-Security-Policy");
  CHECK_THAT(policy, Catch::StartsWith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"));
  CHECK_THAT(policy, Catch::Contains("frame-ancestors 'none'") && Catch::Contains("base-uri 'none'") &&
                         Catch::Contains("form-action 'none'") &&
                         Catch::Contains("require-trusted-types-for 'script'"));
  CHECK_THAT(policy, !Catch::Contains("unsafe") && !Catch::Contains("http") && !Catch::Contains("*"));
  CHECK(answer.header("X-Content-Type-Options") == "nosniff");
  CHECK(answer.header("X-Frame-Options") == "DENY");
  CHECK(answer.header("Referrer-Policy") == "no-referrer");
  CHECK(answer.header("Access-Control-Allow-Origin").empty());
}

}  // namespace

TEST_CASE("without --ui its paths are like any other unknown path", "[wire][ui]") {
  const Server server;
  REQUIRE(server.ready());
  const Answer unknown = fetch(server, "GET", "/nowhere");
  for (const std::string path : {"/ui", "/ui/", "/ui/app.js"}) {
    const Answer answer = fetch(server, "GET", path);
    CHECK(answer.status == unknown.status);
    CHECK(answer.body == unknown.body);
    CHECK(answer.header("Content-Security-Policy").empty());
  }
}

TEST_CASE("the timeline page is enabled by option, environment and file", "[wire][ui]") {
  TempDir folder;
  std::ofstream(folder.file("config.json")) << R"({"store":"memory","ui":true})";
  const Server by_file({"--config", folder.file("config.json")});
  CHECK(fetch(by_file, "GET", "/ui").status == 200);
  ::setenv("OPENWOP_UI", "true", 1);
  const Server by_environment;
  ::setenv("OPENWOP_UI", "false", 1);
  const Server off_by_environment({"--config", folder.file("config.json")});
  ::unsetenv("OPENWOP_UI");
  CHECK(fetch(by_environment, "GET", "/ui").status == 200);
  CHECK(fetch(off_by_environment, "GET", "/ui").status == 400);
  const Server by_option({"--store", "memory", "--ui"});
  CHECK(fetch(by_option, "GET", "/ui").status == 200);
  CHECK_THAT(by_option.log(), Catch::Contains("timeline page served"));
}

TEST_CASE("the page is served as its files are, with a type and without a key", "[wire][ui]") {
  const Server server({"--store", "memory", "--ui"});
  REQUIRE(server.ready());
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(ui_folder())) {
    const std::string name = entry.path().filename();
    INFO(name);
    const Answer answer = fetch(server, "GET", "/ui/" + name);
    CHECK(answer.status == 200);
    CHECK(answer.body == text_of(entry.path()));
    const std::string ending = entry.path().extension();
    CHECK_THAT(answer.header("Content-Type"), Catch::StartsWith(ending == ".js"    ? "text/javascript"
                                                                : ending == ".css" ? "text/css"
                                                                : ending == ".svg" ? "image/svg+xml"
                                                                                   : "text/html"));
    check_protections(answer);
    ++files;
  }
  CHECK(files > 10);
  for (const std::string path : {"/ui", "/ui/", "/ui?a=b"}) {
    CHECK(fetch(server, "GET", path).body == text_of(ui_folder() / "index.html"));
  }
  CHECK(fetch(server, "GET", "/v1/runs").status == 401);
}

TEST_CASE("a page that is still the same is not sent again", "[wire][ui]") {
  const Server server({"--store", "memory", "--ui"});
  const Answer first = fetch(server, "GET", "/ui/app.js");
  CHECK(first.header("Cache-Control") == "no-cache");
  const std::string tag = first.header("ETag");
  REQUIRE(tag.size() > 2);
  for (const std::string& asked : {tag, "W/" + tag, "\"other\", " + tag, std::string("*")}) {
    const Answer again = fetch(server, "GET", "/ui/app.js", {{"If-None-Match", asked}});
    CHECK(again.status == 304);
    CHECK(again.body.empty());
    CHECK(again.header("ETag") == tag);
  }
  CHECK(fetch(server, "GET", "/ui/app.js", {{"If-None-Match", "\"other\""}}).status == 200);
  const Answer head = fetch(server, "HEAD", "/ui/app.js");
  CHECK(head.status == 200);
  CHECK(head.body.empty());
  CHECK(head.header("Content-Length") == std::to_string(first.body.size()));
}

TEST_CASE("unknown paths below /ui are 404, other methods 405 with Allow", "[wire][ui]") {
  const Server server({"--store", "memory", "--ui"});
  for (const std::string path :
       {"/ui/none.js", "/ui/../refserver/main.cpp", "/ui/%2e%2e/main.cpp", "/ui//app.js", "/ui/app.js/"}) {
    INFO(path);
    const Answer answer = fetch(server, "GET", path);
    CHECK(answer.status == 404);
    CHECK(answer.at({"error"}) == "not_found");
    check_protections(answer);
  }
  for (const std::string method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    INFO(method);
    const Answer answer = fetch(server, method, "/ui");
    CHECK(answer.status == 405);
    CHECK(answer.header("Allow") == "GET, HEAD");
    CHECK(answer.at({"error"}) == "method_not_allowed");
  }
  // What only begins alike belongs to the API.
  CHECK(fetch(server, "GET", "/uix").at({"error"}) == "unsupported_version");
}
