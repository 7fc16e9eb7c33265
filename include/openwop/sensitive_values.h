// The texts inside a run's sensitive values: what is marked as sensitive stays hidden wherever a node copies it to, not
// only where it was marked (protocol 02 §11.1).
//
// Thread-safety: a free function.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "openwop/run_state.h"
#include "openwop/workflow.h"

namespace openwop {

/// Shorter texts are ordinary words: to replace them everywhere would hide what nobody marked.
inline constexpr std::size_t kMinSensitiveTextBytes = 6;

namespace detail {
inline void collect_texts(std::string_view value, std::vector<std::string>& texts) {
  switch (json::kind(value)) {
    case json::Kind::string:
      if (auto text = json::as_string(value); text && text->size() >= kMinSensitiveTextBytes) {
        texts.push_back(std::move(*text));
      }
      break;
    case json::Kind::array:
      json::for_each_element(value, [&](std::string_view element) {
        collect_texts(element, texts);
        return true;
      });
      break;
    case json::Kind::object:
      json::for_each_member(value, [&](std::string_view, std::string_view member) {
        collect_texts(member, texts);
        return true;
      });
      break;
    case json::Kind::null:
    case json::Kind::boolean:
    case json::Kind::number:
    case json::Kind::invalid: break;
  }
}
}  // namespace detail

/// Calls `visit(raw)` for each sensitive variable, channel and node output that has a value.
template <class Visit>
void for_each_sensitive_value(const Workflow& workflow, const RunState& state, Visit&& visit) {
  for (const WorkflowVariable& variable : workflow.variables) {
    const auto at = variable.sensitive ? state.variables.find(variable.name) : state.variables.end();
    if (at != state.variables.end()) visit(std::string_view(at->second));
  }
  for (const WorkflowChannel& channel : workflow.channels) {
    const auto at = channel.sensitive ? state.channels.find(channel.name) : state.channels.end();
    if (at != state.channels.end()) visit(std::string_view(at->second));
  }
  for (const WorkflowNode& node : workflow.nodes) {
    const NodeState* done = node.sensitive_outputs.empty() ? nullptr : state.find_node(node.id);
    if (done == nullptr) continue;
    for (const std::string& port : node.sensitive_outputs) {
      if (const auto value = json::member(done->outputs, port)) visit(*value);
    }
  }
}

[[nodiscard]] inline std::vector<std::string> sensitive_texts(const Workflow& workflow, const RunState& state) {
  std::vector<std::string> texts;
  for_each_sensitive_value(workflow, state, [&](std::string_view raw) { detail::collect_texts(raw, texts); });
  return texts;
}

}  // namespace openwop
