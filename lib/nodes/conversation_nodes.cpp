// core.conversationGate (protocol 03 §4), and what nodes of agents share.

#include "nodes/agent_nodes.h"
#include "nodes/builtin_nodes.h"
#include "openwop/agents.h"

namespace openwop::nodes {

bool is_low(const NodeInvocation& node, double confidence) {
  // A confidence that is none holds up nobody (protocol 03 §7.4); NaN is not between the bounds either.
  const bool is_confidence = confidence >= 0 && confidence <= 1;
  if (!is_confidence) return false;
  const auto asked = json::member(node.configurable, "escalationThreshold");
  const double threshold =
      asked ? json::as_number(*asked).value_or(kDefaultEscalationThreshold) : kDefaultEscalationThreshold;
  return confidence < threshold;
}

NodeSuspend escalate(const NodeInvocation& node, std::string_view agent, double observed, std::string_view held,
                     std::string resume_schema) {
  const auto asked = json::member(node.configurable, "escalationThreshold");
  const auto number = [](double value) {
    std::string text = std::to_string(value);
    while (text.ends_with('0')) text.pop_back();
    if (text.ends_with('.')) text.pop_back();
    return text;
  };
  NodeSuspend suspend;
  suspend.kind = InterruptKind::low_confidence;
  suspend.data.clear();
  json::ObjectWriter(suspend.data)
      .string("agentId", agent)
      .raw("threshold", asked ? std::string(*asked) : number(kDefaultEscalationThreshold))
      .raw("observed", number(observed))
      .raw("decision", held);
  suspend.resume_schema = std::move(resume_schema);
  return suspend;
}

std::optional<std::string> ratified_decision(std::string_view answer, std::string_view held) {
  const auto raw = json::kind(answer) == json::Kind::object ? json::member(answer, "action") : std::nullopt;
  const std::string action = raw ? json::as_string(*raw).value_or("") : std::string();
  if (action == "accept") return std::string(held);
  if (action == "reject") return std::nullopt;
  return std::string(answer);
}

std::string decision_schema() {
  return R"({"anyOf":[)"
         R"({"type":"object","required":["action"],"properties":{"action":{"enum":["accept","reject"]}}},)"
         R"({"type":"object","required":["kind","nextWorkerIds"],"additionalProperties":false,"properties":)"
         R"({"kind":{"const":"next-worker"},"nextWorkerIds":{"type":"array","minItems":1,"items":)"
         R"({"type":"string","minLength":1,"maxLength":256}}}},)"
         R"({"type":"object","required":["kind","prompt"],"additionalProperties":false,"properties":)"
         R"({"kind":{"const":"ask-user"},"prompt":{"type":"string","minLength":1}}},)"
         R"({"type":"object","required":["kind"],"additionalProperties":false,"properties":)"
         R"({"kind":{"const":"terminate"},"reason":{"type":"string","minLength":1}}}]})";
}

std::string conversation_id(const NodeInvocation& node) {
  constexpr std::size_t kMaxNodeBytes = 200;
  std::string id = node.run_id.text() + ":" + std::string(node.node_id.substr(0, kMaxNodeBytes)) + ":" +
                   std::to_string(node.attempt);
  if (node.iteration > 0) id += "#" + std::to_string(node.iteration);
  if (node.agents == nullptr || node.agents->conversations.contains(id)) return id;
  // A branch goes on with the conversation that its source had begun.
  const std::string_view place = std::string_view(id).substr(RunId::kTextLength);
  for (const auto& [known, conversation] : node.agents->conversations) {
    const bool same = conversation.opened_by == node.node_id && known.size() == id.size() && known.ends_with(place);
    if (same) return known;
  }
  return id;
}

namespace {

constexpr std::int64_t kMaxTurnCount = 100;
/// When the made-up turns take place: the same in every replay.
constexpr std::int64_t kMadeUpMs = 1'704'067'200'000;

std::string text_config(std::string_view config, std::string_view name) {
  const auto raw = json::member(config, name);
  return raw ? json::as_string(*raw).value_or("") : std::string();
}

std::int64_t integer_config(const NodeInvocation& node, std::string_view name) {
  const auto raw = node.config_value(name);
  return raw ? json::as_int(*raw).value_or(0) : 0;
}

/// The other side of a conversation that the gate holds with itself.
std::vector<std::string> made_up_answers(std::int64_t turns) {
  std::vector<std::string> answers;
  for (std::int64_t i = 1; i <= turns; ++i) {
    std::string& answer = answers.emplace_back();
    json::ObjectWriter exchange(answer);
    exchange.string("operation", "exchange");
    json::ObjectWriter(exchange.value_of("turn"))
        .string("content", "made-up turn " + std::to_string(i))
        .string("role", "user")
        .string("from", "user")
        .integer("ts", kMadeUpMs + i * 1'000);
  }
  answers.emplace_back(R"({"operation":"close","outcome":"closed by the gate"})");
  return answers;
}

NodeOutcome hold_conversation(const NodeInvocation& node) {
  if (const auto outcome = node.resumed()) {
    NodeCompleted completed;
    json::ObjectWriter(completed.outputs).string("conversationId", conversation_id(node)).raw("outcome", *outcome);
    return completed;
  }
  NodeSuspend suspend;
  suspend.kind = InterruptKind::conversation_exchange;
  std::string prompt;
  for (const std::string_view name : {"prompt", "initialPrompt", "title"}) {
    if (prompt.empty()) prompt = text_config(node.config, name);
  }
  suspend.data.clear();
  {
    json::ObjectWriter data(suspend.data);
    data.string("conversationId", conversation_id(node));
    data.string("prompt", prompt.empty() ? "What would you like to say?" : prompt);
    const auto schema = config_any(node, {"outcomeSchema", "schema"});
    if (schema) data.raw("outcomeSchema", *schema);
  }
  suspend.timeout_ms = integer_config(node, "timeoutMs");
  suspend.turns = integer_config(node, "turnCount");
  const auto mock = node.config_value("mockAutoResume");
  if (mock && json::as_bool(*mock).value_or(false)) {
    suspend.answers = made_up_answers(std::max<std::int64_t>(suspend.turns, 1));
    suspend.turns = kMaxTurnCount + 1;  // it is closed by the last of them
  }
  return suspend;
}

Status check_gate(const WorkflowNode& node) {
  const auto invalid = [](std::string message) { return Error{ErrorCode::validation_error, std::move(message)}; };
  const auto turns = json::member(node.config, "turnCount");
  const std::int64_t count = turns ? json::as_int(*turns).value_or(0) : 1;
  if (count < 1 || count > kMaxTurnCount) return invalid("config.turnCount has to be an integer from 1 to 100");
  const auto timeout = json::member(node.config, "timeoutMs");
  if (timeout && json::as_int(*timeout).value_or(-1) < 0) {
    return invalid("config.timeoutMs has to be an integer of at least 0");
  }
  const auto lifecycle = json::member(node.config, "lifecycle");
  if (lifecycle && text_config(node.config, "lifecycle") != "open-exchange-close") {
    return invalid("config.lifecycle has to be open-exchange-close");
  }
  for (const std::string_view name : {"outcomeSchema", "schema"}) {
    const auto schema = json::member(node.config, name);
    if (schema && json::kind(*schema) != json::Kind::object) {
      return invalid("config." + std::string(name) + " has to be a JSON Schema");
    }
  }
  return {};
}

}  // namespace

void add_conversation_nodes(NodeRegistry& registry) {
  registry.add({std::string(kConversationGateType), PureHandler(hold_conversation), {}, check_gate});
}

}  // namespace openwop::nodes
