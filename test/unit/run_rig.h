// A run without an engine: commands go through decide() and fold(), the events are kept. And the shapes that protocol
// 02 §2 asks of their payloads.
#pragma once

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "openwop/run_decide.h"
#include "support/catch.h"

namespace openwop::test {

class RunRig {
 public:
  RunState state;
  std::vector<Event> events;
  std::int64_t now_ms = 1'700'000'000'000;

  /// Decides and folds. A refused command must leave no event and say the run's status.
  Status give(const RunCommand& command) {
    std::vector<Event> out;
    auto decided = decide(state, command, now_ms, out);
    if (!decided.ok()) {
      REQUIRE(out.empty());
      REQUIRE(decided.error().code == ErrorCode::conflict);
      REQUIRE(json::check(decided.error().details).ok());
      REQUIRE(json::as_string(json::member(decided.error().details, "runStatus").value_or("null")) ==
              status_name(state.status));
    }
    for (Event& event : out) apply(std::move(event));
    return decided;
  }

  RunRig& must(const RunCommand& command) {
    const auto given = give(command);
    if (!given.ok()) FAIL(given.error().message);
    return *this;
  }

  void apply(Event event) {
    fold(state, view_of(event, events.size()));
    events.push_back(std::move(event));
  }

  RunRig& wait(std::int64_t by_ms) {
    now_ms += by_ms;
    return *this;
  }

  RunRig& start() { return must(command::StartRun{.workflow_id = "wf"}); }
  RunRig& start_node(const std::string& id) { return must(command::StartNode{.node_id = id, .type_id = "core.noop"}); }
  RunRig& suspend(const std::string& id, const std::string& kind = "approval") {
    return must(command::SuspendNode{.node_id = id, .interrupt_id = "i-" + id, .kind = kind, .key = "k"});
  }
  RunRig& resume_node(const std::string& id) {
    return must(command::ResumeNode{.node_id = id, .interrupt_id = "i-" + id});
  }
  RunRig& complete(const std::string& id) { return must(command::CompleteNode{.node_id = id}); }

