// core.setVariable, core.getVariable, core.channelWrite (protocol 01 §22.2, 02 §8).
#include "nodes/builtin_nodes.h"
#include "openwop/reducers.h"

namespace openwop::nodes {

namespace {

std::string string_config(const NodeInvocation& node, std::initializer_list<std::string_view> names) {
  const auto value = config_any(node, names);
  return value ? json::as_string(*value).value_or("") : std::string();
}

std::int64_t integer_config(const NodeInvocation& node, std::string_view name) {
  const auto value = node.config_value(name);
  return value ? json::as_int(*value).value_or(0) : 0;
}

/// The bound input, else the constant of the config.
std::optional<std::string_view> value_of(const NodeInvocation& node) {
  const auto bound = node.input("value");
  return bound ? bound : node.config_value("value");
}

NodeOutcome set_variable(const NodeInvocation& node) {
  const auto value = value_of(node);
  if (!value) return invalid_config("neither the input 'value' nor config.value is there");
  NodeCompleted completed;
  json::ObjectWriter(completed.outputs).raw("value", *value);
  completed.variables.push_back({string_config(node, {"name", "variableName"}), std::string(*value)});
  return completed;
}

NodeOutcome get_variable(const NodeInvocation& node) {
  const std::string name = string_config(node, {"name", "variableName"});
  const auto at = node.variables->find(name);
  const auto fallback = node.config_value("default");
  NodeCompleted completed;
  json::ObjectWriter(completed.outputs)
      .raw("value", at != node.variables->end() ? std::string_view(at->second) : fallback.value_or("null"));
  return completed;
}

NodeOutcome channel_write(const NodeInvocation& node) {
  const auto value = value_of(node);
  if (!value) return invalid_config("neither the input 'value' nor config.value is there");
  ChannelWrite write;
  write.channel = string_config(node, {"channelName", "channel"});
  write.value = *value;
  const std::string reducer = string_config(node, {"reducer"});
  if (!reducer.empty()) write.reducer = reducer;
  write.ttl_ms = integer_config(node, "ttlMs");
  write.max_size = integer_config(node, "maxSize");
  NodeCompleted completed;
  completed.channels.push_back(std::move(write));
  return completed;
}

Status check_channel_config(const WorkflowNode& node) {
  if (auto named = require_string(node, {"channelName", "channel"}); !named) return named;
  const auto reducer = json::member(node.config, "reducer");
  if (reducer && !reducer_of(json::as_string(*reducer).value_or(""))) {
    return Error{ErrorCode::validation_error, "config.reducer is not a known reducer"};
  }
  for (const std::string_view name : {"ttlMs", "maxSize"}) {
    const auto value = json::member(node.config, name);
    if (value && json::as_int(*value).value_or(0) < 1) {
      return Error{ErrorCode::validation_error, "config." + std::string(name) + " must be an integer of at least 1"};
    }
  }
  return {};
}

Status check_variable_config(const WorkflowNode& node) { return require_string(node, {"name", "variableName"}); }

}  // namespace

void add_data_nodes(NodeRegistry& registry) {
  registry.add({"core.setVariable", PureHandler(set_variable), {}, check_variable_config});
  registry.add({"core.getVariable", PureHandler(get_variable), {}, check_variable_config});
  registry.add({"core.channelWrite", PureHandler(channel_write), {}, check_channel_config});
}

}  // namespace openwop::nodes
