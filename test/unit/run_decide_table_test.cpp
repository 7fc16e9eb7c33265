// Which command is accepted in which status of the run, and in which status of the node it names.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "unit/run_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

using enum RunStatus;

constexpr RunStatus kAllStatuses[] = {pending,          running,   paused, waiting_approval, waiting_input,
                                      waiting_external, completed, failed, cancelled};

/// P pending, R running, Z paused, W waiting-*; terminal statuses have no letter because nothing is accepted there.
char letter_of(RunStatus status) {
  if (status == pending) return 'P';
  if (status == running) return 'R';
  if (status == paused) return 'Z';
  return is_waiting(status) ? 'W' : '-';
}

struct Row {
  std::string name;
  RunCommand command;
  std::string accepted_in;
};

/// Protocol 01 §11.3 and §12, on nodes that would allow the command.
std::vector<Row> rows() {
  const Event note{.type = EventType::log_appended, .payload = R"({"level":"info","message":"m"})"};
  std::vector<Row> all = {
      {"StartRun", command::StartRun{.workflow_id = "wf"}, "P"},
      {"StartNode", command::StartNode{.node_id = "other", .type_id = "t"}, "RW"},
      {"CompleteNode", command::CompleteNode{.node_id = "busy"}, "RW"},
      {"FailNode", command::FailNode{.node_id = "busy", .failure = {}}, "RW"},
      {"RetryNode", command::RetryNode{.node_id = "busy", .last_error = {}}, "RW"},
      {"SkipNode", command::SkipNode{.node_id = "other", .reason = {}}, "RW"},
      {"ResumeNode", command::ResumeNode{.node_id = "asks", .interrupt_id = "i"}, "W"},
      {"WriteVariable", command::WriteVariable{.node_id = {}, .name = "v", .value = "1"}, "RW"},
      {"WriteChannel", command::WriteChannel{.node_id = {}, .channel = "c", .value = "1", .reducer = "append"}, "RW"},
      {"AppendNote", command::AppendNote{note}, "RW"},
      {"PauseRun", command::PauseRun{}, "R"},
      {"RequestPause", command::RequestPause{}, "R"},
      {"ResumeRun", command::ResumeRun{}, "Z"},
      {"FailRun", command::FailRun{.failure = {}}, "PRW"},
      {"CancelRun", command::CancelRun{}, "PRZW"},
      {"TakeOver", command::TakeOver{}, "PRW"},
  };
  for (const char* kind :
       {"approval", "clarification", "external-event", "custom", "low-confidence", "conversation.start"}) {
    all.push_back({std::string("SuspendNode ") + kind,
                   command::SuspendNode{.node_id = "busy", .interrupt_id = "i", .kind = kind, .key = "k"}, "RW"});
  }
  return all;
}

/// A waiting run whose node "x" has the given status.
RunRig rig_with_node(NodeStatus status) {
  RunRig rig = rig_in(waiting_approval);
  if (status == NodeStatus::idle) return rig;
  if (status == NodeStatus::skipped) return rig.must(command::SkipNode{.node_id = "x", .reason = {}});
  if (status == NodeStatus::sleeping) {
    return rig.must(command::StartNode{.node_id = "x", .type_id = "core.delay", .due_ms = rig.now_ms + 5});
  }
  rig.start_node("x");
  if (status == NodeStatus::retrying) rig.must(command::RetryNode{.node_id = "x", .last_error = {}});
  if (status == NodeStatus::suspended) rig.suspend("x");
  if (status == NodeStatus::in_child) rig.must(command::StartChild{{.run_id = {}, .node_id = "x", .workflow_id = "w"}});
  if (status == NodeStatus::completed) rig.complete("x");
  if (status == NodeStatus::failed) rig.must(command::FailNode{.node_id = "x", .failure = {}});
  if (status == NodeStatus::cancelled) {
    rig.apply(Event{.type = EventType::node_cancelled, .node_id = "x", .payload = R"({"nodeId":"x"})"});
  }
  REQUIRE(rig.node("x") == status);
  return rig;
}

}  // namespace

TEST_CASE("every command is accepted in the statuses the protocol allows and refused with no event in all others") {
  for (const Row& row : rows()) {
    for (const RunStatus status : kAllStatuses) {
      INFO(row.name << " while " << status_name(status));
      RunRig rig = busy_rig_in(status);
      const std::size_t before = rig.events.size();
      const auto given = rig.give(row.command);
      CHECK(given.ok() == (row.accepted_in.find(letter_of(status)) != std::string::npos));
      if (!given.ok()) CHECK(rig.events.size() == before);
      for (const Event& event : rig.events) CHECK(event_problem(event).empty());
    }
  }
}

TEST_CASE("a run completes only from running, with no node in flight") {
  for (const RunStatus status : kAllStatuses) {
    INFO(status_name(status));
    CHECK(rig_in(status).give(command::CompleteRun{}).ok() == (status == running));
    CHECK_FALSE(busy_rig_in(status).give(command::CompleteRun{}).ok());
  }
}

