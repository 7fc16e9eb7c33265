// core.orchestrator.supervisor and core.dispatch (protocol 03 §8, §9; 01 §22.5). The supervisor carries out the plan in
// its config; a host whose supervisor is a model registers its own type under the same id.
#include <array>

#include "nodes/agent_nodes.h"
#include "nodes/builtin_nodes.h"
#include "openwop/agents.h"

namespace openwop::nodes {

namespace {

constexpr std::string_view kTerminate = R"({"kind":"terminate","reason":"goal-reached"})";
constexpr std::string_view kFirstWithoutPlan = R"({"kind":"next-worker","nextWorkerIds":["conformance-noop"]})";

Status invalid(std::string message) { return Error{ErrorCode::validation_error, std::move(message)}; }

std::optional<std::string_view> plan_of(std::string_view config) {
  for (const std::string_view name : {"mockDecisions", "mockDispatchPlan"}) {
    if (const auto plan = json::member(config, name)) return plan;
  }
  return std::nullopt;
}

// ---- supervisor ----

std::string planned_decision(const NodeInvocation& node) {
  const std::uint32_t turn = node.agents->decisions;
  const auto plan = plan_of(node.config);
  if (!plan) return std::string(turn == 0 ? kFirstWithoutPlan : kTerminate);
  std::string decision(kTerminate);
  std::uint32_t at = 0;
  json::for_each_element(*plan, [&](std::string_view entry) {
    if (at == turn) decision = entry;
    return at++ < turn;
  });
  return decision;
}

NodeOutcome decide_as(const NodeInvocation& node, const std::string& agent, std::string_view decision) {
  if (auto valid = check_decision(decision); !valid) return Failure{"validation_error", valid.error().message};
  NodeCompleted completed;
  Event decided;
  decided.type = EventType::run_orchestrator_decided;
  decided.node_id = node.node_id;
  decided.payload.clear();
  json::ObjectWriter(decided.payload).string("agentId", agent).raw("decision", decision);
  completed.events.push_back(std::move(decided));
  json::ObjectWriter(completed.outputs).raw("decision", decision);
  return completed;
}

NodeOutcome supervise(const NodeInvocation& node) {
  const std::string agent = supervisor_id(node.workflow->nodes[*node.workflow->find_node(node.node_id)]);
  const auto pending = node.config_value("mockPendingDecision");
  const auto confidence = node.config_value("mockConfidence");
  const double observed = confidence ? json::as_number(*confidence).value_or(1) : 1;
  // The held decision is the first one; once it has been ratified the plan goes on behind it.
  if (!confidence || node.agents->decisions > 0 || !is_low(node, observed)) {
    if (pending && node.agents->decisions == 0) return decide_as(node, agent, *pending);
    return decide_as(node, agent, pending && !plan_of(node.config) ? kTerminate : planned_decision(node));
  }
  const std::string held(pending.value_or(kFirstWithoutPlan));
  if (!node.resumed()) return escalate(node, agent, observed, held, decision_schema());
  const auto ratified = ratified_decision(*node.resumed(), held);
  if (!ratified) return Failure{"interrupt_rejected", "the decision was rejected"};
  return decide_as(node, agent, *ratified);
}

Status check_supervisor(const WorkflowNode& node) {
  if (const auto plan = plan_of(node.config)) {
    if (json::kind(*plan) != json::Kind::array) return invalid("the plan of decisions has to be an array");
    Status checked;
    json::for_each_element(*plan, [&](std::string_view decision) {
      if (auto valid = check_decision(decision); !valid) checked = std::move(valid).error();
      return checked.ok();
    });
    if (!checked) return checked;
  }
  if (const auto pending = json::member(node.config, "mockPendingDecision")) {
    if (auto valid = check_decision(*pending); !valid) return std::move(valid).error();
  }
  const auto confidence = json::member(node.config, "mockConfidence");
  if (confidence && !json::as_number(*confidence)) return invalid("config.mockConfidence has to be a number");
  const auto agent = json::member(node.config, "agentId");
  if (agent && json::as_string(*agent).value_or("").size() < 3) return invalid("config.agentId is too short");
  return {};
}

// ---- dispatch ----

std::string text_config(std::string_view config, std::string_view name, std::string_view fallback) {
  const auto raw = json::member(config, name);
  return raw ? json::as_string(*raw).value_or("") : std::string(fallback);
}

NodeOutcome next_worker(const NodeInvocation& node) {
  std::vector<std::string> workers;
  json::for_each_element(json::member(node.agents->decision, "nextWorkerIds").value_or("[]"), [&](std::string_view id) {
    workers.push_back(json::unescape(id));
    return true;
  });
  if (workers.size() > 1 && text_config(node.config, "fanOutPolicy", "sequential") == "reject") {
    return Failure{"fan_out_unsupported", "the decision names several workers, and fanOutPolicy is reject"};
  }
  const std::size_t done = node.children == nullptr ? 0 : node.children->size();
  if (done > 0 && node.children->back().status != RunStatus::completed) return child_failed(node.children->back());
  if (done < workers.size()) {
    return NodeChild{.workflow_id = workers[done], .key = "worker-" + std::to_string(done)};
  }
  NodeCompleted completed;
  completed.outputs = node.children->back().outputs();
  return completed;
}

NodeOutcome ask_user(const NodeInvocation& node, bool by_conversation) {
  const auto prompt = json::member(node.agents->decision, "prompt").value_or("\"\"");
  if (by_conversation) {
    if (const auto answer = node.resumed()) {
      NodeCompleted completed;
      json::ObjectWriter(completed.outputs).raw("answer", *answer);
      return completed;
    }
    NodeSuspend suspend;
    suspend.kind = InterruptKind::conversation_exchange;
    suspend.data.clear();
    json::ObjectWriter(suspend.data).string("conversationId", conversation_id(node)).raw("prompt", prompt);
    return suspend;
  }
  if (const auto answers = node.resumed()) {
    NodeCompleted completed;
    const auto given = json::member(*answers, "answers").value_or("{}");
    json::ObjectWriter(completed.outputs).raw("answer", json::member(given, "answer").value_or("null"));
    return completed;
  }
  NodeSuspend suspend;
  suspend.kind = InterruptKind::clarification;
  suspend.data = R"({"questions":[{"id":"answer","question":)" + std::string(prompt) + "}]}";
  return suspend;
}

NodeOutcome dispatch(const NodeInvocation& node, bool conversations) {
  if (node.agents->decisions == 0) return Failure{"no_pending_decision", "no orchestrator has decided in this run"};
  const std::string kind = text_config(node.agents->decision, "kind", "");
  if (kind == "next-worker") return next_worker(node);
  if (kind == "ask-user") {
    const std::string routing = text_config(node.config, "askUserRouting", "auto");
    return ask_user(node, conversations && routing != "clarification");
  }
  NodeCompleted completed;
  completed.outputs = R"({"outcome":"terminated","reason":)" +
                      std::string(json::member(node.agents->decision, "reason").value_or("null")) + "}";
  completed.ends_run = true;
  return completed;
}

Status check_choice(const WorkflowNode& node, std::string_view name, std::initializer_list<std::string_view> choices) {
  const auto raw = json::member(node.config, name);
  if (!raw) return {};
  const std::string value = json::as_string(*raw).value_or("");
  std::string list;
  for (const std::string_view choice : choices) {
    if (value == choice) return {};
    list += (list.empty() ? "" : ", ") + std::string(choice);
  }
  return invalid("config." + std::string(name) + " has to be one of: " + list);
}

/// DispatchConfig is closed; the mappings are of a later version, and an empty one asks for nothing.
Status check_member(std::string_view name, std::string_view value) {
  constexpr std::array<std::string_view, 3> kKnown = {"askUserRouting", "workerDispatchModel", "fanOutPolicy"};
  constexpr std::array<std::string_view, 4> kMappings = {"inputMapping", "outputMapping", "perWorkerInputMappings",
                                                         "perWorkerOutputMappings"};
  if (std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end()) return {};
  if (name == "iterationCap") {
    if (json::as_int(value).value_or(0) >= 1) return {};
    return invalid("config.iterationCap has to be an integer of at least 1");
  }
  const bool mapping = std::find(kMappings.begin(), kMappings.end(), name) != kMappings.end();
  if (mapping && json::equal(value, "{}")) return {};
  return invalid(mapping ? "config." + std::string(name) + " is not supported"
                         : "a dispatch has no config member '" + std::string(name) + "'");
}

Status check_dispatch(const WorkflowNode& node, bool conversations) {
  Status checked;
  json::for_each_member(node.config, [&](std::string_view key, std::string_view value) {
    checked = check_member(json::unescape(key), value);
    return checked.ok();
  });
  if (!checked) return checked;
  if (auto ok = check_choice(node, "askUserRouting", {"conversation", "clarification", "auto"}); !ok) return ok;
  if (auto ok = check_choice(node, "workerDispatchModel", {"child-run"}); !ok) return ok;
  if (auto ok = check_choice(node, "fanOutPolicy", {"sequential", "reject"}); !ok) return ok;
  if (!conversations && text_config(node.config, "askUserRouting", "auto") == "conversation") {
    return invalid("config.askUserRouting is conversation, which this host does not have");
  }
  return {};
}

}  // namespace

void add_orchestrator_nodes(NodeRegistry& registry, bool conversations) {
  registry.add({std::string(kSupervisorType), PureHandler(supervise), {}, check_supervisor});
  registry.add({std::string(kDispatchType),
                PureHandler([conversations](const NodeInvocation& node) { return dispatch(node, conversations); }),
                {},
                [conversations](const WorkflowNode& node) { return check_dispatch(node, conversations); }});
}

}  // namespace openwop::nodes
