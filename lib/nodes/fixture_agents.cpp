// What conformance fixtures expect of agents, made up from a node's config (protocol 01 §22.6):
// core.conformance.mock-agent, core.identity with hooks, core.conformance.memory. A host registers them for its tests
// only.
#include "nodes/agent_nodes.h"
#include "nodes/builtin_nodes.h"
#include "openwop/agents.h"

namespace openwop::nodes {

namespace {

constexpr std::string_view kMemoryType = "core.conformance.memory";
constexpr std::string_view kMockConfidence = "0.9";

std::string text_of(std::string_view object, std::string_view name, std::string_view fallback = {}) {
  const auto raw = json::member(object, name);
  return raw ? json::as_string(*raw).value_or(std::string(fallback)) : std::string(fallback);
}

bool is_set(const NodeInvocation& node, std::string_view name) {
  const auto raw = node.config_value(name);
  return raw && json::as_bool(*raw).value_or(false);
}

std::string agent_of(const NodeInvocation& node) {
  std::string id = agent_id_of(node.agent);
  return id.empty() ? "host:" + std::string(node.node_id) : id;
}

Event agent_event(EventType type, const NodeInvocation& node) {
  Event event;
  event.type = type;
  event.node_id = node.node_id;
  event.payload.clear();
  return event;
}

// ---- reasoning ----

struct MockCall {
  std::string tool_id;
  std::string arguments;
  std::string result;
  std::int64_t duration_ms = 0;
};

void add_call(const NodeInvocation& node, std::size_t index, const MockCall& call, std::vector<Event>& events) {
  const std::string call_id = std::string(node.node_id) + ":call-" + std::to_string(index);
  const std::string tool = call.tool_id.substr(call.tool_id.rfind(':') + 1);
  Event called = agent_event(EventType::agent_tool_called, node);
  json::ObjectWriter(called.payload)
      .string("agentId", agent_of(node))
      .string("toolName", tool)
      .string("callId", call_id)
      .raw("inputs", call.arguments)
      .string("toolId", call.tool_id)
      .raw("arguments", call.arguments);
  Event returned = agent_event(EventType::agent_tool_returned, node);
  json::ObjectWriter(returned.payload)
      .string("agentId", agent_of(node))
      .string("toolName", tool)
      .string("callId", call_id)
      .raw("outcome", call.result)
      .string("toolId", call.tool_id)
      .raw("result", call.result)
      .integer("durationMs", call.duration_ms);
  events.push_back(std::move(called));
  events.push_back(std::move(returned));
}

Event reasoned(const NodeInvocation& node, std::string_view reasoning, std::int64_t tokens) {
  Event event = agent_event(EventType::agent_reasoned, node);
  json::ObjectWriter(event.payload)
      .string("agentId", agent_of(node))
      .string("reasoning", reasoning)
      .string("summary", reasoning)
      .integer("tokenCount", tokens);
  return event;
}

Event handoff(const NodeInvocation& node, std::string_view to, std::string_view reason) {
  Event event = agent_event(EventType::agent_handoff, node);
  json::ObjectWriter payload(event.payload);
  payload.string("agentId", agent_of(node)).string("fromAgentId", agent_of(node)).string("toAgentId", to);
  if (!reason.empty()) payload.string("reason", reason);
  return event;
}

Event decided(const NodeInvocation& node, std::string_view decision, std::string_view confidence) {
  Event event = agent_event(EventType::agent_decided, node);
  json::ObjectWriter payload(event.payload);
  payload.string("agentId", agent_of(node)).raw("decision", decision);
  if (!confidence.empty()) payload.raw("confidence", confidence);
  return event;
}

std::vector<Event> reasoning_trace(const NodeInvocation& node) {
  std::vector<Event> events;
  events.push_back(reasoned(node, "Looked at the task, called a tool, and handed the result on.", 14));
  add_call(node, 0, {"openwop.echo:echo", R"({"text":"probe"})", R"({"text":"probe"})", 0}, events);
  events.push_back(handoff(node, "core.conformance.handoff-target", "the trace shows a handoff"));
  events.push_back(decided(node, R"({"next":"done"})", kMockConfidence));
  return events;
}

// ---- core.conformance.mock-agent ----

std::vector<Event> mock_events(const NodeInvocation& node) {
  std::vector<Event> events;
  if (const auto reasoning = node.config_value("mockReasoning")) {
    const auto tokens = json::member(*reasoning, "tokenCount");
    events.push_back(
        reasoned(node, text_of(*reasoning, "summary", "no summary"), tokens ? json::as_int(*tokens).value_or(0) : 0));
  }
  std::size_t calls = 0;
  json::for_each_element(node.config_value("mockToolCalls").value_or("[]"), [&](std::string_view call) {
    const auto duration = json::member(call, "durationMs");
    add_call(node, calls++,
             {text_of(call, "toolId", "openwop.echo:echo"), std::string(json::member(call, "arguments").value_or("{}")),
              std::string(json::member(call, "result").value_or("null")),
              duration ? json::as_int(*duration).value_or(0) : 0},
             events);
    return true;
  });
  if (const auto target = node.config_value("mockHandoff")) {
    events.push_back(handoff(node, text_of(*target, "toAgentId", "host:nobody"), text_of(*target, "reason")));
  }
  return events;
}

/// A decision of low confidence is told, held, and told again once somebody has ratified it.
NodeOutcome decide(const NodeInvocation& node, std::vector<Event> events, std::string_view decision,
                   std::string_view confidence) {
  const double observed = json::as_number(confidence).value_or(1);
  if (node.resumed()) {
    const auto ratified = ratified_decision(*node.resumed(), decision);
    if (!ratified) return Failure{"interrupt_rejected", "the decision was rejected"};
    NodeCompleted completed;
    completed.events.push_back(decided(node, *ratified, ""));
    return completed;
  }
  events.push_back(decided(node, decision, confidence));
  if (!confidence.empty() && is_low(node, observed)) {
    NodeSuspend suspend = escalate(node, agent_of(node), observed, decision, {});
    suspend.events_before = std::move(events);
    return suspend;
  }
  NodeCompleted completed;
  completed.events = std::move(events);
  return completed;
}

NodeOutcome mock_agent(const NodeInvocation& node) {
  const auto mock = node.config_value("mockDecision");
  if (mock) {
    return decide(node, mock_events(node), json::member(*mock, "decision").value_or("null"),
                  json::member(*mock, "confidence").value_or(""));
  }
  NodeCompleted completed;
  completed.events = mock_events(node);
  return completed;
}

// ---- core.identity ----

/// Twice the same message, to the first channel that reduces messages.
void write_message_twice(const NodeInvocation& node, NodeCompleted& completed) {
  for (const WorkflowChannel& channel : node.workflow->channels) {
    if (channel.reducer != Reducer::message) continue;
    std::string message;
    json::ObjectWriter(message)
        .string("messageId", std::string(node.node_id) + ":0")
        .string("role", "assistant")
        .string("content", "the same message twice")
        .string("agentId", agent_of(node))
        .string("timestamp", "2024-01-01T00:00:00.000Z");
    completed.channels.insert(completed.channels.end(), 2, ChannelWrite{channel.name, message, "message", 0, 0});
    return;
  }
}

NodeOutcome identity_with_hooks(const NodeInvocation& node) {
  if (const auto confidence = node.config_value("mockConfidence")) {
    return decide(node, {}, R"({"kind":"made-up"})", *confidence);
  }
  NodeOutcome outcome = identity(node);
  auto* completed = std::get_if<NodeCompleted>(&outcome);
  if (completed == nullptr) return outcome;
  if (is_set(node, "emitReasoningTrace")) completed->events = reasoning_trace(node);
  if (is_set(node, "emitDuplicateMessageId")) write_message_twice(node, *completed);
  return outcome;
}

// ---- core.conformance.memory ----

std::string reference_of(const NodeInvocation& node) { return text_of(node.agent, "memoryRef"); }

/// The same in every run of the attempt, so that a repeated write is no second one.
std::string entry_id(const NodeContext& node, std::string_view name) {
  return "mem-" + node.invocation_id(name).substr(0, 16);
}

NodeOutcome failure_of(const Error& error) {
  return Failure{std::string(error_name(error.code)), error.message, error.details};
}

NodeOutcome with_variable(std::string name, std::string value) {
  NodeCompleted completed;
  completed.variables.push_back({std::move(name), std::move(value)});
  return completed;
}

NodeOutcome read_back(NodeMemory& memory, const std::string& reference, const std::string& id) {
  const auto found = memory.get(reference, id);
  if (!found) return failure_of(found.error());
  return with_variable("memoryReadback", found->has_value() ? (*found)->to_json() : "null");
}

NodeOutcome write_then_read(NodeContext& node, NodeMemory& memory, std::string content) {
  const std::string reference = reference_of(node.invocation());
  MemoryEntry entry{entry_id(node, "entry"), std::move(content), {"conformance"}};
  const std::string id = entry.id;
  if (auto stored = memory.put(reference, std::move(entry)); !stored) return failure_of(stored.error());
  return read_back(memory, reference, id);
}

NodeOutcome probe_redaction(NodeContext& node, NodeMemory& memory) {
  const auto plaintext = node.secret(text_of(node.invocation().config, "byokSecretId"));
  if (!plaintext) return failure_of(plaintext.error());
  return write_then_read(node, memory, "The key in use is " + *plaintext + ", keep it.");
}

NodeOutcome probe_expiry(NodeContext& node, NodeMemory& memory) {
  constexpr std::int64_t kMinuteMs = 60'000;
  const std::string reference = reference_of(node.invocation());
  const std::int64_t now = node.now_ms();
  const MemoryEntry expired{entry_id(node, "expired"), "gone", {"conformance"}, now - 2 * kMinuteMs, now - kMinuteMs};
  const MemoryEntry lasting{entry_id(node, "lasting"), "still there", {"conformance"}, now, now + 60 * kMinuteMs};
  for (const MemoryEntry& entry : {expired, lasting}) {
    if (auto stored = memory.put(reference, entry); !stored) return failure_of(stored.error());
  }
  // Entries of earlier runs of the fixture would hide what this one shows.
  std::string list = "[";
  const auto found = memory.list(reference);
  if (!found) return failure_of(found.error());
  for (const MemoryEntry& entry : *found) {
    if (entry.id != expired.id && entry.id != lasting.id) continue;
    if (list.size() > 1) list += ',';
    list += entry.to_json();
  }
  return with_variable("memoryList", list + "]");
}

NodeOutcome probe_foreign(NodeContext& node, NodeMemory& memory) {
  const auto found = memory.list(text_of(node.invocation().config, "probeMemoryRef"));
  if (!found) return failure_of(found.error());
  std::string list = "[";
  for (const MemoryEntry& entry : *found) {
    if (list.size() > 1) list += ',';
    list += entry.to_json();
  }
  return with_variable("crossTenantProbe", list + "]");
}

NodeOutcome use_memory(NodeContext& node) {
  NodeMemory* memory = node.memory();
  if (memory == nullptr) return Failure{"capability_not_provided", "the host has no memory for agents"};
  const std::string action = text_of(node.invocation().config, "memoryAction");
  if (action == "write-then-read") return write_then_read(node, *memory, "An entry of the conformance fixture.");
  if (action == "redaction-probe") return probe_redaction(node, *memory);
  if (action == "ttl-probe") return probe_expiry(node, *memory);
  return probe_foreign(node, *memory);
}

Status check_memory_config(const WorkflowNode& node) {
  const auto action = json::member(node.config, "memoryAction");
  if (!action) return {};
  const std::string name = json::as_string(*action).value_or("");
  for (const std::string_view known : {"write-then-read", "redaction-probe", "ttl-probe", "cross-tenant-probe"}) {
    if (name == known) return {};
  }
  return Error{ErrorCode::validation_error, "config.memoryAction is none that this host knows"};
}

std::string_view memory_type_if_asked(const WorkflowNode& node) {
  return json::member(node.config, "memoryAction") ? kMemoryType : std::string_view();
}

}  // namespace

void add_fixture_agents(NodeRegistry& registry) {
  registry.add({"core.conformance.mock-agent", PureHandler(mock_agent), {}, {}});
  registry.add({std::string(kMemoryType), SyncHandler(use_memory), {}, check_memory_config});
  registry.add({"core.identity", PureHandler(identity_with_hooks), {}, check_memory_config, memory_type_if_asked});
}

}  // namespace openwop::nodes
