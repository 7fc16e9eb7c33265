// Channels: who may read and write, other engines, reducers of the host's, versions of the declaration, artifacts.
#include "engine/channel_writes.h"
#include "support/engine_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

WorkflowText writer(const std::string& channels, const std::string& value = "1", const std::string& extra = "") {
  return WorkflowText("w")
      .node("write", "core.channelWrite", R"({"channelName":"c","value":)" + value + extra + "}")
      .root(R"(,"channels":{"c":)" + channels + "}");
}

Status foreign(EngineRig& rig, const RunId& run, const std::string& value) {
  return rig.engine->write_channel(
      {.run_id = run, .channel = "c", .value = value, .source_engine_id = "other", .source_run_id = "r-9"});
}

}  // namespace

TEST_CASE("a node that is not among a channel's writers is refused", "[channels]") {
  for (const auto& [access, allowed] : {std::pair{R"("public")", true},
                                        {R"("private")", false},
                                        {R"({})", true},
                                        {R"({"writers":["write"]})", true},
                                        {R"({"writers":["other"]})", false},
                                        {R"({"writers":["core.*"]})", true},
                                        {R"({"writers":["*"]})", true},
                                        {R"({"writers":[]})", false},
                                        {R"({"readers":[]})", true}}) {
    EngineRig rig;
    rig.add(writer(R"({"reducer":"append","access":)" + std::string(access) + "}"));
    const RunId run = rig.create("w");
    INFO(access);
    CHECK((rig.status(run) == RunStatus::completed) == allowed);
    if (allowed) continue;
    CHECK(json::member(rig.view(run).state.error, "code") == R"("channel_access_denied")");
    CHECK(json::member(rig.view(run).state.error, "details") ==
          R"({"channel":"c","requestedBy":{"nodeId":"write","typeId":"core.channelWrite"},"allowed":"writers"})");
  }
}

TEST_CASE("a node that is not among a channel's readers is refused, in expressions and in its handler", "[channels]") {
  EngineRig rig;
  rig.options.nodes.add({"vendor.t.read", SyncHandler([](NodeContext& node) -> NodeOutcome {
                           auto value = node.invocation().channel("c");
                           if (!value)
                             return Failure{std::string(error_name(value.error().code)), "no", value.error().details};
                           return NodeCompleted{R"({"seen":)" + std::string(value->value_or("null")) + "}"};
                         })});
  const std::string channel = R"({"reducer":"append","default":[7],"access":{"readers":["may"]}})";
  rig.add(writer(channel).node("may", "vendor.t.read").edge("write", "may"));
  const RunId read = rig.create("w");
  CHECK(rig.view(read).state.nodes.at("may").outputs == R"({"seen":[1]})");
  rig.add(writer(channel).node("no", "vendor.t.read").edge("write", "no"));
  CHECK(json::member(rig.view(rig.create("w")).state.error, "code") == R"("channel_access_denied")");
  rig.add(writer(channel)
              .node("no", "core.identity", "{}", R"({"x":{"type":"expression","expression":"channels.c"}})")
              .edge("write", "no"));
  CHECK(json::member(rig.view(rig.create("w")).state.error, "code") == R"("channel_access_denied")");
  rig.add(writer(channel)
              .node("next", "core.noop")
              .edge("write", "next", R"(,"condition":{"type":"expression","expression":"channels.c"})"));
  CHECK(json::member(rig.view(rig.create("w")).state.error, "code") == R"("channel_access_denied")");
}

TEST_CASE("another engine may write to channels that only grow, and the owner numbers the write", "[channels]") {
  for (const auto& [reducer, value] : {std::pair{"append", "1"},
                                       {"votes", R"({"userId":"u","action":"accept","timestamp":1})"},
                                       {"feedback", R"({"feedback":"f","timestamp":1,"iteration":0})"},
                                       {"counter", "2"}}) {
    EngineRig rig;
    rig.add(WorkflowText("w")
                .node("d", "core.delay", R"({"ms":10})")
                .root(R"(,"channels":{"c":{"reducer":")" + std::string(reducer) + "\"}}"));
    const RunId run = rig.create("w");
    INFO(reducer);
    CHECK(foreign(rig, run, value).ok());
    const auto event = rig.events(run).back();
    CHECK(event.type == "channel.written");
    CHECK(event.sequence == 2);
    CHECK(json::member(event.payload, "sourceEngineId") == R"("other")");
    CHECK(json::member(event.payload, "sourceRunId") == R"("r-9")");
    CHECK(rig.view(run).state.channels.at("c") ==
          (reducer == std::string("counter") ? value : "[" + std::string(value) + "]"));
    rig.advance(10);
    CHECK(rig.status(run) == RunStatus::completed);
    const auto late = foreign(rig, run, value);
    CHECK(late.error().code == ErrorCode::conflict);
  }
}

