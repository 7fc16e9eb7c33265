// Branches cut anywhere in a run that asks somebody: each one ends, each question is asked once, and a conversation
// stays one conversation (protocol 03 §5.1, §5.3).
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "support/fork_rig.h"

namespace openwop::test {

namespace {

constexpr int kMaxAnswers = 20;

std::string text(std::string_view object, std::string_view name) {
  return json::as_string(json::member(object, name).value_or("null")).value_or("");
}

/// An answer that the question takes.
std::string answer_to(const InterruptState& asked) {
  if (asked.kind == "approval") return R"({"action":"accept"})";
  if (asked.kind == "clarification") return R"({"answers":{"q":"blue"}})";
  if (asked.kind == "external-event") return std::string(json::member(asked.data, "correlation").value_or("{}"));
  if (asked.kind == "low-confidence") return R"({"action":"accept"})";
  if (asked.kind == "conversation.exchange") return R"({"operation":"close","outcome":"enough"})";
  return "7";
}

/// Answers whatever the run or its children ask until it has ended; how often that was needed.
int answer_all(ForkEngineRig& rig, const RunId& run) {
  int given = 0;
  for (; given < kMaxAnswers && !is_terminal(rig.status(run)); ++given) {
    rig.tick();
    RunId asks = run;
    for (const ChildRun& child : rig.view(run).state.children) {
      if (!is_terminal(child.status)) asks = child.run_id;
    }
    const RunView view = rig.view(asks);
    const std::string* node = view.state.latest_asking();
    if (node == nullptr) break;
    REQUIRE(rig.answer(asks, *node, answer_to(*view.state.find_interrupt(*node))).ok());
  }
  return given;
}

struct Conversation {
  std::size_t opened = 0;
  std::size_t closed = 0;
  std::int64_t last_index = -1;
};

void check_conversations(const ForkEngineRig& rig, const RunId& run) {
  std::map<std::string, Conversation> known;
  for (const auto& event : rig.events(run)) {
    if (!event.type.starts_with("conversation.")) continue;
    Conversation& one = known[text(event.payload, "conversationId")];
    CHECK(one.closed == 0);
    one.opened += event.type == "conversation.opened" ? 1 : 0;
    CHECK(one.opened == 1);
    one.closed += event.type == "conversation.closed" ? 1 : 0;
    if (event.type != "conversation.exchanged") continue;
    const std::int64_t index = json::as_int(*json::member(event.payload, "turnIndex")).value_or(-1);
    CHECK(index > one.last_index);
    one.last_index = index;
  }
  // However the branch began, what was said is in its channel, once.
  for (const auto& [name, value] : rig.view(run).state.channels) {
    std::set<std::string> ids;
    json::for_each_element(value, [&](std::string_view turn) {
      CHECK(ids.insert(text(turn, "messageId")).second);
      return true;
    });
  }
}

/// What the branch asks by itself: questions, each with the events of its group in one piece.
void check_questions(const ForkEngineRig& rig, const RunId& run, std::uint64_t from, int given) {
  std::set<std::string> suspended;
  std::size_t asked = 0;
  std::size_t resolved = 0;
  for (const auto& event : rig.events(run)) {
    if (event.sequence < from) continue;
    if (event.type == "node.suspended") CHECK(suspended.insert(text(event.payload, "interruptId")).second);
    if (event.type == "interrupt.requested") {
      ++asked;
      CHECK(suspended.contains(text(event.payload, "interruptId")));
      CHECK(text(event.payload, "runId") == run.text());
    }
    const bool own = event.type == "interrupt.resolved" && suspended.contains(text(event.payload, "interruptId"));
    resolved += own ? 1 : 0;
  }
  CHECK(asked == suspended.size());
  CHECK(asked == resolved);
  CHECK(static_cast<int>(resolved) >= std::min(given, 1));
}

void check_branches(ForkEngineRig& rig, const std::string& workflow) {
  const RunId source = rig.create(workflow);
  rig.tick();
  answer_all(rig, source);
  REQUIRE(rig.status(source) == RunStatus::completed);
  for (std::uint64_t from = 0; from < rig.length(source); ++from) {
    INFO(workflow << " from " << from << " of " << rig.length(source));
    const RunId branch = rig.branch(source, from);
    const int given = answer_all(rig, branch);
    CHECK(rig.status(branch) == RunStatus::completed);
    if (rig.view(branch).state.children.empty()) check_questions(rig, branch, from, given);
    check_conversations(rig, branch);
  }
}

}  // namespace

TEST_CASE("branches from every event of a run that asks end, and ask once", "[fork]") {
  ForkEngineRig rig;
  rig.options.nodes.add({"t.async", AsyncHandler([](std::shared_ptr<NodeContext> context, Completion done) {
                           const auto answer = context->resumed();
                           if (answer) return done(NodeCompleted{.outputs = R"({"got":)" + std::string(*answer) + "}"});
                           done(NodeSuspend{.kind = InterruptKind::custom, .data = R"({"customKind":"c"})"});
                         })});
  rig.add(WorkflowText("approval").node("gate", "core.approvalGate").node("n", "core.noop").edge("gate", "n"));
  rig.add(WorkflowText("quorum").node("gate", "core.approvalGate", R"({"requiredApprovals":1})"));
  rig.add(WorkflowText("clarification")
              .node("n", "core.clarificationGate", R"({"questions":[{"id":"q","question":"?"}]})"));
  rig.add(WorkflowText("event").node(
      "n", "core.interrupt", R"({"kind":"external-event","data":{"eventType":"paid","correlation":{"order":7}}})"));
  rig.add(WorkflowText("custom").node("n", "core.interrupt", R"({"kind":"custom","data":{"customKind":"c"}})"));
  rig.add(WorkflowText("handler").node("n", "t.async"));
  rig.add(WorkflowText("unsure").node("a", "core.identity", R"({"mockConfidence":0.5})", "{}",
                                      R"(,"agent":{"agentId":"core.unsure"})"));
  for (const char* workflow : {"approval", "quorum", "clarification", "event", "custom", "handler", "unsure"}) {
    check_branches(rig, workflow);
  }
}

TEST_CASE("branches from every event of a conversation go on with it", "[fork]") {
  const std::string channel = R"(,"channels":{"conversation":{"reducer":"message"}})";
  ForkEngineRig rig;
  rig.add(WorkflowText("people").node("convo", "core.conversationGate", R"({"turnCount":3})").root(channel));
  rig.add(WorkflowText("alone")
              .node("convo", "core.conversationGate", R"({"mockAutoResume":true,"turnCount":2})")
              .root(channel));
  check_branches(rig, "alone");

  const RunId source = rig.create("people");
  rig.tick();
  REQUIRE(rig.answer(source, "convo", R"({"operation":"exchange","turn":{"content":"one"}})").ok());
  REQUIRE(rig.answer(source, "convo", R"({"operation":"exchange","turn":{"content":"two"}})").ok());
  REQUIRE(rig.answer(source, "convo", R"({"operation":"close","outcome":"bye"})").ok());
  REQUIRE(rig.status(source) == RunStatus::completed);
  for (std::uint64_t from = 0; from < rig.length(source); ++from) {
    INFO("from " << from << " of " << rig.length(source));
    const RunId branch = rig.branch(source, from);
    if (!is_terminal(rig.status(branch))) {
      REQUIRE(rig.answer(branch, "convo", R"({"operation":"exchange","turn":{"content":"own"}})").ok());
    }
    answer_all(rig, branch);
    CHECK(rig.status(branch) == RunStatus::completed);
    check_conversations(rig, branch);
  }
}

TEST_CASE("branches from every event of a run with children start each child once", "[fork]") {
  ForkEngineRig rig;
  rig.add(WorkflowText("child").node("gate", "core.approvalGate"));
  rig.add(WorkflowText("parent").node("call", "core.subWorkflow", R"({"workflowId":"child"})"));
  rig.add(WorkflowText("team")
              .node("supervisor", "core.orchestrator.supervisor",
                    R"({"mockDecisions":[{"kind":"next-worker","nextWorkerIds":["child"]},)"
                    R"({"kind":"ask-user","prompt":"Well?"},{"kind":"terminate"}]})",
                    "{}", R"(,"agent":{"agentId":"core.boss"})")
              .node("dispatch", "core.dispatch")
              .edge("supervisor", "dispatch")
              .edge("dispatch", "supervisor"));
  for (const char* workflow : {"parent", "team"}) {
    check_branches(rig, workflow);
    const auto page = rig.engine->list_runs({.workflow_id = workflow}, {}, 1'000);
    REQUIRE(page.ok());
    for (const RunSummary& summary : page->runs) {
      // Those of the source's history that had ended, and one of its own at the most.
      CHECK(rig.view(summary.run_id).state.children.size() == 1);
    }
  }
}

TEST_CASE("a branch behind the timeout of an approval fails as its source did", "[fork]") {
  ForkEngineRig rig;
  rig.add(WorkflowText("w").node("gate", "core.approvalGate", R"({"timeoutMs":1000})"));
  const RunId source = rig.create("w");
  rig.advance(1'000);
  REQUIRE(rig.status(source) == RunStatus::failed);
  const auto events = rig.events(source);
  const auto received =
      std::find_if(events.begin(), events.end(), [](const auto& event) { return event.type == "approval.received"; });
  REQUIRE(received != events.end());
  const RunId branch = rig.branch(source, received->sequence + 1);
  CHECK(rig.status(branch) == RunStatus::failed);
  CHECK(rig.count(branch, "approval.received") == 1);
  CHECK(rig.story(branch).size() == rig.story(source).size());
}

TEST_CASE("before its first turn a fork shows nothing of what its source asks, and an answer finds its own question",
          "[fork]") {
  ForkEngineRig rig;
  rig.add(WorkflowText("w").node("gate", "core.approvalGate"));
  const RunId source = rig.create("w");
  // Between the fork's own commit and its first turn nobody but the caller who is told of it can look.
  const auto fork_and_answer = [&](const std::string& value) {
    ForkRun request;
    request.source_run = source;
    request.from_sequence = rig.length(source) - 1;
    request.mode = ForkMode::branch;
    std::optional<Result<RunStatus>> answered;
    rig.engine->fork_run(std::move(request), [&](Result<CreatedRun> forked) {
      REQUIRE(forked.ok());
      const RunView early = rig.view(forked->run_id);
      CHECK(early.state.status == RunStatus::pending);
      CHECK(early.state.latest_asking() == nullptr);
      CHECK_FALSE(rig.engine->pending_interrupt("default", forked->run_id, "gate").ok());
      rig.engine->resolve_interrupt({.run_id = forked->run_id, .node_id = "gate", .resume_value = value},
                                    [&](Result<RunStatus> result) { answered = std::move(result); });
    });
    rig.tick();
    REQUIRE(answered.has_value());
    return *answered;
  };
  const auto accepted = fork_and_answer(R"({"action":"accept"})");
  REQUIRE(accepted.ok());
  CHECK(*accepted == RunStatus::completed);
  const auto refused = fork_and_answer(R"({"action":"dance"})");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::validation_error);
  const auto page = rig.engine->list_runs({.status = RunStatus::waiting_approval}, {}, 10);
  REQUIRE(page.ok());
  CHECK(page->runs.size() == 2);  // the source, and the fork that was answered wrongly
}

}  // namespace openwop::test
