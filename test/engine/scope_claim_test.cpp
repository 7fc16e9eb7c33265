// Exclusive scopes: at most one live run that claims (tenant, scopeId).
#include <thread>

#include "openwop/json.h"
#include "support/engine_rig.h"

namespace openwop::test {
namespace {

CreateRun claiming(const std::string& workflow, const std::string& scope, const std::string& tenant = "default") {
  return {.workflow_id = workflow, .tenant = tenant, .scope_id = scope, .exclusive_scope = true};
}

WorkflowText sleeper() { return WorkflowText("sleeper").node("wait", "core.delay", R"({"ms":1000})"); }

std::string active_run_of(const Error& error) {
  const auto raw = json::member(error.details, "activeRunId");
  return raw ? json::as_string(*raw).value_or("") : "";
}

}  // namespace

TEST_CASE("a second run that claims the scope of a live one is refused and leaves nothing") {
  EngineRig rig;
  rig.add(sleeper());
  const RunId first = rig.create(claiming("sleeper", "s"));
  rig.tick();
  const auto second = rig.engine->create_run(claiming("sleeper", "s"));
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == ErrorCode::run_already_active);
  CHECK(active_run_of(second.error()) == first.text());
  CHECK(json::member(second.error().details, "activeHost") == R"("cloud")");
  CHECK(rig.engine->list_runs({}, "", 10)->runs.size() == 1);
}

TEST_CASE("a scope is free again when its run has ended, however it ended, and after a restart") {
  EngineRig rig;
  rig.add(sleeper());
  rig.add(WorkflowText("fails").node("f", "core.fail"));
  rig.create(claiming("sleeper", "s"));
  rig.advance(1000);
  const RunId cancelled = rig.create(claiming("sleeper", "s"));
  rig.open();
  CHECK_FALSE(rig.engine->create_run(claiming("sleeper", "s")).ok());
  REQUIRE(rig.engine->cancel_run({.run_id = cancelled}).ok());
  CHECK(rig.status(rig.create(claiming("fails", "s"))) == RunStatus::failed);
  rig.create(claiming("sleeper", "s"));
}

TEST_CASE("other scopes, other tenants and runs that claim nothing do not meet") {
  EngineRig rig;
  rig.add(sleeper());
  rig.create(claiming("sleeper", "s"));
  rig.create(claiming("sleeper", "t"));
  rig.create(claiming("sleeper", "s", "other"));
  CHECK(rig.engine->create_run({.workflow_id = "sleeper", .scope_id = "s"}).ok());
  CHECK_FALSE(rig.engine->create_run(claiming("sleeper", "s")).ok());
  const auto nameless = rig.engine->create_run(claiming("sleeper", ""));
  REQUIRE_FALSE(nameless.ok());
  CHECK(nameless.error().code == ErrorCode::validation_error);
}

TEST_CASE("of many runs that claim one scope at once exactly one is created") {
  EngineRig rig;
  rig.options.threads = 2;
  rig.add(sleeper());
  for (int round = 0; round < 20; ++round) {
    const std::string scope = "scope-" + std::to_string(round);
    std::atomic<int> created{0};
    std::atomic<int> refused{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&] {
        const auto run = rig.engine->create_run(claiming("sleeper", scope));
        const bool lost = !run && run.error().code == ErrorCode::run_already_active && !run.error().details.empty();
        created += run.ok() ? 1 : 0;
        refused += lost ? 1 : 0;
      });
    }
    for (std::thread& caller : callers) caller.join();
    CHECK(created == 1);
    CHECK(refused == 3);
  }
}

}  // namespace openwop::test