TEST_CASE("another engine may not write what only an owner can, nor what is not declared", "[channels]") {
  for (const char* reducer : {"replace", "merge", "message", "vendor.acme.max"}) {
    EngineRig rig;
    rig.add(WorkflowText("w")
                .node("d", "core.delay", R"({"ms":10})")
                .root(R"(,"channels":{"c":{"reducer":")" + std::string(reducer) + "\"}}"));
    const RunId run = rig.create("w");
    const auto written = foreign(rig, run, R"({"messageId":"m"})");
    INFO(reducer);
    REQUIRE_FALSE(written.ok());
    CHECK(written.error().code == ErrorCode::channel_cross_engine_write_forbidden);
    CHECK(written.error().details == R"({"channel":"c","reducer":")" + std::string(reducer) +
                                         R"(","sourceEngineId":"other","sourceRunId":"r-9"})");
    CHECK(rig.count(run, "channel.written") == 0);
  }
  EngineRig rig;
  rig.add(WorkflowText("w").node("d", "core.delay", R"({"ms":10})"));
  const RunId run = rig.create("w");
  CHECK(foreign(rig, run, "1").error().code == ErrorCode::validation_error);
  CHECK(foreign(rig, run, "not json").error().code == ErrorCode::validation_error);
  CHECK(foreign(rig, *RunId::parse(std::string(run.text())), "1").error().code == ErrorCode::validation_error);
  CHECK(rig.engine->write_channel({.tenant = "b", .run_id = run, .channel = "c", .value = "1", .source_engine_id = "o"})
            .error()
            .code == ErrorCode::run_not_found);
}

TEST_CASE("a host's reducer folds its channel, and a replay does not need it", "[channels]") {
  EngineRig rig;
  rig.options.vendor_reducers["vendor.acme.max"] = [](std::string_view before,
                                                      std::string_view write) -> Result<std::string> {
    const auto value = json::as_int(write);
    if (!value) return Error{ErrorCode::validation_error, "takes integers"};
    return std::to_string(std::max(*value, json::as_int(before).value_or(0)));
  };
  rig.add(WorkflowText("w")
              .node("a", "core.channelWrite", R"({"channelName":"c","value":5})")
              .node("b", "core.channelWrite", R"({"channelName":"c","value":3})")
              .edge("a", "b")
              .root(R"(,"channels":{"c":{"reducer":"vendor.acme.max"}})"));
  const RunId run = rig.create("w");
  CHECK(rig.view(run).state.channels.at("c") == "5");
  CHECK(json::member(rig.events(run)[5].payload, "value") == "3");
  rig.options.vendor_reducers.clear();
  rig.open();
  CHECK(rig.view(run).state.channels.at("c") == "5");
}

TEST_CASE("a full message channel takes no new message, but the ones it has again", "[channels]") {
  EngineRig rig;
  const auto message = [](const std::string& id) {
    return R"({"channelName":"c","value":{"messageId":")" + id + R"("}})";
  };
  rig.add(WorkflowText("w")
              .node("a", "core.channelWrite", message("1"))
              .node("b", "core.channelWrite", message("1"))
              .node("c", "core.channelWrite", message("2"))
              .edge("a", "b")
              .edge("b", "c")
              .root(R"(,"channels":{"c":{"reducer":"message","maxSize":1}})"));
  const RunId run = rig.create("w");
  CHECK(rig.view(run).state.channels.at("c") == R"([{"messageId":"1"}])");
  CHECK(json::member(rig.view(run).state.error, "code") == R"("validation_error")");
  CHECK(rig.view(run).state.nodes.at("b").status == NodeStatus::completed);
}

