// Nodes: how a host gives the engine something to run. A NodeType has an id (`vendor.acme.charge`) and one of three
// kinds of handler:
//
//  - PureHandler   computes on the engine's own thread: no I/O, no waiting, no side effects, same answer for same
//  input.
//                  Several pure nodes in a row cost one commit.
//  - SyncHandler   runs on the executor and may block. It runs after `node.started` is durable.
//  - AsyncHandler  starts work on the executor and answers later through its Completion, once, from any thread.
//
// A handler may run again: after a retryable failure (attempt + 1), or with the same attempt after a crash, after a
// commit of its run that failed in the store, after a pause, or because an interrupt that it asked for was resolved.
// Effects that must not be repeated go through NodeContext::step().
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

#include "openwop/cost.h"
#include "openwop/ids.h"
#include "openwop/interrupt.h"
#include "openwop/json.h"
#include "openwop/memory_backend.h"
#include "openwop/run_command.h"
#include "openwop/run_state.h"
#include "openwop/workflow.h"

namespace openwop {

/// The error of protocol 02 §8.3; `side` is "readers" or "writers".
inline Error channel_access_denied(std::string_view channel, std::string_view node_id, std::string_view type_id,
                                   std::string_view side) {
  Error error{ErrorCode::channel_access_denied, "node '" + std::string(node_id) + "' is not among the " +
                                                    std::string(side) + " of channel '" + std::string(channel) + "'"};
  {
    json::ObjectWriter details(error.details);
    details.string("channel", channel);
    json::ObjectWriter(details.value_of("requestedBy")).string("nodeId", node_id).string("typeId", type_id);
    details.string("allowed", side);
  }
  return error;
}

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
  std::string_view agent;         // serialized AgentRef of the node, or empty
  /// As of the start of the execution; a re-run after a crash sees what parallel branches have written since.
  const VariableMap* variables = nullptr;
  /// Values of the run's channels, reduced; read through channel().
  const VariableMap* channels = nullptr;
  /// For pure handlers: what expressions of this node are evaluated in. Null for others.
  const ExpressionScope* scope = nullptr;
  std::uint32_t attempt = 0;    // zero-based
  std::uint32_t iteration = 0;  // how often loops have reset the node in this run
  /// How often the loopbacks to this node were followed since the loop around them, if any, began anew.
  std::uint32_t loop_index = 0;
  /// When the attempt started: the time a handler should go by, so that a re-run sees the same.
  std::int64_t now_ms = 0;
  const Workflow* workflow = nullptr;
  /// W3C trace context for calls that the handler makes: the run's trace, this execution's span. Empty for pure
  /// handlers.
  std::string_view traceparent = {};
  /// For pure handlers: how the runs ended that this execution has started (NodeChild), oldest first. Null for others.
  const std::vector<ChildResult>* children = nullptr;
  /// For pure handlers: what the run's agents have said so far. Null for others.
  const AgentState* agents = nullptr;
  /// How the interrupts of this node (NodeSuspend) ended, oldest first; kept over retries.
  const std::vector<NodeAnswer>* answers = nullptr;

  /// The latest of them, serialized JSON; nothing before the first one, and when the latest timed out.
  [[nodiscard]] std::optional<std::string_view> resumed() const {
    if (answers == nullptr || answers->empty() || answers->back().timed_out) return std::nullopt;
    return answers->back().value;
  }
  /// The answer to the interrupt that the node gave this key.
  [[nodiscard]] std::optional<std::string_view> answer(std::string_view key) const {
    const NodeAnswer* given = find_answer(key);
    if (given == nullptr || given->timed_out) return std::nullopt;
    return given->value;
  }
  /// Nobody answered the interrupt of this key in time (NodeSuspend::raises_timeout).
  [[nodiscard]] bool timed_out(std::string_view key) const {
    const NodeAnswer* given = find_answer(key);
    return given != nullptr && given->timed_out;
  }
  [[nodiscard]] const NodeAnswer* find_answer(std::string_view key) const {
    if (answers == nullptr) return nullptr;
    for (const NodeAnswer& given : *answers) {
      if (given.key == key) return &given;
    }
    return nullptr;
  }

