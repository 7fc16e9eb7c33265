// What readers over REST see of children, agents, orchestrators and conversations; each answer and each event is held
// against the OpenAPI document.
#include "support/engine_rig.h"
#include "wire/surface_rig.h"

namespace openwop::test {

namespace {

void add(SurfaceRig& rig, const WorkflowText& text) {
  const auto added = rig.engine->register_workflow(text.json());
  INFO((added.ok() ? "" : added.error().message));
  REQUIRE(added.ok());
}

std::string child_of(SurfaceRig& rig, const std::string& run) {
  const Answer snapshot = rig.get("/v1/runs/" + run);
  const auto list = json::member(snapshot.body, "childRuns");
  REQUIRE(list);
  std::string id;
  json::for_each_element(*list, [&](std::string_view child) {
    id = json::as_string(*json::member(child, "runId")).value_or("");
    return true;
  });
  return id;
}

std::string events_of(SurfaceRig& rig, const std::string& run) {
  return rig.get("/v1/runs/" + run + "/events", {{"Accept", "application/json"}}).body;
}

}  // namespace

TEST_CASE("a parent and its child are linked, and the late answer to a cascaded gate is 410", "[wire]") {
  SurfaceRig rig;
  add(rig,
      WorkflowText("gated").node("child-gate", "core.approvalGate", R"({"title":"May it?","actions":["accept"]})"));
  add(rig, WorkflowText("caller").node("spawn", "core.subWorkflow", R"({"workflowId":"gated"})"));
  const std::string run = rig.run("caller");
  const Answer waiting = rig.get("/v1/runs/" + run);
  CHECK(waiting.at({"status"}) == "waiting-approval");
  CHECK(waiting.at({"currentNodeId"}) == "spawn");
  const std::string child = child_of(rig, run);
  const Answer snapshot = rig.get("/v1/runs/" + child);
  CHECK(snapshot.at({"parentRunId"}) == run);
  CHECK(snapshot.at({"parentNodeId"}) == "spawn");
  CHECK(rig.get("/v1/runs/" + child, {}, "key-b").status == 404);
  CHECK(rig.get("/v1/runs/" + run + "/explain").body.find(child) != std::string::npos);
  const std::string by_token = "/v1/interrupts/" + snapshot.at({"interrupt", "interruptToken"});
  const std::string answer = R"({"resumeValue":{"action":"accept"}})";
  CHECK(rig.post("/v1/runs/" + run + "/interrupts/spawn", answer).status == 404);
  CHECK(rig.post("/v1/runs/" + run + "/cancel", "{}").status == 200);
  rig.settle();
  CHECK(rig.get("/v1/runs/" + child).at({"status"}) == "cancelled");
  CHECK(rig.get("/v1/runs/" + run).body.find(R"("status":"cancelled"})") != std::string::npos);
  CHECK(rig.post("/v1/runs/" + child + "/interrupts/child-gate", answer).status == 410);
  CHECK(rig.post(by_token, answer, {}, "").status == 410);
  CHECK(rig.get(by_token, {}, "").status == 410);
  CHECK(occurrences(events_of(rig, child), R"("reason":"parent-cancelled")") == 1);
}

TEST_CASE("an orchestrated run shows its orchestrator and tells of its decisions", "[wire]") {
  SurfaceRig rig;
  add(rig, WorkflowText("worker").node("n", "core.noop"));
  add(rig, WorkflowText("team")
               .node("boss", "core.orchestrator.supervisor",
                     R"({"mockDecisions":[{"kind":"next-worker","nextWorkerIds":["worker"]}]})", "{}",
                     R"(,"agent":{"agentId":"core.boss","sourceManifestId":"core.pack.boss"})")
               .node("dispatch", "core.dispatch")
               .edge("boss", "dispatch")
               .edge("dispatch", "boss"));
  const std::string run = rig.run("team");
  const Answer snapshot = rig.get("/v1/runs/" + run);
  CHECK(snapshot.at({"status"}) == "completed");
  CHECK(snapshot.at({"runOrchestrator", "agentId"}) == "core.boss");
  CHECK(snapshot.at({"runOrchestrator", "sourceManifestId"}) == "core.pack.boss");
  CHECK(occurrences(events_of(rig, run), R"("type":"runOrchestrator.decided")") == 2);
}

TEST_CASE("an agent's low confidence shows in the log and in the snapshot", "[wire]") {
  SurfaceRig rig;
  add(rig, WorkflowText("unsure").node("n", "core.identity", R"({"mockConfidence":0.25})", "{}",
                                       R"(,"agent":{"agentId":"core.unsure"})"));
  const std::string run = rig.run("unsure");
  const Answer snapshot = rig.get("/v1/runs/" + run);
  CHECK(snapshot.at({"status"}) == "waiting-approval");
  CHECK(snapshot.at({"agent", "agentId"}) == "core.unsure");
  CHECK(snapshot.at({"interrupt", "kind"}) == "low-confidence");
  CHECK(occurrences(events_of(rig, run), R"("observed":0.25)") >= 1);
  CHECK(rig.post("/v1/runs/" + run + "/interrupts/n", R"({"resumeValue":{"action":"reject"}})").status == 200);
  rig.settle();
  CHECK(rig.get("/v1/runs/" + run).at({"status"}) == "failed");
}

TEST_CASE("a conversation goes turn by turn over REST and fills its channel", "[wire]") {
  SurfaceRig rig;
  add(rig, WorkflowText("talk")
               .node("convo", "core.conversationGate", R"({"prompt":"Hello?"})")
               .root(R"(,"channels":{"conversation":{"reducer":"message"}})"));
  const std::string run = rig.run("talk");
  const std::string path = "/v1/runs/" + run + "/interrupts/convo";
  CHECK(rig.post(path, R"({"resumeValue":{"operation":"exchange","turn":{"content":"hi"}}})").status == 200);
  CHECK(rig.post(path, R"({"resumeValue":{"operation":"exchange","turn":{}}})").status == 400);
  CHECK(rig.post(path, R"({"resumeValue":{"operation":"close","outcome":1}})").status == 200);
  rig.settle();
  CHECK(rig.get("/v1/runs/" + run).at({"status"}) == "completed");
  const std::string log = events_of(rig, run);
  CHECK(occurrences(log, R"("type":"conversation.exchanged")") == 1);
  CHECK(occurrences(log, R"("type":"clarification.)") == 0);
  CHECK(occurrences(rig.get("/v1/runs/" + run).body, R"("messageId")") == 2);
}

TEST_CASE("discovery tells what agents can do here, and no more", "[wire]") {
  SurfaceRig rig;
  const Answer discovery = rig.get("/.well-known/openwop");
  CHECK(discovery.at({"agents", "supported"}) == "true");
  CHECK(discovery.at({"agents", "memoryBackends"}) == R"(["long-term"])");
  CHECK(discovery.at({"agents", "orchestrator"}) == "true");
  CHECK(discovery.at({"agents", "dispatch"}) == "true");
  CHECK(discovery.at({"agents", "modelClasses"}).empty());
  CHECK(discovery.at({"dispatch", "supported"}) == "true");
  CHECK(discovery.at({"conversationPrimitive"}) == "true");
  CHECK(discovery.at({"memory", "maxEntrySizeBytes"}) == "65536");
  CHECK(occurrences(discovery.body, R"("edit")") == 0);
}

TEST_CASE("a host without memory advertises none", "[wire]") {
  SurfaceRig rig({}, 0, [](SurfaceRig&, EngineOptions& engine, SurfaceOptions&) { engine.max_memory_entry_bytes = 0; });
  const Answer discovery = rig.get("/.well-known/openwop");
  CHECK(discovery.at({"agents", "memoryBackends"}) == "[]");
  CHECK(discovery.at({"memory"}) == R"({"supported":false})");
  CHECK(discovery.at({"capabilities", "memory"}) == R"({"supported":false})");
}

TEST_CASE("inputs that a workflow does not declare are taken and change nothing", "[wire]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-sleep", R"({"delaySeconds":1})");
  rig.advance(59'999);
  CHECK(rig.get("/v1/runs/" + run).at({"status"}) == "running");
  rig.advance(1);
  CHECK(rig.get("/v1/runs/" + run).at({"status"}) == "completed");
}

}  // namespace openwop::test
