// core.ai.callPrompt on the mock providers: chunks in the log as they come, costs, cancels, crashes.
#include "support/engine_rig.h"
#include "support/secret_shapes.h"

using namespace openwop;
using namespace openwop::test;

namespace {

const std::string kPrompt = R"({"promptId":"p","expectsStreaming":true})";

RunId start(EngineRig& rig, const std::string& provider, const std::string& config) {
  CreateRun request;
  request.workflow_id = "w";
  request.configurable = R"({"mockProvider":{"id":")" + provider + R"(","config":)" + config + "}}";
  return rig.create(std::move(request));
}

std::vector<std::string> chunks(const EngineRig& rig, const RunId& run) {
  std::vector<std::string> texts;
  for (const auto& event : rig.events(run)) {
    if (event.type == "output.chunk") texts.push_back(*json::as_string(*json::member(event.payload, "chunk")));
  }
  return texts;
}

std::string last_chunk(const EngineRig& rig, const RunId& run) {
  std::string payload;
  for (const auto& event : rig.events(run)) {
    if (event.type == "output.chunk") payload = event.payload;
  }
  return payload;
}

void add_prompt(EngineRig& rig, const std::string& settings = "{}") {
  rig.add(WorkflowText("w").settings(settings).node("ai", "core.ai.callPrompt", kPrompt));
}

}  // namespace

TEST_CASE("stream-text gives one chunk a token, the last with finish reason and usage", "[ai]") {
  EngineRig rig;
  add_prompt(rig);
  const RunId run =
      start(rig, "stream-text",
            R"({"tokens":["Hello"," ","world","!"],"usage":{"promptTokens":2,"completionTokens":4,"totalTokens":6}})");
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.history(run) == Lines{"run.started", "node.started(ai)", "output.chunk(ai)", "output.chunk(ai)",
                                  "output.chunk(ai)", "output.chunk(ai)", "node.completed(ai)", "run.completed"});
  CHECK(chunks(rig, run) == Lines{"Hello", " ", "world", "!"});
  CHECK(last_chunk(rig, run) ==
        R"({"nodeId":"ai","runId":")" + run.text() +
            R"(","chunk":"!","isLast":true,"meta":{"finishReason":"stop",)"
            R"("model":"mock-stream-text-v1","usage":{"promptTokens":2,"completionTokens":4,"totalTokens":6}}})");
  const CostRecord cost = rig.view(run).state.cost.total();
  CHECK(cost.to_json() ==
        R"({"tokens":{"input":2,"output":4},"model":"mock-stream-text-v1","provider":"stream-text"})");
}

TEST_CASE("the mocks have defaults", "[ai]") {
  EngineRig rig;
  add_prompt(rig);
  const RunId text = start(rig, "stream-text", "{}");
  CHECK(chunks(rig, text) == Lines{"mock", " response"});
  CHECK(json::member(*json::member(last_chunk(rig, text), "meta"), "usage") ==
        R"({"promptTokens":1,"completionTokens":2,"totalTokens":3})");
  const RunId usage = start(rig, "usage-only", R"({"usage":{"promptTokens":7}})");
  CHECK(chunks(rig, usage) == Lines{""});
  CHECK(json::member(last_chunk(rig, usage), "meta") == R"({"usage":{"promptTokens":7}})");
  const RunId calls =
      start(rig, "tool-calls",
            R"({"toolCalls":[{"id":"1","name":"f","arguments":"{}"},{"id":"2","name":"g","arguments":"{}"}]})");
  CHECK(chunks(rig, calls) == Lines{"", ""});
  CHECK(
      json::member(last_chunk(rig, calls), "meta") ==
      R"({"finishReason":"tool_calls","model":"mock-tool-calls-v1","toolCalls":[{"id":"2","name":"g","arguments":"{}"}]})");
  CHECK(rig.view(calls).state.cost.empty());
}

TEST_CASE("tokens that take time come one by one, hold no thread, and a cancel stops them at once", "[ai]") {
  EngineRig rig;
  add_prompt(rig);
  const RunId run = start(rig, "stream-text", R"({"tokens":["a","b","c"],"delayMsPerToken":100})");
  CHECK(chunks(rig, run).empty());
  rig.advance(100);
  CHECK(chunks(rig, run) == Lines{"a"});
  CHECK(rig.status(run) == RunStatus::running);
  rig.advance(100);
  CHECK(chunks(rig, run) == Lines{"a", "b"});
  CHECK(rig.engine->cancel_run({.run_id = run}).ok());
  CHECK(rig.status(run) == RunStatus::cancelled);
  rig.advance(1000);
  CHECK(chunks(rig, run) == Lines{"a", "b"});
  CHECK(rig.history(run).back() == "run.cancelled");
}

