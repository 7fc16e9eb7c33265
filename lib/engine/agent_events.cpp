#include "engine/agent_events.h"

#include "openwop/agents.h"

namespace openwop::runtime {

namespace {

/// No tokenizer is at hand, and models differ in theirs: four characters count as one token, as a rule of thumb has it.
constexpr std::size_t kCharactersPerToken = 4;

Error invalid(std::string message) { return Error{ErrorCode::validation_error, std::move(message)}; }

/// The object with one member set, in its old place or at the end.
void set_member(std::string& object, std::string_view name, std::string_view raw) {
  std::string out;
  {
    json::ObjectWriter writer(out);
    bool done = false;
    json::for_each_member(object, [&](std::string_view key, std::string_view value) {
      const bool same = json::key_is(key, name);
      writer.raw_member(json::unescape(key), same ? raw : value);
      done = done || same;
      return true;
    });
    if (!done) writer.raw_member(name, raw);
  }
  object = std::move(out);
}

void cut_text(std::string& object, std::string_view name, std::size_t max_tokens) {
  const auto raw = json::member(object, name);
  const auto text = raw ? json::as_string(*raw) : std::nullopt;
  if (!text) return;
  std::size_t left = max_tokens * kCharactersPerToken;
  std::size_t at = 0;
  while (at < text->size()) {
    const bool begins = (static_cast<unsigned char>((*text)[at]) & 0xC0) != 0x80;
    if (begins && left-- == 0) break;
    ++at;
  }
  if (at < text->size()) set_member(object, name, json::quoted(text->substr(0, at)));
}

ReasoningVerbosity verbosity_of(const EngineOptions& options, std::string_view configurable) {
  const auto asked = json::member(configurable, "reasoningVerbosity");
  const std::string name = asked ? json::as_string(*asked).value_or("") : std::string();
  for (std::size_t i = 0; i < kReasoningVerbosityNames.size(); ++i) {
    if (kReasoningVerbosityNames[i] == name) return static_cast<ReasoningVerbosity>(i);
  }
  return options.reasoning_verbosity;
}

/// A confidence that is no number of 0 to 1 counts for nothing; readers of the log, and of the debug bundle, are told
/// what it was (protocol 03 §7.4).
void set_aside_bad_confidence(std::string& decided) {
  const auto confidence = json::member(decided, "confidence");
  if (!confidence) return;
  const double value = json::as_number(*confidence).value_or(-1);
  if (value >= 0 && value <= 1) return;
  std::string out;
  {
    json::ObjectWriter writer(out);
    json::for_each_member(decided, [&](std::string_view key, std::string_view member) {
      writer.raw_member(json::key_is(key, "confidence") ? "ignoredConfidence" : json::unescape(key), member);
      return true;
    });
  }
  decided = std::move(out);
}

/// False: the event is suppressed.
bool shape_reasoning(const EngineOptions& options, std::string_view configurable, Event& event) {
  const ReasoningVerbosity verbosity = verbosity_of(options, configurable);
  if (verbosity == ReasoningVerbosity::off) return false;
  if (verbosity == ReasoningVerbosity::summary) {
    for (const std::string_view name : {"reasoning", "summary", "trace"}) {
      cut_text(event.payload, name, options.reasoning_token_limit);
    }
  }
  set_member(event.payload, "verbosity", json::quoted(kReasoningVerbosityNames[static_cast<std::size_t>(verbosity)]));
  return true;
}

constexpr bool is_agent_event(EventType type) {
  return type >= EventType::agent_reasoned && type <= EventType::agent_decided;
}
static_assert(is_agent_event(EventType::agent_tool_called) && is_agent_event(EventType::agent_handoff));

}  // namespace

Status check_decided(const Run& run, std::string_view payload) {
  if (auto known = check_decision(json::member(payload, "decision").value_or("null")); !known) {
    return std::move(known).error();
  }
  const std::string agent = detail::agent_text(payload, "agentId");
  if (agent.size() < 3) return invalid("a decision names the agentId of who decided");
  const std::string orchestrator = agent_id_of(run_orchestrator(*run.workflow, run.state));
  if (!orchestrator.empty() && agent != orchestrator) {
    return invalid("the run's orchestrator is '" + orchestrator + "'; '" + agent + "' may not decide");
  }
  const bool terminated =
      run.state.agents.decisions > 0 && detail::agent_text(run.state.agents.decision, "kind") == "terminate";
  if (terminated) return invalid("the orchestrator has terminated the run; no decision may follow");
  return {};
}

Result<std::optional<Event>> admit_agent_event(const EngineOptions& options, std::string_view configurable,
                                               const WorkflowNode& node, Event event) {
  if (!is_agent_event(event.type)) return std::optional<Event>(std::move(event));
  if (json::kind(event.payload) != json::Kind::object) return invalid("an agent's event has an object as its payload");
  if (detail::agent_text(event.payload, "agentId").empty()) {
    std::string agent = event.type == EventType::agent_handoff ? detail::agent_text(event.payload, "fromAgentId")
                                                               : agent_id_of(node.agent);
    if (agent.empty()) return invalid("'" + std::string(event_name(event.type)) + "' needs an agentId");
    set_member(event.payload, "agentId", json::quoted(agent));
  }
  if (event.type == EventType::agent_decided) set_aside_bad_confidence(event.payload);
  if (event.type == EventType::agent_reasoned && !shape_reasoning(options, configurable, event)) {
    return std::optional<Event>();
  }
  return std::optional<Event>(std::move(event));
}

}  // namespace openwop::runtime
