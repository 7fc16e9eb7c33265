#include "engine/conversation.h"

#include <array>

#include "workflow/interrupt_data.h"

namespace openwop::runtime {

namespace {

constexpr std::size_t kMaxIdBytes = 256;
constexpr std::array<std::string_view, 3> kRoles = {"user", "agent", "system"};

Error invalid(std::string_view field, std::string message) {
  Error error{ErrorCode::validation_error, std::move(message)};
  json::ObjectWriter(error.details).string("field", field);
  return error;
}

Status check_outcome(const InterruptState& interrupt, std::string_view outcome) {
  const auto schema = json::member(interrupt.data, "outcomeSchema");
  if (!schema) return {};
  return workflow::check_against_schema(*schema, outcome);
}

Status check_given_turn(std::string_view turn) {
  if (json::kind(turn) != json::Kind::object) return invalid("turn", "a turn is an object");
  if (!json::member(turn, "content")) return invalid("turn.content", "a turn has 'content'");
  for (const std::string_view name : {"messageId", "from", "to", "groupId", "speakerId"}) {
    const auto raw = json::member(turn, name);
    const auto text = raw ? json::as_string(*raw) : std::optional<std::string>("x");
    if (text && !text->empty() && text->size() <= kMaxIdBytes) continue;
    return invalid("turn." + std::string(name), "'" + std::string(name) + "' has to be a string of 1 to 256 bytes");
  }
  for (const std::string_view name : {"ts", "turnIndex"}) {
    const auto raw = json::member(turn, name);
    if (!raw || json::as_int(*raw).value_or(-1) >= 0) continue;
    return invalid("turn." + std::string(name), "'" + std::string(name) + "' has to be an integer of at least 0");
  }
  const auto role = json::member(turn, "role");
  if (!role) return {};
  const std::string name = json::as_string(*role).value_or("");
  for (const std::string_view known : kRoles) {
    if (name == known) return {};
  }
  return invalid("turn.role", "'role' has to be user, agent or system");
}

}  // namespace

Result<TurnOperation> turn_operation(std::string_view value) {
  const auto raw = json::kind(value) == json::Kind::object ? json::member(value, "operation") : std::nullopt;
  if (!raw) return TurnOperation::bare;
  const std::string name = json::as_string(*raw).value_or("");
  if (name == "exchange") return TurnOperation::exchange;
  if (name == "close") return TurnOperation::close;
  return invalid("operation", "'operation' has to be exchange or close");
}

Status check_turn(const InterruptState& interrupt, std::string_view value) {
  const auto operation = turn_operation(value);
  if (!operation) return operation.error();
  const auto turn = json::member(value, "turn");
  switch (*operation) {
    case TurnOperation::bare: return check_outcome(interrupt, value);
    case TurnOperation::exchange:
      if (!turn) return invalid("turn", "an exchange has a 'turn'");
      return check_given_turn(*turn);
    case TurnOperation::close:
      if (turn) {
        if (auto valid = check_given_turn(*turn); !valid) return valid;
      }
      return check_outcome(interrupt, json::member(value, "outcome").value_or("null"));
  }
  return {};
}

std::string make_turn(const RunId& run, std::string_view conversation_id, const TurnParts& parts) {
  std::string base(conversation_id);
  if (base.starts_with(run.text() + ":")) base.erase(0, RunId::kTextLength + 1);
  const auto text = [&](std::string_view name, std::string_view fallback) {
    const auto raw = parts.given.empty() ? std::nullopt : json::member(parts.given, name);
    return raw ? json::as_string(*raw).value_or(std::string(fallback)) : std::string(fallback);
  };
  const std::string role = text("role", parts.role);
  const std::string from = text("from", role == parts.role ? parts.from : std::string_view(role));
  std::string out;
  {
    json::ObjectWriter turn(out);
    turn.string("messageId", text("messageId", base + ":" + std::to_string(parts.index) + ":" + role));
    turn.string("from", from).raw("content", parts.content);
    const auto ts = parts.given.empty() ? std::nullopt : json::member(parts.given, "ts");
    turn.integer("ts", ts ? json::as_int(*ts).value_or(parts.at_ms) : parts.at_ms);
    turn.string("role", role).integer("turnIndex", parts.index);
    bool has_speaker = false;
    json::for_each_member(parts.given.empty() ? "{}" : parts.given, [&](std::string_view key, std::string_view value) {
      for (const std::string_view own : {"messageId", "from", "content", "ts", "role", "turnIndex"}) {
        if (json::key_is(key, own)) return true;
      }
      has_speaker = has_speaker || json::key_is(key, "speakerId");
      turn.raw_member(json::unescape(key), value);
      return true;
    });
    if (role == "agent" && !has_speaker) turn.string("speakerId", from);
  }
  return out;
}

void name_channel(const Workflow& workflow, const WorkflowNode& node, Event& event) {
  std::string name = detail::agent_text(node.config, "channel");
  if (name.empty()) name = "conversation";
  const WorkflowChannel* channel = workflow.find_channel(name);
  if (channel == nullptr || channel->reducer != Reducer::message) return;
  event.hidden.clear();
  json::ObjectWriter hidden(event.hidden);
  hidden.string("channel", name);
  if (channel->max_size > 0) hidden.integer("maxSize", channel->max_size);
}

}  // namespace openwop::runtime
