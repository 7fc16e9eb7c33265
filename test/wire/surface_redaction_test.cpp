// Secrets planted wherever a caller or a workflow can put text, and looked for in everything that the surface gives.
#include "support/engine_rig.h"
#include "support/secret_shapes.h"
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

/// The whole of what readers can see of a run.
std::string everything(SurfaceRig& rig, const std::string& run) {
  std::string all;
  const std::string base = "/v1/runs/" + run;
  all += rig.get(base).body;
  all += rig.get(base + "/explain").body;
  all += rig.get(base + "/events/poll").body;
  all += rig.get(base + "/events", {{"Accept", "application/json"}}).body;
  all += rig.get("/v1/runs").body;
  for (const char* query :
       {"streamMode=values", "streamMode=updates", "streamMode=messages", "streamMode=debug",
        "streamMode=updates,debug", "streamMode=debug&bufferMs=5", "streamMode=values&lastEventId=1"}) {
    all += SurfaceRig::drain(*rig.stream(base + "/events?" + query));
  }
  return all;
}

std::string with_secret(std::string text, const std::string& secret) {
  const std::string quoted = json::quoted(secret);
  const std::string escaped = quoted.substr(1, quoted.size() - 2);
  for (auto at = text.find('$'); at != std::string::npos; at = text.find('$', at + escaped.size())) {
    text.replace(at, 1, escaped);
  }
  return text;
}

}  // namespace

TEST_CASE("no shape of secret that is planted anywhere in a run is seen anywhere outside", "[wire][redaction]") {
  std::string logged;
  SurfaceOptions options;
  options.log = [&](LogLevel, std::string_view message, std::string_view fields) {
    logged.append(message).append(fields);
  };
  options.log_requests = true;
  SurfaceRig rig(std::move(options));
  int number = 0;
  for (const std::string& secret : secret_shapes()) {
    const std::string id = "planted-" + std::to_string(++number);
    const auto text =
        WorkflowText(id)
            .variable(R"({"name":"payload","type":"object"})")
            .variable(R"({"name":"hidden","type":"string","sensitive":true})")
            .node("echo", "core.identity", "{}", R"({"payload":{"type":"variable","variableName":"payload"}})")
            .node("set", "core.setVariable", with_secret(R"({"name":"v","value":{"deep":["a $ b"]}})", secret))
            .node("write", "core.channelWrite",
                  with_secret(R"({"channelName":"c","reducer":"append","value":"$"})", secret))
            .node("bad", "core.fail", with_secret(R"({"message":"failed with $ in it","code":"$"})", secret))
            .edge("echo", "set")
            .edge("set", "write")
            .edge("write", "bad")
            .root(R"(,"channels":{"c":{"reducer":"append"}})");
    REQUIRE(rig.engine->register_workflow(text.json()).ok());
    const Answer created = rig.post(
        "/v1/runs", with_secret(R"({"workflowId":")" + id +
                                    R"(","inputs":{"payload":{"k":"$","$":1},"unknown":"see $ there"},"tags":["$"],)"
                                    R"("metadata":{"note":"$"},"configurable":{"own":"$","ai":{"credentialRef":"$"}}})",
                                secret));
    INFO(secret << "\n" << created.body);
    REQUIRE(created.status == 201);
    rig.settle();
    const std::string run = created.at({"runId"});
    const std::string seen = everything(rig, run);
    const std::string part = secret_part(secret);
    CHECK(seen.find(part) == std::string::npos);
    CHECK(seen.find("[REDACTED]") != std::string::npos);
    CHECK(rig.get("/v1/runs/" + run).at({"status"}) == "failed");

    // Refusals say nothing either.
    for (const Answer& refusal : {
             rig.post("/v1/runs", with_secret(R"({"workflowId":"$"})", secret)),
             rig.post("/v1/runs", with_secret(R"({"workflowId":"x $ y"})", secret)),
             rig.post("/v1/runs", with_secret(R"({"workflowId":"wire-noop","$":1})", secret)),
             rig.post("/v1/runs",
                      with_secret(R"({"workflowId":"wire-noop","configurable":{"model":"","x":"$"}})", secret)),
             rig.post("/v1/runs",
                      with_secret(R"({"workflowId":"wire-noop","configurable":{"mockProvider":{"id":"$"}}})", secret),
                      {}, "key-test"),
             rig.post("/v1/runs/" + run + "/cancel", with_secret(R"({"reason":"$"})", secret)),
             rig.get("/v1/runs/" + run, {}, with_secret("$", secret.substr(0, secret.find('\n')))),
         }) {
      CHECK(refusal.body.find(part) == std::string::npos);
    }
  }
  for (const std::string& secret : secret_shapes()) CHECK(logged.find(secret_part(secret)) == std::string::npos);
  CHECK_FALSE(logged.empty());
}

