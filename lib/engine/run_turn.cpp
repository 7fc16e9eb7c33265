#include "engine/run_turn.h"

#include <algorithm>

#include "engine/artifacts.h"
#include "engine/event_redaction.h"
#include "engine/graph.h"
#include "engine/node_outputs.h"
#include "engine/node_writes.h"
#include "engine/port_values.h"
#include "openwop/agents.h"
#include "openwop/run_fold.h"
#include "openwop/sensitive_values.h"

namespace openwop::runtime {

namespace {

/// Up to a quarter off, from the run and the attempt alone, so that retries of many runs spread and replays agree.
std::int64_t retry_delay_ms(const EngineOptions& options, const Run& run, std::string_view node_id,
                            std::uint32_t attempt) {
  std::int64_t delay = options.retry_initial_ms;
  for (std::uint32_t i = 0; i < attempt && delay < options.retry_max_ms; ++i) delay *= 2;
  delay = std::min(delay, options.retry_max_ms);
  std::uint64_t mix = std::hash<RunId>{}(executor_of(run)) + attempt;
  for (const char c : node_id) mix = mix * 31 + static_cast<unsigned char>(c);
  const auto quarter = static_cast<std::uint64_t>(delay / 4);
  return quarter == 0 ? delay : delay - static_cast<std::int64_t>((mix * 0x9E3779B97F4A7C15ULL >> 33) % quarter);
}

std::int64_t max_retries(const Workflow& workflow, const WorkflowNode& node) {
  const auto own = json::member(node.settings, "maxRetries");
  return (own ? json::as_int(*own) : std::nullopt).value_or(workflow.settings.max_retries);
}

/// The first runtime capability that the type needs and the host has not.
const std::string* missing_capability(const NodeType& type, const EngineOptions& options) {
  for (const std::string& needed : type.required_capabilities) {
    const auto& provided = options.runtime_capabilities;
    if (std::find(provided.begin(), provided.end(), needed) == provided.end()) return &needed;
  }
  return nullptr;
}

Failure failure_of(const Error& error) {
  return Failure{std::string(error_name(error.code)), error.message, error.details, false};
}

}  // namespace

Status RunTurn::try_apply(const RunCommand& command) {
  const std::size_t first = events_.size();
  if (auto decided = decide(run_.state, command, now_ms_, events_); !decided) return decided;
  const std::vector<std::string> sensitive = hidden_texts();
  for (std::size_t i = first; i < events_.size(); ++i) redact_event(events_[i], sensitive);
  const std::vector<Event> writes = writes_to_watch(first);
  if (run_.replay || !catch_up_.empty()) {
    apply_forked(first);
  } else {
    apply_live(first);
  }
  for (const Event& write : writes) set_off_triggers(write);
  return {};
}

void RunTurn::apply_live(std::size_t first) {
  for (std::size_t i = first; i < events_.size(); ++i) {
    event_bytes_ += events_[i].payload.size() + events_[i].hidden.size();
    order_children(events_[i]);
    fold(run_.state, view_of(events_[i], run_.state.next_sequence));
  }
}

std::vector<std::string> RunTurn::hidden_texts() const {
  if (run_.header->masking == MaskingMode::passthrough) return {};
  return sensitive_texts(*run_.workflow, run_.state);
}

void RunTurn::apply(const RunCommand& command) {
  const auto applied = try_apply(command);
  assert(applied.ok());
  if (!applied) broken_ = true;
}

// ---- commands ----

void RunTurn::start() {
  start_run();
  for (const std::size_t entry : run_.workflow->entries) candidates_.push_back(entry);
  settle();
}

void RunTurn::start_run() {
  command::StartRun start;
  start.workflow_id = run_.workflow->id;
  start.transport = run_.header->transport;
  start.engine_version = std::to_string(run_.header->engine_version);
  apply(std::move(start));
}

void RunTurn::node_done(std::size_t node, std::uint64_t token, NodeOutcome outcome) {
  const NodeState* state = state_of(node);
  // An answer that comes late (timed out, cancelled, answered before) changes nothing.
  const bool current = state != nullptr && state->status == NodeStatus::running && state->started_sequence == token;
  // What a paused run's handlers answer does not count: they begin again at the resume.
  if (ended() || run_.state.status == RunStatus::paused) return;
  if (current && std::holds_alternative<NodeChild>(outcome)) {
    outcome = Failure{"internal_error", "only pure nodes start runs"};
  }
  if (current) finish_node(node, std::move(outcome));
  if (current || run_.unsettled) settle();
}

void RunTurn::timers_due() {
  if (ended() || run_.state.status == RunStatus::paused) return;
  // What the source knows does not wait for this host's clock.
  if (run_.replay && (run_.replay->lost() || run_.replay->next() != nullptr)) return settle();
  const std::int64_t deadline = run_deadline_ms(run_);
  if (deadline != 0 && deadline <= now_ms_) {
    fail_run({"run_timeout", "the run took longer than settings.timeout"}, {});
    return;
  }
  for (std::size_t node = 0; node < run_.workflow->nodes.size() && !ended(); ++node) {
    const NodeState* state = state_of(node);
    if (state == nullptr) continue;
    if (state->status == NodeStatus::sleeping && state->due_ms <= now_ms_) {
      complete_node(node, {});
    } else if (state->status == NodeStatus::retrying && state->due_ms <= now_ms_) {
      if (!stopped()) begin(node);
    } else if (state->status == NodeStatus::suspended && state->due_ms != 0 && state->due_ms <= now_ms_) {
      time_out_interrupt(node);
    } else if (state->status == NodeStatus::running || state->status == NodeStatus::in_child) {
      const std::int64_t timeout_ms = node_timeout_ms(node_at(node));
      if (timeout_ms > 0 && state->since_ms + timeout_ms <= now_ms_) {
        fail_node(node, {"node_timeout", "the node took longer than its timeout", {}, true});
      }
    }
  }
  settle();
}

void RunTurn::take_over() {
  if (ended() || run_.state.status == RunStatus::paused) return;
  // Nothing of a replay was under way outside.
  if (run_.replay) return settle();
  apply(command::TakeOver{});
  for (std::size_t node = 0; node < run_.workflow->nodes.size() && !ended(); ++node) {
    const NodeState* state = state_of(node);
    if (state == nullptr || state->status != NodeStatus::running) continue;
    const auto type = options_.nodes.find(node_at(node));
    if (type != nullptr && !std::holds_alternative<PureHandler>(type->handler)) continue;
    fail_node(node, {"unsupported_node_type", "the handler of node type '" + node_at(node).type_id + "' is gone"});
  }
  go_on();
}

void RunTurn::go_on() {
  if (ended() || run_.state.status == RunStatus::paused) return;
  for (std::size_t node = 0; node < run_.workflow->nodes.size(); ++node) candidates_.push_back(node);
  settle();
}

void RunTurn::notes(std::size_t node, std::uint64_t token, const std::vector<RunCommand>& notes) {
  const NodeState* state = state_of(node);
  const bool current = state != nullptr && state->status == NodeStatus::running && state->started_sequence == token;
  if (ended() || !current) return;
  for (const RunCommand& note : notes) {
    // A note that the run's state forbids (a run that pauses, say) is lost; the handler's outcome tells what counts.
    if (!try_apply(note)) return;
  }
}

Status RunTurn::write_channel(const command::WriteChannel& command) {
  asked_ = true;
  Status written = try_apply(command);
  // A trigger may have started its node.
  if (written && !run_.workflow->channel_triggers.empty()) settle();
  return written;
}

// ---- going through the graph ----

void RunTurn::settle() {
  if (ended() || run_.state.status == RunStatus::paused) return;
  if (run_.state.pause_asked_ms != 0) {
    // The resume looks at every node, whatever is left over here.
    if (!has_running_nodes()) pause_drained(run_.state.pause_reason);
    return;
  }
  if (run_.replay) return settle_replay();
  if (run_.unsettled) {
    // What the turn before had still to consider is not known any more.
    for (std::size_t node = 0; node < run_.workflow->nodes.size(); ++node) candidates_.push_back(node);
    run_.unsettled = false;
  }
  while (!ended() && !broken_) {
    if (fire_due_triggers()) continue;
    if (events_.size() >= options_.max_events_per_commit || event_bytes_ >= options_.max_completion_bytes) {
      more_ = true;
      run_.unsettled = true;
      return;
    }
    if (candidates_.empty()) {
      const bool moving = std::any_of(run_.state.nodes.begin(), run_.state.nodes.end(),
                                      [](const auto& node) { return is_in_flight(node.second.status); });
      if (moving || awaits_trigger()) return;
      if (!settle_last_nodes()) complete_run();
      continue;
    }
    const std::size_t node = candidates_.front();
    candidates_.pop_front();
    consider(node);
  }
}

/// Nothing moves any more: edges out of loops are final now. True if that brought anything on.
bool RunTurn::settle_last_nodes() {
  for (std::size_t node = 0; node < run_.workflow->nodes.size(); ++node) {
    const NodeState* state = state_of(node);
    if (state != nullptr && (state->status != NodeStatus::idle || (state->iteration > 0 && !state->triggered)))
      continue;
    switch (judge(*run_.workflow, run_.state, node, true)) {
      case Verdict::ready: begin(node); return true;
      case Verdict::dead:
        apply(command::SkipNode{node_at(node).id, "no incoming edge was taken"});
        push_targets(node, {});
        return true;
      case Verdict::wait: break;
    }
  }
  return false;
}

void RunTurn::consider(std::size_t node) {
  const NodeState* state = state_of(node);
  if (state != nullptr && state->status != NodeStatus::idle) return;
  switch (judge(*run_.workflow, run_.state, node, false)) {
    case Verdict::wait: return;
    case Verdict::dead:
      // A node that ran in an earlier iteration was not skipped, its loop just ended.
      if (state != nullptr && state->iteration > 0) return;
      apply(command::SkipNode{node_at(node).id, "no incoming edge was taken"});
      push_targets(node, {});
      return;
    case Verdict::ready: begin(node); return;
  }
}

void RunTurn::push_targets(std::size_t node, const EdgeChoice& choice) {
  for (const std::uint32_t loop : choice.loops) candidates_.push_back(run_.workflow->edges[loop].target);
  for (const std::size_t edge : run_.workflow->outgoing[node]) {
    if (!run_.workflow->edges[edge].loopback) candidates_.push_back(run_.workflow->edges[edge].target);
  }
}

// ---- one node ----

void RunTurn::begin(std::size_t node) {
  const WorkflowNode& definition = node_at(node);
  if (definition.disabled) {
    apply(command::SkipNode{definition.id, "the node is disabled"});
    push_targets(node, {});
    return;
  }
  const auto type = options_.nodes.find(definition);
  if (refuse_to_begin(node, type.get())) return;
  auto inputs = resolve_inputs(*run_.workflow, *run_.header, run_.state, node);
  if (!inputs) return fail_node(node, failure_of(inputs.error()));
  hand_over(node);
  if (const auto* pure = std::get_if<PureHandler>(&type->handler)) return run_pure(node, *pure, std::move(*inputs));
  if (inputs->size() > options_.max_event_payload_bytes) {
    return fail_node(node, {"payload_too_large", "the node's inputs are larger than max_event_payload_bytes"});
  }
  apply(command::StartNode{definition.id, definition.type_id, 0, 0,
                           *inputs == "{}" ? std::string() : std::move(*inputs)});
}

/// Refusals before execution: they leave no node.started (protocol 01 §13.2, §22.3).
bool RunTurn::refuse_to_begin(std::size_t node, const NodeType* type) {
  const WorkflowNode& definition = node_at(node);
  if (type == nullptr) {
    fail_node(node, {"unsupported_node_type", "no handler is registered for node type '" + definition.type_id + "'"});
    return true;
  }
  if (const std::string* missing = missing_capability(*type, options_)) {
    std::string details;
    json::ObjectWriter(details).string("capability", *missing);
    fail_node(node,
              {"capability_not_provided", "the host does not provide the capability '" + *missing + "'", details});
    return true;
  }
  if (past_iteration_cap(node)) return true;
  const std::uint32_t limit = run_.header->max_node_executions;
  if (run_.state.node_executions < limit) return false;
  Event breach;
  breach.type = EventType::cap_breached;
  breach.node_id = definition.id;
  breach.payload.clear();
  json::ObjectWriter(breach.payload)
      .string("kind", "node-executions")
      .integer("limit", limit)
      .integer("observed", std::int64_t{limit} + 1)
      .string("nodeId", definition.id);
  apply(command::AppendNote{std::move(breach)});
  fail_run({"recursion_limit_exceeded", "the run reached its limit of " + std::to_string(limit) + " node executions"},
           definition.id);
  return true;
}

NodeOutcome RunTurn::call_pure(std::size_t node, const PureHandler& handler, std::string_view inputs,
                               std::int64_t started_ms) {
  const WorkflowNode& definition = node_at(node);
  const NodeState* state = state_of(node);
  NodeInvocation invocation;
  invocation.run_id = executor_of(run_);  // ids that a replay makes up are the source's
  invocation.tenant = run_.header->tenant;
  invocation.workflow_id = run_.workflow->id;
  invocation.node_id = definition.id;
  invocation.type_id = definition.type_id;
  invocation.config = definition.config;
  invocation.inputs = inputs;
  invocation.configurable = run_.header->configurable.empty() ? std::string_view("{}") : run_.header->configurable;
  invocation.agent = definition.agent;
  invocation.agents = &run_.state.agents;
  invocation.variables = &run_.state.variables;
  invocation.channels = &run_.state.channels;
  RunScope scope(*run_.header, run_.state, inputs, inputs);
  invocation.scope = &scope.read_as(*run_.workflow, definition);
  invocation.attempt = state == nullptr ? 0 : state->attempt;
  invocation.iteration = state == nullptr ? 0 : state->iteration;
  invocation.loop_index = loop_index_of(run_, node);
  invocation.now_ms = started_ms;
  invocation.workflow = run_.workflow.get();
  // At its start a node has no children yet; what is there is of an earlier execution.
  const bool goes_on = state != nullptr && state->status == NodeStatus::running;
  invocation.children = goes_on ? &state->child_results : nullptr;
  invocation.answers = state == nullptr ? nullptr : &state->answers;
  NodeOutcome outcome;
  try {
    outcome = handler(invocation);
  } catch (const std::exception& thrown) {
    outcome = Failure{"handler_exception", thrown.what()};
  } catch (...) {
    outcome = Failure{"handler_exception", "the handler threw something that is no std::exception"};
  }
  if (!scope.access()) outcome = failure_of(scope.access().error());
  return outcome;
}

void RunTurn::run_pure(std::size_t node, const PureHandler& handler, std::string inputs) {
  const WorkflowNode& definition = node_at(node);
  NodeOutcome outcome = call_pure(node, handler, inputs, now_ms_);
  const auto* sleep = std::get_if<NodeSleep>(&outcome);
  const bool waits = sleep != nullptr && sleep->due_ms > now_ms_;
  // Once an interrupt is resolved the handler is called again, with the same inputs.
  const bool suspends = std::holds_alternative<NodeSuspend>(outcome) || std::holds_alternative<NodeChild>(outcome);
  if (!suspends || inputs == "{}") inputs.clear();
  if (inputs.size() > options_.max_event_payload_bytes) {
    return fail_node(node, {"payload_too_large", "the node's inputs are larger than max_event_payload_bytes"});
  }
  const bool dispatches = definition.type_id == kDispatchType && run_.state.agents.decisions > 0;
  apply(command::StartNode{definition.id, definition.type_id, waits ? sleep->due_ms : 0,
                           dispatches ? run_.state.agents.decided_at : 0, std::move(inputs)});
  if (waits) return;
  if (sleep != nullptr) outcome = NodeCompleted{};
  finish_node(node, std::move(outcome));
}

void RunTurn::finish_node(std::size_t node, NodeOutcome outcome) {
  if (node_at(node).type_id == kSupervisorType) decide_as_recorded(node, outcome);
  if (auto* completed = std::get_if<NodeCompleted>(&outcome)) return complete_node(node, std::move(*completed));
  if (auto* failure = std::get_if<Failure>(&outcome)) return fail_node(node, std::move(*failure));
  if (auto* suspend = std::get_if<NodeSuspend>(&outcome)) return suspend_node(node, std::move(*suspend));
  if (auto* child = std::get_if<NodeChild>(&outcome)) return start_child(node, std::move(*child));
  if (const auto* cancelled = std::get_if<NodeCancelled>(&outcome)) {
    return apply(command::CancelRun{cancelled->reason, {}});
  }
  fail_node(node, {"internal_error", "only pure nodes may sleep, and only at their start"});
}

void RunTurn::complete_node(std::size_t node, NodeCompleted completed) {
  const WorkflowNode& definition = node_at(node);
  add_output_artifact(definition, state_of(node)->iteration, completed);
  auto writes = plan_writes(options_, run_, definition, completed);
  if (!writes) return fail_node(node, failure_of(writes.error()));
  for (const RunCommand& write : *writes) apply(write);
  keep_artifacts(definition, completed.artifacts);
  RunScope scope(*run_.header, run_.state, {}, completed.outputs);
  scope.read_as(*run_.workflow, definition);
  auto choice = choose_edges(*run_.workflow, node, completed.port, completed.default_port, scope);
  if (!scope.access()) return fail_node(node, failure_of(scope.access().error()));
  if (!choice) return fail_node(node, failure_of(choice.error()));
  if (completed.ends_run) choice = EdgeChoice{};

  for (HostWrite& write : completed.host_writes) host_writes_.push_back(std::move(write));
  const auto stop = loop_past_limit(*choice, LoopCeiling::of_target);
  command::CompleteNode complete{definition.id, std::move(completed.outputs), {}, stop ? EdgeChoice{} : *choice};
  const auto hidden = hidden_ports(run_, definition, complete.outputs);
  if (!hidden.empty()) complete.masked_outputs = mask_outputs(complete.outputs, hidden, run_.header->masking);
  if (completed.cost && !completed.cost->empty()) complete.cost = completed.cost->to_json();
  apply(std::move(complete));
  if (stop) return stop_at_loopback_limit(loop_target(*stop));
  if (completed.ends_run) return complete_run(RunEnd::terminated);
  push_targets(node, *choice);
}

void RunTurn::keep_artifacts(const WorkflowNode& node, const std::vector<NodeArtifact>& artifacts) {
  for (const NodeArtifact& artifact : artifacts) {
    std::string row = artifact_row(run_.id, node.id, artifact, now_ms_);
    if (auto clean = scrub_known_json(row, hidden_texts())) row = std::move(*clean);
    rows_.emplace_back(artifact_key(run_.id, artifact.artifact_id), std::move(row));
    apply(command::AppendNote{artifact_event(node.id, artifact)});
  }
}

std::optional<std::uint32_t> RunTurn::loop_past_limit(const EdgeChoice& choice, LoopCeiling ceiling) const {
  for (const std::uint32_t edge : choice.loops) {
    if (passes_loopback_limit(*run_.workflow, run_.state, edge, ceiling)) return edge;
  }
  return std::nullopt;
}

void RunTurn::stop_at_loopback_limit(const std::string& target) {
  const std::int64_t limit = run_.workflow->settings.max_loopback_iterations;
  Event note;
  note.type = EventType::workflow_loopback_limit;
  note.node_id = target;
  note.payload.clear();
  json::ObjectWriter(note.payload).string("nodeId", target).integer("iterations", limit).integer("limit", limit);
  apply(command::AppendNote{std::move(note)});
  // 1.0 names the event but not the outcome: a loop that its author bounded has failed when it runs past the bound.
  fail_run({"loopback_limit_exceeded", "the loop back to '" + target + "' ran " + std::to_string(limit) + " times"},
           target);
}

void RunTurn::fail_node(std::size_t node, Failure failure) {
  failure = storable(std::move(failure));
  const WorkflowNode& definition = node_at(node);
  const NodeState* state = state_of(node);
  const bool ran = state != nullptr && is_in_flight(state->status);
  if (ran && failure.retryable && state->attempt < max_retries(*run_.workflow, definition)) {
    const std::int64_t delay_ms = retry_delay_ms(options_, run_, definition.id, state->attempt);
    apply(command::RetryNode{definition.id, delay_ms, std::move(failure)});
    return;
  }
  std::string output;
  json::ObjectWriter(output).raw("error", failure.to_json());
  RunScope scope(*run_.header, run_.state, {}, output);
  scope.read_as(*run_.workflow, definition);
  auto choice = choose_failure_edges(*run_.workflow, node, scope);
  const bool handled = choice.ok() && scope.access().ok() && (!choice->live.empty() || !choice->loops.empty());
  const auto stop = handled ? loop_past_limit(*choice, LoopCeiling::of_workflow) : std::nullopt;
  apply(command::FailNode{definition.id, failure, handled && !stop ? *choice : EdgeChoice{}});
  if (stop) return stop_at_loopback_limit(loop_target(*stop));
  if (!handled) return fail_run(std::move(failure), definition.id);
  push_targets(node, *choice);
}

void RunTurn::fail_run(Failure failure, std::string_view node_id) {
  failure.retryable = false;
  apply(command::FailRun{std::move(failure), std::string(node_id)});
}

void RunTurn::complete_run(RunEnd end) {
  command::CompleteRun complete;
  complete.terminates = end == RunEnd::terminated;
  // The run's outputs are those of its core.end nodes, later ones over earlier ones.
  for (const WorkflowNode& node : run_.workflow->nodes) {
    if (node.type_id != "core.end") continue;
    const NodeState* state = run_.state.find_node(node.id);
    if (state == nullptr || state->outputs.empty()) continue;
    const std::string outputs = node.sensitive_outputs.empty()
                                    ? state->outputs
                                    : mask_outputs(state->outputs, node.sensitive_outputs, run_.header->masking);
    complete.outputs = complete.outputs.empty() ? outputs : detail::merge_objects(complete.outputs, outputs);
  }
  apply(std::move(complete));
}

}  // namespace openwop::runtime
