// Interrupts: what a suspended node waits for (protocol 03 §2). The vocabulary, and the state that fold() keeps of the
// latest interrupt of each node.
//
// Thread-safety: plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/run_status.h"

namespace openwop {

enum class InterruptKind : std::uint8_t {
  approval,
  clarification,
  external_event,
  custom,
  conversation_start,
  conversation_exchange,
  conversation_close,
  low_confidence,
};

struct InterruptKindInfo {
  InterruptKind kind;
  std::string_view name;
  /// What the run shows while it waits.
  RunStatus waits_as;
  /// The `kind` enums of node.suspended and interrupt.resolved have four values in 1.0; the others stay out of those
  /// payloads (protocol 02 §2.2).
  bool in_event_enum;
};

inline constexpr std::array kInterruptKinds = {
    InterruptKindInfo{InterruptKind::approval, "approval", RunStatus::waiting_approval, true},
    InterruptKindInfo{InterruptKind::clarification, "clarification", RunStatus::waiting_input, true},
    InterruptKindInfo{InterruptKind::external_event, "external-event", RunStatus::waiting_external, true},
    InterruptKindInfo{InterruptKind::custom, "custom", RunStatus::waiting_input, true},
    InterruptKindInfo{InterruptKind::conversation_start, "conversation.start", RunStatus::waiting_input, false},
    InterruptKindInfo{InterruptKind::conversation_exchange, "conversation.exchange", RunStatus::waiting_input, false},
    InterruptKindInfo{InterruptKind::conversation_close, "conversation.close", RunStatus::waiting_input, false},
    InterruptKindInfo{InterruptKind::low_confidence, "low-confidence", RunStatus::waiting_approval, false},
};

namespace detail {
constexpr bool interrupt_table_is_in_enum_order() {
  for (std::size_t i = 0; i < kInterruptKinds.size(); ++i) {
    if (static_cast<std::size_t>(kInterruptKinds[i].kind) != i) return false;
  }
  return kInterruptKinds.size() == static_cast<std::size_t>(InterruptKind::low_confidence) + 1;
}
}  // namespace detail
static_assert(detail::interrupt_table_is_in_enum_order());

constexpr std::string_view interrupt_kind_name(InterruptKind kind) {
  return kInterruptKinds[static_cast<std::size_t>(kind)].name;
}
/// Nothing for a kind that 1.0 does not know.
constexpr const InterruptKindInfo* find_interrupt_kind(std::string_view name) {
  for (const InterruptKindInfo& info : kInterruptKinds) {
    if (info.name == name) return &info;
  }
  return nullptr;
}

enum class ApprovalAction : std::uint8_t { accept, reject, refine, edit_accept, ask };
inline constexpr std::array<std::string_view, 5> kApprovalActionNames = {"accept", "reject", "refine", "edit-accept",
                                                                         "ask"};
constexpr std::string_view approval_action_name(ApprovalAction action) {
  return kApprovalActionNames[static_cast<std::size_t>(action)];
}
constexpr std::optional<ApprovalAction> approval_action_of(std::string_view name) {
  for (std::size_t i = 0; i < kApprovalActionNames.size(); ++i) {
    if (kApprovalActionNames[i] == name) return static_cast<ApprovalAction>(i);
  }
  return std::nullopt;
}

enum class InterruptOutcome : std::uint8_t { pending, resumed, timed_out, cancelled };

/// One vote on an approval that needs several.
struct InterruptVote {
  /// Who voted; empty: nobody knows, and such votes add up.
  std::string actor = {};
  std::string action = {};
  std::int64_t at_ms = 0;
  std::string edited = {};  // serialized JSON of edit-accept, or empty
};

struct InterruptState {
  std::string id = {};
  std::string kind = {};
  std::string key = {};            // unique in the run
  std::string node_key = {};       // what the node calls it
  std::string data = {};           // serialized object
  std::string resume_schema = {};  // serialized JSON Schema, or empty
  std::int64_t requested_ms = 0;
  std::int64_t timeout_ms = 0;  // 0 = none
  /// A signed token does not resolve it (profile openwop-interrupt-auth-required).
  bool bearer_only = false;
  /// Of a conversation: exchanges after which it closes by itself; 0 = one that is given as a bare value.
  std::int64_t turns = 0;
  /// Its timeout does not fail the node: the handler goes on and is told.
  bool raises_timeout = false;
  InterruptOutcome outcome = InterruptOutcome::pending;
  std::vector<InterruptVote> votes = {};
  /// Votes and questions so far, replaced ones too.
  std::uint32_t exchanges = 0;

  /// When it times out; 0 = never.
  [[nodiscard]] std::int64_t due_ms() const {
    std::int64_t due_ms = 0;
    return timeout_ms > 0 && !__builtin_add_overflow(requested_ms, timeout_ms, &due_ms) ? due_ms : 0;
  }
};

/// How an interrupt of a node ended: with what it was resolved, or without an answer in time.
struct NodeAnswer {
  std::string key = {};    // as the node calls it
  std::string value = {};  // serialized JSON; empty when it timed out
  bool timed_out = false;
};

}  // namespace openwop
