// Bad input for every route. What is wrong in general (methods, keys, paths, queries, headers, bodies) is tried on each
// route of the surface's own table, a new one included; what is wrong with one route in particular is a row of
// kBadCalls. Every refusal is a closed envelope, and leaves the store as it was.
#include <map>
#include <set>

#include "protocol/openwop/routes.h"
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

using Rows = std::map<std::string, std::string>;

struct BadInputRig : SurfaceRig {
  BadInputRig() : SurfaceRig({.max_request_body_bytes = 4096}) {
    live_run = run("wire-sleep", R"({"delayMs":1000000})");
  }

  Rows rows() const {
    Rows all;
    const auto scanned = store->scan({}, [&](std::string_view key, std::string_view value) {
      all.emplace(key, value);
      return true;
    });
    REQUIRE(scanned.ok());
    return all;
  }

  /// A path of the route: `{runId}` is that of a live run, `{workflowId}` a known one, anything else is made up.
  std::string path_of(std::string_view pattern, const std::string& instead = "") const {
    std::string path;
    while (!pattern.empty()) {
      const auto open = pattern.find('{');
      path += pattern.substr(0, open);
      if (open == std::string_view::npos) break;
      const auto close = pattern.find('}', open);
      const std::string_view name = pattern.substr(open + 1, close - open - 1);
      if (!instead.empty()) {
        path += instead;
      } else {
        path += name == "runId" ? live_run : name == "workflowId" ? "wire-noop" : "some-id";
      }
      pattern = pattern.substr(close + 1);
    }
    return path;
  }

  /// The request gets one of these statuses in a closed envelope, and changes nothing.
  Answer refused(const http::Request& request, const std::set<int>& statuses, const std::string& key = "key-a") {
    const Rows before = rows();
    const Answer answer = call(request, key);
    settle();
    INFO(request.method << " " << request.target.substr(0, 200) << " -> " << answer.status << " " << answer.body);
    CHECK(statuses.contains(answer.status));
    CHECK(json::check(answer.body).ok());
    CHECK_FALSE(answer.at({"error"}).empty());
    CHECK_FALSE(answer.at({"message"}).empty());
    json::for_each_member(answer.body, [](std::string_view name, std::string_view value) {
      const bool known = name == R"("error")" || name == R"("message")" || name == R"("details")";
      CHECK(known);
      CHECK((name != R"("details")" || json::kind(value) == json::Kind::object));
      return true;
    });
    CHECK(rows() == before);
    return answer;
  }

  std::string live_run;
};

bool is_mutation(std::string_view method) { return method != "GET"; }

http::Request request_of(const wire::Route& route, std::string target) {
  http::Request request{.method = std::string(route.method), .target = std::move(target)};
  if (is_mutation(route.method)) request.headers.emplace("Content-Type", "application/json");
  return request;
}

struct BadCall {
  const char* method;
  const char* pattern;
  /// Added to the path.
  const char* query;
  const char* body;
  int status;
  const char* code;
};

