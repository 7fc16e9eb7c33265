// Artifacts, mock providers and streams at the surface.
#include "support/engine_rig.h"
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

void add_prompt(SurfaceRig& rig) {
  REQUIRE(rig.engine
              ->register_workflow(WorkflowText("prompt").node("ai", "core.ai.callPrompt", R"({"promptId":"p"})").json())
              .ok());
}

std::string mock(const std::string& id, const std::string& config = "{}") {
  return R"({"workflowId":"prompt","configurable":{"mockProvider":{"id":")" + id + R"(","config":)" + config + "}}}";
}

}  // namespace

TEST_CASE("the messages stream shows the mock's tokens as bare chunks and closes", "[wire][ai]") {
  SurfaceRig rig;
  add_prompt(rig);
  const Answer created = rig.post(
      "/v1/runs",
      mock("stream-text",
           R"({"tokens":["Hello"," ","world","!"],"usage":{"promptTokens":1,"completionTokens":4,"totalTokens":5}})"),
      {}, "key-test");
  REQUIRE(created.status == 201);
  const std::string run = created.at({"runId"});
  const auto stream = rig.stream("/v1/runs/" + run + "/events?streamMode=messages");
  rig.settle();
  const std::string frames = SurfaceRig::drain(*stream);
  CHECK(occurrences(frames, "event: ai.message.chunk\n") == 4);
  CHECK(occurrences(frames, "event: ") == 4);
  CHECK(frames.find(R"("chunk":"Hello","isLast":false,"meta":{"model":"mock-stream-text-v1"}})") != std::string::npos);
  CHECK(frames.find(R"("chunk":"!","isLast":true,"meta":{"finishReason":"stop",)") != std::string::npos);
  CHECK(stream->next(0).kind == http::StreamFrame::Kind::end);
  const Answer snapshot = rig.get("/v1/runs/" + run);
  CHECK(snapshot.at({"status"}) == "completed");
  CHECK(snapshot.at({"metrics", "openwopCost"}) ==
        R"({"tokens":{"input":1,"output":4},"model":"mock-stream-text-v1","provider":"stream-text"})");
  const Answer bundle = rig.get("/v1/runs/" + run + "/debug-bundle");
  if (bundle.status == 200) CHECK(bundle.at({"metrics", "openwopCost"}) == snapshot.at({"metrics", "openwopCost"}));
  const std::string debug = SurfaceRig::drain(*rig.stream("/v1/runs/" + run + "/events?streamMode=debug"));
  CHECK(occurrences(debug, "event: output.chunk\n") == 4);
}

TEST_CASE("mock providers are for test keys, and only those that exist and are well configured", "[wire][ai]") {
  SurfaceRig rig;
  add_prompt(rig);
  const Answer forbidden = rig.post("/v1/runs", mock("stream-text"));
  CHECK(forbidden.status == 403);
  CHECK(forbidden.at({"error"}) == "mock_provider_forbidden");
  CHECK(forbidden.at({"details", "requestedProvider"}) == "stream-text");
  CHECK(forbidden.at({"details", "supportedProviders"}) == R"(["stream-text","tool-calls","error","usage-only"])");
  const Answer unknown = rig.post("/v1/runs", mock("own"), {}, "key-test");
  CHECK(unknown.status == 400);
  CHECK(unknown.at({"error"}) == "unsupported_mock_provider");
  const Answer wrong = rig.post("/v1/runs", mock("stream-text", R"({"delayMsPerToken":5001})"), {}, "key-test");
  CHECK(wrong.status == 400);
  CHECK(wrong.at({"error"}) == "validation_error");
  // Nor does a fork take one along.
  const Answer mocked = rig.post("/v1/runs", mock("stream-text"), {}, "key-test");
  const std::string fork = "/v1/runs/" + mocked.at({"runId"}) + ":fork";
  const Answer inherited = rig.post(fork, R"({"mode":"branch","fromSeq":0})");
  CHECK(inherited.status == 403);
  CHECK(inherited.at({"error"}) == "mock_provider_forbidden");
  CHECK(rig.post(fork, R"({"mode":"branch","fromSeq":0})", {}, "key-test").status == 201);
  CHECK(rig.get("/.well-known/openwop").at({"testing", "mockProviders"}) ==
        R"(["stream-text","tool-calls","error","usage-only"])");
}

TEST_CASE("a node's artifact is announced and read by its id, in its tenant only", "[wire][artifacts]") {
  SurfaceRig rig;
  REQUIRE(rig.engine
              ->register_workflow(WorkflowText("maker")
                                      .node("make", "core.identity", "{}",
                                            R"({"text":{"type":"static","value":"sk-abcdefgh12345678 and 1.0"}})",
                                            R"(,"artifactType":"note")")
                                      .json())
              .ok());
  const std::string run = rig.run("maker");
  const std::string path = "/v1/runs/" + run + "/artifacts/make";
  const Answer poll = rig.get("/v1/runs/" + run + "/events/poll");
  CHECK(poll.body.find(
            R"("type":"artifact.created","payload":{"artifactId":"make","artifactType":"note","nodeId":"make"})") !=
        std::string::npos);
  const Answer artifact = rig.get(path);
  CHECK(artifact.status == 200);
  CHECK(artifact.at({"artifactType"}) == "note");
  CHECK(artifact.at({"runId"}) == run);
  CHECK(artifact.at({"content"}) == R"({"text":"[REDACTED] and 1.0"})");
  CHECK(rig.get(path, {}, "key-b").status == 404);
  CHECK(rig.get(path, {}, "key-b").body == rig.get("/v1/runs/" + run + "/artifacts/none").body);
  CHECK(rig.get("/v1/runs/nonsense/artifacts/make").at({"error"}) == "artifact_not_found");
  CHECK(rig.get(path, {}, "").status == 401);
  CHECK(rig.get("/v1/runs/nonsense/artifacts/x", {}, "").status == 401);
  const Answer reader = rig.get(path, {}, "key-reader");
  CHECK(reader.status == 403);
  CHECK(reader.at({"details", "scopeRequired"}) == "artifacts:read");
}

