// Turns of conversations (protocol 03 §4): what an answer to one has to be, and the turn that it becomes.
#pragma once

#include "engine/run_turn.h"

namespace openwop::runtime {

/// An answer that says what it is: {operation: "exchange"|"close", turn?, outcome?}. Others are bare values, which are
/// a turn and an outcome at once.
enum class TurnOperation : std::uint8_t { bare, exchange, close };
[[nodiscard]] Result<TurnOperation> turn_operation(std::string_view value);

/// The start and the close of a conversation do not (protocol 03 §4.1).
[[nodiscard]] constexpr bool waits_for_answer(InterruptKind kind) {
  return kind != InterruptKind::conversation_start && kind != InterruptKind::conversation_close;
}

/// Errors: validation_error. `outcomeSchema` holds for bare values and for the outcome of a close.
[[nodiscard]] Status check_turn(const InterruptState& interrupt, std::string_view value);

/// What is said in a conversation, complete.
struct TurnParts {
  std::string_view given;  // serialized object with what the speaker gives, or empty
  std::string_view content = "null";
  std::string_view role = "user";  // unless `given` says otherwise
  std::string_view from = "user";
  std::int64_t index = 0;
  std::int64_t at_ms = 0;
};
/// Message ids do not hold the run's id, nor do turns hold the time of a replay: a channel of turns is byte for byte
/// the same when the run is replayed.
[[nodiscard]] std::string make_turn(const RunId& run, std::string_view conversation_id, const TurnParts& parts);

/// Names the channel that the event's turns are folded into, if the workflow declares one: config.channel of the node,
/// or `conversation`, with the reducer `message`.
void name_channel(const Workflow& workflow, const WorkflowNode& node, Event& event);

}  // namespace openwop::runtime
