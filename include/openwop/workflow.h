// The workflow model: a definition after it has been parsed and its graph checked (OpenWOP workflow-definition schema;
// protocol 01 §21). Made by parse_workflow() in workflow_parse.h; immutable afterwards and safe to share between
// threads.
//
// `source` keeps the document byte for byte: read-back, hashing and pinning use it, never a re-serialization.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openwop/expression.h"
#include "openwop/redaction.h"

namespace openwop {

struct StaticPort {
  std::string value;  // serialized JSON
};
struct ExpressionPort {
  Expression expression;
};
struct ConnectionPort {
  std::size_t node = 0;  // index in Workflow::nodes
  std::string output_key;
  bool optional = false;
};
struct VariablePort {
  std::string name;
  bool optional = false;
};
using PortValue = std::variant<StaticPort, ExpressionPort, ConnectionPort, VariablePort>;

struct WorkflowNode {
  std::string id;
  std::string type_id;
  std::string name;
  std::string config = "{}";    // serialized JSON object
  std::string settings = "{}";  // serialized JSON object
  std::string agent;            // serialized AgentRef, or empty
  /// Not empty: what the node gives as outputs is also kept as an artifact of this type.
  std::string artifact_type;
  std::vector<std::pair<std::string, PortValue>> inputs;
  bool disabled = false;
  /// A `channel-write` trigger starts the node: without incoming edges it waits for a write (protocol 02 §8.8).
  bool started_by_writes = false;
  /// Output ports whose values are masked in `node.completed`.
  std::vector<std::string> sensitive_outputs;
};

/// When the target of an edge may start, judged over the target's incoming edges that carry the same rule; a node whose
/// edges carry several rules waits until each of them holds (protocol 01 §21.3 names the rules only).
enum class TriggerRule : std::uint8_t { all_success, any_success, all_complete, none_failed, any_failed };

struct WorkflowEdge {
  std::string id;
  std::size_t source = 0;  // index in Workflow::nodes
  std::size_t target = 0;
  std::string source_output = "output";
  std::string target_input = "input";
  std::optional<Condition> condition;
  TriggerRule trigger_rule = TriggerRule::all_success;
  /// The edge closes a cycle: following it starts the next iteration of its loop body, and its target never waits for
  /// it.
  bool loopback = false;
  /// Some loop body holds the source and not the target: not taken in one iteration, the edge may be in a later one.
  bool leaves_loop = false;
  /// For a loopback: indexes of the nodes that run again, target first (the natural loop of the edge).
  std::vector<std::size_t> loop_body;
};

enum class VariableType : std::uint8_t { string, number, boolean, object, array };
inline constexpr std::array<std::string_view, 5> kVariableTypeNames = {"string", "number", "boolean", "object",
                                                                       "array"};
inline constexpr std::array<json::Kind, 5> kVariableKinds = {
    json::Kind::string, json::Kind::number, json::Kind::boolean, json::Kind::object, json::Kind::array};

constexpr std::string_view variable_type_name(VariableType type) {
  return kVariableTypeNames[static_cast<std::size_t>(type)];
}
/// True if the serialized value is of the type.
inline bool has_type(VariableType type, std::string_view value) {
  return json::kind(value) == kVariableKinds[static_cast<std::size_t>(type)];
}

struct WorkflowVariable {
  std::string name;
  VariableType type = VariableType::string;
  bool required = false;
  bool sensitive = false;
  std::string default_value;  // serialized JSON, or empty when there is none
};

enum class Reducer : std::uint8_t { replace, append, merge, counter, votes, feedback, message, vendor };

/// Who may read or write a channel (protocol 02 §8.3): entries are node ids or patterns of type ids (`core.ai.*`, `*`).
struct ChannelAccess {
  bool closed = false;                              // "private": nobody
  std::optional<std::vector<std::string>> readers;  // nothing: everybody
  std::optional<std::vector<std::string>> writers;

  [[nodiscard]] bool allows_read(std::string_view node_id, std::string_view type_id) const {
    return allows(readers, node_id, type_id);
  }
  [[nodiscard]] bool allows_write(std::string_view node_id, std::string_view type_id) const {
    return allows(writers, node_id, type_id);
  }

 private:
  [[nodiscard]] bool allows(const std::optional<std::vector<std::string>>& list, std::string_view node_id,
                            std::string_view type_id) const {
    if (closed) return false;
    if (!list) return true;
    for (const std::string& entry : *list) {
      const std::string_view stem = std::string_view(entry).substr(0, entry.size() - (entry.ends_with('*') ? 1 : 0));
      const bool matches =
          stem.size() < entry.size() ? type_id.starts_with(stem) : entry == node_id || entry == type_id;
      if (matches) return true;
    }
    return false;
  }
};

struct WorkflowChannel {
  std::string name;
  Reducer reducer = Reducer::replace;
  std::string reducer_name = "replace";
  std::string default_value;  // serialized JSON, or empty
  std::int64_t max_size = 0;  // 0 = unbounded
  std::int64_t ttl_ms = 0;    // 0 = none
  std::int64_t schema_version = 1;
  /// Older schema versions whose writes are still read under the current schema.
  std::vector<std::int64_t> compatible_with;
  std::string schema;  // serialized JSON Schema of each write, or empty
  ChannelAccess access;
  bool sensitive = false;
  std::string source;  // the whole declaration
};

enum class ChannelTriggerSource : std::uint8_t { child, parent, any };

/// A `channel-write` trigger (protocol 02 §8.8).
struct ChannelTrigger {
  std::string id;
  std::string channel;
  std::string node_id;  // empty: names no node to start
  ChannelTriggerSource only_from = ChannelTriggerSource::any;
  std::int64_t debounce_ms = 0;
  bool enabled = true;
};

struct WorkflowSettings {
  std::int64_t timeout_ms = 0;  // 0 = none
  std::int64_t max_retries = 0;
  std::int64_t max_loopback_iterations = 5;
};

struct Workflow {
  std::string id;
  std::string name;
  std::string version;
  std::string source;
  /// Lower-case hex SHA-256 of `source`: the identity that a run is pinned to.
  std::string digest;

  std::vector<WorkflowNode> nodes;
  std::vector<WorkflowEdge> edges;
  std::vector<WorkflowVariable> variables;
  std::vector<WorkflowChannel> channels;
  bool declares_channels = false;
  std::vector<ChannelTrigger> channel_triggers;
  /// metadata.complianceConfig.maskingMode.
  std::optional<MaskingMode> masking;
  WorkflowSettings settings;
  std::string configurable_schema;  // serialized JSON Schema, or empty

  // Derived from the graph.
  std::vector<std::vector<std::size_t>> outgoing;  // node -> edges, in document order
  std::vector<std::vector<std::size_t>> incoming;  // node -> edges without loopbacks, in document order
  std::vector<std::size_t> entries;                // nodes that start a run
  /// Nodes that belong to some loop body: a dead edge out of one may come alive in a later iteration.
  std::vector<bool> in_loop;

  [[nodiscard]] std::optional<std::size_t> find_node(std::string_view node_id) const {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i].id == node_id) return i;
    }
    return std::nullopt;
  }
  [[nodiscard]] const WorkflowVariable* find_variable(std::string_view variable_name) const {
    for (const auto& variable : variables) {
      if (variable.name == variable_name) return &variable;
    }
    return nullptr;
  }
  [[nodiscard]] const WorkflowChannel* find_channel(std::string_view channel_name) const {
    for (const auto& channel : channels) {
      if (channel.name == channel_name) return &channel;
    }
    return nullptr;
  }
};

}  // namespace openwop
