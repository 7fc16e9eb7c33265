// What the surface makes of requests before they reach a run: routes, keys, scopes, and bad input of every kind.
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

struct BadCreate {
  const char* name;
  std::string body;
  int status;
  const char* code;
};

std::string nested(std::size_t depth) {
  return R"({"workflowId":"wire-noop","inputs":{"x":)" + std::string(depth, '[') + std::string(depth, ']') + "}}";
}

std::string with(const std::string& member) { return R"({"workflowId":"wire-noop",)" + member + "}"; }

std::string many_tags(int count) {
  std::string list = R"("tags":[)";
  for (int i = 0; i < count; ++i) list += i > 0 ? R"(,"t")" : R"("t")";
  return list + "]";
}

const std::vector<BadCreate>& bad_creates() {
  static const std::vector<BadCreate> kTable = {
      {"empty body", "", 400, "validation_error"},
      {"no JSON", "hello", 400, "validation_error"},
      {"cut off", R"({"workflowId":"wire-noop")", 400, "validation_error"},
      {"two values", R"({"workflowId":"wire-noop"} {})", 400, "validation_error"},
      {"an array", "[]", 400, "validation_error"},
      {"no workflowId", "{}", 400, "validation_error"},
      {"workflowId of another type", R"({"workflowId":7})", 400, "validation_error"},
      {"empty workflowId", R"({"workflowId":""})", 400, "validation_error"},
      {"overlong workflowId", R"({"workflowId":")" + std::string(129, 'x') + R"("})", 400, "validation_error"},
      {"unknown workflow", R"({"workflowId":"nowhere"})", 400, "validation_error"},
      {"unknown top-level name", with(R"("extra":1)"), 400, "validation_error"},
      {"repeated name", with(R"("workflowId":"wire-noop")"), 400, "validation_error"},
      {"repeated name inside inputs", with(R"("inputs":{"a":1,"a":2})"), 400, "validation_error"},
      {"name repeated through an escape", with(R"("workflow\u0049d":"wire-noop")"), 400, "validation_error"},
      {"inputs is an array", with(R"("inputs":[])"), 400, "validation_error"},
      {"inputs is null", with(R"("inputs":null)"), 400, "validation_error"},
      {"nested too deep", nested(100), 400, "validation_error"},
      {"nested very deep", nested(100'000), 400, "validation_error"},
      {"invalid UTF-8", with("\"scopeId\":\"\xC3\x28\""), 400, "validation_error"},
      {"half a surrogate pair", with(R"("scopeId":"\ud800")"), 400, "validation_error"},
      {"raw line break in a string", with("\"scopeId\":\"a\nb\""), 400, "validation_error"},
      {"huge number", with(R"("inputs":{"n":1e999})"), 400, "validation_error"},
      {"integer beyond 64 bits", with(R"("inputs":{"n":123456789012345678901234567890})"), 400, "validation_error"},
      {"callbackUrl is no URL", with(R"("callbackUrl":"nope")"), 400, "validation_error"},
      {"callbackUrl of another scheme", with(R"("callbackUrl":"file:///x")"), 400, "validation_error"},
      {"tags is no array", with(R"("tags":"x")"), 400, "validation_error"},
      {"an empty tag", with(R"("tags":["x",""])"), 400, "validation_error"},
      {"a long tag", with(R"("tags":[")" + std::string(257, 'x') + "\"]"), 400, "validation_error"},
      {"101 tags", with(many_tags(101)), 400, "validation_error"},
      {"metadata is no object", with(R"("metadata":[])"), 400, "validation_error"},
      {"metadata five levels deep", with(R"("metadata":{"a":{"b":{"c":{"d":{}}}}})"), 400, "validation_error"},
      {"large metadata", with(R"("metadata":{"a":")" + std::string(8192, 'x') + "\"}"), 400, "validation_error"},
      {"configurable is no object", with(R"("configurable":1)"), 400, "validation_error"},
      {"recursionLimit 0", with(R"("configurable":{"recursionLimit":0})"), 400, "validation_error"},
      {"recursionLimit 1.5", with(R"("configurable":{"recursionLimit":1.5})"), 400, "validation_error"},
      {"recursionLimit text", with(R"("configurable":{"recursionLimit":"3"})"), 400, "validation_error"},
      {"temperature 2.1", with(R"("configurable":{"temperature":2.1})"), 400, "validation_error"},
      {"temperature -1", with(R"("configurable":{"temperature":-1})"), 400, "validation_error"},
      {"empty model", with(R"("configurable":{"model":""})"), 400, "validation_error"},
      {"promptOverrides of numbers", with(R"("configurable":{"promptOverrides":{"a":1}})"), 400, "validation_error"},
      {"unknown provider", with(R"("configurable":{"ai":{"provider":"x"}})"), 400, "validation_error"},
      {"threshold above 1", with(R"("configurable":{"escalationThreshold":1.1})"), 400, "validation_error"},
      {"verbosity", with(R"("configurable":{"reasoningVerbosity":"loud"})"), 400, "validation_error"},
      {"mock provider with a live key", with(R"("configurable":{"mockProvider":{"id":"stream-text"}})"), 403,
       "mock_provider_forbidden"},
      {"foreign tenant", with(R"("tenantId":"b")"), 403, "forbidden"},
      {"missing input", R"({"workflowId":"wire-nonce"})", 400, "validation_error"},
  };
  return kTable;
}

}  // namespace

TEST_CASE("a bad create request gets its envelope and starts nothing", "[wire]") {
  SurfaceRig rig;
  for (const BadCreate& bad : bad_creates()) {
    INFO(bad.name);
    const Answer answer = rig.post("/v1/runs", bad.body);
    CHECK(answer.status == bad.status);
    CHECK(answer.at({"error"}) == bad.code);
    CHECK_FALSE(answer.at({"message"}).empty());
    CHECK(json::check(answer.body).ok());
    json::for_each_member(answer.body, [](std::string_view name, std::string_view) {
      CHECK((name == R"("error")" || name == R"("message")" || name == R"("details")"));
      return true;
    });
  }
  CHECK(rig.get("/v1/runs").at({"runs"}) == "[]");
}

TEST_CASE("options that hosts do not know, and limits above the ceiling, are accepted and echoed as sent", "[wire]") {
  SurfaceRig rig;
  const std::string configurable =
      R"({"recursionLimit": 9000000000000000000,"temperature":0.5,"acme.flag":[1, 2],"ai":{"credentialRef":"ref"}})";
  const Answer created = rig.post("/v1/runs", with(R"("configurable":)" + configurable +
                                                   R"(,"tags":["x","x"],"metadata":{"a":1},"inputs":{"unknown":1})"));
  REQUIRE(created.status == 201);
  const Answer snapshot = rig.get(created.at({"statusUrl"}));
  CHECK(snapshot.at({"configurable"}) == configurable);
  CHECK(snapshot.at({"tags"}) == R"(["x","x"])");
  CHECK(snapshot.at({"metadata", "a"}) == "1");
}

TEST_CASE("a body that is too large or of another type is refused by name", "[wire]") {
  SurfaceRig rig({.max_request_body_bytes = 200});
  const Answer large = rig.post("/v1/runs", std::string(201, ' '));
  CHECK(large.status == 413);
  CHECK(large.at({"error"}) == "payload_too_large");
  CHECK_THAT(large.at({"message"}), Catch::Contains("max_request_body_bytes"));
  // Who may not ask at all is told that.
  CHECK(rig.post("/v1/runs", std::string(201, ' '), {}, "").status == 401);
  http::Request unread{.method = "POST", .target = "/v1/runs"};
  const Error fault{ErrorCode::payload_too_large, "too large to be read"};
  CHECK(rig.surface->refuse(unread, fault).status == 401);
  unread.headers.emplace("Authorization", "Bearer key-a");
  CHECK(rig.surface->refuse(unread, fault).status == 413);
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""}) {
    http::Request request{.method = "POST", .target = "/v1/runs", .body = R"({"workflowId":"wire-noop"})"};
    request.headers.emplace("Content-Type", type);
    INFO(type);
    CHECK(rig.call(request).status == 415);
    request.headers.clear();
    request.headers.emplace("content-type", "Application/JSON; charset=utf-8");
    CHECK(rig.call(request).status == 201);
  }
}