  [[nodiscard]] const Event& last() const { return events.back(); }
  [[nodiscard]] NodeStatus node(const std::string& id) const {
    const NodeState* found = state.find_node(id);
    return found == nullptr ? NodeStatus::idle : found->status;
  }
};

inline const char* waiting_kind(RunStatus status) {
  if (status == RunStatus::waiting_external) return "external-event";
  return status == RunStatus::waiting_input ? "clarification" : "approval";
}

/// A run in `status`; unless pending or ended, with node "asks" suspended while it waits.
inline RunRig rig_in(RunStatus status) {
  RunRig rig;
  if (status == RunStatus::pending) return rig;
  rig.start();
  if (is_waiting(status)) rig.start_node("asks").suspend("asks", waiting_kind(status));
  if (status == RunStatus::paused) rig.must(command::PauseRun{});
  if (status == RunStatus::completed) rig.must(command::CompleteRun{});
  if (status == RunStatus::failed) rig.must(command::FailRun{.failure = {"broken", "it broke"}});
  if (status == RunStatus::cancelled) rig.must(command::CancelRun{});
  REQUIRE(rig.state.status == status);
  return rig;
}

/// The same with node "busy" running, where a run in that status can have one.
inline RunRig busy_rig_in(RunStatus status) {
  if (status == RunStatus::pending || is_terminal(status)) return rig_in(status);
  RunRig rig;
  rig.start().start_node("busy");
  if (is_waiting(status)) rig.start_node("asks").suspend("asks", waiting_kind(status));
  if (status == RunStatus::paused) rig.must(command::PauseRun{});
  return rig;
}

struct PayloadShape {
  EventType type;
  std::string required;  // name:kind, kinds s string, i integer, o object, a array, * any
  std::string optional = {};
};

/// Protocol 02 §2.1, §2.2, §2.4: what decide() writes, and no other member.
inline const PayloadShape& shape_of(EventType type) {
  static const std::vector<PayloadShape> shapes = {
      {EventType::run_started, "workflowId:s", "transport:s engineVersion:s tags:a metadata:o"},
      {EventType::run_completed, "", "outputs:o durationMs:i"},
      {EventType::run_failed, "error:o", "failedNodeId:s durationMs:i"},
      {EventType::run_cancelled, "", "reason:s cancelledBy:s durationMs:i"},
      {EventType::run_paused, "drainPolicy:s", "reason:s"},
      {EventType::run_resumed, "", "reason:s"},
      {EventType::node_started, "nodeId:s typeId:s", "attempt:i"},
      {EventType::node_completed, "nodeId:s", "outputs:o durationMs:i"},
      {EventType::node_failed, "nodeId:s error:o", "attempts:i"},
      {EventType::node_suspended, "nodeId:s interruptId:s", "kind:s key:s reason:s agentId:s threshold:* observed:*"},
      {EventType::interrupt_requested, "nodeId:s interruptId:s kind:s key:s data:o",
       "runId:s resumeSchema:o timeoutMs:i requestedAt:s"},
      {EventType::interrupt_resolved, "nodeId:s interruptId:s", "kind:s resumeValue:* resolvedAt:s resolvedBy:s"},
      {EventType::approval_received, "nodeId:s action:s",
       "decidedBy:s decidedAt:s comment:s feedback:s refineFeedback:o editedArtifactData:*"},
      {EventType::node_resumed, "nodeId:s", "interruptId:s resumeValue:*"},
      {EventType::node_retried, "nodeId:s attempt:i", "delayMs:i lastError:o"},
      {EventType::node_skipped, "nodeId:s", "reason:s"},
      {EventType::node_cancelled, "nodeId:s", "reason:s"},
      {EventType::channel_written, "channel:s value:* reducer:s writtenAt:s", "nodeId:s schemaVersion:i"},
      {EventType::variable_changed, "name:s", "previous:* next:* nodeId:s"},
  };
  for (const auto& shape : shapes) {
    if (shape.type == type) return shape;
  }
  static const PayloadShape none{EventType::unknown, ""};
  return none;
}

namespace rig_detail {

inline std::vector<std::pair<std::string, char>> fields_of(const std::string& list) {
  std::vector<std::pair<std::string, char>> fields;
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(' ', at), list.size());
    fields.emplace_back(list.substr(at, end - at - 2), list[end - 1]);
    at = end + 1;
  }
  return fields;
}

inline bool is_kind(char kind, std::string_view raw) {
  switch (kind) {
    case 's': return json::kind(raw) == json::Kind::string && raw.size() > 2;
    case 'i': return json::as_int(raw).value_or(-1) >= 0;
    case 'o': return json::kind(raw) == json::Kind::object;
    case 'a': return json::kind(raw) == json::Kind::array;
    default: return true;
  }
}

inline std::string error_problem(std::string_view error) {
  for (const char* name : {"code", "message"}) {
    if (!is_kind('s', json::member(error, name).value_or(""))) return std::string("error.") + name;
  }
  return {};
}

}  // namespace rig_detail

/// Empty, or what is wrong with the event as protocol 02 §2 has it.
inline std::string event_problem(const Event& event) {
  if (!json::check(event.payload).ok()) return "payload is not JSON: " + event.payload;
  if (!event.hidden.empty() && !json::check(event.hidden).ok()) return "hidden is not JSON: " + event.hidden;
  const PayloadShape& shape = shape_of(event.type);
  if (shape.type == EventType::unknown) return {};
  std::string allowed = shape.required + (shape.required.empty() || shape.optional.empty() ? "" : " ") + shape.optional;
  const auto fields = rig_detail::fields_of(allowed);
  for (const auto& [name, kind] : rig_detail::fields_of(shape.required)) {
    if (!json::member(event.payload, name)) return name + " is missing in " + event.payload;
  }
  std::string problem;
  json::for_each_member(event.payload, [&](std::string_view key, std::string_view value) {
    const std::string name = json::unescape(key);
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.first == name; });
    if (field == fields.end()) {
      problem = "member " + name + " is not in the protocol";
    } else if (!rig_detail::is_kind(field->second, value)) {
      problem = name + " has the wrong kind in " + event.payload;
    } else if (name == "error" || name == "lastError") {
      problem = rig_detail::error_problem(value);
    }
    return problem.empty();
  });
  if (!problem.empty()) return problem;
  const bool of_a_node = event_name(event.type).starts_with("node.");
  const auto node_id = json::as_string(json::member(event.payload, "nodeId").value_or("null"));
  if (of_a_node && event.node_id.empty()) return "a node event without nodeId in the envelope";
  if (node_id.value_or("") != event.node_id) return "nodeId differs between envelope and payload";
  return {};
}

