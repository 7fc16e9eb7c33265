// The OpenAPI document against the surface's tables, in both directions, and the judge that holds answers against it.
#include <algorithm>
#include <set>

#include "openwop/event.h"
#include "openwop/result.h"
#include "openwop/run_status.h"
#include "protocol/openwop/routes.h"
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

/// Operations of the document that no route serves yet.
const std::set<std::string, std::less<>> kNotServedYet = {};

const std::string kTraceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

std::string text_of(const json::Value& node) { return std::string(json::string_of(node)); }

/// Words of a text in any order, whatever separates them.
std::set<std::string> words(std::string_view text) {
  std::set<std::string> found;
  std::string word;
  for (const char c : text) {
    const bool part = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '-';
    if (part) word += c;
    if (!part && !word.empty()) found.insert(std::exchange(word, {}));
  }
  if (!word.empty()) found.insert(word);
  return found;
}

std::set<std::string> documented_scopes(const json::Value& operation) {
  std::set<std::string> scopes;
  for (const auto& requirement : operation["security"].GetArray()) {
    for (const auto& scope : requirement["bearerKey"].GetArray()) scopes.insert(text_of(scope));
  }
  return scopes;
}

std::set<std::string> path_parameters(const json::Value& operation) {
  std::set<std::string> names;
  if (!operation.HasMember("parameters")) return names;
  for (const auto& parameter : operation["parameters"].GetArray()) {
    const json::Value& node = resolve(parameter);
    if (text_of(node["in"]) == "path") names.insert(text_of(node["name"]));
  }
  return names;
}

std::set<std::string> placeholders(std::string_view pattern) {
  std::set<std::string> names;
  for (auto at = pattern.find('{'); at != std::string_view::npos; at = pattern.find('{', at + 1)) {
    names.emplace(pattern.substr(at + 1, pattern.find('}', at) - at - 1));
  }
  return names;
}

const Operation* documented(std::string_view method, std::string_view path) {
  const auto& all = operations();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.method == method && one.path == path; });
  return found == all.end() ? nullptr : &*found;
}

std::vector<std::string> strings_of(const json::Value& list) {
  std::vector<std::string> out;
  for (const auto& item : list.GetArray()) out.push_back(text_of(item));
  return out;
}

const json::Value& schema_named(const char* name) { return openapi_document()["components"]["schemas"][name]; }

/// Codes that the document gives for a status.
std::vector<std::string> documented_codes(int status) {
  for (const Operation& operation : operations()) {
    const json::Value& responses = (*operation.node)["responses"];
    const std::string key = std::to_string(status);
    if (!responses.HasMember(key.c_str())) continue;
    const json::Value& schema = resolve(responses[key.c_str()])["content"]["application/json"]["schema"];
    return strings_of(schema["allOf"][1]["properties"]["error"]["enum"]);
  }
  const auto& outside = openapi_document()["components"]["responses"]["MethodNotAllowed"];
  return strings_of(outside["content"]["application/json"]["schema"]["allOf"][1]["properties"]["error"]["enum"]);
}

}  // namespace

TEST_CASE("every route is an operation of the OpenAPI document, with its scopes and path parameters",
          "[wire][openapi]") {
  for (const wire::Route& route : wire::routes()) {
    INFO(route.method << " " << route.pattern);
    const Operation* operation = documented(route.method, route.pattern);
    CHECK(operation != nullptr);
    if (operation == nullptr) continue;
    CHECK(documented_scopes(*operation->node) == words(route.scope));
    CHECK(path_parameters(*operation->node) == placeholders(route.pattern));
  }
}

TEST_CASE("every operation of the OpenAPI document is a route", "[wire][openapi]") {
  std::set<std::string> ids;
  for (const Operation& operation : operations()) {
    const std::string id = text_of((*operation.node)["operationId"]);
    INFO(operation.method << " " << operation.path);
    CHECK(ids.insert(id).second);
    CHECK(path_parameters(*operation.node) == placeholders(operation.path));
    if (kNotServedYet.contains(id)) continue;
    const auto routes = wire::routes();
    CHECK(std::any_of(routes.begin(), routes.end(), [&](const wire::Route& route) {
      return route.method == operation.method && route.pattern == operation.path;
    }));
  }
}

TEST_CASE("the vocabularies of the OpenAPI document are those of the code", "[wire][openapi]") {
  std::vector<std::string> types;
  for (const EventTypeInfo& info : kEventTypes) {
    types.emplace_back(info.name);
    CHECK(openapi_document()["components"]["schemas"].HasMember(("payload." + types.back()).c_str()));
  }
  CHECK(strings_of(schema_named("EventType")["enum"]) == types);
  CHECK(strings_of(schema_named("RunStatus")["enum"]) ==
        std::vector<std::string>(kRunStatusNames.begin(), kRunStatusNames.end()));
}