TEST_CASE("a stream resumes after the id that its query names, in every form of it; the header is newer",
          "[wire][streams]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-noop");
  const std::string events = "/v1/runs/" + run + "/events?streamMode=debug";
  const std::string all = SurfaceRig::drain(*rig.stream(events));
  CHECK(occurrences(all, "id: ") == 4);
  CHECK(occurrences(SurfaceRig::drain(*rig.stream(events + "&lastEventId=1")), "id: ") == 2);
  CHECK(occurrences(SurfaceRig::drain(*rig.stream(events + "&lastEventId=evt_" + run + "_2")), "id: ") == 1);
  CHECK(occurrences(SurfaceRig::drain(*rig.stream(events + "&lastEventId=nonsense")), "id: ") == 4);
  CHECK(occurrences(SurfaceRig::drain(*rig.stream(events + "&lastEventId=0", {{"Last-Event-ID", "2"}})), "id: ") == 1);
  CHECK(SurfaceRig::drain(*rig.stream(events + "&lastEventId=99")).empty());
}

TEST_CASE("a host that waits for many streams itself is told when there is more, and when a comment is due",
          "[wire][streams]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-sleep");
  const auto stream = rig.stream("/v1/runs/" + run + "/events?streamMode=debug");
  int calls = 0;
  stream->on_ready([&] { ++calls; });
  CHECK(stream->next_after(0).kind == http::StreamFrame::Kind::bytes);
  CHECK(stream->next_after(0).kind == http::StreamFrame::Kind::idle);
  CHECK(stream->due_in_ms() == 15'000);
  CHECK(stream->next_after(14'000).kind == http::StreamFrame::Kind::idle);
  CHECK(stream->due_in_ms() == 1'000);
  CHECK(stream->next_after(1'000).bytes == ":keepalive\n\n");
  CHECK(calls == 0);
  CHECK(rig.post("/v1/runs/" + run + "/cancel", "{}").status == 200);
  CHECK(calls >= 1);
  CHECK(stream->next_after(0).bytes.find("run.cancelled") != std::string::npos);
  CHECK(stream->next_after(0).kind == http::StreamFrame::Kind::end);
  CHECK(stream->due_in_ms() == 0);
  const auto other = rig.stream("/v1/runs/" + rig.run("wire-sleep") + "/events");
  other->on_ready([&] { calls = -1; });
  (void)other->next_after(0);
  other->cancel();
  CHECK(calls == -1);
  CHECK(other->next_after(0).kind == http::StreamFrame::Kind::end);
}

TEST_CASE("channels that nobody has written show the empty value of their reducer", "[wire][channels]") {
  SurfaceRig rig;
  REQUIRE(rig.engine
              ->register_workflow(WorkflowText("channels")
                                      .node("n", "core.noop")
                                      .root(R"(,"channels":{"a":{"reducer":"append"},"c":{"reducer":"counter"},)"
                                            R"("m":{"reducer":"merge"},"r":{"reducer":"replace"},)"
                                            R"("t":{"reducer":"message"},"v":{"reducer":"votes"},)"
                                            R"("d":{"reducer":"append","default":[1]}})")
                                      .json())
              .ok());
  const Answer snapshot = rig.get("/v1/runs/" + rig.run("channels"));
  CHECK(snapshot.at({"channels", "a"}) == "[]");
  CHECK(snapshot.at({"channels", "c"}) == "0");
  CHECK(snapshot.at({"channels", "m"}) == "{}");
  CHECK(snapshot.at({"channels", "r"}).empty());
  CHECK(snapshot.at({"channels", "t"}) == "[]");
  CHECK(snapshot.at({"channels", "v"}) == "[]");
  CHECK(snapshot.at({"channels", "d"}) == "[1]");
}

TEST_CASE("fixtures that need a test key are advertised where there is one", "[wire][discovery]") {
  SurfaceRig rig({.advertise_fixtures = true});
  for (const char* id :
       {"conformance-stream-text", "conformance-noop", "conformance-conversation-capability-negotiation"}) {
    REQUIRE(rig.engine->register_workflow(WorkflowText(id).node("n", "core.noop").json()).ok());
  }
  CHECK(rig.get("/.well-known/openwop").at({"fixtures"}) == R"(["conformance-noop","conformance-stream-text"])");
  rig.surface->set_keys({ApiKey::of("key-a", "a")});
  CHECK(rig.get("/.well-known/openwop").at({"fixtures"}) == R"(["conformance-noop"])");
}
