// Versions: pins, runs of other engines, and logs of three of them whose bytes are frozen.
#include "openwop/log.h"
#include "support/engine_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

SyncHandler ask(std::string change, std::int64_t min, std::int64_t max,
                std::shared_ptr<std::vector<std::int64_t>> seen) {
  return [=](NodeContext& node) -> NodeOutcome {
    auto version = node.version(change, min, max);
    if (!version)
      return Failure{std::string(error_name(version.error().code)), version.error().message, version.error().details};
    seen->push_back(*version);
    return NodeCompleted{};
  };
}

}  // namespace

TEST_CASE("the first question for a change pins its newest version, and the run keeps it", "[versions]") {
  EngineRig rig;
  auto seen = std::make_shared<std::vector<std::int64_t>>();
  rig.options.nodes.add({"vendor.t.first", ask("change", -1, 2, seen)});
  rig.options.nodes.add({"vendor.t.later", ask("change", 0, 5, seen)});
  rig.add(WorkflowText("w")
              .node("a", "vendor.t.first")
              .node("d", "core.delay", R"({"ms":10})")
              .node("b", "vendor.t.later")
              .edge("a", "d")
              .edge("d", "b"));
  const RunId run = rig.create("w");
  CHECK(*seen == std::vector<std::int64_t>{2});
  CHECK(rig.history(run)[2] == "version.pinned(a)");
  CHECK(rig.events(run)[2].payload == R"({"changeId":"change","version":2,"nodeId":"a"})");
  rig.open();
  rig.advance(10);
  CHECK(*seen == std::vector<std::int64_t>{2, 2});
  CHECK(rig.count(run, "version.pinned") == 1);
  CHECK(rig.view(run).state.pins.at("change") == 2);
}

TEST_CASE("a pin outside of what a node still supports fails it, and bad ranges are refused", "[versions]") {
  EngineRig rig;
  auto seen = std::make_shared<std::vector<std::int64_t>>();
  rig.options.nodes.add({"vendor.t.first", ask("change", 0, 1, seen)});
  rig.options.nodes.add({"vendor.t.later", ask("change", 2, 3, seen)});
  rig.options.nodes.add({"vendor.t.bad", ask("change", 2, 1, seen)});
  rig.add(WorkflowText("w").node("a", "vendor.t.first").node("b", "vendor.t.later").edge("a", "b"));
  rig.add(WorkflowText("x").node("a", "vendor.t.bad"));
  const RunId run = rig.create("w");
  const std::string error = rig.view(run).state.error;
  CHECK(json::member(error, "code") == R"("version_out_of_range")");
  CHECK(json::member(error, "details") ==
        R"({"runId":")" + run.text() + R"(","changeId":"change","pinnedVersion":1,"min":2,"max":3})");
  CHECK(json::member(rig.view(rig.create("x")).state.error, "code") == R"("validation_error")");
}

TEST_CASE("a run of a newer engine is read, and neither carried on nor cancelled", "[versions]") {
  EngineRig rig;
  rig.options.engine_version = 3;
  rig.add(WorkflowText("w").node("d", "core.delay", R"({"ms":10})"));
  const RunId run = rig.create("w");
  std::vector<Error> reported;
  rig.options.engine_version = 2;
  rig.options.on_error = [&](const Error& error) { reported.push_back(error); };
  rig.open();
  rig.advance(10);
  rig.advance(10);
  CHECK(rig.status(run) == RunStatus::running);
  REQUIRE(reported.size() == 1);
  CHECK(reported[0].code == ErrorCode::engine_version_mismatch);
  const auto cancelled = rig.engine->cancel_run({.run_id = run});
  REQUIRE_FALSE(cancelled.ok());
  CHECK(cancelled.error().code == ErrorCode::engine_version_mismatch);
  CHECK(cancelled.error().details == R"({"runId":")" + run.text() + R"(","persistedVersion":3,"currentVersion":2})");
  CHECK(rig.history(run) == Lines{"run.started", "node.started(d)"});
  rig.options.engine_version = 3;
  rig.open();
  rig.tick();
  CHECK(rig.status(run) == RunStatus::completed);
}

TEST_CASE("a forced engine version is stamped on the events, and the run ends all the same, also after a restart",
          "[versions]") {
  EngineRig rig;
  rig.add(WorkflowText("w").node("d", "core.delay", R"({"ms":10})"));
  for (const std::uint32_t version : {0U, 1U, 2U}) {
    CreateRun request;
    request.workflow_id = "w";
    request.forced_engine_version = version;
    const RunId run = rig.create(std::move(request));
    rig.open();
    rig.advance(10);
    CHECK(rig.status(run) == RunStatus::completed);
    CHECK(rig.view(run).header.engine_version == version);
    CHECK(rig.engine
              ->read_events("default", run, 0,
                            [&](const EventView& event) {
                              CHECK(event.engine_version == version);
                              return true;
                            })
              .ok());
  }
}

// ---- golden logs ----

namespace {

std::string from_hex(std::string_view hex) {
  std::string out;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) out += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  return out;
}
std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kHex[static_cast<unsigned char>(c) >> 4U];
    out += kHex[static_cast<unsigned char>(c) & 15U];
  }
  return out;
}

