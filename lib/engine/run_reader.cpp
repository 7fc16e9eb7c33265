#include "engine/run_reader.h"

#include "engine/fork_state.h"
#include "engine/run_header.h"
#include "engine/run_turn.h"
#include "openwop/log.h"

namespace openwop::runtime {

namespace {
const Error kNotFound{ErrorCode::run_not_found, "no run has this id"};

/// Before its first turn a fork has nothing but its source's history: it neither waits nor asks.
Status hide_what_is_not_begun(const Log& log, RunView& view) {
  auto head = log.head(view.run_id);
  if (!head) return std::move(head).error();
  if (!head->has_value()) return kNotFound;
  auto marks = RunMarks::decode((*head)->summary);
  if (!marks) return std::move(marks).error();
  if (marks->status != RunStatus::pending) return {};
  view.state.status = RunStatus::pending;
  std::erase_if(view.state.interrupts,
                [](const auto& each) { return each.second.outcome == InterruptOutcome::pending; });
  return {};
}

}  // namespace

Result<RunView> read_run(const Store& store, const WorkflowCatalog& catalog, std::string_view tenant, const RunId& run,
                         std::optional<std::uint64_t> last_sequence) {
  const Log log(store);
  auto header_row = log.header(run);
  if (!header_row) return std::move(header_row).error();
  if (!header_row->has_value()) return kNotFound;
  auto header = decode_header(**header_row);
  if (!header) return std::move(header).error();
  if (header->tenant != tenant) return kNotFound;

  RunView view{run, std::move(*header), {}, {}};
  view.state = initial_state(view.header);
  if (view.header.event_log_schema_version < 2) {
    // There is no log to fold: what the head row says is all that is known (protocol 02 §4.1).
    auto progress = read_progress(store, tenant, run);
    if (!progress) return std::move(progress).error();
    view.state.status = progress->status;
  }
  RunFold fold(view.state, view.header, nullptr, nullptr);
  auto folded = log.read(run, 0, [&](const EventView& event) {
    if (last_sequence && event.sequence > *last_sequence) return false;
    fold.add(event);
    return true;
  });
  if (!folded) return std::move(folded).error();
  if (!last_sequence) fold.finish();
  if (view.header.fork && !last_sequence) {
    if (auto begun = hide_what_is_not_begun(log, view); !begun) return std::move(begun).error();
  }
  // What the children are by now; the run itself has learnt it up to its last event.
  for (ChildRun& child : view.state.children) {
    if (last_sequence || is_terminal(child.status)) continue;
    auto head = log.head(child.run_id);
    if (!head) return std::move(head).error();
    if (!head->has_value()) continue;
    auto marks = RunMarks::decode((*head)->summary);
    if (!marks) return std::move(marks).error();
    child.status = marks->status;
  }
  auto workflow = catalog.by_digest(view.header.workflow_digest);
  if (!workflow) return std::move(workflow).error();
  view.workflow = std::move(*workflow);
  return view;
}

Status require_run(const Store& store, std::string_view tenant, const RunId& run) {
  auto progress = read_progress(store, tenant, run);
  if (!progress) return std::move(progress).error();
  return {};
}

Result<std::string> read_tenant(const Store& store, const RunId& run) {
  auto head = Log(store).head(run);
  if (!head) return std::move(head).error();
  if (!head->has_value()) return kNotFound;
  auto marks = RunMarks::decode((*head)->summary);
  if (!marks) return std::move(marks).error();
  return std::move(marks->tenant);
}

Result<RunProgress> read_progress(const Store& store, std::string_view tenant, const RunId& run) {
  auto head = Log(store).head(run);
  if (!head) return std::move(head).error();
  if (!head->has_value()) return kNotFound;
  auto marks = RunMarks::decode((*head)->summary);
  if (!marks) return std::move(marks).error();
  if (marks->tenant != tenant) return kNotFound;
  return RunProgress{marks->status, (*head)->next_sequence};
}

namespace {

std::string resolver_of(const InterruptState* interrupt) {
  std::string approvers;
  json::for_each_element(json::member(interrupt == nullptr ? "{}" : interrupt->data, "approversList").value_or("[]"),
                         [&](std::string_view approver) {
                           approvers += (approvers.empty() ? "" : ", ") + json::as_string(approver).value_or("");
                           return true;
                         });
  return approvers.empty() ? "whoever may resolve the interrupt" : approvers;
}

RunWait wait_of(const RunView& view, const std::string& node_id, const NodeState& node) {
  RunWait wait{node_id, RunWait::Kind::handler, node.since_ms, node.due_ms, "engine"};
  const auto index = view.workflow->find_node(node_id);
  switch (node.status) {
    case NodeStatus::sleeping: wait.kind = RunWait::Kind::delay; break;
    case NodeStatus::retrying: wait.kind = RunWait::Kind::retry; break;
    case NodeStatus::in_child:
      wait.kind = RunWait::Kind::child;
      wait.actor = "the child run " + node.child.text();
      break;
    case NodeStatus::suspended:
      wait.kind = RunWait::Kind::interrupt;
      wait.actor = resolver_of(view.state.find_interrupt(node_id));
      break;
    case NodeStatus::running: {
      const std::int64_t timeout_ms = index ? node_timeout_ms(view.workflow->nodes[*index]) : 0;
      if (timeout_ms > 0) wait.until_ms = node.since_ms + timeout_ms;
      wait.actor = "handler of " + (index ? view.workflow->nodes[*index].type_id : std::string("an unknown node"));
      break;
    }
    case NodeStatus::idle:
    case NodeStatus::completed:
    case NodeStatus::failed:
    case NodeStatus::skipped:
    case NodeStatus::cancelled: break;
  }
  return wait;
}

constexpr std::string_view kWaitKindNames[] = {"handler", "delay", "retry", "interrupt", "child"};

std::string describe(const RunWait& wait) {
  std::string node = "node '" + wait.node_id + "'";
  const std::string until = wait.until_ms == 0 ? std::string() : " until " + format_rfc3339(wait.until_ms);
  switch (wait.kind) {
    case RunWait::Kind::handler: return node + " waits for the " + wait.actor + until;
    case RunWait::Kind::delay: return node + " sleeps" + until;
    case RunWait::Kind::retry: return node + " waits to be tried again" + until;
    case RunWait::Kind::child:
    case RunWait::Kind::interrupt: return node + " waits for " + wait.actor + until;
  }
  return node;
}

}  // namespace

RunExplanation explain_run(const RunView& view) {
  RunExplanation explanation;
  explanation.status = view.state.status;
  explanation.timeout_at_ms = run_deadline_ms({view.run_id, {}, view.workflow, view.state});
  for (const auto& [id, node] : view.state.nodes) {
    if (is_in_flight(node.status)) explanation.waits.push_back(wait_of(view, id, node));
  }
  explanation.summary = "the run is " + std::string(status_name(view.state.status));
  if (is_terminal(view.state.status)) {
    explanation.summary += " since " + format_rfc3339(view.state.ended_ms);
  } else if (view.state.status == RunStatus::paused) {
    explanation.summary += "; it goes on when somebody resumes it";
  } else if (view.state.pause_asked_ms != 0) {
    explanation.summary += " and pauses when the nodes at work have ended";
  }
  for (const RunWait& wait : explanation.waits) explanation.summary += "; " + describe(wait);
  return explanation;
}

}  // namespace openwop::runtime

namespace openwop {

std::string RunExplanation::to_json() const {
  std::string out;
  {
    json::ObjectWriter object(out);
    object.string("status", status_name(status));
    object.string("summary", summary);
    if (timeout_at_ms != 0) object.string("timeoutAt", format_rfc3339(timeout_at_ms));
    std::string& list = object.value_of("waits");
    list += '[';
    for (std::size_t i = 0; i < waits.size(); ++i) {
      if (i > 0) list += ',';
      json::ObjectWriter wait(list);
      wait.string("nodeId", waits[i].node_id);
      wait.string("kind", runtime::kWaitKindNames[static_cast<std::size_t>(waits[i].kind)]);
      wait.string("since", format_rfc3339(waits[i].since_ms));
      if (waits[i].until_ms != 0) wait.string("until", format_rfc3339(waits[i].until_ms));
      wait.string("actor", waits[i].actor);
    }
    list += ']';
  }
  return out;
}

}  // namespace openwop
