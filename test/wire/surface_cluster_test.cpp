// Requests for a run of another host: who answers them, and what a client sees of it.
#include "engine/cluster_rig.h"
#include "openwop/json.h"
#include "openwop/protocol/openwop_surface.h"
#include "support/row_count.h"

using namespace openwop;
using namespace openwop::test;

namespace {

/// Nothing is ever sent.
class NoClient final : public HttpClient {
 public:
  HttpAnswer send(const HttpCall&) override { return {.failure = HttpFailure::connect}; }
};

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
    options.keys.push_back(ApiKey::of("from-us", "us", {std::string(kRegionScope)}));
    options.token_keys = {{"k1", "a secret of some length"}};
    options.not_owner_wait_ms = 100;
    auto regions = RegionLink::open({.region = "eu",
                                     .peers = {{"us", "http://us", "key"}},
                                     .store = store,
                                     .client = std::make_shared<NoClient>(),
                                     .cluster = true,
                                     .threads = false});
    REQUIRE(regions.ok());
    options.regions = *std::move(regions);
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

TEST_CASE("a run that gives way to one of another region is cancelled by the host that has it", "[cluster][regions]") {
  ClusterSurfaces rig;
  const auto created = [&](const std::string& key) {
    const auto answer = rig.post(0, "/v1/runs", R"({"workflowId":"gate"})", {{"Idempotency-Key", key}});
    REQUIRE(answer.status == 201);
    return *RunId::parse(*json::as_string(*json::member(answer.body, "runId")));
  };
  const auto claim = [](const std::string& key) {
    return R"({"key":")" + sha256_hex("default:POST /v1/runs:" + key) + R"(","request":")" + std::string(64, '2') +
           R"(","expiresMs":9999999999999,"status":201,"headers":{},"body":)" +
           json::quoted(R"({"runId":"00000000000000000000000001","status":"running","eventsUrl":"/e"})") + "}";
  };
  const auto tell = [&](const std::string& claims) {
    const std::string body = R"({"region":"us","claims":[)" + claims + "]}";
    const http::Headers headers = {{"Authorization", "Bearer from-us"}, {"Content-Type", "application/json"}};
    return std::get<http::Response>(
        rig.surfaces[1]->handle({.method = "POST", .target = "/v1/regions/claims", .headers = headers, .body = body}));
  };
  const RunId a = created("a");
  const RunId b = created("b");
  REQUIRE(rig[0].has(a));
  REQUIRE(rig[0].has(b));
  rig.handed_on.clear();
  // Of several, those of other hosts are left; what nobody has here is taken.
  const auto several = tell(claim("a") + "," + claim("c") + "," + claim("b"));
  CHECK(several.status == 200);
  CHECK(several.body == R"({"region":"eu","left":[0,2]})");
  CHECK(rig.handed_on.empty());
  CHECK(rig[0].status(a) == RunStatus::waiting_approval);
  // One alone is handed on.
  const auto alone = tell(claim("a"));
  CHECK(alone.status == 200);
  CHECK(alone.body == R"({"region":"eu","left":[]})");
  CHECK(rig.handed_on.size() == 1);
  CHECK(rig[0].status(a) == RunStatus::cancelled);
  CHECK(rig[0].status(b) == RunStatus::waiting_approval);
  const auto repeated = rig.post(1, "/v1/runs", R"({"workflowId":"gate"})", {{"Idempotency-Key", "a"}});
  CHECK(repeated.status == 409);  // the other region's request had another body
}

TEST_CASE("of several hosts of a region the one with the first partition tells the others", "[cluster][regions]") {
  auto store = std::make_shared<MemoryStore>();
  std::size_t told = 0;
  class Counting final : public HttpClient {
   public:
    explicit Counting(std::size_t& calls) : calls_(calls) {}
    HttpAnswer send(const HttpCall&) override {
      ++calls_;
      return {.status = 200, .body = R"({"region":"us","left":[]})"};
    }

   private:
    std::size_t& calls_;
  };
  struct Owns final : RunOwnership {
    explicit Owns(std::size_t partition) : partition_(partition) {}
    [[nodiscard]] bool is_mine(const RunId& run) const override { return partition_of(run, 2) == partition_; }
    std::size_t partition_;
  };
  auto regions = RegionLink::open({.region = "eu",
                                   .peers = {{"us", "http://us", "key"}},
                                   .store = store,
                                   .client = std::make_shared<Counting>(told),
                                   .clock = std::make_shared<ManualClock>(),
                                   .cluster = true,
                                   .threads = false});
  REQUIRE(regions.ok());
  (void)(*regions)->tick();
  CHECK(told == 0);  // no engine has said anything yet
  (*regions)->ownership_changed(std::make_shared<Owns>(1));
  (void)(*regions)->tick();
  CHECK(told == 0);
  (*regions)->ownership_changed(std::make_shared<Owns>(0));
  (void)(*regions)->tick();
  CHECK(told == 1);
  // What other hosts have written for this one to tell, it tells when it hears that they wrote.
  (void)(*regions)->owe("us", {{Ledger::row_key(kRequestScope, "no such entry"), 1'800'000'000'000}});
  (*regions)->hosts_wrote();
  (void)(*regions)->tick();
  CHECK(row_count(*store, "Hr") == 0);
}
