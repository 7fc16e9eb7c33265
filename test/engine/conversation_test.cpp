// Conversations: one suspension, many turns, a channel that is the same in every replay (protocol 03 §4).
#include "support/engine_rig.h"

namespace openwop::test {

namespace {

WorkflowText gate(const std::string& config, const std::string& more = "") {
  return WorkflowText("talk").node("convo", "core.conversationGate", config).root(more);
}

Status say(EngineRig& rig, const RunId& run, const std::string& value, const std::string& node = "convo") {
  return rig.answer(run, node, value);
}

std::string output(const EngineRig& rig, const RunId& run, std::string_view name, const std::string& node = "convo") {
  return std::string(json::member(rig.view(run).state.nodes.at(node).outputs, name).value_or("nothing"));
}

constexpr const char* kChannel = R"(,"channels":{"conversation":{"reducer":"message"}})";

}  // namespace

TEST_CASE("a conversation that a gate holds with itself opens, exchanges and closes") {
  EngineRig rig;
  rig.add(gate(R"({"lifecycle":"open-exchange-close","mockAutoResume":true,"turnCount":2})", kChannel));
  const RunId run = rig.create("talk");
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.history(run) == Lines{"run.started", "node.started(convo)", "node.suspended(convo)",
                                  "interrupt.requested(convo)", "conversation.opened(convo)",
                                  "conversation.exchanged(convo)", "conversation.exchanged(convo)",
                                  "conversation.closed(convo)", "interrupt.resolved(convo)", "node.resumed(convo)",
                                  "node.completed(convo)", "run.completed"});
  std::string id;
  for (const auto& event : rig.events(run)) {
    if (!event.type.starts_with("conversation.")) continue;
    const std::string own(json::member(event.payload, "conversationId").value_or(""));
    if (id.empty()) id = own;
    CHECK(own == id);
  }
}

