// A host's own workflow, with its process dying at every commit: in Catch2, in one screen.
#define CATCH_CONFIG_MAIN
#include <openwop/testing.h>

#include <catch2/catch.hpp>
#include <map>
#include <string>

using namespace openwop;
using namespace openwop::testing;

constexpr const char* kOrder = R"({"id":"order","name":"Order","version":"1","metadata":{},"settings":{"maxRetries":5},
  "variables":[{"name":"amount","type":"number","required":true}],"triggers":[{"id":"m","type":"manual"}],
  "nodes":[
    {"id":"charge","typeId":"vendor.acme.charge","name":"Charge","position":{"x":0,"y":0},"config":{},
     "inputs":{"amount":{"type":"variable","variableName":"amount"}}},
    {"id":"approve","typeId":"core.approvalGate","name":"Approve","position":{"x":1,"y":0},
     "config":{"actions":["accept","reject"]},"inputs":{}}],
  "edges":[{"id":"e","sourceNodeId":"charge","targetNodeId":"approve"}]})";

using Charges = std::map<std::string, int>;  // what the payment provider has seen, by idempotency key

NodeOutcome charge(NodeContext& node, Charges& charges) {
  const auto pay = [&]() -> Result<std::string> {
    ++charges[node.invocation_id("pay")];
    return std::string(R"("receipt-1")");
  };
  auto paid = node.step("pay", pay);
  // The store had trouble with the record. Asked again, the step looks before it pays; another attempt would not.
  for (int again = 0; !paid && again < 3; ++again) paid = node.step("pay", pay);
  if (!paid) return Failure{"not_paid", paid.error().message, {}, /*retryable=*/true};
  return NodeCompleted{.outputs = R"({"receipt":)" + *paid + "}"};
}

TEST_CASE("an order is charged once, wherever the process dies") {
  Charges charges;
  const Report report = crash_at_every_commit(
      {.workflows = {kOrder},
       .set_up =
           [&](EngineOptions& options) {
             options.nodes.add(
                 {"vendor.acme.charge", SyncHandler([&](NodeContext& node) { return charge(node, charges); })});
           },
       .act =
           [&](Host& host) {
             const RunId run = host.create({.workflow_id = "order", .inputs = R"({"amount":100})"});
             host.answer(run, "approve", R"({"action":"accept"})");
             host.expect(host.run_to_end(run) == RunStatus::completed, "the order is completed");
             host.expect(charges.size() == 1, "to the provider all charges are one");
           },
       .begin = [&] { charges.clear(); }});
  INFO(report.text());  // what is broken, and the seed, commit and fault that repeat it
  CHECK(report.ok());
}
