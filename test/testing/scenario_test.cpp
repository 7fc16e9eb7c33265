// The simulation as hosts use it: scenarios that keep their promises wherever a process dies, and those that do not.
#include <fstream>
#include <set>
#include <sstream>

#include "openwop/testing.h"
#include "support/engine_rig.h"

namespace openwop::testing {
namespace {

using test::WorkflowText;

/// A provider of payments that knows its customers' idempotency keys, or does not.
struct Provider {
  std::size_t calls = 0;
  std::set<std::string> charged;
};

NodeOutcome charge_by_step(Provider& provider, NodeContext& node) {
  const auto pay = [&]() -> Result<std::string> {
    ++provider.calls;
    provider.charged.insert(node.invocation_id("charge"));
    return json::quoted("receipt");
  };
  auto receipt = node.step("charge", pay);
  for (int again = 0; !receipt && again < 3; ++again) receipt = node.step("charge", pay);
  if (!receipt) return Failure{"provider_failed", receipt.error().message, {}, true};
  return NodeCompleted{.outputs = R"({"receipt":)" + *receipt + "}"};
}

/// An order: a charge, a short rest, an approval, and an invoice by another run.
Scenario order(Provider& provider) {
  Scenario scenario;
  scenario.workflows = {WorkflowText("invoice").node("wait", "core.delay", R"({"ms":50})").json(),
                        WorkflowText("order")
                            .settings(R"({"maxRetries":5})")
                            .node("charge", "vendor.test.charge")
                            .node("rest", "core.delay", R"({"ms":100})")
                            .node("approve", "core.approvalGate", R"({"actions":["accept","reject"]})")
                            .node("invoice", "core.subWorkflow", R"({"workflowId":"invoice"})")
                            .edge("charge", "rest")
                            .edge("rest", "approve")
                            .edge("approve", "invoice")
                            .json()};
  scenario.begin = [&] { provider = {}; };
  scenario.set_up = [&](EngineOptions& options) {
    options.nodes.add(
        {"vendor.test.charge", SyncHandler([&](NodeContext& node) { return charge_by_step(provider, node); })});
  };
  scenario.act = [&](Host& host) {
    const RunId run = host.create({.workflow_id = "order"});
    host.expect(host.run_to_end(run) == RunStatus::waiting_approval, "the order waits for its approval");
    host.answer(run, "approve", R"({"action":"accept"})");
    host.expect(host.run_to_end(run) == RunStatus::completed, "the order is completed");
    host.expect(provider.charged.size() == 1, "the provider has charged once");
  };
  return scenario;
}

}  // namespace

TEST_CASE("a scenario of steps, delays, answers and child runs ends the same wherever its process dies", "[testing]") {
  Provider provider;
  const Report report = crash_at_every_commit(order(provider));
  INFO(report.text());
  CHECK(report.ok());
  CHECK(report.commits > 8);
  CHECK(report.histories == 2 + report.commits * kAllFaults.size());
  CHECK(report.crashes >= 2 * report.commits);
  CHECK_THAT(report.text(), Catch::Contains("every promise kept"));
}

TEST_CASE("a scenario keeps its promises under faults of every kind, drawn from seeds", "[testing]") {
  Provider provider;
  const Report report = simulate(order(provider), {.seeds = 30});
  INFO(report.text());
  CHECK(report.ok());
  CHECK(report.crashes > 10);
}

TEST_CASE("an effect outside of a step that a crash repeats is found, and repeat() finds it again", "[testing]") {
  Provider provider;
  Scenario scenario = order(provider);
  scenario.set_up = [&](EngineOptions& options) {
    options.nodes.add({"vendor.test.charge", SyncHandler([&](NodeContext&) -> NodeOutcome {
                         provider.charged.insert(std::to_string(++provider.calls));  // forgot the step
                         return NodeCompleted{};
                       })});
  };
  const Report report = crash_at_every_commit(scenario);
  REQUIRE_FALSE(report.ok());
  const Problem& problem = report.problems.front();
  CHECK(problem.what == "the provider has charged once");
  REQUIRE(problem.history.fault.has_value());
  CHECK_THAT(report.text(), Catch::Contains("repeat with seed 1, ") && Catch::Contains(" at commit "));
  std::string told;
  const Report again =
      repeat(scenario, problem.history, [&](std::string_view line) { told.append(line).append("\n"); });
  REQUIRE(again.problems.size() == 1);
  CHECK(again.problems.front().what == problem.what);
  CHECK_THAT(told, Catch::Contains("process 2") && Catch::Contains("run.started") &&
                       Catch::Contains("BROKEN the scenario's expectation holds"));
}

TEST_CASE("an end that depends on how often something was tried is found", "[testing]") {
  Provider provider;
  Scenario scenario = order(provider);
  scenario.set_up = [&](EngineOptions& options) {
    options.nodes.add({"vendor.test.charge", SyncHandler([&](NodeContext&) -> NodeOutcome {
                         provider.charged = {"once"};
                         return NodeCompleted{.outputs = R"({"calls":)" + std::to_string(++provider.calls) + "}"};
                       })});
  };
  const Report report = crash_at_every_commit(scenario);
  REQUIRE_FALSE(report.ok());
  CHECK(report.problems.front().promise == "every run ends as it does undisturbed");
  CHECK_THAT(report.problems.front().what, Catch::Contains(R"("calls":1)") && Catch::Contains(R"("calls":2)"));
}

TEST_CASE("a scenario that differs from itself is reported as such, not compared", "[testing]") {
  Provider provider;
  Scenario scenario = order(provider);
  scenario.begin = {};  // what the last history left changes the next one
  scenario.set_up = [&](EngineOptions& options) {
    options.nodes.add({"vendor.test.charge", SyncHandler([&](NodeContext&) -> NodeOutcome {
                         provider.charged = {"once"};
                         return NodeCompleted{.outputs = R"({"calls":)" + std::to_string(++provider.calls) + "}"};
                       })});
  };
  const Report report = crash_at_every_commit(scenario);
  REQUIRE(report.problems.size() == 1);
  CHECK(report.problems.front().promise == "one seed is one history, byte for byte");
  CHECK(report.histories == 2);
}

TEST_CASE("calls that are refused for good, and runs that are not as the scenario thinks, are problems", "[testing]") {
  const auto problem_of = [](std::vector<std::string> workflows, const std::function<void(Host&)>& act) {
    const Report report = run_scenario({.workflows = std::move(workflows), .act = act});
    return report.ok() ? std::string() : report.problems.front().what;
  };
  const std::string noop = WorkflowText("noop").node("n", "core.noop").json();
  CHECK_THAT(problem_of({noop}, [](Host& host) { static_cast<void>(host.create({.workflow_id = "other"})); }),
             Catch::StartsWith("create: "));
  CHECK_THAT(problem_of({"{"}, [](Host&) {}), Catch::StartsWith("workflow: "));
  CHECK_THAT(problem_of({noop},
                        [](Host& host) {
                          host.answer(host.create({.workflow_id = "noop"}), "n", "1");
                          CHECK(host.run_to_end({}) == RunStatus::pending);  // nothing is done any more
                          CHECK_FALSE(host.view({}).has_value());
                        }),
             Catch::Contains("waits for no answer"));
  CHECK_THAT(problem_of({noop}, [](Host& host) { static_cast<void>(host.run_to_end(RunId{})); }),
             Catch::Contains(RunId{}.text()));
  CHECK(problem_of({noop}, [](Host& host) { host.expect(false, "this"); }) == "this");
  const Report refused = run_scenario({.set_up = [](EngineOptions& options) { options.max_json_depth = 0; }});
  CHECK(refused.histories == 1);
}

TEST_CASE("a host passes time, cancels, and shows runs, clock and engine", "[testing]") {
  Scenario scenario;
  scenario.workflows = {WorkflowText("sleeper").node("wait", "core.delay", R"({"ms":60000})").json()};
  scenario.act = [](Host& host) {
    const RunId stopped = host.create({.workflow_id = "sleeper"});
    const RunId run = host.create({.workflow_id = "sleeper"});
    const std::int64_t start_ms = host.clock().now_ms();
    host.pass(10'000);
    host.expect(host.view(run)->state.status == RunStatus::running, "it still sleeps");
    host.expect(host.cancel(stopped) == RunStatus::cancelled, "it is cancelled");
    host.pass(60'000);
    host.expect(host.clock().now_ms() >= start_ms + 70'000, "time has passed");
    host.expect(host.view(run)->state.status == RunStatus::completed, "it has slept");
    host.expect(host.engine() != nullptr && host.processes() >= 1, "there is an engine");
    host.expect(!host.view(RunId{}).has_value(), "no run has this id");
  };
  CHECK(run_scenario(scenario).ok());
  const Report report = crash_at_every_commit(scenario);
  INFO(report.text());
  CHECK(report.ok());
}

TEST_CASE("a step that is left to another attempt when its record fails is found to charge twice", "[testing]") {
  Provider provider;
  Scenario scenario = order(provider);
  scenario.set_up = [&](EngineOptions& options) {
    options.nodes.add({"vendor.test.charge", SyncHandler([&](NodeContext& node) -> NodeOutcome {
                         const auto paid = node.step("charge", [&]() -> Result<std::string> {
                           provider.charged.insert(node.invocation_id("charge"));
                           return std::string("1");
                         });
                         if (!paid) return Failure{"provider_failed", paid.error().message, {}, true};
                         return NodeCompleted{};
                       })});
  };
  const std::vector<Fault> lost = {Fault::lost};
  const Report report = crash_at_every_commit(scenario, {.faults = lost});
  REQUIRE_FALSE(report.ok());
  CHECK(report.problems.front().what == "the provider has charged once");
}

TEST_CASE("the example of the documentation is the one that is compiled", "[testing]") {
  const auto text_of = [](const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(std::string(OPENWOP_SOURCE_DIR) + "/" + name, std::ios::binary).rdbuf();
    return text.str();
  };
  const std::string example = text_of("examples/testing/order_test.cpp");
  const auto from = example.find("using Charges");
  REQUIRE(from != std::string::npos);
  CHECK_THAT(text_of("docs/testing.md"), Catch::Contains("```cpp\n" + example.substr(from) + "```\n"));
}

TEST_CASE("of many problems the first ones are kept", "[testing]") {
  Scenario scenario;
  scenario.act = [](Host& host) {
    for (int i = 0; i < 100; ++i) host.expect(false, std::to_string(i));
  };
  const Report report = run_scenario(scenario);
  REQUIRE(report.problems.size() == kMaxProblems);
  CHECK(report.problems.front().what == "0");
}

}  // namespace openwop::testing
