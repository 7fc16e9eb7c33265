// The part of a turn that carries conversations: one suspension, many exchanges (protocol 03 §4).
#include "engine/conversation.h"
#include "engine/run_turn.h"
#include "openwop/agents.h"

namespace openwop::runtime {

namespace {

constexpr std::int64_t kMaxTurns = 1'000;
/// When the turns of a conversation take place that a node holds with itself: the same in every replay.
constexpr std::int64_t kMadeUpMs = 1'704'067'200'000;
constexpr std::int64_t kMadeUpStepMs = 1'000;

Event note_of(EventType type, const std::string& node_id) {
  Event event;
  event.type = type;
  event.node_id = node_id;
  event.payload.clear();
  return event;
}

std::string speaker_of(const WorkflowNode& node) {
  const std::string agent = agent_id_of(node.agent);
  return agent.empty() ? "host:" + node.id : agent;
}

}  // namespace

void RunTurn::open_conversation(const WorkflowNode& node, const NodeSuspend& suspend) {
  const std::string id = detail::agent_text(suspend.data, "conversationId");
  const auto known = run_.state.agents.conversations.find(id);
  const bool is_open = known != run_.state.agents.conversations.end() && !known->second.closed;
  const std::int64_t index = is_open ? known->second.turn_index + 1 : 0;
  const std::string speaker = speaker_of(node);
  const std::int64_t at_ms = suspend.answers.empty() ? now_ms_ : kMadeUpMs + index * kMadeUpStepMs;
  std::string_view words = "\"\"";
  for (const std::string_view name : {"title", "initialPrompt", "prompt"}) {
    if (const auto said = json::member(suspend.data, name)) words = *said;
  }
  const std::string turn = make_turn(
      executor_of(run_), id, {.content = words, .role = "agent", .from = speaker, .index = index, .at_ms = at_ms});
  Event note = note_of(is_open ? EventType::conversation_exchanged : EventType::conversation_opened, node.id);
  {
    json::ObjectWriter payload(note.payload);
    payload.string("conversationId", id);
    if (is_open) {
      payload.integer("turnIndex", index).raw("turn", turn);
    } else {
      payload.string("agentId", speaker).raw("initialTurn", turn);
      if (const auto schema = json::member(suspend.data, "outcomeSchema")) payload.raw("schema", *schema);
      payload.raw("capabilities", R"(["multi-turn"])");
    }
  }
  name_channel(*run_.workflow, node, note);
  apply(command::AppendNote{std::move(note)});
}

void RunTurn::say_at_once(std::size_t node, const NodeSuspend& suspend, NodeCompleted completed) {
  const WorkflowNode& definition = node_at(node);
  const std::string id = detail::agent_text(suspend.data, "conversationId");
  if (suspend.kind == InterruptKind::conversation_start) {
    open_conversation(definition, suspend);
  } else {
    const ConversationState& known = run_.state.agents.conversations.find(id)->second;
    close_conversation(definition.id, id, known.last_turn, "null");
  }
  completed.outputs.clear();
  json::ObjectWriter(completed.outputs).string("conversationId", id);
  complete_node(node, std::move(completed));
}

void RunTurn::close_conversation(const std::string& node_id, std::string_view conversation_id,
                                 std::string_view final_turn, std::string_view outcome) {
  Event note = note_of(EventType::conversation_closed, node_id);
  {
    json::ObjectWriter payload(note.payload);
    payload.string("conversationId", conversation_id);
    payload.raw("turnIndex", json::member(final_turn, "turnIndex").value_or("0"));
    payload.raw("finalTurn", final_turn).raw("outcome", outcome);
  }
  name_channel(*run_.workflow, node_at(*run_.workflow->find_node(node_id)), note);
  apply(command::AppendNote{std::move(note)});
}

Result<bool> RunTurn::take_turn(const Resolution& resolution, const InterruptState& interrupt) {
  const auto operation = turn_operation(resolution.value);
  if (!operation) return operation.error();
  const std::string id = detail::agent_text(interrupt.data, "conversationId");
  const auto known = run_.state.agents.conversations.find(id);
  const std::int64_t before = known == run_.state.agents.conversations.end() ? 0 : known->second.turn_index;
  std::string last_turn = known == run_.state.agents.conversations.end() ? "{}" : known->second.last_turn;
  const bool bare = *operation == TurnOperation::bare;
  const auto given = bare ? std::nullopt : json::member(resolution.value, "turn");
  std::string outcome = bare ? resolution.value : "null";
  bool ends = *operation == TurnOperation::close;
  if (ends) outcome = json::member(resolution.value, "outcome").value_or("null");

  if (bare || given) {
    const auto asked = given ? json::member(*given, "turnIndex") : std::nullopt;
    // Indexes only have to rise (protocol 03 §4.2); those that a caller leaves out count as turns.
    const std::int64_t index = asked ? json::as_int(*asked).value_or(0) : before + 1;
    if (index <= before) {
      return Error{ErrorCode::validation_error,
                   "the turns of the conversation go on from the turnIndex " + std::to_string(before + 1)};
    }
    if (index > kMaxTurns) return detail::refuse(run_.state, "the conversation has too many turns");
    const std::string_view content =
        given ? json::member(*given, "content").value_or("null") : std::string_view(resolution.value);
    last_turn = make_turn(executor_of(run_), id,
                          {.given = given.value_or(""), .content = content, .index = index, .at_ms = now_ms_});
    Event note = note_of(EventType::conversation_exchanged, resolution.node_id);
    json::ObjectWriter(note.payload).string("conversationId", id).integer("turnIndex", index).raw("turn", last_turn);
    name_channel(*run_.workflow, node_at(*run_.workflow->find_node(resolution.node_id)), note);
    apply(command::AppendNote{std::move(note)});
    const bool enough = interrupt.turns > 0 ? index >= interrupt.turns : bare;
    if (!ends && enough) {
      ends = true;
      if (!bare) outcome = content;
    }
  }
  if (!ends) return false;
  // One that another node has opened goes on behind a bare answer: a node of its own closes it.
  const bool is_own = known == run_.state.agents.conversations.end() || known->second.opened_by == resolution.node_id;
  if (is_own || *operation == TurnOperation::close) {
    close_conversation(resolution.node_id, id, last_turn, outcome);
  }
  apply(command::ResumeNode{resolution.node_id, interrupt.id, outcome, interrupt.kind, resolution.resolved_by, {}});
  return true;
}

void RunTurn::give_answers(std::size_t node, const std::vector<std::string>& answers) {
  const std::string& id = node_at(node).id;
  for (std::size_t i = 0; i < answers.size() && !ended(); ++i) {
    const InterruptState* pending = run_.state.find_interrupt(id);
    if (pending == nullptr || pending->outcome != InterruptOutcome::pending) return;
    const InterruptState interrupt = *pending;
    Resolution resolution{id, interrupt.id, answers[i], "host", false, {}};
    bool goes_on = true;
    if (interrupt.kind == interrupt_kind_name(InterruptKind::conversation_exchange)) {
      auto taken = take_turn(resolution, interrupt);
      if (!taken) return fail_node(node, {std::string(error_name(taken.error().code)), taken.error().message});
      goes_on = *taken;
    } else {
      apply(command::ResumeNode{id, interrupt.id, resolution.value, interrupt.kind, resolution.resolved_by, {}});
    }
    if (goes_on) return continue_node(node);
  }
}

/// What the other side hears when a conversation takes too long (protocol 03 §4.1).
void RunTurn::time_out_conversation(const std::string& node_id, const InterruptState& interrupt) {
  const std::string id = detail::agent_text(interrupt.data, "conversationId");
  const auto known = run_.state.agents.conversations.find(id);
  const std::int64_t index = known == run_.state.agents.conversations.end() ? 1 : known->second.turn_index + 1;
  close_conversation(node_id, id,
                     make_turn(executor_of(run_), id,
                               {.content = R"("The conversation has timed out.")",
                                .role = "system",
                                .from = "system",
                                .index = index,
                                .at_ms = now_ms_}),
                     "null");
}

}  // namespace openwop::runtime