TEST_CASE("a run goes on with the real values that its events hide, also after a restart", "[wire][redaction]") {
  SurfaceRig rig;
  const std::string secret = secret_shapes().front();
  REQUIRE(rig.engine
              ->register_workflow(
                  WorkflowText("real")
                      .variable(R"({"name":"k","type":"string"})")
                      .node("a", "core.identity", "{}", R"({"k":{"type":"variable","variableName":"k"}})")
                      .node("c", "core.conditional", R"({"expression":"variables.k == ')" + secret + R"('"})")
                      .edge("a", "c")
                      .json())
              .ok());
  const std::string run = rig.run("real", R"({"k":")" + secret + R"("})");
  const auto view = rig.engine->run("a", *RunId::parse(run));
  REQUIRE(view.ok());
  CHECK(view->state.nodes.at("c").outputs == R"({"result":true})");
  CHECK(view->state.variables.at("k") == json::quoted(secret));
  CHECK(everything(rig, run).find(secret) == std::string::npos);
}

TEST_CASE("a workflow's masking mode shows sensitive values as it says, in events and snapshots", "[wire][redaction]") {
  struct Case {
    const char* mode;
    std::string shown;  // in the snapshot; empty: the key is left out
  };
  const Case cases[] = {{"mask", "\"[REDACTED]\""},
                        {"omit", ""},
                        {"hash", "\"sha256:" + sha256_hex("\"plain words\"") + "\""},
                        {"passthrough", "\"plain words\""}};
  SurfaceRig rig;
  for (const Case& test : cases) {
    const std::string id = std::string("masked-") + test.mode;
    std::string json =
        WorkflowText(id)
            .variable(R"({"name":"s","type":"string","sensitive":true})")
            .node("a", "core.identity", "{}", R"({"s":{"type":"variable","variableName":"s"}})",
                  R"(,"outputSensitivity":{"s":true})")
            .node("b", "core.setVariable", R"({"name":"s","value":"plain words"})")
            .node("c", "core.channelWrite", R"({"channelName":"ch","value":"plain words"})")
            .node("d", "core.getVariable", R"({"name":"s"})")
            .node("e", "core.setVariable", R"({"name":"copy"})", R"({"value":{"type":"variable","variableName":"s"}})")
            .node("f", "core.end", "{}", R"({"o":{"type":"variable","variableName":"copy"}})")
            .edge("a", "b")
            .edge("b", "c")
            .edge("c", "d")
            .edge("d", "e")
            .edge("e", "f")
            .root(R"(,"channels":{"ch":{"reducer":"replace","sensitive":true}})")
            .json();
    json.replace(json.find(R"("metadata":{})"), 13,
                 R"("metadata":{"complianceConfig":{"maskingMode":")" + std::string(test.mode) + "\"}}");
    REQUIRE(rig.engine->register_workflow(json).ok());
    const std::string run = rig.run(id, R"({"s":"plain words"})");
    INFO(test.mode);
    const Answer snapshot = rig.get("/v1/runs/" + run);
    CHECK(snapshot.at({"status"}) == "completed");
    const auto variables = json::member(snapshot.body, "variables");
    CHECK(json::member(*variables, "s").value_or("") == test.shown);
    CHECK(json::member(*json::member(snapshot.body, "channels"), "ch").value_or("") == test.shown);
    const bool open = test.mode == std::string("passthrough");
    const std::string seen = everything(rig, run);
    CHECK((seen.find("plain words") != std::string::npos) == open);
    // The state behind it is real.
    CHECK(rig.engine->run("a", *RunId::parse(run))->state.channels.at("ch") == "\"plain words\"");
  }
}

TEST_CASE("ordinary inputs and numbers come back byte for byte", "[wire][redaction]") {
  SurfaceRig rig;
  const std::string payload =
      R"({"a":[1,2.50,-0,1e5,{"b":null}],"big":12345678901234567890,"sk":"sk-learn","secret_name":"x","t":"\u00e9\n"})";
  const std::string run = rig.run("wire-echo", R"({"payload":)" + payload + "}");
  CHECK(rig.get("/v1/runs/" + run).body.find(payload) != std::string::npos);
  CHECK(rig.get("/v1/runs/" + run + "/events/poll").body.find(payload) != std::string::npos);
}
