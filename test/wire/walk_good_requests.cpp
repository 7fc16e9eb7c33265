#include "support/catch.h"
#include "wire/walk.h"

namespace openwop::test {

std::string Walk::ended_run() const {
  const std::string run = server_.create_run("wire-noop");
  REQUIRE(server_.wait_for_end(run).at({"status"}) == "completed");
  return run;
}

std::string Walk::live_run() const {
  const std::string run = server_.create_run("wire-sleep");
  REQUIRE_FALSE(run.empty());
  return run;
}

const std::map<std::string, std::function<GoodRequest(const Walk&)>>& Walk::good_requests() {
  using Make = std::function<GoodRequest(const Walk&)>;
  static const std::map<std::string, Make> kTable = {
      {"getCapabilities", [](const Walk&) { return GoodRequest{"/.well-known/openwop"}; }},
      {"getOpenApiSpec", [](const Walk&) { return GoodRequest{"/v1/openapi.json"}; }},
      {"getWorkflow", [](const Walk&) { return GoodRequest{"/v1/workflows/wire-noop"}; }},
      {"createRun",
       [](const Walk&) {
         return GoodRequest{"/v1/runs", R"({"workflowId":"wire-noop","tags":["walk"]})", 201};
       }},
      {"listRuns", [](const Walk&) { return GoodRequest{"/v1/runs?tag=walk"}; }},
      {"getRun", [](const Walk& walk) { return GoodRequest{"/v1/runs/" + walk.ended_run()}; }},
      {"explainRun", [](const Walk& walk) { return GoodRequest{"/v1/runs/" + walk.live_run() + "/explain"}; }},
      {"cancelRun",
       [](const Walk& walk) {
         return GoodRequest{"/v1/runs/" + walk.live_run() + "/cancel", R"({"reason":"walked"})"};
       }},
      {"getArtifact",
       [](const Walk& walk) {
         const std::string run = walk.server().create_run("walk-artifact");
         REQUIRE(walk.server().wait_for_end(run).at({"status"}) == "completed");
         return GoodRequest{"/v1/runs/" + run + "/artifacts/make"};
       }},
      {"streamRunEvents",
       [](const Walk& walk) {
         return GoodRequest{"/v1/runs/" + walk.ended_run() + "/events", {}, 200, {{"Accept", "text/event-stream"}}};
       }},
      {"pollRunEvents", [](const Walk& walk) { return GoodRequest{"/v1/runs/" + walk.ended_run() + "/events/poll"}; }},
      {"pauseRun",
       [](const Walk& walk) {
         return GoodRequest{"/v1/runs/" + walk.live_run() + ":pause", R"({"drainPolicy":"immediate"})", 202};
       }},
      {"getDebugBundle",
       [](const Walk& walk) { return GoodRequest{"/v1/runs/" + walk.ended_run() + "/debug-bundle"}; }},
      {"listInterrupts", [](const Walk&) { return GoodRequest{"/v1/interrupts"}; }},
      {"resolveInterruptByRun",
       [](const Walk& walk) {
         return GoodRequest{"/v1/runs/" + walk.server().create_run("walk-approval") + "/interrupts/gate",
                            R"({"resumeValue":{"action":"accept"}})"};
       }},
      {"resolveApproval",
       [](const Walk& walk) {
         return GoodRequest{"/v1/runs/" + walk.server().create_run("walk-approval") + "/approvals/gate",
                            R"({"action":"accept"})"};
       }},
      {"listDeadLetters", [](const Walk&) { return GoodRequest{"/v1/webhooks/dead-letters"}; }},
      {"verifyAudit", [](const Walk&) { return GoodRequest{"/v1/audit/verify?fromSeq=0&toSeq=100"}; }},
      {"exportAuditCheckpoints", [](const Walk&) { return GoodRequest{"/v1/audit/checkpoints"}; }},
  };
  return kTable;
}

}  // namespace openwop::test
