// core.approvalGate, core.clarificationGate, core.interrupt (protocol 01 §22.2, §22.4; 03 §2.3).
//
//  core.approvalGate       asks for an approval. Accepted: edges from the ports `output` and `accept`. Rejected: edges
//                          from `reject` if there are some, else the node fails with interrupt_rejected. Changes asked
//                          for: edges from `refine` if there are some, else the gate asks again. Outputs: the decision,
//                          with the edited artifact if there is one.
//  core.clarificationGate  asks config.questions. Output `answers`.
//  core.interrupt          any kind, from config {kind, data, resumeSchema?, timeoutMs?, profile?}. The outputs are the
//                          members of the answer, or `value` if it is no object; approvals go as those of the gate.
#include <algorithm>

#include "nodes/builtin_nodes.h"
#include "workflow/interrupt_data.h"

namespace openwop::nodes {

namespace {

constexpr std::string_view kBearerOnlyProfile = "openwop-interrupt-auth-required";
/// Config members of a gate that go into the interrupt's data as they are.
constexpr std::string_view kApprovalMembers[] = {"description", "artifactData", "requiredApprovals", "rejectionPolicy",
                                                 "approversList"};

std::string text(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? json::as_string(*raw).value_or("") : std::string();
}

std::int64_t integer(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? json::as_int(*raw).value_or(0) : 0;
}

/// What the author left out of an approval's data is filled in, so that the payload is one that readers accept.
std::string approval_data(std::string_view given, const std::string& artifact_id, const std::string& title) {
  std::string out;
  {
    json::ObjectWriter data(out);
    const auto or_else = [&](std::string_view name, const std::string& fallback) {
      const std::string own = text(given, name);
      data.string(name, own.empty() ? fallback : own);
    };
    or_else("artifactId", artifact_id);
    or_else("artifactType", "approval");
    or_else("title", title.empty() ? "Approval" : title);
    data.raw("actions", json::member(given, "actions").value_or(R"(["accept","reject"])"));
    for (const std::string_view name : kApprovalMembers) {
      if (const auto value = json::member(given, name)) data.raw(name, *value);
    }
  }
  return out;
}

std::string title_of(const Workflow& workflow, std::string_view node_id) {
  const auto index = workflow.find_node(node_id);
  return index ? workflow.nodes[*index].name : std::string();
}

std::string artifact_id_of(const NodeInvocation& node) { return node.run_id.text() + ":" + std::string(node.node_id); }

NodeSuspend suspension(const NodeInvocation& node, InterruptKind kind, std::string data) {
  NodeSuspend suspend{.kind = kind, .data = std::move(data)};
  suspend.resume_schema = node.config_value("resumeSchema").value_or("");
  suspend.timeout_ms = integer(node.config, "timeoutMs");
  suspend.bearer_only = text(node.config, "profile") == kBearerOnlyProfile;
  return suspend;
}

bool has_port(const NodeInvocation& node, std::string_view port) {
  const auto index = node.workflow->find_node(node.node_id);
  if (!index) return false;
  const auto& edges = node.workflow->outgoing[*index];
  return std::any_of(edges.begin(), edges.end(),
                     [&](std::size_t edge) { return node.workflow->edges[edge].source_output == port; });
}

NodeCompleted along(std::string_view port, std::string_view outputs) {
  NodeCompleted completed;
  completed.outputs = outputs;
  completed.port = port;
  completed.default_port = approval_action_name(ApprovalAction::accept);
  return completed;
}

/// What an approval's answer leads to; nothing: ask again.
std::optional<NodeOutcome> after_decision(const NodeInvocation& node, std::string_view decision) {
  const std::string action = text(decision, "action");
  if (action == approval_action_name(ApprovalAction::refine)) {
    if (has_port(node, action)) return along(action, decision);
    return std::nullopt;
  }
  if (action != approval_action_name(ApprovalAction::reject)) {
    return along(approval_action_name(ApprovalAction::accept), decision);
  }
  if (has_port(node, action)) return along(action, decision);
  std::string details;
  json::ObjectWriter(details).string("decidedBy", text(decision, "decidedBy"));
  return Failure{"interrupt_rejected", "the approval was rejected", std::move(details)};
}

NodeOutcome approval(const NodeInvocation& node, std::string_view given) {
  if (const auto decision = node.resumed()) {
    if (auto outcome = after_decision(node, *decision)) return std::move(*outcome);
  }
  return suspension(node, InterruptKind::approval,
                    approval_data(given, artifact_id_of(node), title_of(*node.workflow, node.node_id)));
}

NodeOutcome approval_gate(const NodeInvocation& node) { return approval(node, node.config); }

std::string clarification_data(std::string_view config) {
  std::string out;
  {
    json::ObjectWriter data(out);
    data.raw("questions", json::member(config, "questions").value_or("[]"));
    if (const auto context = json::member(config, "contextType")) data.raw("contextType", *context);
  }
  return out;
}

NodeOutcome clarification_gate(const NodeInvocation& node) {
  if (const auto answer = node.resumed()) {
    NodeCompleted completed;
    completed.outputs = *answer;
    return completed;
  }
  return suspension(node, InterruptKind::clarification, clarification_data(node.config));
}

NodeOutcome interrupt(const NodeInvocation& node) {
  const std::string name = text(node.config, "kind");
  const InterruptKindInfo* info = find_interrupt_kind(name);
  if (info == nullptr) return Failure{"unsupported_interrupt_kind", "config.kind is no kind of interrupt"};
  const std::string_view data = node.config_value("data").value_or("{}");
  if (info->kind == InterruptKind::approval) return approval(node, data);
  const auto answer = node.resumed();
  if (!answer) return suspension(node, info->kind, std::string(data));
  NodeCompleted completed;
  if (json::kind(*answer) == json::Kind::object) {
    completed.outputs = *answer;
  } else {
    json::ObjectWriter(completed.outputs).raw("value", *answer);
  }
  return completed;
}

// ---- checks at registration ----

Error in_config(const Error& error) { return {ErrorCode::validation_error, "config: " + error.message}; }

Status check_common(const WorkflowNode& node) {
  const auto timeout = json::member(node.config, "timeoutMs");
  if (timeout && json::as_int(*timeout).value_or(-1) < 0) {
    return Error{ErrorCode::validation_error, "config.timeoutMs must be an integer of at least 0"};
  }
  if (const auto schema = json::member(node.config, "resumeSchema")) {
    if (auto checked = workflow::check_resume_schema(*schema); !checked) return in_config(checked.error());
  }
  return {};
}

Status check_data(const WorkflowNode& node, InterruptKind kind, std::string_view data) {
  if (auto checked = workflow::check_interrupt_data(kind, data); !checked) return in_config(checked.error());
  return check_common(node);
}

Status check_approval_gate(const WorkflowNode& node) {
  return check_data(node, InterruptKind::approval, approval_data(node.config, "id", node.name));
}

Status check_clarification_gate(const WorkflowNode& node) {
  return check_data(node, InterruptKind::clarification, clarification_data(node.config));
}

Status check_interrupt(const WorkflowNode& node) {
  const InterruptKindInfo* info = find_interrupt_kind(text(node.config, "kind"));
  if (info == nullptr) return Error{ErrorCode::validation_error, "config.kind is no kind of interrupt"};
  const std::string_view data = json::member(node.config, "data").value_or("{}");
  const bool is_approval = info->kind == InterruptKind::approval && json::kind(data) == json::Kind::object;
  return check_data(node, info->kind, is_approval ? approval_data(data, "id", node.name) : std::string(data));
}

}  // namespace

void add_gate_nodes(NodeRegistry& registry) {
  registry.add({"core.approvalGate", PureHandler(approval_gate), {}, check_approval_gate});
  registry.add({"core.clarificationGate", PureHandler(clarification_gate), {}, check_clarification_gate});
  registry.add({"core.interrupt", PureHandler(interrupt), {}, check_interrupt});
}

}  // namespace openwop::nodes
