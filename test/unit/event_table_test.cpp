#include <set>
#include <string>
#include <vector>

#include "openwop/event.h"
#include "support/catch.h"

using namespace openwop;

namespace {

struct Row {
  std::string_view name;
  std::string_view modes;  // as in protocol 02 §2: U updates, V values, D debug
};

/// Protocol 02 §2.1 to §2.8, in the document's order.
constexpr Row kCatalogue[] = {
    {"run.started", "UVD"},
    {"run.completed", "UVD"},
    {"run.failed", "UVD"},
    {"run.cancelled", "UVD"},
    {"run.resuming", "D"},
    {"run.paused", "UVD"},
    {"run.resumed", "UVD"},
    {"run.restored-from-snapshot", "D"},
    {"node.started", "VD"},
    {"node.completed", "UVD"},
    {"node.failed", "UVD"},
    {"node.suspended", "UVD"},
    {"node.suspend-failed", "D"},
    {"node.resumed", "D"},
    {"node.retried", "D"},
    {"node.skipped", "UVD"},
    {"node.cancelled", "UVD"},
    {"interrupt.requested", "UVD"},
    {"interrupt.resolved", "UVD"},
    {"approval.requested", "UVD"},
    {"approval.received", "UVD"},
    {"clarification.requested", "UVD"},
    {"clarification.resolved", "UVD"},
    {"channel.written", "D"},
    {"artifact.created", "UVD"},
    {"output.chunk", "D"},
    {"variable.changed", "D"},
    {"log.appended", "D"},
    {"version.pinned", "D"},
    {"workflow.restored", "D"},
    {"workflow.loopback-limit", "D"},
    {"workflow.stalled", "D"},
    {"cap.breached", "D"},
    {"replay.diverged", "D"},
    {"lease.acquired", "D"},
    {"lease.renewed", "D"},
    {"lease.lost", "D"},
    {"lease.handed-off", "D"},
    {"agent.reasoned", "D"},
    {"agent.toolCalled", "D"},
    {"agent.toolReturned", "D"},
    {"agent.handoff", "D"},
    {"agent.decided", "D"},
    {"runOrchestrator.decided", "D"},
    {"conversation.opened", "D"},
    {"conversation.exchanged", "D"},
    {"conversation.closed", "D"},
};

std::string document(const EventView& event, std::string_view run = "r1") {
  std::string out;
  append_event_document(out, run, event);
  return out;
}

std::set<std::string> keys_of(const std::string& object) {
  std::set<std::string> keys;
  json::for_each_member(object, [&](std::string_view key, std::string_view) {
    keys.insert(json::unescape(key));
    return true;
  });
  return keys;
}

}  // namespace

TEST_CASE("the catalogue has exactly the 47 types of OpenWOP 1.0, admitted to the modes the protocol lists") {
  REQUIRE(std::size(kCatalogue) == 47);
  REQUIRE(kEventTypes.size() == 47);
  for (std::size_t i = 0; i < std::size(kCatalogue); ++i) {
    const Row& row = kCatalogue[i];
    const EventType type = event_type(row.name);
    INFO(row.name);
    REQUIRE(type != EventType::unknown);
    // Codes are stored: they follow the document's order and never move.
    CHECK(static_cast<std::size_t>(type) == i);
    CHECK(event_name(type) == row.name);
    const EventTypeInfo& info = kEventTypes[i];
    CHECK(info.in_updates == (row.modes.find('U') != std::string_view::npos));
    CHECK(info.in_values == (row.modes.find('V') != std::string_view::npos));
    const bool ends = row.name == "run.completed" || row.name == "run.failed" || row.name == "run.cancelled";
    CHECK(info.terminal == ends);
    CHECK(is_terminal(type) == ends);
  }
}

TEST_CASE("names outside the catalogue are unknown, later and synthetic ones too") {
  for (const char* name : {"", "unknown", "run", "Run.Started", "node.dispatched", "run.dead_lettered",
                           "state.snapshot", "ai.message.chunk", "acme.billing.charged", "run.started "}) {
    CHECK(event_type(name) == EventType::unknown);
  }
  CHECK(event_name(EventType::unknown) == "unknown");
  CHECK_FALSE(is_terminal(EventType::unknown));
}

TEST_CASE("an event document has exactly the members of the 1.0 schema") {
  Event event{.type = EventType::node_completed,
              .time_ms = 1'700'000'000'123,
              .node_id = "a\"b",
              .payload = R"({"nodeId":"a\"b"})",
              .hidden = R"({"secret":1})",
              .caused_by = 4};
  const std::string text = document(view_of(event, 7, 3));
  CHECK(text == R"({"eventId":"evt_r1_7","runId":"r1","nodeId":"a\"b","type":"node.completed",)"
                R"("payload":{"nodeId":"a\"b"},"timestamp":"2023-11-14T22:13:20.123Z","sequence":7,)"
                R"("schemaVersion":1,"engineVersion":"3","causationId":"evt_r1_4"})");
  CHECK(json::check(text).ok());
}

TEST_CASE("members without a value are left out of an event document, never null") {
  const std::string text = document(view_of(Event{.type = EventType::run_completed}, 0));
  CHECK(keys_of(text) == std::set<std::string>{"eventId", "runId", "type", "payload", "timestamp", "sequence",
                                               "schemaVersion", "engineVersion"});
  CHECK(json::member(text, "payload") == "{}");
  CHECK(json::member(text, "sequence") == "0");
}

TEST_CASE("a payload of any JSON kind stays as it is in the document") {
  for (const char* payload : {"null", "1", "\"a\"", "[]", R"({"a": 1 })"}) {
    const std::string text = document(view_of(Event{.type = EventType::log_appended, .payload = payload}, 1));
    CHECK(json::member(text, "payload") == payload);
    CHECK(json::check(text).ok());
  }
}

TEST_CASE("what only the host folds never shows in a document") {
  const Event event{.type = EventType::variable_changed, .hidden = R"({"next":"top secret"})"};
  CHECK(document(view_of(event, 1)).find("secret") == std::string::npos);
}

TEST_CASE("a type this build does not know keeps its name in the document") {
  const Event event{.type = EventType::unknown, .unknown_name = "acme.billing.charged"};
  CHECK(json::member(document(view_of(event, 1)), "type") == R"("acme.billing.charged")");
}

TEST_CASE("event ids name the run and the sequence and fit the schema") {
  Id run;
  run.bytes.fill(0xFF);
  const std::string id = event_id(run, std::numeric_limits<std::uint64_t>::max());
  CHECK(id == "evt_7zzzzzzzzzzzzzzzzzzzzzzzzz_18446744073709551615");
  CHECK(id.size() <= 128);
  EventView view;
  view.sequence = 3;
  CHECK(json::member(document(view, run.text()), "eventId") == json::quoted(event_id(run, 3)));
}
