#include <limits>
#include <string>
#include <vector>

#include "unit/run_rig.h"

using namespace openwop;
using namespace openwop::test;

TEST_CASE("a fresh state is pending and empty") {
  const RunState state;
  CHECK(state.status == RunStatus::pending);
  CHECK(state.next_sequence == 0);
  CHECK(state.nodes.empty());
  CHECK(state.find_node("x") == nullptr);
}

TEST_CASE("node executions count each start, retries and loops too") {
  RunRig rig = rig_in(RunStatus::running);
  rig.start_node("x").must(command::RetryNode{.node_id = "x", .last_error = {}}).start_node("x");
  rig.must(command::CompleteNode{.node_id = "x", .edges = {.loops = {0}, .reset = {"x"}}}).start_node("x");
  CHECK(rig.state.node_executions == 3);
  CHECK(rig.state.find_node("x")->attempt == 0);
}

TEST_CASE("a retry is due after its delay, however long that is") {
  RunRig rig = busy_rig_in(RunStatus::running);
  RunRig far = rig;
  rig.must(command::RetryNode{.node_id = "busy", .delay_ms = 250, .last_error = {"flaky", "m"}});
  CHECK(rig.state.find_node("busy")->due_ms == rig.now_ms + 250);
  CHECK(rig.state.find_node("busy")->attempt == 1);
  CHECK(json::member(rig.state.find_node("busy")->error, "code") == "\"flaky\"");
  far.must(
      command::RetryNode{.node_id = "busy", .delay_ms = std::numeric_limits<std::int64_t>::max(), .last_error = {}});
  CHECK(far.state.find_node("busy")->due_ms == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("a node with a due time sleeps until then and is not running") {
  RunRig rig = rig_in(RunStatus::running);
  rig.must(command::StartNode{.node_id = "x", .type_id = "core.delay", .due_ms = 777});
  CHECK(rig.node("x") == NodeStatus::sleeping);
  CHECK(rig.state.find_node("x")->due_ms == 777);
  CHECK(rig.last().payload.find("777") == std::string::npos);
  rig.complete("x");
  CHECK(rig.state.find_node("x")->due_ms == 0);
}

TEST_CASE("time spent waiting or paused does not count as run time") {
  RunRig rig = rig_in(RunStatus::running);
  rig.wait(10).start_node("a").wait(5).suspend("a").wait(100).resume_node("a");
  CHECK(rig.state.waited_ms == 100);
  rig.wait(7).must(command::PauseRun{}).wait(1000).must(command::ResumeRun{});
  CHECK(rig.state.waited_ms == 1100);
  rig.wait(3).must(command::PauseRun{}).wait(50).must(command::CancelRun{});
  CHECK(rig.state.waited_ms == 1150);
  CHECK(rig.state.waiting_since_ms == 0);
  CHECK(rig.state.ended_ms - rig.state.started_ms - rig.state.waited_ms == 10 + 5 + 7 + 3);
}

TEST_CASE("a clock that goes back while a run waits takes no waited time away") {
  RunRig rig = rig_in(RunStatus::running);
  rig.start_node("a").suspend("a").wait(100).resume_node("a");
  rig.suspend("a").wait(-5000).resume_node("a");
  CHECK(rig.state.waited_ms == 100);
}

TEST_CASE("a run goes on waiting while one of two suspended nodes is left, as that one does") {
  RunRig rig = rig_in(RunStatus::running);
  rig.start_node("a").start_node("b").start_node("c");
  rig.suspend("a", "approval").suspend("b", "external-event").suspend("c", "clarification");
  CHECK(rig.state.status == RunStatus::waiting_input);
  rig.resume_node("c");
  CHECK(rig.state.status == RunStatus::waiting_external);
  rig.resume_node("a");
  CHECK(rig.state.status == RunStatus::waiting_external);
  rig.resume_node("b");
  CHECK(rig.state.status == RunStatus::running);
}

TEST_CASE("a run whose only suspended node ends or retries without an answer runs again") {
  const std::vector<RunCommand> ends = {
      command::FailNode{.node_id = "asks", .failure = {"rejected", "no"}},
      command::CompleteNode{.node_id = "asks"},
      command::RetryNode{.node_id = "asks", .last_error = {}},
  };
  for (const RunCommand& end : ends) {
    RunRig rig = rig_in(RunStatus::waiting_approval).wait(40);
    rig.must(end);
    CHECK(rig.state.status == RunStatus::running);
    CHECK(rig.state.waited_ms == 40);
  }
}

TEST_CASE("a loop that resets the suspended node ends its waiting") {
  RunRig rig = busy_rig_in(RunStatus::waiting_approval);
  rig.must(command::CompleteNode{.node_id = "busy", .edges = {.loops = {0}, .reset = {"asks"}}});
  CHECK(rig.node("asks") == NodeStatus::idle);
  CHECK(rig.state.status == RunStatus::running);
}

TEST_CASE("a run that is cancelled while it waits never looks as if it ran again") {
  RunRig rig = rig_in(RunStatus::waiting_approval);
  std::vector<Event> out;
  REQUIRE(decide(rig.state, command::CancelRun{}, rig.now_ms, out).ok());
  REQUIRE(out.size() == 2);
  rig.apply(out[0]);
  CHECK(rig.state.status == RunStatus::waiting_approval);
  rig.apply(out[1]);
  CHECK(rig.state.status == RunStatus::cancelled);
}

TEST_CASE("loopback counts begin anew inside a body that starts over") {
  RunRig rig = rig_in(RunStatus::running);
  rig.start_node("inner").must(command::CompleteNode{.node_id = "inner", .edges = {.loops = {5}, .reset = {"inner"}}});
  CHECK(rig.state.loopbacks.at(5) == 1);
  rig.start_node("outer");
  rig.must(command::CompleteNode{.node_id = "outer", .edges = {.loops = {6}, .reset = {"outer"}, .recount = {5}}});
  CHECK_FALSE(rig.state.loopbacks.contains(5));
  CHECK(rig.state.loopbacks.at(6) == 1);
}

TEST_CASE("outputs of a node stay while it runs again and change when it ends again") {
  RunRig rig = busy_rig_in(RunStatus::running);
  rig.must(
      command::CompleteNode{.node_id = "busy", .outputs = R"({"n":1})", .edges = {.loops = {0}, .reset = {"busy"}}});
  rig.start_node("busy");
  CHECK(rig.state.find_node("busy")->outputs == R"({"n":1})");
  rig.must(command::CompleteNode{.node_id = "busy", .outputs = R"({"n":2})"});
  CHECK(rig.state.find_node("busy")->outputs == R"({"n":2})");
}

TEST_CASE("entries of a declared channel expire by the time of their write") {
  RunRig rig = rig_in(RunStatus::running);
  const auto write = [&](const char* value) {
    rig.must(command::WriteChannel{.node_id = {}, .channel = "c", .value = value, .reducer = "append", .ttl_ms = 100});
  };
  write("1");
  rig.wait(100);
  write("2");
  CHECK(rig.state.channels.at("c") == "[1,2]");
  rig.wait(1);
  write("3");
  CHECK(rig.state.channels.at("c") == "[2,3]");
}

TEST_CASE("a channel folds with the reducer of each event, whatever was in force before") {
  RunRig rig = rig_in(RunStatus::running);
  for (const char* reducer : {"append", "append", "vendor.acme.max", "no-such-reducer"}) {
    rig.must(command::WriteChannel{.node_id = {}, .channel = "c", .value = "1", .reducer = reducer});
  }
  CHECK(rig.state.channels.at("c") == "1");
  CHECK(rig.state.channels.size() == 1);
}

TEST_CASE("payloads that are not what they should be change nothing that matters and crash nothing") {
  for (const char* garbage : {"null", "1", "\"a\"", "[]", "[1]", "{}", R"({"nodeId":7,"attempt":"x","error":3})",
                              R"({"name":1,"channel":null,"value":{},"reducer":9})", R"({"outputs":5,"kind":[]})"}) {
    for (const auto& info : kEventTypes) {
      INFO(info.name << " " << garbage);
      RunRig rig = busy_rig_in(RunStatus::running);
      rig.apply(Event{.type = info.type, .time_ms = 5, .node_id = "busy", .payload = garbage, .hidden = garbage});
      CHECK(rig.state.next_sequence == rig.events.size());
      CHECK(rig.state.variables.empty());
      CHECK(rig.state.channels.empty());
    }
  }
}

TEST_CASE("payload bytes that are not JSON at all are passed over") {
  for (const char* garbage : {"", "{", "{\"nodeId\"", "{\"nodeId\":", "{\"outputs\":[", "\xFF", "{\"attempt\":1"}) {
    for (const auto& info : kEventTypes) {
      RunRig rig = busy_rig_in(RunStatus::running);
      rig.apply(Event{.type = info.type, .node_id = "busy", .payload = garbage, .hidden = garbage});
      CHECK(rig.state.next_sequence == rig.events.size());
    }
  }
}

TEST_CASE("notes change only the sequence and the time of the last change") {
  for (const auto& info : kEventTypes) {
    if (changes_state(info.type)) continue;
    RunRig rig = busy_rig_in(RunStatus::running);
    const RunState before = rig.state;
    rig.wait(5).apply(
        Event{.type = info.type, .time_ms = rig.now_ms, .node_id = "busy", .payload = R"({"nodeId":"busy"})"});
    INFO(info.name);
    CHECK(rig.state.status == before.status);
    CHECK(rig.state.nodes.size() == before.nodes.size());
    CHECK(rig.node("busy") == NodeStatus::running);
    CHECK(rig.state.next_sequence == before.next_sequence + 1);
    CHECK(rig.state.changed_ms == rig.now_ms);
    CHECK(rig.state.waited_ms == before.waited_ms);
  }
}
