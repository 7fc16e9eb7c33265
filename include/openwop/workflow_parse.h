// Text of a workflow definition -> checked model (OpenWOP protocol 01 §21).
//
// parse_workflow() checks all that the model stands on: fields it reads and their types, ids, references, expressions,
// the graph. What the model does not hold (closed objects, patterns, lengths) is the schema's business: hosts call
// load_workflow() in workflow_check.h, which does both.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "openwop/detail/workflow_fields.h"
#include "openwop/hash.h"
#include "openwop/workflow.h"
#include "openwop/workflow_graph.h"
#include "openwop/workflow_problems.h"

namespace openwop {

inline constexpr std::size_t kMaxWorkflowBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxWorkflowNodes = 2000;
inline constexpr std::size_t kMaxWorkflowEdges = 10000;
inline constexpr std::size_t kMaxWorkflowVariables = 1000;
inline constexpr std::size_t kMaxWorkflowChannels = 1000;
inline constexpr std::size_t kMaxWorkflowTriggers = 1000;
inline constexpr std::size_t kMaxWorkflowGroups = 1000;

/// True for the type ids that the host can run; an empty function knows them all.
using KnownNodeTypes = std::function<bool(std::string_view type_id)>;

struct WorkflowParseOptions {
  std::size_t max_workflow_bytes = kMaxWorkflowBytes;
};

namespace detail {

class WorkflowParser {
 public:
  WorkflowParser(std::string_view source, const KnownNodeTypes& known)
      : compact_(json::minified(source)), known_(known), root_(problems_, "", compact_) {
    workflow_.source = source;
  }

  Result<Workflow> parse() {
    if (!root_.is_object()) return workflow_error(problems_);
    workflow_.id = root_.text("id");
    workflow_.name = root_.text("name");
    workflow_.version = root_.text("version");
    read_metadata();
    if (const auto schema = root_.raw("configurableSchema", json::Kind::object)) {
      workflow_.configurable_schema = *schema;
    }
    if (const auto raw = root_.raw("settings", json::Kind::object, Need::required)) {
      ObjectReader reader(problems_, root_.pointer("settings"), *raw);
      workflow_.settings = read_settings(reader);
    }
    read_channels();
    read_variables();
    read_nodes();
    read_edges();
    read_triggers();
    read_groups();
    // Cycles are judged once all nodes and edges are sound: a missing edge would make others look wrong.
    if (sound_) analyse_graph(workflow_, problems_);
    if (!problems_.empty()) return workflow_error(problems_);
    workflow_.digest = sha256_hex(workflow_.source);
    return std::move(workflow_);
  }

  std::vector<WorkflowProblem> take_problems() { return std::move(problems_); }

 private:
  // The elements of an array member.
  std::vector<std::string_view> list(std::string_view name, std::size_t min, std::size_t max) {
    const auto raw = root_.raw(name, json::Kind::array, name == "groups" ? Need::optional : Need::required);
    if (!raw) return {};
    auto elements = elements_of(*raw);
    if (elements.size() >= min && elements.size() <= max) return elements;
    root_.problem(name, elements.empty() ? "is empty" : "has more than " + std::to_string(max) + " elements");
    sound_ = false;
    return {};
  }

  // Calls read(reader) for each object of an array member, and notes those whose `key` was there before.
  template <class Read>
  void each(std::string_view name, std::string_view key, const std::vector<std::string_view>& elements, Read&& read) {
    std::unordered_set<std::string> seen;
    for (std::size_t i = 0; i < elements.size(); ++i) {
      ObjectReader reader(problems_, pointer_to(root_.pointer(name), i), elements[i]);
      if (!reader.is_object()) {
        sound_ = false;
        continue;
      }
      const std::string id = read(reader);
      if (!id.empty() && !seen.insert(id).second) {
        reader.problem(key, "'" + id + "' is used twice");
        sound_ = false;
      }
    }
  }

  void read_metadata() {
    const auto metadata = root_.raw("metadata", json::Kind::object, Need::required);
    const auto config = metadata ? json::member(*metadata, "complianceConfig") : std::nullopt;
    const auto mode = config ? json::member(*config, "maskingMode") : std::nullopt;
    if (!mode) return;
    workflow_.masking = masking_mode_of(json::as_string(*mode).value_or(""));
    if (workflow_.masking) return;
    problems_.push_back({root_.pointer("metadata") + "/complianceConfig/maskingMode", "has no known value"});
  }

  void read_channels() {
    const auto raw = root_.raw("channels", json::Kind::object);
    if (!raw) return;
    workflow_.declares_channels = true;
    const ObjectReader channels(problems_, root_.pointer("channels"), *raw);
    if (channels.members().size() > kMaxWorkflowChannels) {
      root_.problem("channels", "has more than " + std::to_string(kMaxWorkflowChannels) + " members");
      return;
    }
    for (const auto& [name, declaration] : channels.members()) {
      ObjectReader reader(problems_, channels.pointer(name), declaration);
      if (reader.is_object()) workflow_.channels.push_back(read_channel(name, declaration, reader, problems_));
      channel_names_.insert(name);
    }
  }

