// Webhooks and forks: what a fork inherits or repeats was delivered when it happened (protocol 03 §5.5).
#include "outbound/webhook_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

struct ForkedDeliveries : WebhookRig {
  ForkedDeliveries() {
    open_all();
    add(WorkflowText("three")
            .node("a", "core.noop")
            .node("b", "core.setVariable", R"({"name":"v","value":1})")
            .node("c", "core.noop")
            .edge("a", "b")
            .edge("b", "c"));
    add(WorkflowText("gate").node("g", "core.approvalGate"));
  }
  RunId fork(const RunId& source, std::uint64_t from, ForkMode mode) {
    auto forked = engine->fork_run({.source_run = source, .from_sequence = from, .mode = mode});
    REQUIRE(forked.ok());
    tick();
    return forked->run_id;
  }
  /// Sequences of what was delivered of a run, in order.
  std::vector<std::int64_t> delivered(const RunId& run) {
    deliver();
    std::vector<std::int64_t> sequences;
    for (const HttpCall& call : client->sent) {
      if (run_of(call) == run.text()) sequences.push_back(sequence_of(call));
    }
    return sequences;
  }
};

const std::vector<std::string> kAllTypes = {"run.started",        "node.started",      "node.completed",
                                            "node.suspended",     "variable.changed",  "interrupt.requested",
                                            "interrupt.resolved", "approval.received", "replay.diverged",
                                            "run.completed",      "run.failed"};

}  // namespace

TEST_CASE("a replay delivers nothing; a branch what it does itself, and nothing that it has inherited") {
  ForkedDeliveries rig;
  rig.hook(kAllTypes);
  const RunId source = rig.create("three");
  const auto length = static_cast<std::int64_t>(rig.events(source).size());
  REQUIRE(rig.delivered(source).size() == static_cast<std::size_t>(length));
  for (std::uint64_t from = 0; from < static_cast<std::uint64_t>(length); ++from) {
    INFO("from " << from);
    const RunId replay = rig.fork(source, from, ForkMode::replay);
    REQUIRE(rig.status(replay) == RunStatus::completed);
    CHECK(rig.delivered(replay).empty());
    const RunId branch = rig.fork(source, from, ForkMode::branch);
    REQUIRE(rig.status(branch) == RunStatus::completed);
    std::vector<std::int64_t> own;
    for (auto sequence = static_cast<std::int64_t>(from); sequence < length; ++sequence) own.push_back(sequence);
    CHECK(rig.delivered(branch) == own);
  }
  CHECK(rig.delivered(source).size() == static_cast<std::size_t>(length));
  CHECK(rig.outbox_rows() == 0);
}

TEST_CASE("a replay delivers nothing after a restart either, nor a divergence, nor an answer that it repeats") {
  ForkedDeliveries rig;
  rig.hook(kAllTypes);
  const RunId answered = rig.create("gate");
  REQUIRE(rig.answer(answered, "g", R"({"action":"accept"})").ok());
  const RunId source = rig.create("three");
  rig.deliver();
  const std::size_t before = rig.client->sent.size();
  // The definition has changed since: the replay differs and says so in its log.
  rig.add(WorkflowText("three")
              .node("a", "core.noop")
              .node("b", "core.setVariable", R"({"name":"v","value":2})")
              .edge("a", "b"));
  const RunId diverged = rig.fork(source, 0, ForkMode::replay);
  CHECK(rig.count(diverged, "replay.diverged") == 1);
  const RunId repeated = rig.fork(answered, 3, ForkMode::replay);
  CHECK(rig.status(repeated) == RunStatus::completed);
  const RunId waiting = rig.fork(rig.create("gate"), 1, ForkMode::replay);
  CHECK(rig.status(waiting) == RunStatus::waiting_approval);
  rig.deliver();
  const std::size_t gate_itself = rig.client->sent.size() - before;
  rig.open_all();
  REQUIRE(rig.answer(waiting, "g", R"({"action":"accept"})").ok());
  CHECK(rig.status(waiting) == RunStatus::completed);
  rig.deliver();
  for (const RunId& replay : {diverged, repeated, waiting}) CHECK(rig.delivered(replay).empty());
  CHECK(rig.client->sent.size() == before + gate_itself);
}
