// Requests for a run of another host: who answers them, and what a client sees of it.
#include "engine/cluster_rig.h"
#include "openwop/json.h"
#include "openwop/protocol/openwop_surface.h"

using namespace openwop;
using namespace openwop::test;

namespace {

/// Two hosts with a surface each; what one hands on arrives at the other by a call.
struct ClusterSurfaces : ClusterRig {
  std::array<std::unique_ptr<OpenWopSurface>, 2> surfaces;
  std::vector<http::Request> handed_on;
  /// Instead of the other host's answer.
  std::optional<Error> trouble;

  explicit ClusterSurfaces(bool forwarding = true) {
    for (std::size_t i = 0; i < 2; ++i) add_host();
    add_workflow(WorkflowText("gate").node("gate", "core.approvalGate", R"({"actions":["accept"],"title":"?"})"));
    settle();
    for (std::size_t i = 0; i < 2; ++i) make_surface(i, forwarding);
  }

  void make_surface(std::size_t i, bool forwarding) {
    SurfaceOptions options;
    options.keys.push_back(ApiKey::of("key", "default"));
    options.token_keys = {{"k1", "a secret of some length"}};
    options.not_owner_wait_ms = 100;
    if (forwarding) {
      options.forward = [this](const http::Request& request, const std::string& address) -> Result<http::Response> {
        handed_on.push_back(request);
        if (trouble) return *trouble;
        const std::size_t to = address == "http://host-1:8080" ? 0 : 1;
        return std::get<http::Response>(surfaces[to]->handle(request));
      };
    }
    surfaces[i] = std::make_unique<OpenWopSurface>(*hosts[i]->engine, std::move(options));
  }

  http::Response post(std::size_t host, const std::string& target, const std::string& body,
                      http::Headers headers = {}) {
    headers.emplace("Authorization", "Bearer key");
    headers.emplace("Content-Type", "application/json");
    return std::get<http::Response>(
        surfaces[host]->handle({.method = "POST", .target = target, .headers = std::move(headers), .body = body}));
  }
  std::string run_on(std::size_t host) { return create_on(host, "gate").text(); }
};

std::string header_of(const http::Response& response, std::string_view name) {
  return std::string(http::header(response.headers, name).value_or(""));
}

}  // namespace

TEST_CASE("a request for another host's run is answered by that host, with all its headers", "[cluster]") {
  ClusterSurfaces rig;
  const std::string run = rig.run_on(0);
  const std::string body = R"({"reason":"enough"})";
  const auto answer = rig.post(1, "/v1/runs/" + run + "/cancel", body, {{"Idempotency-Key", "k"}, {"X-Own", "1"}});
  CHECK(answer.status == 200);
  CHECK(answer.body == R"({"runId":")" + run + R"(","status":"cancelled"})");
  CHECK(header_of(answer, "openwop-Idempotent-Replay") == "false");
  REQUIRE(rig.handed_on.size() == 1);
  const http::Request& handed = rig.handed_on[0];
  CHECK(handed.method == "POST");
  CHECK(handed.target == "/v1/runs/" + run + "/cancel");
  CHECK(handed.body == body);
  for (const char* name : {"Authorization", "Idempotency-Key", "X-Own", "openwop-forwarded"}) {
    CHECK(handed.headers.contains(name));
  }
  // The key is in the store: a repeat is answered by whichever host.
  const auto repeated = rig.post(1, "/v1/runs/" + run + "/cancel", body, {{"Idempotency-Key", "k"}});
  CHECK(repeated.body == answer.body);
  CHECK(header_of(repeated, "openwop-Idempotent-Replay") == "true");
  CHECK(rig.handed_on.size() == 1);
}

TEST_CASE("answers, pauses and refusals of the other host come back as they are", "[cluster]") {
  ClusterSurfaces rig;
  const std::string run = rig.run_on(0);
  CHECK(rig.post(1, "/v1/runs/" + run + ":pause", "{}").status == 409);  // it waits
  CHECK(rig.post(1, "/v1/runs/" + run + "/approvals/gate", R"({"action":"nonsense"})").status == 400);
  CHECK(rig.post(1, "/v1/runs/" + run + "/approvals/gate", R"({"action":"accept"})").status == 200);
  CHECK(rig[1].status(*RunId::parse(run)) == RunStatus::completed);
}

TEST_CASE("a request that was handed on is not handed on again", "[cluster]") {
  ClusterSurfaces rig;
  const std::string run = rig.run_on(0);
  const auto answer = rig.post(1, "/v1/runs/" + run + "/cancel", "{}", {{"openwop-forwarded", "1"}});
  CHECK(answer.status == 503);
  CHECK(header_of(answer, "openwop-not-owner") == "1");
  CHECK_FALSE(header_of(answer, "Retry-After").empty());
  CHECK(rig.handed_on.empty());
}

TEST_CASE("a host that cannot be reached, or does not answer, means 503 and tells nothing of where it is",
          "[cluster]") {
  ClusterSurfaces rig;
  const std::string run = rig.run_on(0);
  std::size_t times = 0;
  SECTION("not reached: it is tried again for a while") {
    rig.trouble = Error{ErrorCode::not_owner, "not reached"};
    times = 2;
  }
  SECTION("no answer: it may have done something") {
    rig.trouble = Error{ErrorCode::service_unavailable, "no answer"};
    times = 1;
  }
  const auto answer = rig.post(1, "/v1/runs/" + run + "/cancel", "{}");
  CHECK(answer.status == 503);
  CHECK(json::member(answer.body, "error") == R"("service_unavailable")");
  CHECK_FALSE(header_of(answer, "Retry-After").empty());
  CHECK(answer.body.find("host-1") == std::string::npos);
  CHECK(rig.handed_on.size() == times);
  // It is not remembered as the outcome.
  rig.trouble.reset();
  CHECK(rig.post(1, "/v1/runs/" + run + "/cancel", "{}").status == 200);
}

TEST_CASE("a host that hands nothing on says that the run is elsewhere by 503", "[cluster]") {
  ClusterSurfaces rig(false);
  const std::string run = rig.run_on(0);
  CHECK(rig.post(1, "/v1/runs/" + run + "/cancel", "{}").status == 503);
  CHECK(rig.post(0, "/v1/runs/" + run + "/cancel", "{}").status == 200);
}

TEST_CASE("what is created on a host that has no partition yet is created on another", "[cluster]") {
  ClusterSurfaces rig;
  // One more host, before the others know of it.
  rig.add_host();
  REQUIRE(rig[2].claimed() == 0);
  SurfaceOptions options;
  options.keys.push_back(ApiKey::of("key", "default"));
  options.not_owner_wait_ms = 100;
  options.forward = [&](const http::Request& request, const std::string& address) -> Result<http::Response> {
    return std::get<http::Response>(rig.surfaces[address == "http://host-1:8080" ? 0 : 1]->handle(request));
  };
  OpenWopSurface surface(*rig[2].engine, std::move(options));
  const auto answer = std::get<http::Response>(
      surface.handle({.method = "POST",
                      .target = "/v1/runs",
                      .headers = {{"Authorization", "Bearer key"}, {"Content-Type", "application/json"}},
                      .body = R"({"workflowId":"gate","inputs":{}})"}));
  CHECK(answer.status == 201);
}
