#include "openwop/agents.h"

#include <deque>

namespace openwop {

namespace {

constexpr std::size_t kMaxIdCharacters = 256;
/// Longer lists are no plan any more; each worker becomes a run.
constexpr std::size_t kMaxWorkers = 256;

Error invalid(std::string message) { return Error{ErrorCode::validation_error, std::move(message)}; }

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// A string of so many characters; `what` names it in the error.
Status check_text(std::string_view raw, std::string_view what, std::size_t min, std::size_t max) {
  const auto text = json::as_string(raw);
  if (text && characters(*text) >= min && characters(*text) <= max) return {};
  return invalid(std::string(what) + " has to be a string of " + std::to_string(min) + " to " + std::to_string(max) +
                 " characters");
}

Status check_workers(std::string_view raw) {
  if (json::kind(raw) != json::Kind::array) return invalid("nextWorkerIds has to be an array");
  std::size_t count = 0;
  Status checked;
  json::for_each_element(raw, [&](std::string_view worker) {
    checked = check_text(worker, "a member of nextWorkerIds", 1, kMaxIdCharacters);
    return checked.ok() && ++count <= kMaxWorkers;
  });
  if (!checked) return checked;
  if (count == 0 || count > kMaxWorkers) {
    return invalid("nextWorkerIds has to hold 1 to " + std::to_string(kMaxWorkers) + " ids");
  }
  return {};
}

Status check_decision_member(DecisionKind kind, std::string_view name, std::string_view raw) {
  constexpr std::size_t kAnyLength = std::size_t{1} << 20;
  if (name == "kind") return {};
  if (kind == DecisionKind::next_worker && name == "nextWorkerIds") return check_workers(raw);
  if (kind == DecisionKind::ask_user && name == "prompt") return check_text(raw, "prompt", 1, kAnyLength);
  if (kind == DecisionKind::terminate && name == "reason") return check_text(raw, "reason", 1, kAnyLength);
  return invalid("a decision of this kind has no member '" + std::string(name) + "'");
}

}  // namespace

Result<DecisionKind> check_decision(std::string_view raw) {
  if (json::kind(raw) != json::Kind::object) return invalid("a decision has to be an object");
  const std::string name = detail::agent_text(raw, "kind");
  const auto at = std::find(kDecisionKindNames.begin(), kDecisionKindNames.end(), name);
  if (at == kDecisionKindNames.end()) return invalid("a decision is next-worker, ask-user or terminate");
  const auto kind = static_cast<DecisionKind>(at - kDecisionKindNames.begin());
  Status checked;
  json::for_each_member(raw, [&](std::string_view key, std::string_view value) {
    checked = check_decision_member(kind, json::unescape(key), value);
    return checked.ok();
  });
  if (!checked) return std::move(checked).error();
  if (kind == DecisionKind::next_worker && !json::member(raw, "nextWorkerIds")) {
    return invalid("a next-worker decision has nextWorkerIds");
  }
  if (kind == DecisionKind::ask_user && !json::member(raw, "prompt")) {
    return invalid("an ask-user decision has a prompt");
  }
  return kind;
}

std::string run_orchestrator(const Workflow& workflow, const RunState& state) {
  const WorkflowNode* supervisor = find_supervisor(workflow);
  if (supervisor != nullptr && !supervisor->agent.empty()) return supervisor->agent;
  const std::string id = supervisor != nullptr ? supervisor_id(*supervisor) : state.agents.orchestrator;
  if (id.empty()) return {};
  std::string out;
  json::ObjectWriter(out).string("agentId", id);
  return out;
}

std::string_view active_agent(const Workflow& workflow, const RunState& state) {
  std::string_view latest;
  std::uint64_t latest_start = 0;
  for (const WorkflowNode& node : workflow.nodes) {
    if (node.agent.empty() || node.type_id == kSupervisorType) continue;
    const NodeState* node_state = state.find_node(node.id);
    // Sequence 0 is the run's own start, so 0 stands for a node that never started.
    if (node_state == nullptr || node_state->started_sequence <= latest_start) continue;
    latest_start = node_state->started_sequence;
    latest = node.agent;
  }
  return latest;
}

std::string agent_before(const Workflow& workflow, const RunState& state, std::size_t node) {
  std::vector<bool> seen(workflow.nodes.size(), false);
  std::deque<std::size_t> nearest{node};
  seen[node] = true;
  while (!nearest.empty()) {
    const std::size_t at = nearest.front();
    nearest.pop_front();
    if (at != node && !workflow.nodes[at].agent.empty()) return agent_id_of(workflow.nodes[at].agent);
    for (const std::size_t edge : workflow.incoming[at]) {
      const std::size_t source = workflow.edges[edge].source;
      const NodeState* from = state.find_node(workflow.nodes[source].id);
      if (from == nullptr || seen[source]) continue;
      const auto& taken = from->live_edges;
      if (std::find(taken.begin(), taken.end(), static_cast<std::uint32_t>(edge)) == taken.end()) continue;
      seen[source] = true;
      nearest.push_back(source);
    }
  }
  return {};
}

Status check_orchestration(const Workflow& workflow) {
  const WorkflowNode* first = find_supervisor(workflow);
  for (const WorkflowNode& node : workflow.nodes) {
    if (node.type_id == kDispatchType && first == nullptr) {
      return invalid("the dispatch '" + node.id + "' needs a supervisor in the same workflow");
    }
    if (node.type_id != kSupervisorType || supervisor_id(node) == supervisor_id(*first)) continue;
    return invalid("the supervisors '" + first->id + "' and '" + node.id +
                   "' have different agents; a run has one orchestrator");
  }
  return {};
}

}  // namespace openwop
