// core.conditional, core.loop, core.parallel, core.merge. The protocol fixes the names only; the meaning is ours:
//
//  core.conditional  config.condition (a condition object) or config.expression, or the input port `condition`.
//                    Output `result`; edges from port `true` or `false` are taken accordingly.
//  core.loop         config.maxIterations (default 100), config.condition or config.expression (go on while true),
//  input
//                    port `items` (one iteration each). Outputs `index`, `item`; edges from port `body` are taken for
//                    each iteration, those from `done` (and the default port) at the end.
//  core.parallel     takes all its edges at once.
//  core.merge        joins; its inputs become its outputs.
//
// In their expressions, `inputs` and `output` are the node's own inputs; the other roots are those of the run.
#include <algorithm>

#include "nodes/builtin_nodes.h"

namespace openwop::nodes {

namespace {

constexpr std::int64_t kDefaultMaxIterations = 100;

/// The condition of a node's config: nothing if there is none.
Result<std::optional<Condition>> condition_of(std::string_view config) {
  if (const auto object = json::member(config, "condition")) {
    std::string text(*object);
    if (json::kind(text) == json::Kind::string) text = R"({"type":"expression","expression":)" + text + "}";
    auto condition = Condition::parse(text);
    if (!condition) return std::move(condition).error();
    return std::optional<Condition>(std::move(*condition));
  }
  if (const auto expression = json::member(config, "expression")) {
    auto condition = Condition::parse(R"({"type":"expression","expression":)" + std::string(*expression) + "}");
    if (!condition) return std::move(condition).error();
    return std::optional<Condition>(std::move(*condition));
  }
  return std::optional<Condition>{};
}

/// The condition's value; `without` when there is none. Errors: validation_error.
Result<bool> holds(const NodeInvocation& node, bool without) {
  auto condition = condition_of(node.config);
  if (!condition) return std::move(condition).error();
  if (!condition->has_value()) return without;
  return (*condition)->holds(*node.scope);
}

NodeOutcome conditional(const NodeInvocation& node) {
  const auto input = node.input("condition");
  const auto result = holds(node, input && truthy(*input));
  if (!result) return invalid_config(result.error().message);
  NodeCompleted completed;
  completed.outputs = *result ? R"({"result":true})" : R"({"result":false})";
  completed.port = *result ? "true" : "false";
  return completed;
}

Status check_conditional(const WorkflowNode& node) {
  auto condition = condition_of(node.config);
  if (!condition) return std::move(condition).error();
  const bool bound =
      std::any_of(node.inputs.begin(), node.inputs.end(), [](const auto& in) { return in.first == "condition"; });
  if (condition->has_value() || bound) return {};
  return Error{ErrorCode::validation_error,
               "config must have a 'condition' or 'expression', or the input 'condition' be bound"};
}

NodeOutcome loop(const NodeInvocation& node) {
  const auto limit = node.config_as<std::int64_t>("maxIterations");
  const std::int64_t max_iterations = limit ? *limit : kDefaultMaxIterations;
  const std::int64_t index = node.loop_index;
  std::optional<std::string_view> item;
  const auto items = node.input("items");
  if (items) {
    if (json::kind(*items) != json::Kind::array) return invalid_config("input 'items' must be an array");
    std::int64_t at = 0;
    json::for_each_element(*items, [&](std::string_view element) {
      if (at++ == index) item = element;
      return !item.has_value();
    });
  }
  const auto wanted = holds(node, true);
  if (!wanted) return invalid_config(wanted.error().message);
  const bool again = *wanted && index < max_iterations && (!items || item);
  NodeCompleted completed;
  {
    json::ObjectWriter outputs(completed.outputs);
    outputs.integer("index", index);
    if (again && item) outputs.raw("item", *item);
  }
  completed.port = again ? "body" : "done";
  completed.default_port = "done";
  return completed;
}

Status check_loop(const WorkflowNode& node) {
  if (const auto limit = json::member(node.config, "maxIterations")) {
    if (json::as_int(*limit).value_or(0) < 1) {
      return Error{ErrorCode::validation_error, "config.maxIterations must be an integer of at least 1"};
    }
  }
  auto condition = condition_of(node.config);
  if (!condition) return std::move(condition).error();
  return {};
}

NodeOutcome pass_on(const NodeInvocation& node) {
  NodeCompleted completed;
  if (node.inputs != "{}") completed.outputs = node.inputs;
  return completed;
}

}  // namespace

void add_branching_nodes(NodeRegistry& registry) {
  registry.add({"core.conditional", PureHandler(conditional), {}, check_conditional});
  registry.add({"core.loop", PureHandler(loop), {}, check_loop});
  registry.add({"core.parallel", PureHandler(pass_on), {}, {}});
  registry.add({"core.merge", PureHandler(pass_on), {}, {}});
}

}  // namespace openwop::nodes