TEST_CASE("targets and headers that are broken are refused", "[wire]") {
  SurfaceRig rig;
  const auto status_of_target = [&](const std::string& target) { return rig.get(target).status; };
  CHECK(status_of_target("/v1/runs/%zz") == 400);
  CHECK(status_of_target("/v1/runs/%") == 400);
  CHECK(status_of_target("/v1/runs/a%00b") == 400);
  CHECK(status_of_target("/v1/runs/a%0d%0ab") == 400);
  CHECK(status_of_target("/v1/runs/%ff") == 400);
  CHECK(status_of_target("/v1/runs?tag=%2") == 400);
  CHECK(status_of_target("/v1/runs/a%2Fb") == 404);
  CHECK(status_of_target("/v1/runs/" + std::string(500, 'x')) == 404);
  CHECK(status_of_target("/v1/workflows/" + std::string(500, 'x')) == 404);
  CHECK(status_of_target("/v1/runs/..%2f..%2fetc") == 404);
  CHECK(status_of_target("v1/runs") == 400);
  CHECK(status_of_target("") == 400);
  CHECK(status_of_target("http://host:1/v1/runs") == 200);
  CHECK(status_of_target("/v1/runs?x=" + std::string(9000, 'x')) == 414);
  CHECK(rig.get("/v1/runs", {{"X-Long", std::string(20'000, 'x')}}).status == 431);
  CHECK(rig.get("/v1/runs", {{"X-Bad", "a\r\nb"}}).status == 400);
}

TEST_CASE("paths: unknown ones, other methods, unversioned ones, and the registry that is not there", "[wire]") {
  SurfaceRig rig;
  CHECK(rig.get("/v1/nothing").at({"error"}) == "not_found");
  CHECK(rig.get("/v1/").status == 404);
  CHECK(rig.get("/v1").status == 404);
  CHECK(rig.get("/runs").status == 400);
  CHECK(rig.get("/").at({"error"}) == "unsupported_version");
  const Answer wrong = rig.call({.method = "DELETE", .target = "/v1/runs"});
  CHECK(wrong.status == 405);
  CHECK(wrong.at({"error"}) == "method_not_allowed");
  CHECK(wrong.header("Allow") == "POST, GET");
  CHECK(rig.call({.method = "BREW", .target = "/.well-known/openwop"}).status == 405);
  const Answer packs = rig.get("/v1/packs/x/y", {}, "");
  CHECK(packs.status == 404);
  CHECK(packs.header("Content-Type") == "text/plain");
  // Verbs that this host does not have are unknown resources, not wrong methods.
  CHECK(rig.post("/v1/runs/01m84eg61bbkpgpmj4x7bjqfcv:pause", "").status == 404);
  const Answer head = rig.call({.method = "HEAD", .target = "/.well-known/openwop"});
  CHECK(head.status == 200);
  CHECK(head.body.empty());
  CHECK(head.header("Content-Length") == std::to_string(rig.get("/.well-known/openwop").body.size()));
}

TEST_CASE("keys: missing, malformed and unknown ones are 401, and nothing of them comes back", "[wire]") {
  SurfaceRig rig;
  CHECK(rig.get("/v1/runs", {}, "").status == 401);
  CHECK(rig.get("/v1/unknown", {}, "").status == 401);
  for (const char* value :
       {"Bearer", "Bearer ", "Basic key-a", "key-a", "Bearer key-a extra", "Bearer wrong-key", "Bearer key-a2"}) {
    const Answer answer = rig.get("/v1/runs", {{"Authorization", value}}, "");
    INFO(value);
    CHECK(answer.status == 401);
    CHECK(answer.at({"error"}) == "unauthenticated");
    CHECK(answer.header("WWW-Authenticate") == "Bearer");
    CHECK(answer.body.find("wrong-key") == std::string::npos);
    CHECK(answer.body.find("key-a") == std::string::npos);
  }
  CHECK(rig.get("/v1/runs", {{"authorization", "bEARER  key-a"}}, "").status == 200);
  CHECK(rig.get("/v1/runs", {{"Authorization", "Bearer key-a"}}).status == 401);  // twice
}

TEST_CASE("a key without the scope is 403 before anything is looked at", "[wire]") {
  SurfaceRig rig;
  const Answer refused = rig.post("/v1/runs", "not even JSON", {}, "key-reader");
  CHECK(refused.status == 403);
  CHECK(refused.at({"details", "scopeRequired"}) == "runs:create");
  CHECK(rig.get("/v1/runs", {}, "key-reader").status == 200);
  CHECK(rig.get("/v1/workflows/wire-noop", {}, "key-reader").at({"details", "scopeRequired"}) == "manifest:read");
}

TEST_CASE("another tenant's run is exactly an absent one", "[wire]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-noop");
  const std::string absent = "01m84eg61bbkpgpmj4x7bjqfcv";
  for (const std::string suffix : {"", "/events", "/events/poll", "/explain"}) {
    INFO(suffix);
    const Answer foreign = rig.get("/v1/runs/" + run + suffix, {}, "key-b");
    CHECK(foreign.status == 404);
    CHECK(foreign.body == rig.get("/v1/runs/" + absent + suffix, {}, "key-b").body);
    CHECK(foreign.body == rig.get("/v1/runs/no-id" + suffix, {}, "key-b").body);
  }
  CHECK(rig.post("/v1/runs/" + run + "/cancel", "", {}, "key-b").status == 404);
  CHECK(rig.get("/v1/runs", {}, "key-b").at({"runs"}) == "[]");
}

TEST_CASE("discovery is public, tolerant and truthful", "[wire]") {
  SurfaceRig rig;
  const Answer open = rig.get("/.well-known/openwop", {}, "");
  REQUIRE(open.status == 200);
  CHECK(rig.get("/.well-known/openwop", {}, "wrong").body == open.body);
  CHECK(json::check(open.body).ok());
  CHECK(open.at({"protocolVersion"}) == "1.0");
  CHECK(open.at({"limits"}) ==
        R"({"clarificationRounds":3,"schemaRounds":2,"envelopesPerTurn":5,"maxNodeExecutions":100})");
  CHECK(open.at({"supportedTransports"}) == R"(["rest"])");
  CHECK(open.at({"fixtures"}).empty());
  for (const char* block : {"idempotency", "agents", "conversationPrimitive", "orchestrator", "dispatch", "memory",
                            "replay", "compliance", "debugBundle", "runs", "webhooks"}) {
    INFO(block);
    CHECK_FALSE(open.at({block}).empty());
    CHECK(open.at({block}) == open.at({"capabilities", block}));
  }
  CHECK(open.at({"idempotency", "crossRegion"}) == "single-region");
  CHECK(open.at({"idempotency", "layer1RetentionSeconds"}) == "86400");
  CHECK(open.at({"testing", "forceEngineVersionRange"}) == R"({"min":0,"max":2})");
  CHECK(open.header("Cache-Control") == "public, max-age=300");
  const Answer again = rig.get("/.well-known/openwop", {{"If-None-Match", open.header("ETag")}});
  CHECK(again.status == 304);
  CHECK(again.body.empty());
  CHECK(again.header("Capabilities-Etag") == open.header("Capabilities-Etag"));
}

TEST_CASE("a forced engine version is for test keys and within its range", "[wire]") {
  SurfaceRig rig;
  const std::string body = R"({"workflowId":"wire-noop"})";
  CHECK(rig.post("/v1/runs", body, {{"X-Force-Engine-Version", "1"}}).at({"error"}) ==
        "force_engine_version_forbidden");
  for (const char* version : {"3", "-1", "x", "", "1.0"}) {
    const Answer answer = rig.post("/v1/runs", body, {{"X-Force-Engine-Version", version}}, "key-test");
    INFO(version);
    CHECK(answer.status == 400);
    CHECK(answer.at({"error"}) == "unsupported_force_engine_version");
    CHECK(answer.at({"details", "max"}) == "2");
  }
  for (const char* version : {"0", "1", "2"}) {
    const Answer created = rig.post("/v1/runs", body, {{"X-Force-Engine-Version", version}}, "key-test");
    REQUIRE(created.status == 201);
    rig.settle();
    const Answer snapshot = rig.get(created.at({"statusUrl"}));
    CHECK(snapshot.at({"engineVersion"}) == version);
    CHECK(snapshot.at({"status"}) == "completed");
  }
  CHECK(rig.post("/v1/runs", R"({"workflowId":"wire-noop","configurable":{"mockProvider":{"id":"x"}}})", {}, "key-test")
            .at({"error"}) == "unsupported_mock_provider");
}

TEST_CASE("a secret in a path is not logged, however it is spelt", "[wire]") {
  std::string logged;
  SurfaceOptions options;
  options.log_requests = true;
  options.log = [&](LogLevel, std::string_view, std::string_view fields) { logged = fields; };
  SurfaceRig rig(std::move(options));
  for (const char* path :
       {"/v1/runs/Bearer%20abcdef0123456789abcdef0123", "/v1/runs/Bearer%2520abcdef0123456789abcdef0123",
        "/v1/runs/-----BEGIN%20PRIVATE%20KEY-----"}) {
    static_cast<void>(rig.get(path));
    INFO(logged);
    CHECK(json::member(logged, "path") == R"("[REDACTED]")");
  }
  static_cast<void>(rig.get("/v1/runs/a%20b"));
  CHECK(json::member(logged, "path") == R"("/v1/runs/a%20b")");
}

TEST_CASE("a 5xx answer has a correlation id that the log has too", "[wire]") {
  std::string logged;
  SurfaceOptions options;
  options.log = [&](LogLevel, std::string_view, std::string_view fields) { logged = fields; };
  SurfaceRig rig(std::move(options));
  const http::Response refusal = rig.surface->refuse({ErrorCode::store_corrupt, "row 7 of /secret/path is broken"});
  const Answer answer{.status = refusal.status, .body = refusal.body};
  CHECK(answer.status == 500);
  CHECK(answer.at({"error"}) == "internal_error");
  CHECK(answer.body.find("secret") == std::string::npos);
  REQUIRE_FALSE(answer.at({"details", "correlationId"}).empty());
  CHECK_THAT(logged, Catch::Contains(answer.at({"details", "correlationId"})) && Catch::Contains("row 7"));
  const http::Response busy = rig.surface->refuse({ErrorCode::store_io_error, "disk"});
  CHECK(busy.status == 503);
  CHECK(http::header(busy.headers, "Retry-After") == "1");
  CHECK(Answer{.body = busy.body}.at({"error"}) == "service_unavailable");
}
