// Run options that are more than a wrong type: providers, credentials, mocks, tenants (protocol 01 §10).
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

SurfaceOptions with_providers() {
  SurfaceOptions options;
  options.mock_providers = {"stream-text", "error"};
  options.ai_providers = {.supported = {"acme", "house"}, .byok = {"acme"}};
  return options;
}

std::string configured(const std::string& configurable) {
  return R"({"workflowId":"wire-noop","configurable":)" + configurable + "}";
}

}  // namespace

TEST_CASE("a provider has to be a supported one, and a credential has to be for one that takes it", "[wire]") {
  SurfaceRig rig(with_providers());
  const auto post = [&](const std::string& ai) { return rig.post("/v1/runs", configured(R"({"ai":)" + ai + "}")); };
  CHECK(post(R"({"provider":"acme","credentialRef":"vault:1","model":"m"})").status == 201);
  CHECK(post(R"({"provider":"house"})").status == 201);
  CHECK(post(R"({"credentialRef":"vault:1"})").status == 201);
  const Answer unknown = post(R"({"provider":"elsewhere"})");
  CHECK(unknown.status == 400);
  CHECK(unknown.at({"details", "key"}) == "ai.provider");
  const Answer forbidden = post(R"({"provider":"house","credentialRef":"vault:canary"})");
  CHECK(forbidden.status == 403);
  CHECK(forbidden.at({"error"}) == "credential_forbidden");
  CHECK(forbidden.at({"details", "provider"}) == "house");
  CHECK(forbidden.body.find("canary") == std::string::npos);
  CHECK(post(R"({"credentialRef":""})").status == 400);
  CHECK(post(R"({"credentialRef":7})").status == 400);
  CHECK(rig.post("/v1/runs", configured(R"({"ai.provider":"acme"})")).at({"details", "key"}) == "ai.provider");
}

TEST_CASE("a reference to a credential is in no event", "[wire]") {
  SurfaceRig rig(with_providers());
  const Answer created = rig.post("/v1/runs", configured(R"({"ai":{"credentialRef":"vault:canary"}})"));
  REQUIRE(created.status == 201);
  rig.settle();
  CHECK(rig.get(created.at({"eventsUrl"}) + "/poll").body.find("canary") == std::string::npos);
  CHECK_THAT(rig.get(created.at({"statusUrl"})).at({"configurable"}), Catch::Contains("canary"));
}

TEST_CASE("mock providers are for test keys, known by id, and their config is checked", "[wire]") {
  SurfaceRig rig(with_providers());
  const auto post = [&](const std::string& mock, const std::string& key = "key-test") {
    return rig.post("/v1/runs", configured(R"({"mockProvider":)" + mock + "}"), {}, key);
  };
  CHECK(post(R"({"id":"stream-text","config":{"tokens":["a"],"delayMsPerToken":0,"x":1}})").status == 201);
  const Answer forbidden = post(R"({"id":"stream-text"})", "key-a");
  CHECK(forbidden.status == 403);
  CHECK(forbidden.at({"details"}) ==
        R"({"supportedProviders":["stream-text","error"],"requestedProvider":"stream-text"})");
  const Answer unknown = post(R"({"id":"dream-text"})");
  CHECK(unknown.status == 400);
  CHECK(unknown.at({"error"}) == "unsupported_mock_provider");
  CHECK(unknown.at({"details", "supportedProviders"}) == R"(["stream-text","error"])");
  for (const char* bad :
       {R"("stream-text")", R"({"id":""})", R"({"id":"stream-text","extra":1})", R"({"id":"stream-text","config":1})",
        R"({"id":"stream-text","config":{"tokens":"a"}})", R"({"id":"stream-text","config":{"tokens":[1]}})",
        R"({"id":"stream-text","config":{"delayMsPerToken":5001}})",
        R"({"id":"stream-text","config":{"delayMsPerToken":-1}})",
        R"({"id":"stream-text","config":{"finishReason":"bored"}})", R"({"id":"error","config":{"retryable":"no"}})"}) {
    INFO(bad);
    const Answer answer = post(bad);
    CHECK(answer.status == 400);
    CHECK(answer.at({"error"}) == "validation_error");
    CHECK_THAT(answer.at({"message"}), Catch::Contains("mockProvider"));
  }
}

TEST_CASE("what a key may not ask for is refused as such, whatever else is wrong", "[wire]") {
  SurfaceRig rig(with_providers());
  CHECK(rig.post("/v1/runs", R"({"extra":1,"workflowId":7,"tenantId":"b"})").at({"error"}) == "forbidden");
  CHECK(rig.post("/v1/runs", R"({"extra":1,"configurable":{"mockProvider":{}}})").at({"error"}) ==
        "mock_provider_forbidden");
  CHECK(rig.post("/v1/runs", R"({"workflowId":"nowhere","tenantId":"b"})").status == 403);
  CHECK(rig.post("/v1/runs", R"({"workflowId":"wire-noop","tenantId":"a"})").status == 201);
}

TEST_CASE("a workflow's configurableSchema is enforced before a run exists", "[wire]") {
  SurfaceRig rig;
  REQUIRE(rig.engine
              ->register_workflow(R"({"id":"strict","name":"s","version":"1.0","metadata":{},"settings":{},
    "variables":[],"triggers":[{"id":"m","type":"manual"}],"edges":[],
    "nodes":[{"id":"a","typeId":"core.noop","name":"a","position":{"x":0,"y":0},"config":{},"inputs":{}}],
    "configurableSchema":{"type":"object","properties":{"depth":{"type":"integer","maximum":3}},
                          "additionalProperties":false}})")
              .ok());
  const auto post = [&](const std::string& configurable) {
    return rig.post("/v1/runs", R"({"workflowId":"strict","configurable":)" + configurable + "}");
  };
  CHECK(post(R"({"depth":3})").status == 201);
  const Answer refused = post(R"({"depth":4,"other":true})");
  CHECK(refused.status == 400);
  CHECK(refused.at({"error"}) == "validation_error");
  CHECK_THAT(refused.at({"details", "problems"}), Catch::Contains("/depth"));
  CHECK_THAT(rig.get("/v1/workflows/strict").body, Catch::Contains("configurableSchema"));
}

TEST_CASE("tags and metadata are kept as sent: any text, duplicates, what fits", "[wire]") {
  SurfaceRig rig;
  const std::string tags = R"(["a","a","\u0007","env:prod","ä"])";
  const std::string metadata = R"({"acme":{"b":{"c":{"d":1.0}}},"n":12345678901234567})";
  const Answer created =
      rig.post("/v1/runs", R"({"workflowId":"wire-noop","tags":)" + tags + R"(,"metadata":)" + metadata + "}");
  REQUIRE(created.status == 201);
  const Answer snapshot = rig.get(created.at({"statusUrl"}));
  CHECK(json::equal(snapshot.at({"tags"}), tags));
  CHECK(snapshot.at({"metadata"}) == metadata);
  CHECK_THAT(rig.get("/v1/runs?tag=%C3%A4").body, Catch::Contains(created.at({"runId"})));
}
