// The state of a run: what fold() (run_fold.h) makes of its log, and what decide() (run_decide.h) looks at.
//
// Thread-safety: plain values.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/agent_state.h"
#include "openwop/child_run.h"
#include "openwop/cost.h"
#include "openwop/event.h"
#include "openwop/interrupt.h"
#include "openwop/reducers.h"
#include "openwop/run_status.h"

namespace openwop {

enum class NodeStatus : std::uint8_t {
  idle,
  running,    // its handler works
  sleeping,   // waits for due_ms, without a handler
  retrying,   // waits for due_ms, then runs again
  in_child,   // waits for the end of a run that it has started
  suspended,  // waits for somebody's answer
  completed,
  failed,
  skipped,
  cancelled,
};
inline constexpr std::array<std::string_view, 10> kNodeStatusNames = {
    "idle", "running", "sleeping", "retrying", "in-child", "suspended", "completed", "failed", "skipped", "cancelled"};
constexpr std::string_view node_status_name(NodeStatus status) {
  return kNodeStatusNames[static_cast<std::size_t>(status)];
}
constexpr bool is_in_flight(NodeStatus status) {
  return status >= NodeStatus::running && status <= NodeStatus::suspended;
}
constexpr bool has_ended(NodeStatus status) { return status >= NodeStatus::completed; }

/// The reason of run.cancelled when the run that a run belongs to was cancelled (protocol 03 §6.5).
inline constexpr std::string_view kParentCancelled = "parent-cancelled";
/// The reason of node.cancelled when the loop around a node has begun again before the node ended.
inline constexpr std::string_view kLoopRestarted = "loop-restarted";

struct NodeState {
  NodeStatus status = NodeStatus::idle;
  std::uint32_t attempt = 0;    // zero-based, within this iteration
  std::uint32_t iteration = 0;  // how often a loopback has reset the node
  /// A loopback has asked for the node to run again.
  bool triggered = false;
  std::int64_t since_ms = 0;  // when the status was entered
  std::int64_t started_ms = 0;
  std::int64_t due_ms = 0;  // for sleeping and retrying
  /// For in_child: the child, and whether it waits for somebody.
  RunId child = {};
  bool child_waits = false;
  /// How the children of this execution ended, oldest first.
  std::vector<ChildResult> child_results = {};
  /// For dispatch: sequence of the decision that it acts on; 0 = none. Its events name that event as their cause.
  std::uint64_t cause = 0;
  /// For suspended, and for in_child whose child waits: the run's status because of it, and the sequence of the event.
  RunStatus waits_as = RunStatus::waiting_approval;
  std::uint64_t suspended_at = 0;
  /// How often the node has suspended in this run, and in this execution of it.
  std::uint32_t suspensions = 0;
  std::uint32_t rounds = 0;
  /// Of those in this execution, how many asked for clarification.
  std::uint32_t clarifications = 0;
  /// What its interrupts in this iteration were resolved with, oldest first.
  std::vector<NodeAnswer> answers = {};
  /// Sequence of the event that set the handler to work (node.started, node.resumed, or run.resumed after a pause):
  /// names one execution, so that an answer to an older one is told apart.
  std::uint64_t started_sequence = 0;
  /// Events that the handler of this execution has had recorded while it worked (NodeContext::emit).
  std::uint64_t emitted = 0;
  /// Indexes of the outgoing edges that were taken when the node ended.
  std::vector<std::uint32_t> live_edges = {};
  std::string inputs = {};   // serialized object while a handler works, or empty
  std::string outputs = {};  // serialized object, or empty; kept across iterations until overwritten
  std::string error = {};    // serialized error object, or empty
};

/// A `channel-write` trigger that a write has set off.
struct TriggerState {
  std::uint32_t firings = 0;  // how often it has started its node
  /// A write waits for its effect: until when at least.
  bool awaits = false;
  std::int64_t due_ms = 0;
};

struct RunState {
  RunStatus status = RunStatus::pending;
  std::uint64_t next_sequence = 0;
  std::int64_t started_ms = 0;
  std::int64_t ended_ms = 0;
  std::int64_t changed_ms = 0;
  /// Time spent waiting or paused, and since when it does so now (0: it does not). The run's timeout excludes both.
  std::int64_t waited_ms = 0;
  std::int64_t waiting_since_ms = 0;
  std::uint32_t node_executions = 0;
  std::map<std::string, NodeState, std::less<>> nodes = {};
  std::map<std::string, std::string, std::less<>> variables = {};  // name -> serialized JSON, unmasked
  std::map<std::string, std::string, std::less<>> channels = {};
  /// When each entry of a channel with a time to live was written, in the order of the entries.
  std::map<std::string, EntryTimes, std::less<>> channel_times = {};
  std::map<std::uint32_t, std::uint32_t> loopbacks = {};           // loopback edge -> times followed
  std::map<std::string, TriggerState, std::less<>> triggers = {};  // by the id of the `channel-write` trigger
  std::map<std::string, std::int64_t, std::less<>> pins = {};      // change id -> version (protocol 02 §4.3)
  RunCost cost = {};
  AgentState agents = {};
  std::vector<ChildRun> children = {};  // oldest first
  /// The latest interrupt of each node, resolved ones too.
  std::map<std::string, InterruptState, std::less<>> interrupts = {};
  /// A pause waits for handlers in flight: since when (0: none does), and what its caller gave as the reason.
  std::int64_t pause_asked_ms = 0;
  std::int64_t paused_ms = 0;  // when the run was paused last
  std::string pause_reason = {};
  /// Cancelled because the run that it belongs to was.
  bool cancelled_by_parent = false;
  std::string outputs = {};  // of run.completed
  std::string error = {};    // of run.failed

  [[nodiscard]] const NodeState* find_node(std::string_view id) const {
    const auto at = nodes.find(id);
    return at == nodes.end() ? nullptr : &at->second;
  }
  [[nodiscard]] const InterruptState* find_interrupt(std::string_view node_id) const {
    const auto at = interrupts.find(node_id);
    return at == interrupts.end() ? nullptr : &at->second;
  }
  /// The node that has asked last of those whose own question waits for its answer; or null.
  [[nodiscard]] const std::string* latest_asking() const {
    const std::string* latest = nullptr;
    std::uint64_t at = 0;
    for (const auto& [id, node] : nodes) {
      const InterruptState* asked = node.status == NodeStatus::suspended ? find_interrupt(id) : nullptr;
      if (asked == nullptr || asked->outcome != InterruptOutcome::pending) continue;
      if (latest != nullptr && node.suspended_at < at) continue;
      latest = &id;
      at = node.suspended_at;
    }
    return latest;
  }
  /// The suspended node that the run's status speaks of: the latest; or null.
  [[nodiscard]] const std::string* latest_suspended() const {
    const std::string* latest = nullptr;
    std::uint64_t at = 0;
    for (const auto& [id, node] : nodes) {
      const bool waits =
          node.status == NodeStatus::suspended || (node.status == NodeStatus::in_child && node.child_waits);
      if (!waits || (latest != nullptr && node.suspended_at < at)) continue;
      latest = &id;
      at = node.suspended_at;
    }
    return latest;
  }
};

}  // namespace openwop
