// A test of the tests: an engine that is broken on purpose, in one of five ways, does not get through the simulation,
// nor through a crash at every commit. This program links objects of the engine that can be broken
// (lib/engine/test_mutation.h) before those of the library.
#include <map>

#include "engine/test_mutation.h"
#include "openwop/testing.h"
#include "simulation/regression_seeds.h"
#include "simulation/world.h"
#include "support/engine_rig.h"

namespace openwop::runtime {
inline namespace breakable {
Mutation active_mutation = Mutation::none;
}  // namespace breakable
}  // namespace openwop::runtime

namespace openwop::test {
namespace {

using runtime::Mutation;

const std::map<Mutation, std::string> kMutations = {{Mutation::early_answer, "early_answer"},
                                                    {Mutation::lost_link, "lost_link"},
                                                    {Mutation::repeated_step, "repeated_step"},
                                                    {Mutation::stale_timer, "stale_timer"},
                                                    {Mutation::early_handler, "early_handler"}};

/// While it lives the engine is broken.
class Broken {
 public:
  explicit Broken(Mutation how) { runtime::active_mutation = how; }
  Broken(const Broken&) = delete;
  Broken& operator=(const Broken&) = delete;
  ~Broken() { runtime::active_mutation = Mutation::none; }
};

/// What is wrong with the first of these worlds that is not sound; empty when all are.
std::string first_complaint(std::uint64_t seeds) {
  for (const std::uint64_t seed : kRegressionSeeds) {
    World world(seed, seed % 2 == 1 ? Temper::wild : Temper::calm, Faults::injected, Extras::none);
    if (!world.run()) return world.complaints().front();
  }
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    World world(seed, seed % 2 == 1 ? Temper::wild : Temper::calm, Faults::injected);
    if (!world.run()) return world.complaints().front();
  }
  return {};
}

testing::Scenario scenario_with_everything() {
  const auto work = [](NodeContext& node) -> NodeOutcome {
    for (const char* const key : {"first", "second"}) {
      auto done = node.step(key, []() -> Result<std::string> { return std::string("1"); });
      // A host whose store has trouble asks again.
      for (int i = 0; i < 10 && !done; ++i)
        done = node.step(key, []() -> Result<std::string> { return std::string("1"); });
      if (!done) return Failure{"step_failed", done.error().message, {}, true};
    }
    return NodeCompleted{.outputs = R"({"value":1})"};
  };
  testing::Scenario scenario;
  WorkflowText text("everything");
  text.settings(R"({"maxRetries":5})").node("work", "vendor.test.work").node("rest", "core.delay", R"({"ms":500})");
  text.node("more", "vendor.test.work").edge("work", "rest").edge("rest", "more");
  scenario.workflows = {text.json()};
  scenario.set_up = [work](EngineOptions& options) {
    options.nodes.add({"vendor.test.work", SyncHandler(work)});
    options.max_events_per_commit = 2;
  };
  scenario.act = [](testing::Host& host) {
    const RunId run = host.create({.workflow_id = "everything"});
    host.run_to_end(run);
  };
  return scenario;
}

}  // namespace

TEST_CASE("each way in which the engine can be broken is noticed by the simulation", "[mutation]") {
  CHECK(first_complaint(100) == "");
  for (const auto& [mutation, name] : kMutations) {
    const Broken broken(mutation);
    INFO(name);
    const std::string complaint = first_complaint(1'000);
    INFO(complaint);
    CHECK_FALSE(complaint.empty());
  }
}

TEST_CASE("a crash at every commit of one scenario notices what has to do with crashes", "[mutation]") {
  const testing::Scenario scenario = scenario_with_everything();
  const testing::Report sound = crash_at_every_commit(scenario);
  INFO(sound.text());
  CHECK(sound.ok());
  for (const Mutation mutation :
       {Mutation::early_answer, Mutation::repeated_step, Mutation::stale_timer, Mutation::early_handler}) {
    const Broken broken(mutation);
    const testing::Report report = crash_at_every_commit(scenario);
    INFO(kMutations.at(mutation) << ": " << report.text());
    CHECK_FALSE(report.ok());
  }
}

}  // namespace openwop::test