TEST_CASE("every command is accepted in the node statuses it can start from and refused in all others") {
  using enum NodeStatus;
  const std::set<NodeStatus> in_flight = {NodeStatus::running, sleeping, retrying, in_child, suspended};
  struct NodeRow {
    std::string name;
    RunCommand command;
    std::set<NodeStatus> accepted_in;
  };
  const NodeRow node_rows[] = {
      {"StartNode", command::StartNode{.node_id = "x", .type_id = "t"}, {idle, retrying}},
      {"CompleteNode", command::CompleteNode{.node_id = "x"}, in_flight},
      {"RetryNode", command::RetryNode{.node_id = "x", .last_error = {}}, in_flight},
      {"SuspendNode", command::SuspendNode{.node_id = "x", .interrupt_id = "i", .kind = "approval", .key = {}},
       in_flight},
      {"FailNode",
       command::FailNode{.node_id = "x", .failure = {}},
       {idle, NodeStatus::running, sleeping, retrying, in_child, suspended}},
      {"SkipNode", command::SkipNode{.node_id = "x", .reason = {}}, {idle}},
      {"ResumeNode", command::ResumeNode{.node_id = "x", .interrupt_id = "i"}, {suspended}},
  };
  for (const NodeRow& row : node_rows) {
    for (std::size_t i = 0; i < kNodeStatusNames.size(); ++i) {
      const auto status = static_cast<NodeStatus>(i);
      INFO(row.name << " of a node that is " << node_status_name(status));
      CHECK(rig_with_node(status).give(row.command).ok() == row.accepted_in.contains(status));
    }
  }
}

TEST_CASE("a node that a loop has reset can start again") {
  RunRig rig;
  rig.start().start_node("x").complete("x").start_node("y");
  rig.must(command::CompleteNode{.node_id = "y", .edges = {.loops = {0}, .reset = {"x", "y"}}});
  CHECK(rig.node("x") == NodeStatus::idle);
  CHECK(rig.state.find_node("x")->triggered);
  CHECK_FALSE(rig.state.find_node("y")->triggered);
  CHECK(rig.state.find_node("x")->iteration == 1);
  CHECK(rig.state.loopbacks.at(0) == 1);
  rig.start_node("x");
  CHECK(rig.node("x") == NodeStatus::running);
}

TEST_CASE("a note cannot be an event that changes the state") {
  for (const auto& info : kEventTypes) {
    INFO(info.name);
    RunRig rig = busy_rig_in(running);
    const bool note = rig.give(command::AppendNote{Event{.type = info.type, .node_id = "busy"}}).ok();
    CHECK(note != changes_state(info.type));
    CHECK_FALSE((note && info.terminal));
    CHECK(rig.state.status == running);
  }
  RunRig rig = busy_rig_in(running);
  CHECK(rig.give(command::AppendNote{Event{.unknown_name = "acme.billing.charged"}}).ok());
}

TEST_CASE("a takeover of a run that never began leaves run.started the first event") {
  RunRig rig;
  rig.must(command::TakeOver{});
  CHECK(rig.events.empty());
  rig.start();
  CHECK(rig.events.front().type == EventType::run_started);
}

TEST_CASE("a takeover of a begun run is marked and changes no status") {
  for (const RunStatus status : {running, waiting_approval, waiting_input, waiting_external}) {
    RunRig rig = busy_rig_in(status);
    rig.must(command::TakeOver{});
    CHECK(rig.last().type == EventType::run_resumed);
    CHECK(rig.state.status == status);
    CHECK(rig.node("busy") == NodeStatus::running);
  }
}

TEST_CASE("a run that ends cancels its nodes in flight first, each once") {
  RunRig rig;
  rig.start().start_node("a").start_node("b").start_node("c").start_node("d").start_node("done").complete("done");
  rig.must(command::StartNode{.node_id = "e", .type_id = "core.delay", .due_ms = rig.now_ms + 1000});
  rig.must(command::RetryNode{.node_id = "b", .last_error = {}}).suspend("c");
  const std::vector<RunCommand> endings = {command::FailRun{.failure = {}, .failed_node_id = "a"},
                                           command::CancelRun{.reason = "enough"}};
  for (const RunCommand& ending : endings) {
    RunRig ended = rig;
    ended.must(ending);
    std::vector<std::string> cancelled_nodes;
    for (std::size_t i = rig.events.size(); i + 1 < ended.events.size(); ++i) {
      CHECK(ended.events[i].type == EventType::node_cancelled);
      cancelled_nodes.push_back(ended.events[i].node_id);
    }
    CHECK(cancelled_nodes == std::vector<std::string>{"a", "b", "c", "d", "e"});
    CHECK(is_terminal(ended.last().type));
    CHECK(ended.node("done") == NodeStatus::completed);
  }
}