TEST_CASE("writes of older schema versions are read when the declaration says so", "[channels]") {
  WorkflowChannel channel;
  channel.name = "c";
  channel.schema_version = 3;
  channel.compatible_with = {2};
  CHECK(runtime::check_channel_version(channel, 3, "1", "e").ok());
  CHECK(runtime::check_channel_version(channel, 4, "1", "e").ok());
  CHECK(runtime::check_channel_version(channel, 2, "1", "e").ok());
  const auto broken = runtime::check_channel_version(channel, 0, "1", "evt_1");
  REQUIRE_FALSE(broken.ok());
  CHECK(broken.error().code == ErrorCode::channel_schema_breaking_change);
  CHECK(broken.error().details ==
        R"({"channel":"c","currentSchemaVersion":3,"incompatibleEventVersion":1,"incompatibleEventId":"evt_1",)"
        R"("migrationHint":"declare a new channel and copy the old one's values into it"})");
}

TEST_CASE("artifacts are written with their node's completion, bounded, and there after a restart", "[artifacts]") {
  EngineRig rig;
  rig.options.max_artifact_bytes = 64;
  std::string content = R"({"n":1.0})";
  rig.options.nodes.add({"vendor.t.make", SyncHandler([&](NodeContext&) -> NodeOutcome {
                           NodeCompleted completed;
                           completed.artifacts.push_back({"a/1", "note", content, "2", "short"});
                           return completed;
                         })});
  rig.add(WorkflowText("w").node("n", "vendor.t.make"));
  const RunId run = rig.create("w");
  CHECK(rig.history(run) ==
        Lines{"run.started", "node.started(n)", "artifact.created(n)", "node.completed(n)", "run.completed"});
  rig.open();
  const auto artifact = rig.engine->artifact("default", run, "a/1");
  REQUIRE(artifact.ok());
  CHECK(json::member(*artifact, "content") == content);
  CHECK(json::member(*artifact, "version") == R"("2")");
  CHECK(rig.engine->artifact("b", run, "a/1").error().code == ErrorCode::artifact_not_found);
  CHECK(rig.engine->artifact("default", run, "a").error().code == ErrorCode::artifact_not_found);
  content = "\"" + std::string(100, 'x') + "\"";
  CHECK(json::member(rig.view(rig.create("w")).state.error, "code") == R"("payload_too_large")");
  content = "{";
  const RunId bad = rig.create("w");
  CHECK(json::member(rig.view(bad).state.error, "code") == R"("validation_error")");
  CHECK(rig.engine->artifact("default", bad, "a/1").error().code == ErrorCode::artifact_not_found);
}

TEST_CASE("a secret that a handler has resolved is stored nowhere", "[redaction]") {
  EngineRig rig;
  const std::string secret = "plain-looking words";
  rig.options.nodes.add({"vendor.t.resolve", SyncHandler([&](NodeContext& node) -> NodeOutcome {
                           node.conceal(secret);
                           Event log;
                           log.type = EventType::log_appended;
                           log.payload = R"({"level":"info","message":"have )" + secret + "\"}";
                           if (!node.emit(std::move(log))) return Failure{"emit", "failed"};
                           const auto step = node.step("call", [&] { return Result<std::string>("got " + secret); });
                           NodeCompleted completed;
                           completed.outputs = R"({"o":")" + *step + "\"}";
                           completed.variables.push_back({"v", "\"" + secret + "\""});
                           completed.artifacts.push_back({"a", "note", "\"" + secret + "\"", {}, secret});
                           return completed;
                         })});
  rig.add(WorkflowText("w").node("n", "vendor.t.resolve"));
  const RunId run = rig.create("w");
  CHECK(rig.status(run) == RunStatus::completed);
  CHECK(rig.count(run, "log.appended") == 1);
  REQUIRE(rig.store
              ->scan({},
                     [&](std::string_view, std::string_view value) {
                       CHECK(value.find(secret) == std::string_view::npos);
                       return true;
                     })
              .ok());
}

TEST_CASE("a write that does not fit the channel's schema is refused; lists may be described as a whole",
          "[channels]") {
  for (const auto& [channel, value, fits] :
       {std::tuple{R"({"reducer":"append","schema":{"type":"string"}})", R"("a")", true},
        {R"({"reducer":"append","schema":{"type":"string"}})", "1", false},
        {R"({"reducer":"append","schema":{"type":"array"}})", "1", true},
        {R"({"reducer":"append","schema":{"type":"array","items":{"type":"string"}}})", "1", false},
        {R"({"reducer":"replace","schema":{"type":"array"}})", "1", false},
        {R"({"reducer":"replace","schema":{"type":"integer","minimum":1}})", "1", true}}) {
    EngineRig rig;
    rig.add(writer(channel, value));
    const RunId run = rig.create("w");
    INFO(channel << " " << value);
    CHECK((rig.status(run) == RunStatus::completed) == fits);
    if (fits) continue;
    CHECK(json::member(rig.view(run).state.error, "code") == R"("validation_error")");
    CHECK(rig.view(run).state.channels.empty());
  }
}

TEST_CASE("a channel whose schema cannot be enforced is refused at registration", "[channels]") {
  EngineRig rig;
  rig.open();
  const auto added = rig.engine->register_workflow(writer(R"({"reducer":"append","schema":{"type":5}})").json());
  REQUIRE_FALSE(added.ok());
  CHECK(added.error().code == ErrorCode::validation_error);
  CHECK_THAT(added.error().details, Catch::Contains("/channels/c/schema"));
}