TEST_CASE("every error code that the wire can carry stands at its status in the OpenAPI document", "[wire][openapi]") {
  for (const ErrorCodeInfo& info : kErrorCodes) {
    if (info.code >= ErrorCode::store_locked) break;  // these never leave the host under their names
    INFO(info.name << " of " << info.http_status << " has to stand in components/responses of schemas/openapi.json");
    const auto codes = documented_codes(info.http_status);
    CHECK(std::find(codes.begin(), codes.end(), info.name) != codes.end());
  }
}

TEST_CASE("the OpenAPI document is served without a key and not sent again while unchanged", "[wire][openapi]") {
  SurfaceRig rig;
  const Answer answer = rig.get("/v1/openapi.json", {}, "");
  REQUIRE(answer.status == 200);
  CHECK(answer.header("Content-Type") == "application/json");
  CHECK_THAT(answer.at({"openapi"}), Catch::StartsWith("3.1."));
  CHECK(json::parse(answer.body).ok());
  const Answer again = rig.get("/v1/openapi.json", {{"If-None-Match", answer.header("ETag")}});
  CHECK(again.status == 304);
  CHECK(again.body.empty());
  CHECK(rig.post("/v1/openapi.json", "{}").status == 405);
}

TEST_CASE("the judge finds what an answer breaks", "[wire][openapi]") {
  const auto count = [](std::string_view method, std::string_view target, Answer answer) {
    answer.headers.emplace("Content-Type", "application/json");
    answer.headers.emplace("traceparent", kTraceparent);
    return contract_problems({method, target, {}}, answer).size();
  };
  const std::string run = R"({"runId":"r","workflowId":"w","status":"running"})";
  CHECK(count("GET", "/v1/runs/r", {.status = 200, .body = run}) == 0);
  CHECK(count("GET", "/v1/runs/r?x=1", {.status = 200, .body = R"({"runId":"r","workflowId":"w"})"}) > 0);
  CHECK(count("GET", "/v1/runs/r", {.status = 200, .body = R"({"runId":"r","workflowId":"w","status":"odd"})"}) > 0);
  CHECK(count("GET", "/v1/runs/r", {.status = 201, .body = run}) > 0);
  CHECK(count("GET", "/v1/runs/r", {.status = 404, .body = R"({"error":"run_not_found","message":"m"})"}) == 0);
  CHECK(count("GET", "/v1/runs/r", {.status = 404, .body = R"({"error":"conflict","message":"m"})"}) > 0);
  CHECK(count("GET", "/v1/runs/r", {.status = 404, .body = R"({"error":"run_not_found","message":"m","x":1})"}) > 0);
  CHECK(count("GET", "/v1/runs/r", {.status = 503, .body = R"({"error":"service_unavailable","message":"m"})"}) > 0);
  CHECK(count("GET", "/v1/nowhere", {.status = 200, .body = "{}"}) > 0);
  CHECK(count("PUT", "/v1/runs/r", {.status = 200, .body = run}) > 0);
  const std::string created = R"({"runId":"r","status":"running","eventsUrl":"/v1/runs/r/events"})";
  const Answer accepted{
      .status = 201, .body = created, .headers = {{"Content-Type", "application/json"}, {"traceparent", kTraceparent}}};
  CHECK(contract_problems({"POST", "/v1/runs", R"({"workflowId":"w"})"}, accepted).empty());
  CHECK_FALSE(contract_problems({"POST", "/v1/runs", R"({"workflowId":"w","extra":1})"}, accepted).empty());
}

TEST_CASE("the judge finds what an event or a frame breaks", "[wire][openapi]") {
  const auto event = [](const std::string& type, const std::string& payload, const std::string& more = {}) {
    return R"({"eventId":"e","runId":"r","type":")" + type + R"(","payload":)" + payload +
           R"(,"timestamp":"2026-01-01T00:00:00.000Z","sequence":0)" + more + "}";
  };
  const auto good = [](const std::string& text) { return schema_problems("RunEventDoc", text).empty(); };
  CHECK(good(event("node.completed", R"({"nodeId":"n"})")));
  CHECK_FALSE(good(event("node.completed", "{}")));
  CHECK_FALSE(good(event("node.completed", R"({"nodeId":"n"})", R"(,"nodeId":null)")));
  CHECK_FALSE(good(event("node.completed", R"({"nodeId":"n"})", R"(,"seq":1)")));
  CHECK_FALSE(good(event("run.failed", R"({"error":{"code":"x"}})")));
  CHECK(good(event("acme.widget.made", "null")));
  CHECK_FALSE(good(event("nodots", "null")));
  const std::string data = event("run.completed", "{}");
  CHECK(frame_problems("id: 0\nevent: run.completed\ndata: " + data + "\n\n:keepalive\n\n").empty());
  CHECK(frame_problems("id: 0\nevent: batch\ndata: [" + data + "," + data + "]\n\n").empty());
  CHECK_FALSE(frame_problems("event: run.completed\ndata: " + data + "\n\n").empty());
  CHECK_FALSE(frame_problems("id: 0\nevent: state.snapshot\ndata: " + data + "\n\n").empty());
}
