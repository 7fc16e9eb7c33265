// Nodes: how a host gives the engine something to run. A NodeType has an id (`vendor.acme.charge`) and one of three
// kinds of handler:
//
//  - PureHandler   computes on the engine's own thread: no I/O, no waiting, no side effects, same answer for same
//  input.
//                  Several pure nodes in a row cost one commit.
//  - SyncHandler   runs on the executor and may block. It runs after `node.started` is durable.
//  - AsyncHandler  starts work on the executor and answers later through its Completion, once, from any thread.
//
// A handler may run again: after a retryable failure (attempt + 1), or with the same attempt after a crash or after a
// commit of its run that failed in the store. Effects that must not be repeated go through NodeContext::step().
//
// Thread-safety: a NodeRegistry is filled before the engine opens and only read afterwards. A NodeContext may be used
// from any thread while its handler has not completed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "openwop/ids.h"
#include "openwop/json.h"
#include "openwop/run_command.h"
#include "openwop/workflow.h"

namespace openwop {

/// Name -> serialized JSON.
using VariableMap = std::map<std::string, std::string, std::less<>>;

/// The facts of one execution of one node. The same for every re-run of the same attempt, but for `variables`.
struct NodeInvocation {
  RunId run_id;
  std::string_view tenant;
  std::string_view workflow_id;
  std::string_view node_id;
  std::string_view type_id;
  std::string_view config;        // serialized object
  std::string_view inputs;        // serialized object: input port -> value
  std::string_view configurable;  // serialized object: the run's options as the caller sent them
  /// As of the start of the execution; a re-run after a crash sees what parallel branches have written since.
  const VariableMap* variables = nullptr;
  /// For pure handlers: what expressions of this node are evaluated in. Null for others.
  const ExpressionScope* scope = nullptr;
  std::uint32_t attempt = 0;    // zero-based
  std::uint32_t iteration = 0;  // how often loops have reset the node in this run
  /// How often the loopbacks to this node were followed since the loop around them, if any, began anew.
  std::uint32_t loop_index = 0;
  /// When the attempt started: the time a handler should go by, so that a re-run sees the same.
  std::int64_t now_ms = 0;
  const Workflow* workflow = nullptr;

  /// Raw JSON of an input port or config member, or nothing.
  [[nodiscard]] std::optional<std::string_view> input(std::string_view port) const {
    return json::member(inputs, port);
  }
  [[nodiscard]] std::optional<std::string_view> config_value(std::string_view key) const {
    return json::member(config, key);
  }
  /// Typed access: T is std::string, std::int64_t, double or bool. Errors: validation_error naming the port or key when
  /// it is missing or of another type.
  template <class T>
  [[nodiscard]] Result<T> input_as(std::string_view port) const;
  template <class T>
  [[nodiscard]] Result<T> config_as(std::string_view key) const;
};

struct VariableWrite {
  std::string name;
  std::string value;  // serialized JSON
};

struct ChannelWrite {
  std::string channel;
  std::string value;  // serialized JSON
  /// For a channel that the workflow does not declare; declared ones use their declaration.
  std::string reducer = "append";
  std::int64_t ttl_ms = 0;
  std::int64_t max_size = 0;
};

/// A row of the host's own, written in the commit that records the node's completion (see Engine::host_get).
struct HostWrite {
  std::string key;
  std::optional<std::string> value;  // nothing: erase
};

struct NodeCompleted {
  std::string outputs = {};  // serialized object, or empty for none
  /// Take only edges whose `sourceOutput` is this port, and edges from the default port `output`. Empty: all edges.
  std::string port = {};
  /// With a port: edges from the default port `output` are taken only together with this port's name. Empty: always.
  std::string default_port = {};
  std::vector<VariableWrite> variables = {};
  std::vector<ChannelWrite> channels = {};
  std::vector<HostWrite> host_writes = {};
  /// Events of the node's own: log.appended, artifact.created, output.chunk, vendor types.
  std::vector<Event> events = {};
};

/// Only for pure handlers: the node waits, holding nothing, and completes when the time has come.
struct NodeSleep {
  std::int64_t due_ms = 0;
};

using NodeOutcome = std::variant<NodeCompleted, Failure, NodeSleep>;

/// What a SyncHandler or AsyncHandler works with.
class NodeContext {
 public:
  virtual ~NodeContext() = default;

  [[nodiscard]] virtual const NodeInvocation& invocation() const = 0;