// One row for each thing that a route in particular refuses.
const BadCall kBadCalls[] = {
    {"GET", "/v1/runs", "?status=odd", "", 400, "validation_error"},
    {"GET", "/v1/runs", "?limit=0", "", 400, "validation_error"},
    {"GET", "/v1/runs", "?limit=1001", "", 400, "validation_error"},
    {"GET", "/v1/runs", "?limit=1e2", "", 400, "validation_error"},
    {"GET", "/v1/runs", "?limit=99999999999999999999", "", 400, "validation_error"},
    {"GET", "/v1/runs", "?cursor=xyz", "", 400, "validation_error"},
    {"GET", "/v1/runs", "?createdFrom=yesterday", "", 400, "validation_error"},
    {"GET", "/v1/runs", "?createdBefore=2026-13-01T00:00:00Z", "", 400, "validation_error"},
    {"GET", "/v1/runs/{runId}/events", "?streamMode=odd", "", 400, "unsupported_stream_mode"},
    {"GET", "/v1/runs/{runId}/events", "?streamMode=values,updates", "", 400, "unsupported_stream_mode"},
    {"GET", "/v1/runs/{runId}/events", "?bufferMs=-1", "", 400, "validation_error"},
    {"GET", "/v1/runs/{runId}/events", "?bufferMs=5001", "", 400, "validation_error"},
    {"GET", "/v1/runs/{runId}/events", "?bufferMs=x", "", 400, "validation_error"},
    {"GET", "/v1/runs/{runId}/events/poll", "?lastSequence=x", "", 400, "validation_error"},
    {"GET", "/v1/runs/{runId}/events/poll", "?lastSequence=1.5", "", 400, "validation_error"},
    {"GET", "/v1/runs/{runId}/events/poll", "?timeout=0", "", 400, "validation_error"},
    {"GET", "/v1/runs/{runId}/events/poll", "?timeout=61", "", 400, "validation_error"},
    {"POST", "/v1/runs/{runId}/cancel", "", R"({"reason":7})", 400, "validation_error"},
    {"POST", "/v1/runs/{runId}:pause", "", R"({"drainPolicy":"immediate","":"x"})", 400, "validation_error"},
    {"POST", "/v1/runs", "", R"({"workflowId":"wire-noop","":1})", 400, "validation_error"},
    {"POST", "/v1/runs", "", R"({"workflowId":null})", 400, "validation_error"},
    {"POST", "/v1/runs", "", R"({"workflowId":"../../etc/passwd"})", 400, "validation_error"},
    {"POST", "/v1/runs", "", R"({"workflowId":"wire-noop","scopeId":""})", 400, "validation_error"},
    {"POST", "/v1/runs", "", R"({"workflowId":"wire-noop","scopeId":"a\u0000b"})", 400, "validation_error"},
    {"POST", "/v1/runs", "", R"({"workflowId":"wire-noop","\ud83d\ude00":1})", 400, "validation_error"},
};

}  // namespace

TEST_CASE("every route refuses another method and names its own", "[wire][bad-input]") {
  BadInputRig rig;
  for (const wire::Route& route : wire::routes()) {
    for (const char* method : {"BREW", "TRACE", "get"}) {
      const Answer answer = rig.refused({.method = method, .target = rig.path_of(route.pattern)}, {405});
      CHECK_THAT(answer.header("Allow"), Catch::Contains(std::string(route.method)));
    }
  }
}

TEST_CASE("every route that is not public refuses callers without a key, and keys without its scopes",
          "[wire][bad-input]") {
  BadInputRig rig;
  rig.surface->set_keys({ApiKey::of("key-a", "a"), ApiKey::of("key-none", "a", {})});
  for (const wire::Route& route : wire::routes()) {
    if (route.scope.empty()) continue;
    for (const std::string& target : {rig.path_of(route.pattern), rig.path_of(route.pattern, "%zz")}) {
      CHECK(rig.refused(request_of(route, target), {401}, "").header("WWW-Authenticate") == "Bearer");
      const Answer unknown = rig.refused(request_of(route, target), {401}, "key-c4nary");
      CHECK(unknown.body.find("c4nary") == std::string::npos);
    }
    const Answer closed = rig.refused(request_of(route, rig.path_of(route.pattern)), {403}, "key-none");
    CHECK_FALSE(closed.at({"details", "scopeRequired"}).empty());
  }
}

TEST_CASE("every id in a path is text: broken encodings are refused, tricks name nothing", "[wire][bad-input]") {
  BadInputRig rig;
  for (const wire::Route& route : wire::routes()) {
    if (route.pattern.find('{') == std::string_view::npos) continue;
    for (const char* broken :
         {"%", "%z", "%zz", "%2", "a%00b", "a%0d%0aX-Injected%3a%201", "%ff", "%c3%28", "%ed%a0%80"}) {
      rig.refused(request_of(route, rig.path_of(route.pattern, broken)), {400});
    }
    const std::string long_id(500, 'x');
    for (const std::string trick :
         {"..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%252e%252e", "a%2Fb", "a%5cb", "%3Cscript%3E", "'%20OR%201=1",
          "00000000000000000000000000", "zzzzzzzzzzzzzzzzzzzzzzzzzz"}) {
      rig.refused(request_of(route, rig.path_of(route.pattern, trick)), {400, 404, 409, 410});
    }
    rig.refused(request_of(route, rig.path_of(route.pattern, long_id)), {400, 404, 409, 410});
  }
}