  void read_variables() {
    each("variables", "name", list("variables", 0, kMaxWorkflowVariables), [&](ObjectReader& reader) {
      workflow_.variables.push_back(read_variable(reader));
      const std::string& name = workflow_.variables.back().name;
      if (channel_names_.contains(name)) reader.problem("name", "'" + name + "' is also a channel");
      return name;
    });
  }

  void read_nodes() {
    const auto elements = list("nodes", 1, kMaxWorkflowNodes);
    if (elements.empty()) sound_ = false;
    for (std::size_t i = 0; i < elements.size(); ++i) {
      const auto id = json::member(elements[i], "id");
      if (auto text = id ? json::as_string(*id) : std::nullopt) node_indexes_.emplace(std::move(*text), i);
    }
    each("nodes", "id", elements, [&](ObjectReader& reader) {
      workflow_.nodes.push_back(read_node(reader, problems_, node_indexes_, known_));
      if (workflow_.nodes.back().id.empty()) sound_ = false;
      return workflow_.nodes.back().id;
    });
  }

  void read_edges() {
    each("edges", "id", list("edges", 0, kMaxWorkflowEdges), [&](ObjectReader& reader) {
      auto edge = read_edge(reader, node_indexes_);
      if (!edge) {
        sound_ = false;
        return std::string();
      }
      workflow_.edges.push_back(std::move(*edge));
      return workflow_.edges.back().id;
    });
  }

  void read_triggers() {
    each("triggers", "id", list("triggers", 0, kMaxWorkflowTriggers), [&](ObjectReader& reader) {
      std::string id = reader.text("id");
      const std::string type = reader.text("type");
      const auto node = reader.string("nodeId");
      if (node && !node_indexes_.contains(*node)) reader.problem("nodeId", "names no node");
      const auto config = reader.raw("config", json::Kind::object);
      if (type == "channel-write") read_channel_trigger(reader, config, id, node.value_or(""));
      return id;
    });
  }

  void read_channel_trigger(ObjectReader& trigger, std::optional<std::string_view> config, const std::string& id,
                            std::string node_id) {
    if (!config) {
      if (!trigger.raw("config")) trigger.problem("'config' is missing");
      return;
    }
    ObjectReader reader(problems_, trigger.pointer("config"), *config);
    const std::string channel = reader.text("channel");
    if (!channel.empty() && !channel_names_.contains(channel)) reader.problem("channel", "names no declared channel");
    constexpr std::int64_t kMaxDebounceMs = 60'000;
    const auto only_from = reader.one_of("onlyFrom", {"child", "parent", "any"}, ChannelTriggerSource::any);
    ChannelTrigger made{id,
                        channel,
                        std::move(node_id),
                        only_from,
                        reader.integer("debounceMs", 0, 0, kMaxDebounceMs),
                        trigger.boolean("enabled", true)};
    const auto node = node_indexes_.find(made.node_id);
    if (made.enabled && node != node_indexes_.end()) workflow_.nodes[node->second].started_by_writes = true;
    workflow_.channel_triggers.push_back(std::move(made));
  }

  void read_groups() {
    each("groups", "id", list("groups", 0, kMaxWorkflowGroups), [&](ObjectReader& reader) {
      const std::string pointer = reader.pointer("nodeIds");
      const auto members = elements_of(reader.raw("nodeIds", json::Kind::array, Need::required).value_or("[]"));
      for (std::size_t i = 0; i < members.size(); ++i) {
        const auto id = json::as_string(members[i]);
        if (id && node_indexes_.contains(*id)) continue;
        problems_.push_back({pointer_to(pointer, i), "names no node"});
      }
      return reader.text("id");
    });
  }

  std::string compact_;  // the source as it is read: what the model holds should be short
  const KnownNodeTypes& known_;
  std::vector<WorkflowProblem> problems_;
  ObjectReader root_;
  Workflow workflow_;
  NodeIndexes node_indexes_;
  std::unordered_set<std::string> channel_names_;
  bool sound_ = true;  // nodes and edges are all there
};

/// For a source that json::check() has passed. `problems`, if given, receives all of them: the Error has only the first
/// kMaxReportedProblems.
inline Result<Workflow> parse_checked_workflow(std::string_view source, const KnownNodeTypes& known,
                                               std::vector<WorkflowProblem>* problems = nullptr) {
  WorkflowParser parser(source, known);
  auto parsed = parser.parse();
  if (problems != nullptr) *problems = parser.take_problems();
  return parsed;
}

/// Nothing, or the error of a source that is too large or is not JSON.
inline Status check_workflow_json(std::string_view source, const WorkflowParseOptions& options) {
  auto checked = json::check(source, {.max_bytes = options.max_workflow_bytes});
  if (checked.ok() || checked.error().code != ErrorCode::validation_error) return checked;
  return workflow_error({{"", checked.error().message}});
}

}  // namespace detail

/// Errors: payload_too_large for a source above the limit; otherwise validation_error with every problem that was found
/// (workflow_problems() reads them).
inline Result<Workflow> parse_workflow(std::string_view source, const KnownNodeTypes& known,
                                       const WorkflowParseOptions& options = {}) {
  if (auto checked = detail::check_workflow_json(source, options); !checked) return std::move(checked).error();
  return detail::parse_checked_workflow(source, known);
}

}  // namespace openwop
