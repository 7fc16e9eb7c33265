// What decide() writes into each event: protocol 02 §2.1 to §2.4, member by member.
#include <string>

#include "unit/run_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

void check_last(const RunRig& rig, EventType type, std::string_view payload) {
  CHECK(rig.last().type == type);
  CHECK(rig.last().payload == payload);
  CHECK(rig.last().time_ms == rig.now_ms);
  CHECK(event_problem(rig.last()).empty());
}

RunRig busy() { return busy_rig_in(RunStatus::running); }

}  // namespace

TEST_CASE("run.started names the workflow and what came with the request") {
  RunRig rig;
  rig.must(command::StartRun{.workflow_id = "wf", .tags = R"(["a"])", .metadata = R"({"m":1})"});
  check_last(rig, EventType::run_started,
             R"({"workflowId":"wf","transport":"rest","engineVersion":"1","tags":["a"],"metadata":{"m":1}})");
  CHECK(rig.last().node_id.empty());
}

TEST_CASE("terminal events carry outputs, error or reason, and the duration") {
  RunRig done = rig_in(RunStatus::running).wait(1500);
  done.must(command::CompleteRun{.outputs = R"({"x":1})"});
  check_last(done, EventType::run_completed, R"({"outputs":{"x":1},"durationMs":1500})");
  CHECK(done.state.outputs == R"({"x":1})");

  RunRig broken = rig_in(RunStatus::running).wait(20);
  broken.must(command::FailRun{.failure = {"timeout", "too slow", R"({"a":1})", true}, .failed_node_id = "n"});
  check_last(broken, EventType::run_failed,
             R"({"error":{"code":"timeout","message":"too slow","details":{"a":1},"retryable":true},)"
             R"("failedNodeId":"n","durationMs":20})");
  CHECK(json::member(broken.state.error, "code") == "\"timeout\"");

  RunRig stopped = rig_in(RunStatus::running).wait(5);
  stopped.must(command::CancelRun{.reason = "enough", .cancelled_by = "me"});
  check_last(stopped, EventType::run_cancelled, R"({"reason":"enough","cancelledBy":"me","durationMs":5})");
}

TEST_CASE("a failure without words still has a code and a message") {
  RunRig rig = busy();
  rig.must(command::FailNode{.node_id = "busy", .failure = {}});
  CHECK(event_problem(rig.last()).empty());
}

TEST_CASE("a run that ends before it began has no duration") {
  RunRig rig;
  rig.must(command::CancelRun{});
  check_last(rig, EventType::run_cancelled, "{}");
}

TEST_CASE("a clock that went back gives no negative duration") {
  RunRig rig = busy().wait(-5000);
  rig.complete("busy").must(command::CompleteRun{});
  check_last(rig, EventType::run_completed, R"({"durationMs":0})");
}

TEST_CASE("pause keeps the reason and the chosen drain policy, resume its reason") {
  RunRig rig = rig_in(RunStatus::running);
  rig.must(command::PauseRun{.reason = "tea", .drain_policy = "immediate"});
  check_last(rig, EventType::run_paused, R"({"reason":"tea","drainPolicy":"immediate"})");
  rig.must(command::ResumeRun{});
  check_last(rig, EventType::run_resumed, "{}");
}

TEST_CASE("node events name their node in the envelope and in the payload") {
  RunRig rig = rig_in(RunStatus::running);
  rig.start_node("a\"b");
  check_last(rig, EventType::node_started, R"({"nodeId":"a\"b","typeId":"core.noop","attempt":0})");
  CHECK(rig.last().node_id == "a\"b");
  rig.wait(30).must(command::RetryNode{.node_id = "a\"b", .delay_ms = 100, .last_error = {"flaky", "again"}});
  check_last(
      rig, EventType::node_retried,
      R"({"nodeId":"a\"b","attempt":1,"delayMs":100,"lastError":{"code":"flaky","message":"again","retryable":false}})");
  rig.start_node("a\"b");
  check_last(rig, EventType::node_started, R"({"nodeId":"a\"b","typeId":"core.noop","attempt":1})");
  rig.must(command::FailNode{.node_id = "a\"b", .failure = {"flaky", "gave up"}});
  check_last(rig, EventType::node_failed,
             R"({"nodeId":"a\"b","error":{"code":"flaky","message":"gave up","retryable":false},"attempts":2})");
  rig.must(command::SkipNode{.node_id = "s", .reason = "not taken"});
  check_last(rig, EventType::node_skipped, R"({"nodeId":"s","reason":"not taken"})");
}

