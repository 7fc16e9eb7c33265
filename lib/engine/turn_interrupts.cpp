// The part of a turn that stops a run and lets it go on: suspending and resolving nodes, timeouts of interrupts, pause
// and resume (protocol 03 §2, §3).
#include <algorithm>

#include "engine/conversation.h"
#include "engine/node_writes.h"
#include "engine/run_turn.h"
#include "openwop/hash.h"
#include "workflow/interrupt_data.h"

namespace openwop::runtime {

namespace {

constexpr std::uint32_t kMaxVoteChanges = 1'000;
constexpr std::size_t kMaxInterruptKeyBytes = 256;

/// Unique in the run and the same whenever the turn is carried out again.
std::string interrupt_key(const Run& run, const std::string& node_id, const NodeState& node,
                          const std::string& node_key) {
  std::string key = executor_of(run).text() + ":" + node_id + ":";
  if (node_key.empty()) {
    key += std::to_string(node.suspensions);
  } else {
    key += node_key;
    // Each iteration of a loop asks anew.
    if (node.iteration > 0) key += "#" + std::to_string(node.iteration);
  }
  return key.size() <= kMaxInterruptKeyBytes ? key : sha256_hex(key);
}

std::string interrupt_id(const std::string& key, std::uint32_t suspensions) {
  const Sha256 hash = sha256("interrupt " + std::to_string(suspensions) + " " + key);
  return Id::from_bytes({reinterpret_cast<const char*>(hash.data()), Id::kBytes}).text();  // NOLINT(*-reinterpret-cast)
}

command::SuspendNode suspension_of(const Run& run, const std::string& node_id, const NodeState& node,
                                   const NodeSuspend& suspend) {
  const std::string key = interrupt_key(run, node_id, node, suspend.key);
  return {node_id,
          interrupt_id(key, node.suspensions),
          std::string(interrupt_kind_name(suspend.kind)),
          key,
          run.id.text(),
          suspend.key,
          json::minified(suspend.data),
          suspend.resume_schema.empty() ? std::string() : json::minified(suspend.resume_schema),
          std::min(suspend.timeout_ms, kMaxTimeoutMs),
          suspend.bearer_only,
          suspend.turns,
          suspend.raises_timeout};
}

Status check_suspend(const EngineOptions& options, const NodeState& node, const NodeSuspend& suspend) {
  const auto invalid = [](std::string message) { return Error{ErrorCode::validation_error, std::move(message)}; };
  for (const auto& [what, text] : {std::pair<std::string_view, const std::string&>{"data", suspend.data},
                                   {"resume_schema", suspend.resume_schema}}) {
    if (text.empty()) continue;
    if (text.size() > options.max_event_payload_bytes) {
      return Error{ErrorCode::payload_too_large,
                   "the interrupt's " + std::string(what) + " exceeds max_event_payload_bytes"};
    }
    if (auto checked = json::check(text, {options.max_event_payload_bytes, options.max_json_depth}); !checked) {
      return invalid("the interrupt's " + std::string(what) + ": " + checked.error().message);
    }
  }
  if (suspend.timeout_ms < 0) return invalid("the interrupt's timeout is negative");
  if (!suspend.key.empty() && !simdjson::validate_utf8(suspend.key)) return invalid("the interrupt's key is not UTF-8");
  const bool answered = std::any_of(node.answers.begin(), node.answers.end(), [&](const NodeAnswer& answer) {
    return !suspend.key.empty() && answer.key == suspend.key;
  });
  if (answered) return invalid("the interrupt '" + suspend.key + "' has been answered; see NodeInvocation::answer");
  if (auto shape = workflow::check_interrupt_data(suspend.kind, suspend.data); !shape) return shape;
  if (suspend.resume_schema.empty()) return {};
  return workflow::check_resume_schema(suspend.resume_schema);
}

/// A conversation has one opening and one close; nothing with its id comes behind that (protocol 03 §4.3).
Status check_order(const RunState& state, const NodeSuspend& suspend) {
  const bool starts = suspend.kind == InterruptKind::conversation_start;
  if (waits_for_answer(suspend.kind) && suspend.kind != InterruptKind::conversation_exchange) return {};
  const auto known = state.agents.conversations.find(detail::agent_text(suspend.data, "conversationId"));
  const bool is_known = known != state.agents.conversations.end();
  if (starts && is_known) return Error{ErrorCode::validation_error, "the conversation was opened before"};
  if (is_known && known->second.closed) return Error{ErrorCode::validation_error, "the conversation is closed"};
  if (suspend.kind == InterruptKind::conversation_close && !is_known) {
    return Error{ErrorCode::validation_error, "no conversation of this id is open"};
  }
  return {};
}

Error not_pausable(const RunState& state) {
  const bool paused = state.status == RunStatus::paused || state.pause_asked_ms != 0;
  Error error{ErrorCode::conflict, "a run that is " + std::string(status_name(state.status)) + " cannot be paused"};
  json::ObjectWriter details(error.details);
  details.string("runStatus", paused ? status_name(RunStatus::paused) : status_name(state.status));
  if (!paused) return error;
  error.message = "the run is paused already";
  const std::int64_t since_ms = state.pause_asked_ms != 0 ? state.pause_asked_ms : state.paused_ms;
  details.string("pausedAt", format_rfc3339(since_ms));
  return error;
}

}  // namespace

Status RunTurn::carry_out(const RunRequest& action) {
  asked_ = true;
  return std::visit([this](const auto& concrete) { return carry_out(concrete); }, action);
}

Status RunTurn::carry_out(const command::CancelRun& command) {
  if (ended()) return {};
  return try_apply(command);
}

// ---- suspending ----

/// Limits that a node reaches by asking too often; true if it may not ask.
bool RunTurn::refuse_to_suspend(std::size_t node, const NodeSuspend& suspend) {
  const NodeState& state = *state_of(node);
  const WorkflowNode& definition = node_at(node);
  if (state.rounds >= options_.max_interrupt_rounds) {
    fail_node(node, {"suspension_limit_exceeded", "the node asks for more than max_interrupt_rounds interrupts"});
    return true;
  }
  const std::uint32_t limit = options_.max_clarification_rounds;
  if (suspend.kind == InterruptKind::clarification && state.clarifications >= limit) {
    Event breach;
    breach.type = EventType::cap_breached;
    breach.node_id = definition.id;
    breach.payload.clear();
    json::ObjectWriter(breach.payload)
        .string("kind", "clarification")
        .integer("limit", limit)
        .integer("observed", std::int64_t{state.clarifications} + 1)
        .string("nodeId", definition.id);
    apply(command::AppendNote{std::move(breach)});
    fail_node(node,
              {"clarification_limit_exceeded", "the node asks for clarification more often than the host allows"});
    return true;
  }
  // Changes that were asked for lead back to the question: a loop, bounded like any other of the workflow.
  const auto refinements = std::count_if(state.answers.begin(), state.answers.end(), [](const NodeAnswer& answer) {
    return json::member(answer.value, "action") == R"("refine")";
  });
  if (suspend.kind == InterruptKind::approval && refinements > run_.workflow->settings.max_loopback_iterations) {
    stop_at_loopback_limit(definition.id);
    return true;
  }
  return false;
}

void RunTurn::suspend_node(std::size_t node, NodeSuspend suspend) {
  const WorkflowNode& definition = node_at(node);
  if (refuse_to_suspend(node, suspend)) return;
  const NodeState& state = *state_of(node);
  NodeCompleted written{.variables = std::move(suspend.variables),
                        .channels = std::move(suspend.channels),
                        .events = std::move(suspend.events)};
  auto writes = plan_writes(options_, run_, definition, written);
  const NodeCompleted before{.events = std::move(suspend.events_before)};
  auto notes = plan_writes(options_, run_, definition, before);
  const Status planned = writes ? (notes ? Status() : Status(notes.error())) : Status(writes.error());
  Status valid = planned ? check_suspend(options_, state, suspend) : planned;
  if (valid) valid = check_order(run_.state, suspend);
  if (!valid) {
    Failure failure{std::string(error_name(valid.error().code)), valid.error().message, valid.error().details, false};
    Event note;
    note.type = EventType::node_suspend_failed;
    note.node_id = definition.id;
    note.payload.clear();
    json::ObjectWriter(note.payload).string("nodeId", definition.id).raw("error", storable(failure).to_json());
    apply(command::AppendNote{std::move(note)});
    return fail_node(node, std::move(failure));
  }
  const auto is_note = [](const RunCommand& write) { return std::holds_alternative<command::AppendNote>(write); };
  if (!waits_for_answer(suspend.kind)) {
    for (const RunCommand& note : *notes) apply(note);
    return say_at_once(node, suspend, std::move(written));
  }
  command::SuspendNode command = suspension_of(run_, definition.id, state, suspend);
  for (const RunCommand& note : *notes) apply(note);
  for (const RunCommand& write : *writes) {
    if (!is_note(write)) apply(write);
  }
  apply(std::move(command));
  for (const RunCommand& write : *writes) {
    if (is_note(write)) apply(write);
  }
  if (suspend.kind == InterruptKind::conversation_exchange) open_conversation(definition, suspend);
  give_answers(node, suspend.answers);
}

// ---- resolving ----

Status RunTurn::carry_out(const Resolution& resolution) {
  const auto found = find_pending(run_.state, resolution.node_id, resolution.interrupt_id);
  if (!found) return found.error();
  if (run_.state.status == RunStatus::paused) {
    return detail::refuse(run_.state, "the run is paused; resume it before its interrupt is answered");
  }
  const InterruptState interrupt = **found;
  if (resolution.action == ApprovalAction::ask) return take_question(resolution);
  if (interrupt.kind == interrupt_kind_name(InterruptKind::conversation_exchange)) {
    auto ended = take_turn(resolution, interrupt);
    if (!ended) return std::move(ended).error();
    if (!*ended) return {};
    continue_node(*run_.workflow->find_node(resolution.node_id));
    settle();
    return {};
  }
  command::ResumeNode resume{resolution.node_id, interrupt.id,           resolution.value,
                             interrupt.kind,     resolution.resolved_by, {}};
  if (resolution.action) {
    const Tally tally = count_votes(interrupt, resolution, now_ms_);
    if (tally.repeated) return {};
    if (interrupt.exchanges >= kMaxVoteChanges) {
      return detail::refuse(run_.state, "the votes on this interrupt have changed too often");
    }
    std::string decided_by = resolution.resolved_by;
    if (tally.closed && resolution.anonymous && tally.required > 1) {
      decided_by = "quorum:" + std::to_string(tally.accepts) + "-of-" + std::to_string(tally.required);
    }
    auto record = approval_record(resolution, decided_by);
    if (!tally.closed) {
      apply(command::RecordDecision{resolution.node_id, std::move(record)});
      return {};
    }
    resume.resume_value = resumed_value(resolution, tally, decided_by, now_ms_);
    resume.decision = std::move(record);
  }
  apply(std::move(resume));
  continue_node(*run_.workflow->find_node(resolution.node_id));
  settle();
  return {};
}

Status RunTurn::carry_out(const ResolveInterrupt& request) {
  auto resolution = check_resolution(options_, {run_.id, *run_.header, run_.state, run_.workflow}, request);
  if (!resolution) return std::move(resolution).error();
  return carry_out(*resolution);
}

/// A question leaves the approval as it is; the questions so far are kept where the workflow's readers see them.
Status RunTurn::take_question(const Resolution& resolution) {
  std::string entry;
  json::ObjectWriter(entry)
      .raw("question", json::member(resolution.value, "question").value_or("\"\""))
      .string("askedBy", resolution.resolved_by)
      .string("askedAt", format_rfc3339(now_ms_));
  const NodeCompleted written{.channels = {{"_askExchanges:" + resolution.node_id, entry, "append", 0, 0}}};
  auto writes = plan_writes(options_, run_, node_at(*run_.workflow->find_node(resolution.node_id)), written);
  if (!writes) return std::move(writes).error();
  for (const RunCommand& write : *writes) apply(write);
  return {};
}

/// The handler of a node whose interrupt was resolved. Others than pure ones are started after the commit.
void RunTurn::continue_node(std::size_t node) {
  const auto type = options_.nodes.find(node_at(node));
  if (type == nullptr) {
    return fail_node(node,
                     {"unsupported_node_type", "the handler of node type '" + node_at(node).type_id + "' is gone"});
  }
  const auto* pure = std::get_if<PureHandler>(&type->handler);
  if (pure == nullptr) return;
  const std::string inputs = state_of(node)->inputs.empty() ? "{}" : state_of(node)->inputs;
  finish_node(node, call_pure(node, *pure, inputs, state_of(node)->started_ms));
}

/// What a suspended node waits for, as a question to be asked anew; its writes are history. A pure node says it again,
/// so that what it makes up carries this run's id. Nothing: it does not ask any more, and has gone on.
std::optional<NodeSuspend> RunTurn::question_of(std::size_t node, const RunState& asked) {
  const WorkflowNode& definition = node_at(node);
  const auto type = options_.nodes.find(definition);
  if (const auto* pure = type == nullptr ? nullptr : std::get_if<PureHandler>(&type->handler)) {
    const std::string inputs = state_of(node)->inputs.empty() ? "{}" : state_of(node)->inputs;
    NodeOutcome outcome = call_pure(node, *pure, inputs, state_of(node)->started_ms);
    auto* const suspend = std::get_if<NodeSuspend>(&outcome);
    const bool asks = suspend != nullptr && waits_for_answer(suspend->kind);
    if (asks && check_suspend(options_, *state_of(node), *suspend)) return std::move(*suspend);
    finish_node(node, std::move(outcome));
    return std::nullopt;
  }
  const InterruptState* open = run_.state.find_interrupt(definition.id);
  if (open == nullptr || open->outcome != InterruptOutcome::pending) open = asked.find_interrupt(definition.id);
  const InterruptKindInfo* kind = open == nullptr ? nullptr : find_interrupt_kind(open->kind);
  if (kind == nullptr) return std::nullopt;
  NodeSuspend suspend{.kind = kind->kind,
                      .data = open->data,
                      .resume_schema = open->resume_schema,
                      .timeout_ms = open->timeout_ms,
                      .raises_timeout = open->raises_timeout,
                      .key = open->node_key,
                      .bearer_only = open->bearer_only,
                      .turns = open->turns};
  // Ids that were made up for the question carry the run's id; a conversation that has begun keeps its own.
  const std::string source = run_.header->fork->source_run.text();
  const auto known = run_.state.agents.conversations.find(detail::agent_text(suspend.data, "conversationId"));
  if (known != run_.state.agents.conversations.end()) return suspend;
  for (auto at = suspend.data.find(source); at != std::string::npos; at = suspend.data.find(source, at)) {
    suspend.data.replace(at, source.size(), run_.id.text());
  }
  return suspend;
}

/// A branch that inherits an open question asks it anew: with an id, a token and a time of its own. `asked` knows what
/// the source had still to say of the question where the history ends.
void RunTurn::ask_again(std::size_t node, const RunState& asked) {
  auto suspend = question_of(node, asked);
  if (!suspend) return;
  const WorkflowNode& definition = node_at(node);
  apply(suspension_of(run_, definition.id, *state_of(node), *suspend));
  if (suspend->kind == InterruptKind::conversation_exchange) {
    const auto known = run_.state.agents.conversations.find(detail::agent_text(suspend->data, "conversationId"));
    const bool begun = known != run_.state.agents.conversations.end() && !known->second.closed;
    if (!begun) open_conversation(definition, *suspend);
    // One that the node holds with itself goes on behind what has been said.
    const std::size_t said = begun && known->second.opened_by == definition.id
                                 ? static_cast<std::size_t>(std::max<std::int64_t>(known->second.turn_index, 0))
                                 : 0;
    auto& answers = suspend->answers;
    answers.erase(answers.begin(), answers.begin() + static_cast<std::ptrdiff_t>(std::min(said, answers.size())));
  }
  give_answers(node, suspend->answers);
}

void RunTurn::time_out_interrupt(std::size_t node) {
  const std::string& id = node_at(node).id;
  const InterruptState* interrupt = run_.state.find_interrupt(id);
  if (interrupt != nullptr && interrupt->kind == interrupt_kind_name(InterruptKind::approval)) {
    apply(command::RecordDecision{id, {"timeout", {}}});
  }
  if (interrupt != nullptr && interrupt->kind == interrupt_kind_name(InterruptKind::conversation_exchange)) {
    time_out_conversation(id, *interrupt);
  }
  if (interrupt != nullptr && interrupt->raises_timeout) {
    apply(command::ResumeNode{.node_id = id, .interrupt_id = interrupt->id, .timed_out = true});
    return continue_node(node);
  }
  fail_node(node, {"interrupt_timeout", "nobody answered the interrupt in time"});
}

// ---- pause and resume ----

Status RunTurn::carry_out(const command::PauseRun& command) {
  const bool drains = command.drain_policy == drain_policy_name(DrainPolicy::drain_current_node);
  // An immediate pause may overtake one that drains.
  const bool pausing = run_.state.pause_asked_ms != 0;
  const bool waits_for_drain = pausing && is_waiting(run_.state.status);
  if ((run_.state.status != RunStatus::running && !waits_for_drain) || (pausing && drains)) {
    return not_pausable(run_.state);
  }
  if (!drains) {
    apply(command);
  } else if (has_running_nodes()) {
    apply(command::RequestPause{command.reason, false});
  } else {
    pause_drained(command.reason);
  }
  return {};
}

bool RunTurn::has_running_nodes() const {
  return std::any_of(run_.state.nodes.begin(), run_.state.nodes.end(),
                     [](const auto& node) { return node.second.status == NodeStatus::running; });
}

/// A delay has nothing to drain, and its rest would hold up whoever resumes the run: it ends early (01 §26 T-12).
void RunTurn::pause_drained(std::string reason) {
  for (std::size_t node = 0; node < run_.workflow->nodes.size() && !ended(); ++node) {
    const NodeState* state = state_of(node);
    if (state != nullptr && state->status == NodeStatus::sleeping) complete_node(node, {});
  }
  if (ended()) return;
  apply(command::PauseRun{std::move(reason), std::string(drain_policy_name(DrainPolicy::drain_current_node))});
}

Status RunTurn::carry_out(const command::ResumeRun& command) {
  if (run_.state.status != RunStatus::paused && run_.state.pause_asked_ms != 0) {
    apply(command::RequestPause{{}, true});
    go_on();
    return {};
  }
  if (auto resumed = try_apply(command); !resumed) return resumed;
  for (std::size_t node = 0; node < run_.workflow->nodes.size(); ++node) candidates_.push_back(node);
  timers_due();
  return {};
}

}  // namespace openwop::runtime