TEST_CASE("after a crash a stream goes on behind what was recorded, without doubling it", "[ai]") {
  EngineRig rig;
  rig.options.drain_timeout_ms = 0;
  add_prompt(rig);
  const RunId run = start(rig, "stream-text", R"({"tokens":["a","b","c"],"delayMsPerToken":100})");
  rig.advance(100);
  rig.advance(100);
  CHECK(chunks(rig, run) == Lines{"a", "b"});
  rig.open();
  rig.tick();
  CHECK(chunks(rig, run) == Lines{"a", "b"});
  rig.advance(100);
  CHECK(chunks(rig, run) == Lines{"a", "b", "c"});
  CHECK(rig.status(run) == RunStatus::completed);
  const RunView view = rig.view(run);
  CHECK(json::member(view.state.nodes.at("ai").outputs, "text") == R"("abc")");
}

TEST_CASE("the error mock fails with what it was given, at its time, and uses the retry budget when told", "[ai]") {
  EngineRig rig;
  add_prompt(rig, R"({"maxRetries":1})");
  const RunId now = start(rig, "error", R"({"code":"my_code","message":"my words"})");
  CHECK(rig.view(now).state.error == R"({"code":"my_code","message":"my words","retryable":false})");
  const RunId later = start(rig, "error", R"({"failAfterMs":500,"retryable":true})");
  CHECK(rig.status(later) == RunStatus::running);
  rig.advance(500);
  CHECK(rig.count(later, "node.retried") == 1);
  rig.advance(1000);
  rig.advance(500);
  CHECK(rig.status(later) == RunStatus::failed);
}

TEST_CASE("a call without a provider fails and says what is missing", "[ai]") {
  EngineRig rig;
  add_prompt(rig);
  const RunId run = rig.create("w");
  CHECK(json::member(rig.view(run).state.error, "code") == R"("capability_not_provided")");
}

TEST_CASE("mock configs out of range are refused", "[ai]") {
  for (const char* config :
       {R"({"delayMsPerToken":5001})", R"({"delayMsPerToken":-1})", R"({"delayMsPerToken":1.5})", R"({"tokens":[1]})",
        R"({"tokens":"a"})", R"({"finishReason":"done"})", R"({"usage":{"promptTokens":-1}})", R"({"usage":1})",
        R"({"toolCalls":[{}]})", R"({"retryable":1})", R"({"code":1})", R"({"failAfterMs":"1"})"}) {
    INFO(config);
    CHECK_FALSE(check_mock_config("stream-text", config).ok());
  }
  CHECK(check_mock_config("stream-text", R"({"tokens":[],"own":1})").ok());
  CHECK(check_mock_config("nobody", "{}").error().code == ErrorCode::unsupported_mock_provider);
}

TEST_CASE("a secret split over tokens is not in any chunk", "[ai]") {
  EngineRig rig;
  add_prompt(rig);
  for (const std::string& secret : secret_shapes()) {
    std::string tokens = R"(["the key ")";
    for (std::size_t at = 0; at < secret.size(); at += 3) tokens += "," + json::quoted(secret.substr(at, 3));
    tokens += R"(," is it"])";
    const RunId run = start(rig, "stream-text", R"({"tokens":)" + tokens + "}");
    std::string all;
    for (const std::string& chunk : chunks(rig, run)) all += chunk;
    INFO(all);
    CHECK(all.find(secret_part(secret)) == std::string::npos);
    CHECK(all.starts_with("the key "));
    CHECK(all.ends_with(" is it"));
    for (const auto& event : rig.events(run)) CHECK(event.payload.find(secret_part(secret)) == std::string::npos);
  }
}

TEST_CASE("cost attributes are kept by the list of their names, and a run without cost has no roll-up", "[ai]") {
  EngineRig rig;
  rig.add(
      WorkflowText("w")
          .node(
              "a", "conformance.cost.emit",
              R"({"attrs":{"openwop.cost.tokens.input":10.9,"openwop.cost.tokens.output":"5","openwop.cost.usd":0.25,)"
              R"("openwop.cost.provider":"acme","openwop.cost.apiKey":"sk-leaked-canary","openwop.cost.currency":"USD"}})")
          .node("b", "conformance.cost.emit", R"({"attrs":{"openwop.cost.usd":0.5,"openwop.cost.tokens.output":3}})")
          .edge("a", "b"));
  rig.add(WorkflowText("x").node("a", "conformance.cost.emit",
                                 R"({"attrs":{"openwop.cost.secret":"x","openwop.cost.usd":-1}})"));
  const RunId run = rig.create("w");
  CHECK(rig.view(run).state.cost.total().to_json() ==
        R"({"usd":0.75,"tokens":{"input":10,"output":3},"provider":"acme"})");
  for (const auto& event : rig.events(run)) CHECK(event.payload.find("canary") == std::string::npos);
  CHECK(rig.view(rig.create("x")).state.cost.empty());
}