  /// Raw JSON of an input port or config member, or nothing.
  [[nodiscard]] std::optional<std::string_view> input(std::string_view port) const {
    return json::member(inputs, port);
  }
  [[nodiscard]] std::optional<std::string_view> config_value(std::string_view key) const {
    return json::member(config, key);
  }
  /// The reduced value of a channel, its default when nothing was written, or nothing. Errors: channel_access_denied
  /// when the channel's declaration keeps this node from reading it (protocol 02 §8.3).
  [[nodiscard]] Result<std::optional<std::string_view>> channel(std::string_view name) const;
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

/// Something that a node produced, kept apart from its outputs and read by id (protocol 02 §9). It is written in the
/// commit that records the node's completion, together with artifact.created. The same id again replaces the content.
struct NodeArtifact {
  std::string artifact_id;  // 1..256 bytes of UTF-8
  std::string artifact_type;
  std::string content = "{}";  // serialized JSON
  std::string version = {};
  std::string summary = {};
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
  /// The run is over: no edge is taken, other nodes in flight are cancelled.
  bool ends_run = false;
  /// Events of the node's own: log.appended, artifact.created, output.chunk, vendor types.
  std::vector<Event> events = {};
  std::vector<NodeArtifact> artifacts = {};
  /// What the node's calls cost; for the run's roll-up.
  std::optional<CostRecord> cost = {};
};

/// Only for pure handlers: the node waits, holding nothing, and completes when the time has come.
struct NodeSleep {
  std::int64_t due_ms = 0;
};

/// The node waits for somebody's answer, holding nothing (protocol 03 §2). Once the interrupt is resolved the handler
/// is called again with the same inputs and finds the answer in NodeInvocation::resumed() or answer(); it may then
/// complete, fail, or ask the next question. If the interrupt times out, the node fails with `interrupt_timeout`,
/// unless it asked to be told (raises_timeout): then the handler is called as with an answer, and finds timed_out().
///
/// The engine checks what an answer has to satisfy before the handler sees it: the actions, votes and approvers of an
/// approval, the questions of a clarification, the correlation of an external event, and resume_schema.
/// Data of another shape than the kind's fails the node, with node.suspend-failed in the log.
struct NodeSuspend {
  InterruptKind kind = InterruptKind::custom;
  std::string data = "{}";         // serialized object
  std::string resume_schema = {};  // serialized JSON Schema, or empty
  std::int64_t timeout_ms = 0;     // 0 = none
  /// A timeout is not the node's end: its handler decides what comes of it.
  bool raises_timeout = false;
  /// The node's own name for the question; empty: numbered. One that has been answered must not be asked again.
  std::string key = {};
  /// No signed token resolves it: a bearer key has to.
  bool bearer_only = false;
  /// Of a conversation: exchanges after which it closes by itself; 0 = after the first that is given as a bare value.
  std::int64_t turns = 0;
  /// Answers that are given at once, as if by somebody (serialized JSON): for nodes that talk to themselves.
  std::vector<std::string> answers = {};
  /// Written in the same commit: the first three before the suspension, `events` after it.
  std::vector<Event> events_before = {};
  std::vector<VariableWrite> variables = {};
  std::vector<ChannelWrite> channels = {};
  std::vector<Event> events = {};
};

/// Only for pure handlers: the node starts a run of another workflow in the same tenant and waits for its end, holding
/// nothing (protocol 03 §6). The handler is then called again, with the same inputs, and finds the result as the last
/// of NodeInvocation::children; it may start the next one.
///
/// The child uses the definition that is current now. It is created once, whatever crashes; this run shows what the
/// child waits for, and takes it along when it is cancelled, paused or resumed. The node fails with
/// unknown_child_workflow, sub_workflow_cycle (an ancestor runs that workflow), sub_workflow_depth_exceeded,
/// child_limit_exceeded, or validation_error for inputs that the workflow refuses.
struct NodeChild {
  std::string workflow_id;
  std::string inputs = "{}";             // serialized object
  std::string variables = "{}";          // serialized object: what the child's variables begin with, declared or not
  std::string key = {};                  // the node's own name for it
  std::vector<std::string> wanted = {};  // variables of the child to be told in the end
  /// False: the child goes on by itself when this run is cancelled or fails.
  bool follows = true;
};

/// The node ends the run as cancelled.
struct NodeCancelled {
  std::string reason;
};

using NodeOutcome = std::variant<NodeCompleted, Failure, NodeSleep, NodeSuspend, NodeChild, NodeCancelled>;

/// What a SyncHandler or AsyncHandler works with.
class NodeContext {
 public:
  virtual ~NodeContext() = default;

  [[nodiscard]] virtual const NodeInvocation& invocation() const = 0;

