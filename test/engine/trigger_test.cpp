// `channel-write` triggers: what sets them off, what they start, and what bounds them (protocol 02 §8.8).
#include "support/fork_rig.h"

namespace openwop::test {

namespace {

constexpr const char* kChannels = R"(,"channels":{"log":{"reducer":"append"},"other":{"reducer":"append"}})";

struct Triggered {
  std::string config;  // of the trigger
  std::string more = {};
};

/// Registers the workflow with one trigger that starts `react`.
void add(EngineRig& rig, WorkflowText text, const Triggered& trigger) {
  if (!rig.engine) rig.open();
  std::string json = text.root(kChannels).json();
  const std::string manual = R"({"id":"manual","type":"manual"})";
  json.insert(json.find(manual),
              R"({"id":"t","type":"channel-write","nodeId":"react","config":)" + trigger.config + trigger.more + "},");
  const auto added = rig.engine->register_workflow(json);
  INFO((added.ok() ? std::string() : added.error().message));
  REQUIRE(added.ok());
}

/// `write` puts a value into the channel; `react` counts, and `after` comes behind it.
WorkflowText reacting() {
  return WorkflowText("w")
      .variable(R"({"name":"seen","type":"string","defaultValue":"no"})")
      .node("write", "core.channelWrite", R"({"channelName":"log","value":1})")
      .node("react", "core.setVariable", R"({"name":"seen","value":"yes"})")
      .node("after", "core.noop")
      .edge("react", "after");
}

std::size_t starts(const EngineRig& rig, const RunId& run, const std::string& node) {
  std::size_t count = 0;
  for (const auto& event : rig.events(run)) count += event.type == "node.started" && event.node == node ? 1 : 0;
  return count;
}

Status write(EngineRig& rig, const RunId& run, const std::string& channel, const std::string& source_run = "r-1") {
  ForeignChannelWrite foreign;
  foreign.run_id = run;
  foreign.channel = channel;
  foreign.value = "2";
  foreign.source_engine_id = "elsewhere";
  foreign.source_run_id = source_run;
  auto written = rig.engine->write_channel(std::move(foreign));
  rig.tick();
  return written;
}

}  // namespace

TEST_CASE("a write to its channel starts the node of a trigger, and what comes behind it", "[engine][trigger]") {
  EngineRig rig;
  add(rig, reacting(), {R"({"channel":"log"})"});
  const RunId run = rig.create("w");
  rig.tick();
  REQUIRE(rig.status(run) == RunStatus::completed);
  CHECK(rig.view(run).state.variables.at("seen") == R"("yes")");
  CHECK(starts(rig, run, "react") == 1);
  CHECK(starts(rig, run, "after") == 1);
  // Not as an entry of the graph: behind the write.
  const Lines history = rig.history(run);
  CHECK(std::find(history.begin(), history.end(), "node.started(react)") >
        std::find(history.begin(), history.end(), "channel.written(write)"));
}

TEST_CASE("without a write the node of a trigger is left out, and the run ends", "[engine][trigger]") {
  EngineRig rig;
  for (const char* config : {R"({"channel":"other"})", R"({"channel":"log","onlyFrom":"child"})"}) {
    add(rig, reacting(), {config});
    const RunId run = rig.create("w");
    rig.tick();
    INFO(config);
    CHECK(rig.status(run) == RunStatus::completed);
    CHECK(starts(rig, run, "react") == 0);
    CHECK(rig.view(run).state.nodes.at("react").status == NodeStatus::skipped);
  }
}

TEST_CASE("a trigger that is not enabled is none", "[engine][trigger]") {
  EngineRig rig;
  add(rig, reacting(), {R"({"channel":"log"})", R"(,"enabled":false)"});
  const RunId run = rig.create("w");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(starts(rig, run, "react") == 1);
}

TEST_CASE("onlyFrom tells writes of this run from those of others", "[engine][trigger]") {
  EngineRig rig;
  const auto starts_with = [&](const std::string& from) {
    add(rig, reacting().node("hold", "core.delay", R"({"ms":1000})"),
        {R"({"channel":"log","onlyFrom":")" + from + "\"}"});
    const RunId run = rig.create("w");
    rig.tick();
    const std::size_t own = starts(rig, run, "react");
    REQUIRE(write(rig, run, "log").ok());
    const std::size_t both = starts(rig, run, "react");
    rig.advance(1'000);
    CHECK(rig.status(run) == RunStatus::completed);
    return std::pair(own, both);
  };
  CHECK(starts_with("any") == std::pair<std::size_t, std::size_t>(1, 2));
  CHECK(starts_with("child") == std::pair<std::size_t, std::size_t>(0, 1));
  CHECK(starts_with("parent") == std::pair<std::size_t, std::size_t>(1, 1));
}

TEST_CASE("what the node and those behind it write sets nothing off", "[engine][trigger]") {
  EngineRig rig;
  add(rig,
      WorkflowText("w")
          .node("write", "core.channelWrite", R"({"channelName":"log","value":1})")
          .node("react", "core.channelWrite", R"({"channelName":"log","value":2})")
          .node("after", "core.channelWrite", R"({"channelName":"log","value":3})")
          .edge("react", "after"),
      {R"({"channel":"log"})"});
  const RunId run = rig.create("w");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(starts(rig, run, "react") == 1);
  CHECK(rig.view(run).state.channels.at("log") == "[1,2,3]");
}

TEST_CASE("writes while the node is at work are one firing at its end", "[engine][trigger]") {
  EngineRig rig;
  add(rig,
      WorkflowText("w").node("hold", "core.delay", R"({"ms":10000})").node("react", "core.delay", R"({"ms":1000})"),
      {R"({"channel":"log"})"});
  const RunId run = rig.create("w");
  rig.tick();
  REQUIRE(write(rig, run, "log").ok());
  CHECK(starts(rig, run, "react") == 1);
  for (int i = 0; i < 3; ++i) REQUIRE(write(rig, run, "log").ok());
  CHECK(starts(rig, run, "react") == 1);
  rig.advance(1'000);
  CHECK(starts(rig, run, "react") == 2);
  rig.advance(1'000);
  CHECK(starts(rig, run, "react") == 2);
  rig.advance(8'000);
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("debounceMs counts from the last write, survives a restart, and holds the run open", "[engine][trigger]") {
  EngineRig rig;
  add(rig, reacting(), {R"({"channel":"log","debounceMs":500})"});
  const RunId run = rig.create("w");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::running);
  rig.advance(400);
  REQUIRE(write(rig, run, "log").ok());
  rig.advance(400);
  CHECK(starts(rig, run, "react") == 0);
  rig.open();
  rig.advance(100);
  CHECK(starts(rig, run, "react") == 1);
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("maxLoopbackIterations bounds how often a trigger starts its node again", "[engine][trigger]") {
  EngineRig rig;
  add(rig,
      WorkflowText("w")
          .settings(R"({"maxLoopbackIterations":2})")
          .node("hold", "core.delay", R"({"ms":10000})")
          .node("react", "core.noop"),
      {R"({"channel":"log"})"});
  const RunId run = rig.create("w");
  rig.tick();
  for (int i = 0; i < 3; ++i) REQUIRE(write(rig, run, "log").ok());
  CHECK(starts(rig, run, "react") == 3);
  CHECK(rig.status(run) == RunStatus::running);
  REQUIRE(write(rig, run, "log").ok());
  CHECK(rig.status(run) == RunStatus::failed);
  CHECK(rig.count(run, "workflow.loopback-limit") == 1);
}

TEST_CASE("a paused run keeps what was set off for its resume", "[engine][trigger]") {
  EngineRig rig;
  add(rig, reacting(), {R"({"channel":"log","debounceMs":500})"});
  const RunId run = rig.create("w");
  rig.tick();
  PauseRun pause;
  pause.run_id = run;
  REQUIRE(rig.engine->pause_run(std::move(pause)).ok());
  rig.advance(5'000);
  CHECK(starts(rig, run, "react") == 0);
  ResumeRun resume;
  resume.run_id = run;
  REQUIRE(rig.engine->resume_run(std::move(resume)).ok());
  rig.tick();
  CHECK(starts(rig, run, "react") == 1);
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("a replay fires triggers where the source did; a branch goes on with what waits",
          "[engine][trigger][replay]") {
  ForkEngineRig rig;
  add(rig, reacting().node("hold", "core.delay", R"({"ms":5000})"), {R"({"channel":"log","debounceMs":500})"});
  const RunId source = rig.create("w");
  rig.tick();
  rig.advance(600);
  REQUIRE(write(rig, source, "log").ok());
  rig.advance(600);
  rig.advance(5'000);
  REQUIRE(rig.status(source) == RunStatus::completed);
  REQUIRE(starts(rig, source, "react") == 2);
  const Lines whole = rig.story(source);
  for (std::uint64_t from = 0; from < whole.size(); ++from) {
    INFO("from " << from);
    CHECK(rig.story(rig.replay(source, from)) == whole);
  }
  for (std::uint64_t from = 1; from < whole.size(); ++from) {
    INFO("branch from " << from);
    const RunId branch = rig.branch(source, from);
    rig.advance(600);
    rig.advance(600);
    rig.advance(5'000);
    rig.advance(5'000);
    CHECK(rig.status(branch) == RunStatus::completed);
    CHECK(starts(rig, branch, "react") >= 1);
  }
}

}  // namespace openwop::test
