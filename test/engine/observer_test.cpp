#include "openwop/run_observer.h"

#include <map>
#include <mutex>

#include "support/engine_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

/// Writes one row for each commit and notes what it was told.
class Recorder final : public RunObserver {
 public:
  void extend(const RunCommit& commit, Transaction& transaction) noexcept override {
    transaction.put("Utold" + std::string(commit.run.view()) + std::to_string(commit.first_sequence), commit.actor);
    ++extended;
  }
  void committed(const RunCommit& commit) noexcept override {
    std::string line;
    for (std::size_t i = 0; i < commit.events.size(); ++i) {
      const EventView event = commit.event(i);
      line += (line.empty() ? "" : " ") + std::to_string(event.sequence) + ":" + std::string(event.type_name);
    }
    told.push_back({std::move(line), commit.action, std::string(commit.actor), commit.created, commit.ended,
                    commit.header.tenant, commit.status});
  }

  struct Told {
    std::string events;
    RunAction action;
    std::string actor;
    bool created;
    bool ended;
    std::string tenant;
    RunStatus status;
  };
  std::vector<Told> told;
  int extended = 0;
};

struct ObservedRig : EngineRig {
  std::shared_ptr<Recorder> recorder = std::make_shared<Recorder>();
  ObservedRig() { options.observers = {recorder}; }
};

}  // namespace

TEST_CASE("an observer sees a run that is made in one commit, with its events, who asked, and both marks") {
  ObservedRig rig;
  rig.add(WorkflowText("w").node("n", "core.noop"));
  const RunId run = rig.create(CreateRun{.workflow_id = "w", .created_by = "api-key:1"});
  REQUIRE(rig.recorder->told.size() == 1);
  const auto& told = rig.recorder->told.front();
  CHECK(told.events == "0:run.started 1:node.started 2:node.completed 3:run.completed");
  CHECK(told.action == RunAction::create);
  CHECK(told.actor == "api-key:1");
  CHECK(told.created);
  CHECK(told.ended);
  CHECK(told.tenant == "default");
  CHECK(told.status == RunStatus::completed);
  CHECK(rig.engine->host_get("told" + std::string(run.view()) + "0")->value_or("none") == "api-key:1");
}

TEST_CASE("an observer sees each commit of a run that waits, with sequences that go on") {
  ObservedRig rig;
  rig.add(WorkflowText("w").node("d", "core.delay", R"({"ms":1000})"));
  const RunId run = rig.create("w");
  rig.advance(1000);
  REQUIRE(rig.status(run) == RunStatus::completed);
  REQUIRE(rig.recorder->told.size() == 2);
  CHECK_FALSE(rig.recorder->told[0].ended);
  CHECK(rig.recorder->told[1].events == "2:node.completed 3:run.completed");
  CHECK(rig.recorder->told[1].action == RunAction::none);
  CHECK_FALSE(rig.recorder->told[1].created);
  CHECK(rig.recorder->told[1].ended);
}

TEST_CASE("an observer is told of a cancellation and who asked for it, and nothing of one that changes nothing") {
  ObservedRig rig;
  rig.add(WorkflowText("w").node("d", "core.delay", R"({"ms":1000})"));
  const RunId run = rig.create("w");
  REQUIRE(rig.engine->cancel_run({.run_id = run, .cancelled_by = "somebody"}).ok());
  REQUIRE(rig.recorder->told.size() == 2);
  CHECK(rig.recorder->told[1].action == RunAction::cancel);
  CHECK(rig.recorder->told[1].actor == "somebody");
  REQUIRE(rig.engine->cancel_run({.run_id = run, .cancelled_by = "somebody"}).ok());
  CHECK(rig.recorder->told.size() == 2);
}

TEST_CASE("a create that is refused because its key is taken leaves no observer's row and tells no observer") {
  ObservedRig rig;
  rig.add(WorkflowText("w").node("n", "core.noop"));
  const auto claimed = [&] {
    CreateRun request{.workflow_id = "w"};
    request.claim = LedgerClaim{.row_key = Ledger::row_key("t", "key"), .request_digest = "d"};
    request.claim->outcome = [](const RunId&, RunStatus) { return std::string("answer"); };
    return rig.engine->create_run(std::move(request));
  };
  REQUIRE(claimed().ok());
  const std::size_t rows = rig.store->size();
  CHECK(claimed().error().code == ErrorCode::precondition_failed);
  CHECK(rig.recorder->extended == 2);
  CHECK(rig.recorder->told.size() == 1);
  CHECK(rig.store->size() == rows);
}