  [[nodiscard]] std::optional<std::string_view> input(std::string_view port) const { return invocation().input(port); }
  [[nodiscard]] std::optional<std::string_view> resumed() const { return invocation().resumed(); }
  [[nodiscard]] std::optional<std::string_view> answer(std::string_view key) const { return invocation().answer(key); }
  [[nodiscard]] bool timed_out(std::string_view key) const { return invocation().timed_out(key); }
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
  /// The plaintext of a secret of the run's tenant. From here on the engine keeps it out of the
  /// run's memory and, as by conceal(), out of what the handler records.
  /// Blocks. Errors: validation_error with details.reason `credential_unavailable` (the host has no secrets) or
  /// `credential_required` (the tenant has none of this id).
  [[nodiscard]] virtual Result<std::string> secret(std::string_view secret_id) = 0;
  /// The memory of agents; null when the host has none (EngineOptions::max_memory_entry_bytes = 0). Its calls block.
  [[nodiscard]] virtual NodeMemory* memory() = 0;
  /// SHA-256 hex of `runId:nodeId:attempt:key`; from the second iteration of a loop on, the key carries `#iteration`.
  [[nodiscard]] virtual std::string invocation_id(std::string_view key) const = 0;

  /// Records an event of the node's own (output.chunk, log.appended, vendor types) while the handler works, in the
  /// order of the calls and before the node's completion. It never blocks; readers see the event once it is durable.
  /// Texts of output.chunk are redacted as one stream, so what may be the beginning of a secret comes with a later
  /// chunk. A re-run after a crash emits the same events again: as many as were recorded before are passed over.
  /// Errors: validation_error (as for NodeCompleted::events); payload_too_large; service_unavailable beyond
  /// max_completion_bytes of events that wait to be stored; conflict once the handler has answered.
  [[nodiscard]] virtual Status emit(Event event) = 0;
  /// How many events an earlier run of this attempt had recorded by emit().
  [[nodiscard]] virtual std::uint64_t emitted_before() const = 0;
  /// Calls `callback` on the executor after that time, holding no thread meanwhile. It may come late, and also after
  /// cancelled(); not at all once the engine has closed.
  virtual void after(std::int64_t delay_ms, std::function<void()> callback) = 0;
  /// The version of a change that this run goes by (protocol 02 §4.3): `max` when it is first asked for, and the same
  /// ever after, recorded as version.pinned. Blocks like step(). Errors: validation_error unless -1 <= min <= max and
  /// max >= 0; version_out_of_range when the run is pinned outside of [min, max].
  [[nodiscard]] virtual Result<std::int64_t> version(std::string_view change_id, std::int64_t min,
                                                     std::int64_t max) = 0;
  /// A secret that the handler has resolved: from now on this text is replaced in whatever the handler records. Its
  /// own copies stay; nothing of it is stored. Texts of less than kMinKnownSecretBytes are not kept apart.
  virtual void conceal(std::string secret) = 0;
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
  /// Names the type whose handler carries a node out instead, by its config; empty, or may give nothing: this one.
  std::function<std::string_view(const WorkflowNode&)> carried_out_by = {};
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
  /// The type whose handler carries the node out.
  [[nodiscard]] std::shared_ptr<const NodeType> find(const WorkflowNode& node) const {
    auto type = find(node.type_id);
    if (type == nullptr || !type->carried_out_by) return type;
    const std::string_view other = type->carried_out_by(node);
    return other.empty() ? type : find(other);
  }

 private:
  std::map<std::string, std::shared_ptr<const NodeType>, std::less<>> types_;
};

/// core.start end noop identity delay fail conditional loop parallel merge setVariable getVariable channelWrite
/// approvalGate clarificationGate interrupt subWorkflow orchestrator.supervisor dispatch; conversationGate unless
/// `conversations` is false: workflows with one are then refused, and a dispatch asks by clarification.
struct BuiltinNodes {
  bool conversations = true;
};
void add_builtin_nodes(NodeRegistry& registry, BuiltinNodes which = {});

/// Types that only conformance fixtures use: conformance.requiresMissing, conformance.cost.emit, core.conformance.*;
/// and core.identity with the hooks that fixtures hide in its config (protocol 01 §22.6). Workflows may use the former
/// only if their ids begin with `conformance-`.
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

inline Result<std::optional<std::string_view>> NodeInvocation::channel(std::string_view name) const {
  const WorkflowChannel* declared = workflow == nullptr ? nullptr : workflow->find_channel(name);
  if (declared != nullptr && !declared->access.allows_read(node_id, type_id)) {
    return channel_access_denied(name, node_id, type_id, "readers");
  }
  if (channels != nullptr) {
    if (const auto at = channels->find(name); at != channels->end()) return std::optional<std::string_view>(at->second);
  }
  if (declared == nullptr || declared->default_value.empty()) return std::optional<std::string_view>{};
  return std::optional<std::string_view>(declared->default_value);
}

template <class T>
Result<T> NodeInvocation::input_as(std::string_view port) const {
  return detail::typed_member<T>(inputs, port, "input");
}
template <class T>
Result<T> NodeInvocation::config_as(std::string_view key) const {
  return detail::typed_member<T>(config, key, "config member");
}

}  // namespace openwop
