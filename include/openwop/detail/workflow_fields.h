// Parts of a workflow definition -> parts of the model (protocol 01 §21.2 to §21.7).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "openwop/detail/workflow_reader.h"
#include "openwop/workflow.h"

namespace openwop {

inline constexpr std::size_t kMaxNodePorts = 256;

}  // namespace openwop

namespace openwop::detail {

using NodeIndexes = std::unordered_map<std::string, std::size_t>;

// ---- expressions and conditions ----

inline std::optional<Condition> read_condition(ObjectReader& owner, std::string_view name, std::string_view raw) {
  auto condition = Condition::parse(raw);
  if (condition.ok()) return std::move(condition).value();
  owner.problem(name, condition.error().message);
  return std::nullopt;
}

inline std::optional<Expression> read_expression(ObjectReader& owner, std::string_view name, Need need) {
  const auto text = owner.string(name, need);
  if (!text) return std::nullopt;
  auto expression = Expression::parse(*text);
  if (expression.ok()) return std::move(expression).value();
  owner.problem(name, expression.error().message);
  return std::nullopt;
}

// ---- nodes ----

inline std::optional<PortValue> read_connection(ObjectReader& port, const NodeIndexes& node_indexes) {
  ConnectionPort connection;
  const std::string node_id = port.text("nodeId");
  connection.output_key = port.text("outputKey");
  connection.optional = port.boolean("optional", false);
  const auto found = node_indexes.find(node_id);
  if (found == node_indexes.end()) {
    if (!node_id.empty()) port.problem("nodeId", "names no node");
    return std::nullopt;
  }
  connection.node = found->second;
  return connection;
}

inline std::optional<PortValue> read_port(ObjectReader& port, const NodeIndexes& node_indexes) {
  const std::string type = port.text("type");
  if (type == "static") {
    const auto value = port.raw("value", Need::required);
    return value ? std::optional<PortValue>(StaticPort{std::string(*value)}) : std::nullopt;
  }
  if (type == "expression") {
    auto expression = read_expression(port, "expression", Need::required);
    return expression ? std::optional<PortValue>(ExpressionPort{std::move(*expression)}) : std::nullopt;
  }
  if (type == "connection") return read_connection(port, node_indexes);
  if (type == "variable") {
    std::string name = port.text("variableName");
    return VariablePort{std::move(name), port.boolean("optional", false)};
  }
  if (!type.empty()) port.problem("type", "has no known value");
  return std::nullopt;
}

/// Built-in nodes that take a condition in their configuration: a text that cannot be parsed is refused here, not when
/// the node runs.
inline void check_node_config(const WorkflowNode& node, std::vector<WorkflowProblem>& problems, std::string pointer) {
  if (node.type_id != "core.conditional" && node.type_id != "core.loop") return;
  ObjectReader config(problems, std::move(pointer), node.config);
  if (config.raw("expression")) (void)read_expression(config, "expression", Need::optional);
  const auto condition = config.raw("condition");
  if (!condition) return;
  if (json::kind(*condition) == json::Kind::string) {
    (void)read_expression(config, "condition", Need::optional);
  } else {
    (void)read_condition(config, "condition", *condition);
  }
}

inline void read_inputs(WorkflowNode& node, ObjectReader& reader, std::vector<WorkflowProblem>& problems,
                        const NodeIndexes& node_indexes) {
  const auto inputs = reader.raw("inputs", json::Kind::object, Need::required);
  if (!inputs) return;
  const ObjectReader ports(problems, reader.pointer("inputs"), *inputs);
  if (ports.members().size() > kMaxNodePorts) {
    reader.problem("inputs", "has more than " + std::to_string(kMaxNodePorts) + " members");
    return;
  }
  for (const auto& [name, raw] : ports.members()) {
    ObjectReader port(problems, ports.pointer(name), raw);
    if (!port.is_object()) continue;
    if (auto value = read_port(port, node_indexes)) node.inputs.emplace_back(name, std::move(*value));
  }
}

inline void read_sensitive_outputs(WorkflowNode& node, ObjectReader& reader) {
  const auto sensitivity = reader.raw("outputSensitivity", json::Kind::object);
  if (!sensitivity) return;
  bool sound = true;
  json::for_each_member(*sensitivity, [&](std::string_view name, std::string_view value) {
    const auto sensitive = json::as_bool(value);
    sound = sound && sensitive.has_value();
    if (sensitive.value_or(false)) node.sensitive_outputs.push_back(json::unescape(name));
    return true;
  });
  if (!sound) reader.problem("outputSensitivity", "has to hold booleans");
  if (node.sensitive_outputs.size() <= kMaxNodePorts) return;
  reader.problem("outputSensitivity", "names more than " + std::to_string(kMaxNodePorts) + " ports");
}

inline WorkflowNode read_node(ObjectReader& reader, std::vector<WorkflowProblem>& problems,
                              const NodeIndexes& node_indexes, const std::function<bool(std::string_view)>& known) {
  WorkflowNode node;
  node.id = reader.text("id");
  node.type_id = reader.text("typeId");
  node.name = reader.text("name");
  (void)reader.raw("position", json::Kind::object, Need::required);
  if (!node.type_id.empty() && known && !known(node.type_id)) {
    reader.problem("typeId", "unknown node type '" + node.type_id + "'");
  }
  if (const auto config = reader.raw("config", json::Kind::object, Need::required)) {
    node.config = *config;
    check_node_config(node, problems, reader.pointer("config"));
  }
  if (const auto settings = reader.raw("settings", json::Kind::object)) node.settings = *settings;
  if (const auto agent = reader.raw("agent", json::Kind::object)) node.agent = *agent;
  node.artifact_type = reader.string("artifactType").value_or("");
  node.disabled = reader.boolean("disabled", false);
  read_inputs(node, reader, problems, node_indexes);
  read_sensitive_outputs(node, reader);
  return node;
}

// ---- edges ----

/// Nothing if an end of the edge is no node.
inline std::optional<WorkflowEdge> read_edge(ObjectReader& reader, const NodeIndexes& node_indexes) {
  WorkflowEdge edge;
  edge.id = reader.text("id");
  const auto end = [&](std::string_view name) -> std::optional<std::size_t> {
    const std::string node_id = reader.text(name);
    const auto found = node_indexes.find(node_id);
    if (found != node_indexes.end()) return found->second;
    if (!node_id.empty()) reader.problem(name, "names no node");
    return std::nullopt;
  };
  const auto source = end("sourceNodeId");
  const auto target = end("targetNodeId");
  edge.source_output = reader.string("sourceOutput").value_or("output");
  edge.target_input = reader.string("targetInput").value_or("input");
  edge.trigger_rule =
      reader.one_of("triggerRule", {"all_success", "any_success", "all_complete", "none_failed", "any_failed"},
                    TriggerRule::all_success);
  if (const auto condition = reader.raw("condition", json::Kind::object)) {
    edge.condition = read_condition(reader, "condition", *condition);
  }
  if (!source || !target) return std::nullopt;
  edge.source = *source;
  edge.target = *target;
  return edge;
}

// ---- variables, channels, settings ----

inline WorkflowVariable read_variable(ObjectReader& reader) {
  WorkflowVariable variable;
  variable.name = reader.text("name");
  variable.type =
      reader.one_of("type", {"string", "number", "boolean", "object", "array"}, VariableType::string, Need::required);
  variable.required = reader.boolean("required", false);
  variable.sensitive = reader.boolean("sensitive", false);
  if (const auto value = reader.raw("defaultValue")) {
    variable.default_value = *value;
    if (!has_type(variable.type, *value)) {
      const json::Kind kind = kVariableKinds[static_cast<std::size_t>(variable.type)];
      reader.problem("defaultValue", std::string("has to be ") + ObjectReader::kind_name(kind));
    }
  }
  return variable;
}

/// `vendor.<org>.<name>`, both in lower case.
inline bool is_vendor_reducer(std::string_view name) {
  constexpr std::string_view kPrefix = "vendor.";
  if (!name.starts_with(kPrefix)) return false;
  name.remove_prefix(kPrefix.size());
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return false;
  const auto is_part = [](std::string_view part) {
    return !part.empty() && part[0] >= 'a' && part[0] <= 'z' &&
           part.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string_view::npos;
  };
  return is_part(name.substr(0, dot)) && is_part(name.substr(dot + 1));
}

inline std::optional<std::vector<std::string>> read_access_list(ObjectReader& access, std::string_view name) {
  const auto raw = access.raw(name, json::Kind::array);
  if (!raw) return std::nullopt;
  std::vector<std::string> entries;
  bool sound = true;
  for (const std::string_view element : elements_of(*raw)) {
    auto text = json::as_string(element);
    sound = sound && text && !text->empty();
    if (text) entries.push_back(std::move(*text));
  }
  if (!sound) access.problem(name, "has to hold node ids or patterns of type ids");
  return entries;
}

inline ChannelAccess read_access(ObjectReader& channel, std::vector<WorkflowProblem>& problems) {
  ChannelAccess access;
  const auto raw = channel.raw("access");
  if (!raw) return access;
  if (const auto word = json::as_string(*raw)) {
    access.closed = *word == "private";
    if (!access.closed && *word != "public") channel.problem("access", "has no known value");
    return access;
  }
  ObjectReader reader(problems, channel.pointer("access"), *raw);
  access.readers = read_access_list(reader, "readers");
  access.writers = read_access_list(reader, "writers");
  return access;
}

inline WorkflowChannel read_channel(std::string name, std::string_view raw, ObjectReader& reader,
                                    std::vector<WorkflowProblem>& problems) {
  constexpr std::int64_t kMaxTtlMs = 31'536'000'000;  // a year
  WorkflowChannel channel;
  channel.name = std::move(name);
  channel.source = raw;
  channel.reducer_name = reader.text("reducer");
  if (is_vendor_reducer(channel.reducer_name)) {
    channel.reducer = Reducer::vendor;
  } else if (!channel.reducer_name.empty()) {
    channel.reducer = reader.one_of(
        "reducer", {"replace", "append", "merge", "counter", "votes", "feedback", "message"}, Reducer::replace);
  }
  if (const auto value = reader.raw("default")) channel.default_value = *value;
  channel.max_size = reader.integer("maxSize", 0, 1);
  channel.ttl_ms = reader.integer("ttlMs", 0, 1, kMaxTtlMs);
  channel.schema_version = reader.integer("schemaVersion", 1, 1);
  if (const auto older = reader.raw("compatibleWith", json::Kind::array)) {
    for (const std::string_view element : elements_of(*older)) {
      const std::int64_t version = json::as_int(element).value_or(0);
      if (version < 1) reader.problem("compatibleWith", "has to hold integers of at least 1");
      channel.compatible_with.push_back(version);
    }
  }
  if (const auto schema = reader.raw("schema", json::Kind::object)) channel.schema = *schema;
  channel.access = read_access(reader, problems);
  channel.sensitive = reader.boolean("sensitive", false);
  return channel;
}

inline WorkflowSettings read_settings(ObjectReader& reader) {
  WorkflowSettings settings;
  settings.timeout_ms = reader.integer("timeout", settings.timeout_ms, 0);
  settings.max_retries = reader.integer("maxRetries", settings.max_retries, 0);
  settings.max_loopback_iterations = reader.integer("maxLoopbackIterations", settings.max_loopback_iterations, 1);
  return settings;
}

}  // namespace openwop::detail
