// What the agent events of a run say (protocol 03 §4, §7, §8), as fold() keeps it: the supervisor's decisions, tool
// calls without an answer, conversations. decide() finds here what caused an event.
//
// Thread-safety: plain values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "openwop/event.h"
#include "openwop/json.h"

namespace openwop {

struct ConversationState {
  std::uint64_t last_event = 0;  // sequence
  std::int64_t turn_index = 0;   // of the latest turn
  std::string last_turn = {};    // serialized
  std::string opened_by = {};    // node
  bool closed = false;
};

struct AgentState {
  /// runOrchestrator.decided so far, and the latest of them.
  std::uint32_t decisions = 0;
  std::uint64_t decided_at = 0;   // sequence
  std::string decision = {};      // serialized, or empty
  std::string orchestrator = {};  // agentId of who decided first; nobody else may
  /// Executions that acted on a decision.
  std::uint32_t dispatches = 0;
  /// Call id -> sequence of agent.toolCalled, until agent.toolReturned.
  std::map<std::string, std::uint64_t, std::less<>> open_calls = {};
  /// Conversation id -> state.
  std::map<std::string, ConversationState, std::less<>> conversations = {};
};

namespace detail {

/// Calls and conversations beyond it are not followed; their events then name no cause.
inline constexpr std::size_t kMaxFollowed = 1024;

inline std::string agent_text(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? json::as_string(*raw).value_or("") : std::string();
}

template <class Map>
auto* followed(Map& map, const std::string& key) {
  const auto at = map.find(key);
  if (at != map.end()) return &at->second;
  return map.size() < kMaxFollowed ? &map[key] : nullptr;
}

inline void fold_conversation(AgentState& state, const EventView& event) {
  ConversationState* conversation = followed(state.conversations, agent_text(event.payload, "conversationId"));
  if (conversation == nullptr) return;
  conversation->last_event = event.sequence;
  if (event.type == EventType::conversation_opened) conversation->opened_by = event.node_id;
  conversation->closed = event.type == EventType::conversation_closed;
  const auto index = json::member(event.payload, "turnIndex");
  if (index) conversation->turn_index = json::as_int(*index).value_or(0);
  for (const std::string_view name : {"turn", "finalTurn", "initialTurn"}) {
    if (const auto turn = json::member(event.payload, name)) conversation->last_turn = *turn;
  }
}

}  // namespace detail

/// The part of fold() for agent.*, runOrchestrator.decided and conversation.* events; others change nothing.
inline void fold_agent_event(AgentState& state, const EventView& event) {
  const EventType type = event.type;
  if (type == EventType::agent_tool_called) {
    if (auto* at = detail::followed(state.open_calls, detail::agent_text(event.payload, "callId"))) {
      *at = event.sequence;
    }
  } else if (type == EventType::agent_tool_returned) {
    state.open_calls.erase(detail::agent_text(event.payload, "callId"));
  } else if (type == EventType::run_orchestrator_decided) {
    ++state.decisions;
    state.decided_at = event.sequence;
    state.decision = json::member(event.payload, "decision").value_or("{}");
    if (state.orchestrator.empty()) state.orchestrator = detail::agent_text(event.payload, "agentId");
  } else if (type == EventType::conversation_opened || type == EventType::conversation_exchanged ||
             type == EventType::conversation_closed) {
    detail::fold_conversation(state, event);
  }
}

/// The sequence of the event that caused this one, as far as agent events tell: a tool's answer names its call, a turn
/// the turn before (protocol 03 §4.3, §7.3).
inline std::optional<std::uint64_t> agent_cause(const AgentState& state, const Event& event) {
  if (event.type == EventType::agent_tool_returned) {
    const auto call = state.open_calls.find(detail::agent_text(event.payload, "callId"));
    if (call != state.open_calls.end()) return call->second;
  } else if (event.type == EventType::conversation_exchanged || event.type == EventType::conversation_closed) {
    const auto at = state.conversations.find(detail::agent_text(event.payload, "conversationId"));
    if (at != state.conversations.end()) return at->second.last_event;
  }
  return std::nullopt;
}

}  // namespace openwop