TEST_CASE("the turns of a made-up conversation are the same in every run") {
  EngineRig rig;
  rig.add(gate(R"({"mockAutoResume":true,"turnCount":3})", kChannel));
  const RunId first = rig.create("talk");
  rig.tick();
  rig.advance(5'000);
  const RunId second = rig.create("talk");
  rig.tick();
  const std::string channel = rig.view(first).state.channels.at("conversation");
  CHECK(channel == rig.view(second).state.channels.at("conversation"));
  std::size_t turns = 0;
  json::for_each_element(channel, [&](std::string_view turn) {
    CHECK(json::member(turn, "turnIndex") == std::to_string(turns));
    return ++turns != 0;
  });
  CHECK(turns == 4);
}

TEST_CASE("a conversation's id is its run, node and attempt, and the same after a restart") {
  EngineRig rig;
  rig.add(gate(R"({"prompt":"Hello?"})"));
  const RunId run = rig.create("talk");
  rig.tick();
  rig.open();
  REQUIRE(say(rig, run, R"({"operation":"exchange","turn":{"content":"hi"}})").ok());
  rig.open();
  REQUIRE(say(rig, run, R"({"operation":"close","outcome":1})").ok());
  std::size_t told = 0;
  for (const auto& event : rig.events(run)) {
    if (!event.type.starts_with("conversation.")) continue;
    ++told;
    CHECK(json::member(event.payload, "conversationId") == json::quoted(run.text() + ":convo:0"));
  }
  CHECK(told == 3);
  CHECK(output(rig, run, "conversationId") == json::quoted(run.text() + ":convo:0"));
}

TEST_CASE("each turn of a conversation names the one before as its cause, the first one the suspension") {
  EngineRig rig;
  rig.add(gate(R"({"mockAutoResume":true})"));
  const RunId run = rig.create("talk");
  rig.tick();
  std::uint64_t before = 0;
  REQUIRE(rig.engine
              ->read_events("default", run, 0,
                            [&](const EventView& event) {
                              if (event.type == EventType::node_suspended) before = event.sequence;
                              if (!event.type_name.starts_with("conversation.")) return true;
                              CHECK(event.caused_by == before);
                              before = event.sequence;
                              return true;
                            })
              .ok());
}

TEST_CASE("people exchange turns until somebody closes") {
  EngineRig rig;
  rig.add(gate(R"({"prompt":"Hello?"})", kChannel));
  const RunId run = rig.create("talk");
  rig.tick();
  CHECK(is_waiting(rig.status(run)));
  REQUIRE(say(rig, run, R"({"operation":"exchange","turn":{"content":"hi","role":"user"}})").ok());
  REQUIRE(say(rig, run, R"({"operation":"exchange","turn":{"content":{"deep":1},"turnIndex":2}})").ok());
  CHECK(is_waiting(rig.status(run)));
  CHECK(say(rig, run, R"({"operation":"exchange","turn":{"content":"again","turnIndex":2}})").error().code ==
        ErrorCode::validation_error);
  CHECK(say(rig, run, R"({"operation":"exchange"})").error().code == ErrorCode::validation_error);
  CHECK(say(rig, run, R"({"operation":"exchange","turn":{"content":"x","role":"nobody"}})").error().code ==
        ErrorCode::validation_error);
  CHECK(say(rig, run, R"({"operation":"shout"})").error().code == ErrorCode::validation_error);
  REQUIRE(say(rig, run, R"({"operation":"close","outcome":{"done":true}})").ok());
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(output(rig, run, "outcome") == R"({"done":true})");
  CHECK(rig.count(run, "conversation.exchanged") == 2);
  CHECK(rig.count(run, "clarification.requested") == 0);
  CHECK(say(rig, run, R"("late")").error().code == ErrorCode::interrupt_already_resolved);
  CHECK(say(rig, run, R"({"operation":"close"})").error().code == ErrorCode::interrupt_already_resolved);
  // What cannot be right at any time is told as such.
  CHECK(say(rig, run, R"({"operation":"exchange","turn":{"content":"late"}})").error().code ==
        ErrorCode::validation_error);
}

TEST_CASE("nodes of their own open a conversation, exchange in it and close it") {
  EngineRig rig;
  const auto talk = [](const std::string& kind, const std::string& members) {
    return R"({"kind":"conversation.)" + kind + R"(","data":{"conversationId":"c1")" + members + "}}";
  };
  rig.add(WorkflowText("trio")
              .node("start", "core.interrupt", talk("start", R"(,"title":"Sizes","initialPrompt":"Hello!")"))
              .node("convo", "core.interrupt", talk("exchange", R"(,"prompt":"Which size?")"))
              .node("again", "core.interrupt", talk("exchange", R"(,"prompt":"Sure?")"))
              .node("close", "core.interrupt", talk("close", R"(,"reason":"done")"))
              .edge("start", "convo")
              .edge("convo", "again")
              .edge("again", "close")
              .root(kChannel));
  const RunId run = rig.create("trio");
  rig.tick();
  CHECK(is_waiting(rig.status(run)));
  CHECK(rig.count(run, "node.suspended") == 1);  // the start waits for nobody
  CHECK(output(rig, run, "conversationId", "start") == R"("c1")");
  REQUIRE(say(rig, run, R"("large")").ok());
  CHECK(is_waiting(rig.status(run)));
  CHECK(rig.count(run, "conversation.closed") == 0);  // the answer of one node does not end it
  REQUIRE(say(rig, run, R"("yes")", "again").ok());
  CHECK(rig.status(run) == RunStatus::completed);
  std::vector<std::string> talked;
  std::int64_t before = -1;
  for (const auto& event : rig.events(run)) {
    if (!event.type.starts_with("conversation.")) continue;
    talked.push_back(event.type + "(" + event.node + ")");
    const auto index = json::member(event.payload, "turnIndex");
    const std::int64_t turn = index ? json::as_int(*index).value_or(-2) : 0;
    CHECK(turn == before + (event.type == "conversation.closed" ? 0 : 1));
    before = turn;
  }
  CHECK(talked == std::vector<std::string>{"conversation.opened(start)", "conversation.exchanged(convo)",
                                           "conversation.exchanged(convo)", "conversation.exchanged(again)",
                                           "conversation.exchanged(again)", "conversation.closed(close)"});
}

TEST_CASE("a conversation opens once, and nothing comes behind its close") {
  EngineRig rig;
  const auto node = [](const std::string& kind, const std::string& more) {
    return R"({"kind":"conversation.)" + kind + R"(","data":{"conversationId":"c1",)" + more + "}}";
  };
  const std::string start = node("start", R"("title":"T")");
  const std::string close = node("close", R"("reason":"R")");
  const std::string exchange = node("exchange", R"("prompt":"P")");
  const auto ends = [&](const std::string& name, const std::vector<std::string>& configs) {
    WorkflowText workflow(name);
    for (std::size_t i = 0; i < configs.size(); ++i) {
      workflow.node("n" + std::to_string(i), "core.interrupt", configs[i]);
      if (i > 0) workflow.edge("n" + std::to_string(i - 1), "n" + std::to_string(i));
    }
    rig.add(workflow);
    const RunId run = rig.create(name);
    rig.tick();
    return run;
  };
  CHECK(rig.status(ends("pair", {start, close})) == RunStatus::completed);
  for (const auto& [name, configs] :
       std::vector<std::pair<std::string, std::vector<std::string>>>{{"twice", {start, start}},
                                                                     {"unopened", {close}},
                                                                     {"closed-twice", {start, close, close}},
                                                                     {"opened-again", {start, close, start}},
                                                                     {"exchange-behind", {start, close, exchange}}}) {
    INFO(name);
    const RunId run = ends(name, configs);
    CHECK(rig.status(run) == RunStatus::failed);
    CHECK(rig.count(run, "node.suspend-failed") == 1);
  }
}

TEST_CASE("a bare value is a turn and the outcome at once, or one of turnCount") {
  EngineRig rig;
  rig.add(gate("{}"));
  const RunId one = rig.create("talk");
  rig.tick();
  REQUIRE(say(rig, one, R"("blue")").ok());
  CHECK(rig.status(one) == RunStatus::completed);
  CHECK(output(rig, one, "outcome") == R"("blue")");
  rig.add(gate(R"({"turnCount":2})"));
  const RunId two = rig.create("talk");
  rig.tick();
  REQUIRE(say(rig, two, R"("blue")").ok());
  CHECK(is_waiting(rig.status(two)));
  REQUIRE(say(rig, two, R"("red")").ok());
  CHECK(output(rig, two, "outcome") == R"("red")");
}

TEST_CASE("an outcome has to satisfy the gate's schema") {
  EngineRig rig;
  rig.add(gate(R"({"outcomeSchema":{"type":"object","required":["size"]}})"));
  const RunId run = rig.create("talk");
  rig.tick();
  CHECK_FALSE(say(rig, run, R"("large")").ok());
  CHECK_FALSE(say(rig, run, R"({"operation":"close"})").ok());
  CHECK(is_waiting(rig.status(run)));
  REQUIRE(say(rig, run, R"({"operation":"close","outcome":{"size":3}})").ok());
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("a conversation that takes too long closes without an outcome and fails its node") {
  EngineRig rig;
  rig.add(gate(R"({"timeoutMs":1000})"));
  const RunId run = rig.create("talk");
  rig.tick();
  rig.advance(600);
  REQUIRE(say(rig, run, R"({"operation":"exchange","turn":{"content":"hi"}})").ok());
  rig.advance(600);
  CHECK(rig.status(run) == RunStatus::failed);
  for (const auto& event : rig.events(run)) {
    if (event.type != "conversation.closed") continue;
    CHECK(json::member(event.payload, "outcome") == "null");
    CHECK(json::member(*json::member(event.payload, "finalTurn"), "role") == R"("system")");
  }
  CHECK(rig.count(run, "conversation.closed") == 1);
}

TEST_CASE("a conversation goes on after a restart") {
  EngineRig rig;
  rig.add(gate("{}", kChannel));
  const RunId run = rig.create("talk");
  rig.tick();
  REQUIRE(say(rig, run, R"({"operation":"exchange","turn":{"content":"one"}})").ok());
  rig.open();
  REQUIRE(say(rig, run, R"({"operation":"exchange","turn":{"content":"two","turnIndex":2}})").ok());
  REQUIRE(say(rig, run, R"({"operation":"close"})").ok());
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("a host without conversations refuses them at registration") {
  EngineRig rig;
  rig.options.nodes = NodeRegistry{};
  add_builtin_nodes(rig.options.nodes, {.conversations = false});
  rig.open();
  CHECK_FALSE(rig.engine->register_workflow(gate("{}").json()).ok());
  CHECK_FALSE(rig.engine
                  ->register_workflow(WorkflowText("t")
                                          .node("s", "core.orchestrator.supervisor")
                                          .node("d", "core.dispatch", R"({"askUserRouting":"conversation"})")
                                          .edge("s", "d")
                                          .edge("d", "s")
                                          .json())
                  .ok());
}

}  // namespace openwop::test
