#include "engine/port_values.h"

#include <algorithm>

namespace openwop::runtime {

namespace {

std::optional<std::string> as_owned(std::optional<std::string_view> raw) {
  if (!raw) return std::nullopt;
  return std::string(*raw);
}

std::optional<std::string> value_in(const VariableMap& values, std::string_view name) {
  const auto at = values.find(name);
  if (at == values.end()) return std::nullopt;
  return at->second;
}

Error missing(const WorkflowNode& node, std::string_view port, const std::string& why) {
  return Error{ErrorCode::validation_error, "input '" + std::string(port) + "' of node '" + node.id + "': " + why};
}

/// The value of one bound port; nothing when an optional source has none.
class PortResolver {
 public:
  PortResolver(const Workflow& workflow, const RunHeader& header, const RunState& state, const WorkflowNode& node,
               std::string_view port)
      : workflow_(workflow), header_(header), state_(state), node_(node), port_(port) {}

  Result<std::optional<std::string>> operator()(const StaticPort& bound) const { return std::optional(bound.value); }

  Result<std::optional<std::string>> operator()(const ExpressionPort& bound) const {
    RunScope scope(header_, state_, {}, {});
    auto value = bound.expression.evaluate(scope.read_as(workflow_, node_));
    if (!scope.access()) return scope.access().error();
    if (!value) return missing(node_, port_, value.error().message);
    return std::optional(std::move(*value));
  }

  Result<std::optional<std::string>> operator()(const ConnectionPort& bound) const {
    const WorkflowNode& source = workflow_.nodes[bound.node];
    const NodeState* state = state_.find_node(source.id);
    auto value = state == nullptr ? std::nullopt : as_owned(json::member(state->outputs, bound.output_key));
    if (!value && !bound.optional) {
      return missing(node_, port_, "node '" + source.id + "' has no output '" + bound.output_key + "'");
    }
    return value;
  }

  Result<std::optional<std::string>> operator()(const VariablePort& bound) const {
    auto value = value_in(state_.variables, bound.name);
    if (!value && !bound.optional) return missing(node_, port_, "variable '" + bound.name + "' has no value");
    return value;
  }

 private:
  const Workflow& workflow_;
  const RunHeader& header_;
  const RunState& state_;
  const WorkflowNode& node_;
  std::string_view port_;
};

}  // namespace

std::optional<std::string> RunScope::channel(std::string_view name) const {
  const WorkflowChannel* declared = workflow_ == nullptr ? nullptr : workflow_->find_channel(name);
  if (declared != nullptr && !declared->access.allows_read(reader_->id, reader_->type_id)) {
    access_ = channel_access_denied(name, reader_->id, reader_->type_id, "readers");
    return std::nullopt;
  }
  auto value = value_in(state_.channels, name);
  if (!value && declared != nullptr && !declared->default_value.empty()) value = declared->default_value;
  return value;
}

std::optional<std::string> RunScope::find(std::string_view root, std::string_view name) const {
  if (root == "variables") return value_in(state_.variables, name);
  if (root == "channels") return channel(name);
  if (root == "output") return as_owned(json::member(output_, name));
  if (root == "inputs") return as_owned(json::member(inputs_, name));
  if (root == "nodes") {
    const NodeState* node = state_.find_node(name);
    if (node == nullptr) return std::nullopt;
    std::string out;
    {
      json::ObjectWriter object(out);
      object.string("status", node_status_name(node->status));
      object.raw("outputs", node->outputs.empty() ? "{}" : node->outputs);
      if (!node->error.empty()) object.raw("error", node->error);
    }
    return out;
  }
  if (root == "run") {
    if (name == "workflowId") return json::quoted(header_.workflow_id);
    if (name == "nodeExecutions") return std::to_string(state_.node_executions);
    if (name == "inputs") return header_.inputs;
  }
  return std::nullopt;
}

Result<std::string> resolve_inputs(const Workflow& workflow, const RunHeader& header, const RunState& state,
                                   std::size_t node_index) {
  const WorkflowNode& node = workflow.nodes[node_index];
  if (node.inputs.empty() && workflow.incoming[node_index].empty()) return std::string("{}");
  std::string out;
  {
    json::ObjectWriter object(out);
    std::vector<std::string_view> bound;
    for (const auto& [port, source] : node.inputs) {
      auto value = std::visit(PortResolver(workflow, header, state, node, port), source);
      if (!value) return std::move(value).error();
      bound.push_back(port);
      if (*value) object.raw_member(port, **value);
    }
    // Edges carry data too: the source's output of that name, where the port is not bound otherwise.
    for (const std::size_t index : workflow.incoming[node_index]) {
      const WorkflowEdge& edge = workflow.edges[index];
      if (std::find(bound.begin(), bound.end(), edge.target_input) != bound.end()) continue;
      const NodeState* source = state.find_node(workflow.nodes[edge.source].id);
      if (source == nullptr || source->outputs.empty()) continue;
      if (const auto value = json::member(source->outputs, edge.source_output)) {
        object.raw_member(edge.target_input, *value);
        bound.push_back(edge.target_input);
      }
    }
  }
  return out;
}

}  // namespace openwop::runtime