/// What an engine of the version has written of a run: three batches, as they lie in the log.
std::vector<Event> golden_events(std::uint32_t version) {
  std::vector<Event> events = {
      {.type = EventType::run_started, .time_ms = kStartMs, .payload = R"({"workflowId":"w"})"},
      {.type = EventType::variable_changed, .time_ms = kStartMs + 1, .payload = R"({"name":"v","next":1})"},
  };
  if (version >= 2) {
    // A type that nobody here knows, and members that were added since.
    events.push_back({.type = EventType::unknown,
                      .time_ms = kStartMs + 2,
                      .node_id = "a",
                      .payload = R"({"new":[1,2]})",
                      .hidden = R"({"x":1})",
                      .unknown_name = "node.dispatched"});
    events.push_back({.type = EventType::variable_changed,
                      .time_ms = kStartMs + 3,
                      .payload = R"({"name":"v","next":2,"why":{"since":"2"}})",
                      .schema_version = 2});
  }
  if (version >= 3) {
    // A payload whose contract has changed: nothing of it is recognised.
    events.push_back(
        {.type = EventType::variable_changed, .time_ms = kStartMs + 4, .payload = R"([1])", .schema_version = 9});
    events.push_back(
        {.type = EventType::unknown, .time_ms = kStartMs + 5, .payload = "null", .unknown_name = "vendor.acme.x"});
  }
  events.push_back({.type = EventType::run_completed, .time_ms = kStartMs + 6, .payload = R"({"outputs":{"o":1}})"});
  return events;
}

/// Where the log keeps a run's only batch.
std::string golden_key(const RunId& run, const std::vector<Event>& events) {
  Transaction transaction;
  Log::create(transaction, run, "", events, {.next_sequence = events.size()});
  const std::string prefix = Log::run_prefix(run) + '\x02';
  for (std::size_t i = 0; i < transaction.size(); ++i) {
    if (transaction.entry(i).key.starts_with(prefix)) return std::string(transaction.entry(i).key);
  }
  return {};
}

struct GoldenLog {
  std::uint32_t version;
  std::string_view hex;
  std::string_view variable;
};
const GoldenLog kGoldenLogs[] = {
    {1,
     "010301010080a0abfef962127b22776f726b666c6f774964223a2277227d1b0002157b226e616d65223a2276222c226e6578"
     "74223a317d02000a137b226f757470757473223a7b226f223a317d7d",
     "1"},
    {2,
     "010502010080a0abfef962127b22776f726b666c6f774964223a2277227d1b0002157b226e616d65223a2276222c226e6578"
     "74223a317d000f6e6f64652e64697370617463686564030201610d7b226e6577223a5b312c325d7d077b2278223a317d1b08"
     "0202297b226e616d65223a2276222c226e657874223a322c22776879223a7b2273696e6365223a2232227d7d020006137b22"
     "6f757470757473223a7b226f223a317d7d",
     "2"},
    {3,
     "010703010080a0abfef962127b22776f726b666c6f774964223a2277227d1b0002157b226e616d65223a2276222c226e6578"
     "74223a317d000f6e6f64652e64697370617463686564030201610d7b226e6577223a5b312c325d7d077b2278223a317d1b08"
     "0202297b226e616d65223a2276222c226e657874223a322c22776879223a7b2273696e6365223a2232227d7d1b080209035b"
     "315d000d76656e646f722e61636d652e780002046e756c6c020002137b226f757470757473223a7b226f223a317d7d",
     "2"},
};

}  // namespace

TEST_CASE("logs of three engine versions are frozen, and each is read, folded and streamed", "[versions]") {
  for (const GoldenLog& golden : kGoldenLogs) {
    INFO("engine version " << golden.version);
    const auto events = golden_events(golden.version);
    const std::string batch = from_hex(golden.hex);
    CHECK(to_hex(Log::encode_batch(events, golden.version)) == golden.hex);

    EngineRig rig;
    rig.options.engine_version = 1;
    rig.add(WorkflowText("w").variable(R"({"name":"v","type":"number"})").node("a", "core.noop"));
    const RunId run = rig.create("w");
    // The run's own log is replaced by the frozen bytes, as they would lie there.
    rig.damages_rows = true;
    Transaction transaction;
    std::vector<std::string> keys;
    const std::string prefix = Log::run_prefix(run) + '\x02';
    REQUIRE(rig.store
                ->scan({prefix, prefix_end(prefix), false},
                       [&](std::string_view key, std::string_view) {
                         keys.emplace_back(key);
                         return true;
                       })
                .ok());
    for (const std::string& key : keys) transaction.erase(key);
    transaction.put(golden_key(run, events), batch);
    REQUIRE(rig.store->commit(transaction, Durability::sync).ok());

    CHECK(rig.events(run).size() == events.size());
    const RunView view = rig.view(run);
    CHECK(view.state.status == RunStatus::completed);
    CHECK(view.state.variables.at("v") == golden.variable);
    CHECK(view.state.next_sequence == events.size());
    CHECK(view.state.outputs == R"({"o":1})");
    std::uint64_t sequence = 0;
    CHECK(rig.engine
              ->read_events("default", run, 0,
                            [&](const EventView& event) {
                              CHECK(event.sequence == sequence++);
                              CHECK(event.engine_version == golden.version);
                              std::string document;
                              append_event_document(document, run.text(), event);
                              CHECK(json::check(document).ok());
                              CHECK(json::member(document, "engineVersion") ==
                                    json::quoted(std::to_string(golden.version)));
                              return true;
                            })
              .ok());
  }
}

TEST_CASE("registering a definition again changes nothing", "[versions]") {
  EngineRig rig;
  const WorkflowText text = WorkflowText("w").node("n", "core.noop");
  const auto rows = [&] {
    std::map<std::string, std::string> all;
    REQUIRE(rig.store
                ->scan({},
                       [&](std::string_view key, std::string_view value) {
                         all.emplace(key, value);
                         return true;
                       })
                .ok());
    return all;
  };
  rig.add(text);
  const auto before = rows();
  rig.advance(1'000);
  rig.add(text);
  CHECK(rows() == before);
  rig.open();
  rig.add(text);
  CHECK(rows() == before);
}
