// core.start, core.end, core.noop, core.identity, core.fail, core.delay (protocol 01 §22.2).
#include <cmath>

#include "nodes/builtin_nodes.h"

namespace openwop::nodes {

namespace {

constexpr std::int64_t kDefaultDelayMs = 100;
constexpr std::int64_t kMaxDelayMs = std::int64_t{10} * 366 * 24 * 3600 * 1000;  // ten years

NodeOutcome noop(const NodeInvocation&) { return NodeCompleted{}; }

NodeOutcome pass_on(const NodeInvocation& node) {
  NodeCompleted completed;
  if (node.inputs != "{}") completed.outputs = node.inputs;
  return completed;
}

NodeOutcome fail(const NodeInvocation& node) {
  const auto text = [&](std::string_view key, std::string_view fallback) {
    const auto value = node.config_value(key);
    return value ? json::as_string(*value).value_or(std::string(fallback)) : std::string(fallback);
  };
  return Failure{text("code", "conformance_test_failure"), text("message", "Intentional conformance failure")};
}

/// Where the time comes from, in this order: config.ms, config.delayMs, the input port, 100 ms (trap T-28).
NodeOutcome delay(const NodeInvocation& node) {
  auto value = config_any(node, {"ms", "delayMs"});
  if (!value) value = node.input("delayMs");
  if (!value) return NodeSleep{node.now_ms + kDefaultDelayMs};
  const auto ms = json::as_number(*value);
  if (!ms || !std::isfinite(*ms) || *ms < 0 || *ms > static_cast<double>(kMaxDelayMs)) {
    return invalid_config("the delay must be a number of milliseconds from 0 to " + std::to_string(kMaxDelayMs));
  }
  return NodeSleep{node.now_ms + static_cast<std::int64_t>(*ms)};
}

}  // namespace

/// Copies each input port to the output of the same name, and into the variable of that name.
NodeOutcome identity(const NodeInvocation& node) {
  NodeCompleted completed;
  completed.outputs = node.inputs;
  json::for_each_member(node.inputs, [&](std::string_view port, std::string_view value) {
    completed.variables.push_back({json::unescape(port), std::string(value)});
    return true;
  });
  return completed;
}

void add_control_nodes(NodeRegistry& registry) {
  registry.add({"core.start", PureHandler(pass_on), {}, {}});
  registry.add({"core.end", PureHandler(pass_on), {}, {}});
  registry.add({"core.noop", PureHandler(noop), {}, {}});
  registry.add({"core.identity", PureHandler(identity), {}, {}});
  registry.add({"core.fail", PureHandler(fail), {}, {}});
  registry.add({"core.delay", PureHandler(delay), {}, {}});
}

}  // namespace openwop::nodes