TEST_CASE("node.completed shows outputs and duration; edges and real values are hidden, as valid JSON") {
  RunRig rig = busy().wait(12);
  rig.must(command::CompleteNode{.node_id = "busy", .outputs = R"({"a":1})", .edges = {.live = {2, 0}}});
  check_last(rig, EventType::node_completed, R"({"nodeId":"busy","outputs":{"a":1},"durationMs":12})");
  CHECK(rig.last().hidden == R"({"edges":[2,0]})");
  CHECK(rig.state.find_node("busy")->live_edges == std::vector<std::uint32_t>{2, 0});

  RunRig loop = busy();
  loop.must(command::CompleteNode{.node_id = "busy",
                                  .edges = {.live = {1}, .loops = {7}, .reset = {"a\"b", "c"}, .recount = {8, 9}}});
  CHECK(loop.last().hidden == R"({"edges":[1],"loops":[7],"reset":["a\"b","c"],"recount":[8,9]})");

  RunRig plain = busy();
  plain.complete("busy");
  CHECK(plain.last().hidden.empty());
}

TEST_CASE("sensitive outputs are masked in the payload and real in the state") {
  RunRig rig = busy();
  rig.must(command::CompleteNode{
      .node_id = "busy", .outputs = R"({"pin":"1234"})", .masked_outputs = R"({"pin":"[REDACTED]"})"});
  CHECK(rig.last().payload.find("1234") == std::string::npos);
  CHECK(json::member(rig.last().payload, "outputs") == R"({"pin":"[REDACTED]"})");
  CHECK(rig.last().hidden == R"({"outputs":{"pin":"1234"}})");
  CHECK(rig.state.find_node("busy")->outputs == R"({"pin":"1234"})");
}

TEST_CASE("node.suspended names only the four kinds of 1.0 and keeps the others hidden") {
  struct Row {
    const char* kind;
    const char* payload;
    RunStatus status;
  };
  const Row rows[] = {
      {"approval", R"("kind":"approval","key":"k"})", RunStatus::waiting_approval},
      {"clarification", R"("kind":"clarification","key":"k"})", RunStatus::waiting_input},
      {"external-event", R"("kind":"external-event","key":"k"})", RunStatus::waiting_external},
      {"custom", R"("kind":"custom","key":"k"})", RunStatus::waiting_input},
      {"low-confidence", R"("key":"k","reason":"low-confidence"})", RunStatus::waiting_approval},
      {"conversation.start", R"("key":"k","reason":"conversation-input"})", RunStatus::waiting_input},
      {"conversation.exchange", R"("key":"k","reason":"conversation-input"})", RunStatus::waiting_input},
      {"conversation.close", R"("key":"k","reason":"conversation-input"})", RunStatus::waiting_input},
  };
  for (const Row& row : rows) {
    INFO(row.kind);
    RunRig rig = busy();
    rig.suspend("busy", row.kind);
    check_last(rig, EventType::node_suspended,
               R"({"nodeId":"busy","interruptId":"i-busy",)" + std::string(row.payload));
    CHECK(rig.state.status == row.status);
    CHECK(rig.last().hidden.empty() == (rig.last().payload.find("\"kind\"") != std::string::npos));
  }
}

TEST_CASE("node.resumed carries the value") {
  RunRig rig = rig_in(RunStatus::waiting_approval);
  rig.must(command::ResumeNode{.node_id = "asks", .interrupt_id = "i", .resume_value = R"({"action":"accept"})"});
  check_last(rig, EventType::node_resumed, R"({"nodeId":"asks","interruptId":"i","resumeValue":{"action":"accept"}})");
}

