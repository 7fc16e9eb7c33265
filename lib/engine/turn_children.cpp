// The part of a turn that starts runs, follows them, and takes them along (protocol 03 §6).
#include <algorithm>

#include "engine/create_check.h"
#include "engine/node_writes.h"
#include "engine/run_turn.h"
#include "engine/workflow_catalog.h"
#include "openwop/hash.h"
#include "openwop/trace_context.h"

namespace openwop::runtime {

namespace {

/// The same whenever the turn is carried out on the same state, and unique: no other child begins at this sequence.
RunId child_id(const Run& run, std::string_view node_id, std::int64_t now_ms) {
  const Sha256 hash = sha256("child " + executor_of(run).text() + " " + std::string(node_id) + " " +
                             std::to_string(run.state.next_sequence));
  RunId id;
  const auto time = static_cast<std::uint64_t>(std::max<std::int64_t>(now_ms, 0));
  for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(time >> (40 - 8 * i));
  std::copy_n(hash.begin(), RunId::kBytes - 6, id.bytes.begin() + 6);
  // In the parent's partition, so that one host has both (openwop/cluster.h).
  id.bytes.back() = executor_of(run).bytes.back();
  return id;
}

/// Begins with what the parent gives; what the child's workflow does not declare is added.
std::string with_variables(std::string_view declared, std::string_view given) {
  std::string out;
  {
    json::ObjectWriter object(out);
    json::for_each_member(declared, [&](std::string_view key, std::string_view value) {
      const std::string name = json::unescape(key);
      object.raw_member(name, json::member(given, name).value_or(value));
      return true;
    });
    json::for_each_member(given, [&](std::string_view key, std::string_view value) {
      const std::string name = json::unescape(key);
      if (!json::member(declared, name)) object.raw_member(name, value);
      return true;
    });
  }
  return out;
}

/// Why a child is cancelled whose node ends with this event.
std::string_view reason_for_child(const Event& event) {
  const std::string reason = detail::text_member(event.payload, "reason");
  if (reason == "run-cancelled") return kParentCancelled;
  if (reason == kLoopRestarted) return "parent-loop-restarted";
  return reason == "run-terminated" ? "parent-completed" : "parent-failed";
}

Failure failure_of(const Error& error) {
  const bool unknown = error.code == ErrorCode::workflow_not_found;
  return Failure{unknown ? "unknown_child_workflow" : std::string(error_name(error.code)), error.message,
                 error.details};
}

}  // namespace

std::optional<Failure> RunTurn::refuse_child(const NodeChild& child) const {
  const auto& ancestors = run_.header->ancestors;
  const bool is_ancestor = child.workflow_id == run_.workflow->id ||
                           std::find(ancestors.begin(), ancestors.end(), child.workflow_id) != ancestors.end();
  if (is_ancestor) {
    return Failure{"sub_workflow_cycle", "the workflow '" + child.workflow_id + "' is running above this node"};
  }
  if (ancestors.size() + 1 > options_.max_child_depth) {
    return Failure{"sub_workflow_depth_exceeded", "workflows call each other more than max_child_depth levels deep"};
  }
  if (run_.state.children.size() >= options_.max_children_per_run) {
    return Failure{"child_limit_exceeded", "the run has started max_children_per_run runs"};
  }
  return std::nullopt;
}

Result<RunHeader> RunTurn::child_header(const WorkflowNode& node, const NodeChild& child) const {
  auto workflow = run_.catalog->newest(child.workflow_id);
  if (!workflow) return std::move(workflow).error();
  const RunHeader& own = *run_.header;
  CreateRun request;
  request.workflow_id = child.workflow_id;
  // Checked together, by the types that the child declares.
  request.inputs = detail::merge_objects(child.inputs, child.variables);
  request.tenant = own.tenant;
  request.scope_id = own.scope_id;
  request.callback_url = own.callback_url;
  // A workflow that says what it can be configured with is not given what was meant for another.
  if ((*workflow)->configurable_schema.empty()) request.configurable = own.configurable;
  request.transport = own.transport;
  if (own.forced_engine_version) request.forced_engine_version = own.engine_version;
  // The child's spans belong under this execution of the node, in the same trace (protocol 02 §12.2).
  TraceContext trace =
      parse_traceparent(own.traceparent, own.tracestate).value_or(TraceContext{.trace_id = trace_id_of(run_.id)});
  const NodeState* invoking = run_.state.find_node(node.id);
  trace.span_id = node_span_id(run_.id, invoking == nullptr ? 0 : invoking->started_sequence);
  request.traceparent = format_traceparent(trace);
  request.tracestate = trace.tracestate;
  auto header = check_create(request, **workflow, options_, now_ms_);
  if (!header) return header;
  header->variables = with_variables(header->variables, child.variables);
  header->parent_run_id = run_.id;
  header->parent_node_id = node.id;
  header->ancestors = own.ancestors;
  header->ancestors.push_back(run_.workflow->id);
  return header;
}

void RunTurn::start_child(std::size_t node, NodeChild child) {
  const WorkflowNode& definition = node_at(node);
  if (auto refused = refuse_child(child)) return fail_node(node, *std::move(refused));
  if (run_.replay && run_.replay->ends_here()) {
    return fail_node(node, {"replay_source_missing", "the source has started no such run, and a replay starts none"});
  }
  for (const std::string* object : {&child.inputs, &child.variables}) {
    const bool sound = json::check(*object, {options_.max_inputs_bytes, options_.max_json_depth}).ok() &&
                       json::kind(*object) == json::Kind::object;
    if (!sound) return fail_node(node, {"validation_error", "the child's inputs are not an object of bounded size"});
  }
  auto header = child_header(definition, child);
  if (!header) {
    if (header.error().code == ErrorCode::store_io_error) trouble_ = header.error();
    return fail_node(node, failure_of(header.error()));
  }
  // Two outputs may want the same variable; it is told once.
  std::vector<std::string> wanted;
  for (std::string& name : child.wanted) {
    if (std::find(wanted.begin(), wanted.end(), name) == wanted.end()) wanted.push_back(std::move(name));
  }
  ChildRun started{child_id(run_, definition.id, now_ms_),
                   definition.id,
                   std::move(child.key),
                   std::move(child.workflow_id),
                   RunStatus::pending,
                   child.follows,
                   std::move(wanted)};
  const RunId id = started.run_id;
  apply(command::StartChild{std::move(started)});
  new_children_.emplace_back(id, std::move(*header));
}

void RunTurn::child_changed(const command::ChangeChild& change) {
  if (ended() || run_.state.status == RunStatus::paused) return;
  const auto child = std::find_if(run_.state.children.begin(), run_.state.children.end(),
                                  [&](const ChildRun& each) { return each.run_id == change.result.run_id; });
  if (child == run_.state.children.end() || is_terminal(child->status) || child->status == change.status) return;
  const auto node = run_.workflow->find_node(child->node_id);
  const NodeState* state = run_.state.find_node(child->node_id);
  const bool continues = node && state != nullptr && state->status == NodeStatus::in_child &&
                         state->child == change.result.run_id && is_terminal(change.status);
  command::ChangeChild complete = change;
  complete.node_id = child->node_id;
  complete.result.key = child->key;
  complete.result.workflow_id = child->workflow_id;
  apply(complete);
  if (continues) continue_node(*node);
  settle();
}

/// Children follow their parent: called for each event, before it is folded.
void RunTurn::order_children(const Event& event) {
  if (run_.state.children.empty()) return;
  const bool resumes = event.type == EventType::run_resumed && run_.state.status == RunStatus::paused;
  const bool pauses = event.type == EventType::run_paused;
  const bool leaves = event.type == EventType::node_failed || event.type == EventType::node_cancelled ||
                      event.type == EventType::node_retried;
  if (!resumes && !pauses && !leaves) return;
  for (const ChildRun& child : run_.state.children) {
    if (is_terminal(child.status) || !child.follows) continue;
    if (leaves) {
      if (child.node_id != event.node_id) continue;
      child_orders_.emplace_back(
          child.run_id, command::CancelRun{std::string(reason_for_child(event)), {}, run_.id.text(), child.node_id});
    } else if (pauses) {
      child_orders_.emplace_back(child.run_id,
                                 command::PauseRun{"parent-paused", detail::text_member(event.payload, "drainPolicy")});
    } else {
      child_orders_.emplace_back(child.run_id, command::ResumeRun{"parent-resumed"});
    }
  }
}

}  // namespace openwop::runtime
