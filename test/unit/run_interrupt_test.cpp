// Suspension, votes and pauses in the pure state machine.
#include "run_rig.h"

namespace openwop::test {

namespace {

RunRig asking(const std::string& kind, const std::string& data, std::int64_t timeout_ms = 0) {
  RunRig rig;
  rig.start().start_node("n");
  rig.must(command::SuspendNode{.node_id = "n",
                                .interrupt_id = "i",
                                .kind = kind,
                                .key = "r:n:0",
                                .run_id = "r",
                                .data = data,
                                .timeout_ms = timeout_ms});
  return rig;
}

std::vector<EventType> types_from(const RunRig& rig, std::size_t first) {
  std::vector<EventType> types;
  for (std::size_t i = first; i < rig.events.size(); ++i) types.push_back(rig.events[i].type);
  return types;
}

const std::string kApproval = R"({"artifactId":"a","artifactType":"t","title":"x","actions":["accept","edit-accept"]})";

}  // namespace

TEST_CASE("an interrupt is asked for and resolved in the protocol's order, with the older twins") {
  using enum EventType;
  RunRig approval = asking("approval", kApproval);
  CHECK(types_from(approval, 2) == std::vector{node_suspended, interrupt_requested, approval_requested});
  CHECK(json::member(approval.last().payload, "actions") == R"(["accept","edit"])");
  CHECK(approval.events[3].caused_by == std::uint64_t{2});  // node.suspended
  approval.must(command::ResumeNode{.node_id = "n",
                                    .interrupt_id = "i",
                                    .resume_value = R"({"action":"accept"})",
                                    .kind = "approval",
                                    .resolved_by = "ann",
                                    .decision = command::ApprovalRecord{"accept", "ann"}});
  CHECK(types_from(approval, 5) == std::vector{interrupt_resolved, approval_received, node_resumed});

  RunRig clarification = asking("clarification", R"({"questions":[{"id":"q","question":"?"}]})");
  CHECK(clarification.last().type == clarification_requested);
  clarification.must(command::ResumeNode{
      .node_id = "n", .interrupt_id = "i", .resume_value = R"({"answers":{"q":"x"}})", .kind = "clarification"});
  CHECK(types_from(clarification, 5) == std::vector{interrupt_resolved, clarification_resolved, node_resumed});

  RunRig low = asking("low-confidence", R"({"agentId":"a.b","threshold":0.7,"observed":0.1})");
  const std::string suspended = low.events[2].payload;
  CHECK_FALSE(json::member(suspended, "kind"));
  CHECK(json::member(suspended, "observed") == "0.1");
}

TEST_CASE("fold keeps the question, its deadline, its votes and the answers") {
  RunRig rig = asking("approval", kApproval, 500);
  const InterruptState* interrupt = rig.state.find_interrupt("n");
  REQUIRE(interrupt != nullptr);
  CHECK(interrupt->outcome == InterruptOutcome::pending);
  CHECK(interrupt->data == kApproval);
  CHECK(rig.state.find_node("n")->due_ms == rig.now_ms + 500);
  const auto vote = [&](const char* action, const char* by, bool anonymous = false) {
    rig.must(command::RecordDecision{"n", {.action = action, .decided_by = by, .anonymous = anonymous}});
  };
  vote("accept", "ann");
  vote("reject", "bob");
  vote("reject", "ann");
  vote("accept", "token:i", true);
  vote("accept", "token:i", true);
  interrupt = rig.state.find_interrupt("n");
  REQUIRE(interrupt->votes.size() == 4);
  CHECK(interrupt->votes[0].actor == "bob");
  CHECK(interrupt->votes[1].action == "reject");
  CHECK(interrupt->exchanges == 5);
  rig.must(command::ResumeNode{
      .node_id = "n", .interrupt_id = "i", .resume_value = "[1]", .kind = "approval", .decision = {}});
  CHECK(rig.state.find_interrupt("n")->outcome == InterruptOutcome::resumed);
  REQUIRE(rig.state.find_node("n")->answers.size() == 1);
  CHECK(rig.state.find_node("n")->answers[0].value == "[1]");
  CHECK_FALSE(rig.give(command::RecordDecision{"n", {.action = "accept", .decided_by = "ann"}}).ok());
}

TEST_CASE("an interrupt that its run outlives has timed out, one that ends with its run is cancelled") {
  RunRig late = asking("custom", R"({"customKind":"c"})");
  late.must(command::FailNode{.node_id = "n", .failure = {"interrupt_timeout", "late"}});
  CHECK(late.state.find_interrupt("n")->outcome == InterruptOutcome::timed_out);
  RunRig cancelled = asking("custom", R"({"customKind":"c"})");
  cancelled.must(command::CancelRun{.reason = "parent-cancelled"});
  CHECK(cancelled.state.find_interrupt("n")->outcome == InterruptOutcome::cancelled);
  CHECK_FALSE(cancelled.state.cancelled_by_parent);
  RunRig cascaded = asking("custom", R"({"customKind":"c"})");
  cascaded.must(command::CancelRun{.reason = "parent-cancelled", .parent_run_id = "p", .parent_node_id = "n"});
  CHECK(cascaded.state.cancelled_by_parent);
}

TEST_CASE("a pause that is asked for is remembered until it is there, withdrawn, or the run has ended") {
  RunRig rig;
  rig.start().start_node("n");
  rig.must(command::RequestPause{});
  CHECK(rig.state.pause_asked_ms == rig.now_ms);
  CHECK(rig.state.status == RunStatus::running);
  rig.must(command::RequestPause{.withdrawn = true});
  CHECK(rig.state.pause_asked_ms == 0);
  rig.must(command::RequestPause{.reason = "tea"});
  CHECK(rig.state.pause_reason == "tea");
  rig.suspend("n");
  rig.must(command::PauseRun{});
  CHECK(rig.state.status == RunStatus::paused);
  CHECK(rig.state.pause_asked_ms == 0);
  rig.must(command::ResumeRun{});
  CHECK(rig.state.status == RunStatus::waiting_approval);
  CHECK_FALSE(rig.give(command::PauseRun{}).ok());
}

TEST_CASE("handlers that a pause stopped are named anew by the resume") {
  RunRig rig;
  rig.start().start_node("n");
  const std::uint64_t before = rig.state.find_node("n")->started_sequence;
  rig.must(command::PauseRun{}).wait(50).must(command::ResumeRun{});
  CHECK(rig.state.find_node("n")->started_sequence == rig.events.size() - 1);
  CHECK(rig.state.find_node("n")->started_sequence != before);
  CHECK(rig.state.find_node("n")->since_ms == rig.now_ms);
  CHECK(rig.state.waited_ms == 50);
}

}  // namespace openwop::test