/// Commands from a seed, on a few nodes; many of them will be refused.
class RandomCommands {
 public:
  explicit RandomCommands(std::uint32_t seed) : random_(seed) {}

  RunCommand next() {
    const std::string node = "n" + std::to_string(below(4));
    switch (below(24)) {
      case 0:
      case 1: return command::StartRun{.workflow_id = "wf"};
      case 2:
      case 3:
      case 4: return command::StartNode{.node_id = node, .type_id = "core.noop"};
      case 5: return command::StartNode{.node_id = node, .type_id = "core.delay", .due_ms = 5};
      case 6:
      case 7:
        return command::CompleteNode{.node_id = node, .outputs = below(2) == 0 ? "" : R"({"a":1})", .edges = edges()};
      case 8: return command::CompleteNode{.node_id = node, .outputs = R"({"a":1})", .masked_outputs = R"({"a":"*"})"};
      case 9: return command::FailNode{.node_id = node, .failure = {"broken", "it broke"}, .edges = edges()};
      case 10: return command::RetryNode{.node_id = node, .delay_ms = 7, .last_error = {}};
      case 11: return command::SkipNode{.node_id = node, .reason = below(2) == 0 ? "" : "not taken"};
      case 12:
      case 13:
        if (below(2) == 0) {
          return command::SuspendNode{.node_id = node,
                                      .interrupt_id = "i",
                                      .kind = kind(),
                                      .key = "k",
                                      .run_id = "r",
                                      .data = "{}",
                                      .timeout_ms = static_cast<std::int64_t>(below(9))};
        }
        return command::SuspendNode{.node_id = node, .interrupt_id = "i", .kind = kind(), .key = "k"};
      case 14:
      case 15: return command::ResumeNode{.node_id = node, .interrupt_id = "i", .resume_value = "[1]"};
      case 16:
        return command::WriteVariable{.node_id = node, .name = "v", .value = number(), .sensitive = below(2) == 0};
      case 17:
        return command::WriteChannel{
            .node_id = node, .channel = "c", .value = number(), .reducer = "append", .ttl_ms = 50, .max_size = 3};
      case 18: return command::AppendNote{Event{.type = EventType::log_appended, .payload = R"({"level":"info"})"}};
      case 19:
        if (below(3) == 0) return command::RequestPause{.reason = "tea", .withdrawn = below(2) == 0};
        return command::PauseRun{.reason = "tea"};
      case 20: return command::ResumeRun{};
      case 21: return command::TakeOver{};
      case 22: return rarely(command::CompleteRun{.outputs = R"({"o":1})"});
      default:
        if (below(2) == 0) return rarely(command::FailRun{.failure = {"broken", "it broke"}, .failed_node_id = node});
        return rarely(command::CancelRun{.reason = "enough", .cancelled_by = "me"});
    }
  }
  std::size_t below(std::size_t n) { return random_() % n; }

 private:
  RunCommand rarely(RunCommand command) {
    return below(6) == 0 ? std::move(command) : RunCommand(command::ResumeRun{});
  }
  std::string number() { return std::to_string(below(100)); }
  std::string kind() {
    static const char* const kinds[] = {"approval", "clarification",  "external-event",
                                        "custom",   "low-confidence", "conversation.exchange"};
    return kinds[below(std::size(kinds))];
  }
  EdgeChoice edges() {
    EdgeChoice choice;
    if (below(2) == 0) choice.live = {0, static_cast<std::uint32_t>(below(9))};
    if (below(3) == 0) {
      choice.loops = {3};
      choice.reset = {"n1", "n2"};
      choice.recount = {4};
    }
    return choice;
  }
  std::mt19937 random_;
};

}  // namespace openwop::test