TEST_CASE("a variable's event shows what it was and what it is") {
  RunRig rig = rig_in(RunStatus::running);
  rig.must(command::WriteVariable{.node_id = {}, .name = "v", .value = "1"});
  check_last(rig, EventType::variable_changed, R"({"name":"v","next":1})");
  rig.must(command::WriteVariable{.node_id = "n", .name = "v", .value = "[2]"});
  check_last(rig, EventType::variable_changed, R"({"name":"v","previous":1,"next":[2],"nodeId":"n"})");
  CHECK(rig.state.variables.at("v") == "[2]");
}

TEST_CASE("a sensitive variable is masked in the payload, before and after, and real in the state") {
  RunRig rig = rig_in(RunStatus::running);
  for (const char* value : {"\"first secret\"", "\"second secret\""}) {
    rig.must(command::WriteVariable{.node_id = {}, .name = "v", .value = value, .sensitive = true});
    CHECK(rig.last().payload.find("secret") == std::string::npos);
    CHECK(event_problem(rig.last()).empty());
    CHECK(rig.state.variables.at("v") == value);
  }
  CHECK(json::member(rig.last().payload, "previous") == kMaskedJson);
  CHECK(json::member(rig.last().payload, "next") == kMaskedJson);
}

TEST_CASE("channel.written has the members of its closed schema and no other") {
  RunRig rig = rig_in(RunStatus::running);
  rig.now_ms = 1'700'000'000'123;
  rig.must(command::WriteChannel{.node_id = {}, .channel = "c", .value = "1", .reducer = "append"});
  check_last(rig, EventType::channel_written,
             R"({"channel":"c","value":1,"reducer":"append","writtenAt":"2023-11-14T22:13:20.123Z"})");
  CHECK(rig.last().hidden.empty());
  rig.must(command::WriteChannel{.node_id = "n",
                                 .channel = "c",
                                 .value = "2",
                                 .reducer = "append",
                                 .ttl_ms = 5,
                                 .max_size = 6,
                                 .schema_version = 3});
  check_last(rig, EventType::channel_written,
             R"({"channel":"c","value":2,"reducer":"append","writtenAt":"2023-11-14T22:13:20.123Z","nodeId":"n",)"
             R"("schemaVersion":3})");
  CHECK(rig.last().hidden == R"({"ttlMs":5,"maxSize":6})");
  CHECK(rig.state.channels.at("c") == "[1,2]");
}

TEST_CASE("a sensitive channel is masked in the payload and real in the state") {
  RunRig rig = rig_in(RunStatus::running);
  rig.must(command::WriteChannel{
      .node_id = {}, .channel = "c", .value = "\"secret\"", .reducer = "append", .sensitive = true});
  CHECK(json::member(rig.last().payload, "value") == kMaskedJson);
  CHECK(event_problem(rig.last()).empty());
  CHECK(rig.state.channels.at("c") == "[\"secret\"]");
}

TEST_CASE("a channel that is not declared is kept in the variable of its name") {
  RunRig rig = rig_in(RunStatus::running);
  rig.must(command::WriteChannel{
      .node_id = {}, .channel = "c", .value = "1", .reducer = "append", .ttl_ms = 100, .into_variable = true});
  CHECK(rig.state.channels.empty());
  CHECK(rig.state.variables.at("c") == R"([{"value":1,"_ts":)" + std::to_string(rig.now_ms) + "}]");
}

TEST_CASE("a note takes the time of its commit and nothing else changes in it") {
  RunRig rig = rig_in(RunStatus::running);
  rig.must(command::AppendNote{
      Event{.type = EventType::log_appended, .time_ms = 1, .payload = R"({"a":1})", .caused_by = 0}});
  CHECK(rig.last().time_ms == rig.now_ms);
  CHECK(rig.last().payload == R"({"a":1})");
  CHECK(rig.last().caused_by == 0);
}