  [[nodiscard]] std::optional<std::string_view> input(std::string_view port) const { return invocation().input(port); }
  template <class T>
  [[nodiscard]] Result<T> input_as(std::string_view port) const {
    return invocation().input_as<T>(port);
  }
  template <class T>
  [[nodiscard]] Result<T> config_as(std::string_view key) const {
    return invocation().config_as<T>(key);
  }

  /// Recorded time: when this attempt started. The same in every re-run.
  [[nodiscard]] std::int64_t now_ms() const { return invocation().now_ms; }
  /// Deterministic random numbers: the same sequence in every re-run of this attempt.
  [[nodiscard]] virtual std::uint64_t random() = 0;

  /// True once the run was cancelled or ended, or the node timed out: stop early, the outcome will not count.
  [[nodiscard]] virtual bool cancelled() const = 0;
  /// Called once, from any thread, when that happens; at once if it already has; never after the handler has answered.
  /// It may run while a handler is about to return: let it own what it refers to. It must be quick and not block.
  virtual void on_cancel(std::function<void()> callback) = 0;

  /// Runs `effect` at most once per (run, node, attempt, key): its outcome, success or failure, is durable before this
  /// returns, and a re-run gets it back without a call (OpenWOP idempotency layer 2). Blocks; call it from the
  /// executor. If the process dies inside `effect`, the next run calls it again: send invocation_id(key) to the
  /// provider as its idempotency key. Errors: the effect's own; service_unavailable when the outcome could not be
  /// stored.
  [[nodiscard]] virtual Result<std::string> step(std::string_view key,
                                                 const std::function<Result<std::string>()>& effect) = 0;
  /// SHA-256 hex of `runId:nodeId:attempt:key`; from the second iteration of a loop on, the key carries `#iteration`.
  [[nodiscard]] virtual std::string invocation_id(std::string_view key) const = 0;
};

using Completion = std::function<void(NodeOutcome)>;
using PureHandler = std::function<NodeOutcome(const NodeInvocation&)>;
using SyncHandler = std::function<NodeOutcome(NodeContext&)>;
using AsyncHandler = std::function<void(std::shared_ptr<NodeContext>, Completion)>;

struct NodeType {
  std::string type_id;
  std::variant<PureHandler, SyncHandler, AsyncHandler> handler;
  /// Runtime capabilities that must be provided (EngineOptions::runtime_capabilities); else the node is refused with
  /// capability_not_provided.
  std::vector<std::string> required_capabilities = {};
  /// Checks a node's config when a workflow is registered; may be empty.
  std::function<Status(const WorkflowNode&)> check = {};
};

class NodeRegistry {
 public:
  /// Replaces a type of the same id.
  void add(NodeType type) {
    auto shared = std::make_shared<const NodeType>(std::move(type));
    types_.insert_or_assign(shared->type_id, shared);
  }
  /// Nothing if no such type was added.
  [[nodiscard]] std::shared_ptr<const NodeType> find(std::string_view type_id) const {
    const auto at = types_.find(type_id);
    return at == types_.end() ? nullptr : at->second;
  }

 private:
  std::map<std::string, std::shared_ptr<const NodeType>, std::less<>> types_;
};

/// core.start end noop identity delay fail conditional loop parallel merge setVariable getVariable channelWrite.
void add_builtin_nodes(NodeRegistry& registry);

/// Types that only conformance fixtures use: conformance.requiresMissing.
void add_fixture_nodes(NodeRegistry& registry);

namespace detail {

template <class T>
std::optional<T> json_as(std::string_view raw) {
  if constexpr (std::is_same_v<T, std::string>) {
    return json::as_string(raw);
  } else if constexpr (std::is_same_v<T, bool>) {
    return json::as_bool(raw);
  } else if constexpr (std::is_same_v<T, double>) {
    return json::as_number(raw);
  } else {
    static_assert(std::is_same_v<T, std::int64_t>, "T is std::string, std::int64_t, double or bool");
    return json::as_int(raw);
  }
}

template <class T>
Result<T> typed_member(std::string_view object, std::string_view name, std::string_view what) {
  const auto raw = json::member(object, name);
  if (!raw) return Error{ErrorCode::validation_error, std::string(what) + " '" + std::string(name) + "' is missing"};
  auto value = json_as<T>(*raw);
  if (!value)
    return Error{ErrorCode::validation_error, std::string(what) + " '" + std::string(name) + "' has another type"};
  return std::move(*value);
}

}  // namespace detail

template <class T>
Result<T> NodeInvocation::input_as(std::string_view port) const {
  return detail::typed_member<T>(inputs, port, "input");
}
template <class T>
Result<T> NodeInvocation::config_as(std::string_view key) const {
  return detail::typed_member<T>(config, key, "config member");
}

}  // namespace openwop