TEST_CASE("every route refuses queries and headers that are broken, doubled or too large", "[wire][bad-input]") {
  BadInputRig rig;
  for (const wire::Route& route : wire::routes()) {
    const std::string path = rig.path_of(route.pattern);
    rig.refused(request_of(route, path + "?a=%zz"), {400});
    rig.refused(request_of(route, path + "?a=%00"), {400});
    rig.refused(request_of(route, path + "?a=1&a=2"), {400});
    rig.refused(request_of(route, path + "?a=1&%61=2"), {400});
    std::string many = "?";
    for (int i = 0; i < 100; ++i) many += "p" + std::to_string(i) + "&";
    rig.refused(request_of(route, path + many), {400});
    rig.refused(request_of(route, path + "?a=" + std::string(9000, 'x')), {414});
    http::Request injected = request_of(route, path);
    injected.headers.emplace("X-Any", "a\r\nSet-Cookie: b");
    rig.refused(injected, {400});
    http::Request large = request_of(route, path);
    large.headers.emplace("X-Any", std::string(20'000, 'x'));
    rig.refused(large, {431});
    if (!route.scope.empty()) {
      rig.refused(request_of(route, path + "?tenantId=b"), {403});
      http::Request twice = request_of(route, path);
      twice.headers.emplace("Authorization", "Bearer key-a");
      rig.refused(twice, {401});
    }
  }
}

TEST_CASE("every mutation refuses bodies that are no JSON object, and keys that are none", "[wire][bad-input]") {
  BadInputRig rig;
  for (const wire::Route& route : wire::routes()) {
    if (!is_mutation(route.method)) continue;
    http::Request request = request_of(route, rig.path_of(route.pattern));
    request.body = std::string(5000, ' ');
    rig.refused(request, {413});
    if (route.method != "DELETE") {
      for (const char* const body : {"hello", "{", "[]", "7", "null", "\"x\"", "{}{}", "\xEF\xBB\xBF{}",
                                     "{\"a\":1,\"a\":2}", "{\"a\":\"\xC3\x28\"}", "{'a':1}", "{\"a\":NaN}"}) {
        request.body = body;
        rig.refused(request, {400, 404, 409, 410});
      }
      request.body = std::string(1000, '[') + std::string(1000, ']');
      rig.refused(request, {400, 404, 409, 410});
      request.body = "{}";
      request.headers.clear();
      request.headers.emplace("Content-Type", "text/plain");
      rig.refused(request, {400, 404, 409, 410, 415});
    }
    for (const std::string& key : {std::string(), std::string(256, 'k'), std::string("a b"), std::string("\x7F")}) {
      http::Request keyed = request_of(route, rig.path_of(route.pattern));
      keyed.headers.emplace("Idempotency-Key", key);
      rig.refused(keyed, {400, 404, 410});
    }
  }
}

TEST_CASE("what one route in particular refuses", "[wire][bad-input]") {
  BadInputRig rig;
  for (const BadCall& bad : kBadCalls) {
    http::Request request{.method = bad.method, .target = rig.path_of(bad.pattern) + bad.query, .body = bad.body};
    INFO(request.target << " " << bad.body);
    CHECK(rig.refused(request, {bad.status}).at({"error"}) == bad.code);
  }
}

TEST_CASE("what a client sent comes back clipped to whole characters", "[wire][bad-input]") {
  BadInputRig rig;
  std::string name;
  for (int i = 0; i < 40; ++i) name += "\xE2\x82\xAC";  // three bytes each: the 64th is within one
  const Answer answer = rig.refused(
      {.method = "POST", .target = "/v1/runs", .body = R"({"workflowId":"wire-noop",")" + name + "\":1}"}, {400});
  CHECK(answer.at({"details", "field"}).size() == 63);
}
