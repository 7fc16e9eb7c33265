// Commands: everything that can be asked of a run, as plain values. decide() in run_decide.h turns a command into
// events, or refuses it. Raw JSON members are serialized text that has been checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "openwop/child_run.h"
#include "openwop/event.h"
#include "openwop/json.h"
#include "openwop/redaction.h"

namespace openwop {

/// Why a node or run failed: the ErrorObject of protocol 02 §2. `code` is free text of the failing node's vocabulary.
struct Failure {
  std::string code;
  std::string message;
  std::string details = {};  // serialized object, or empty
  bool retryable = false;
  /// Serialized object, or empty: what node.failed shows as the node's outputs, beside the error.
  std::string outputs = {};

  [[nodiscard]] std::string to_json() const {
    std::string out;
    {
      json::ObjectWriter object(out);
      object.string("code", code.empty() ? "node_failed" : code);
      object.string("message", message.empty() ? "the node failed" : message);
      if (!details.empty()) object.raw("details", details);
      object.boolean("retryable", retryable);
    }
    return out;
  }
};

/// What leaves a node that ended: edges taken, loop bodies begun again.
struct EdgeChoice {
  std::vector<std::uint32_t> live = {};
  std::vector<std::uint32_t> loops = {};
  /// Ids of the nodes that run again, each loop's target first.
  std::vector<std::string> reset = {};
  /// Loopback edges inside those bodies, whose counts begin anew.
  std::vector<std::uint32_t> recount = {};
};

namespace command {

struct StartRun {
  std::string workflow_id;
  std::string transport = "rest";  // rest | mcp | a2a | ui
  std::string engine_version = "1";
  std::string tags = {};      // serialized array, or empty
  std::string metadata = {};  // serialized object, or empty
};
struct StartNode {
  std::string node_id;
  std::string type_id;
  /// Not 0: the node only waits until then.
  std::int64_t due_ms = 0;
  /// For dispatch: sequence of the decision that it acts on; 0 = none.
  std::uint64_t cause = 0;
  /// Serialized object of a handler's inputs, recorded so that a re-run after a crash gets the same; or empty.
  std::string inputs = {};
};
struct CompleteNode {
  std::string node_id;
  std::string outputs = {};         // serialized object, or empty
  std::string masked_outputs = {};  // what readers see when some outputs are sensitive; empty: the same
  EdgeChoice edges = {};
  /// What the node's calls cost, as CostRecord::to_json(), or empty.
  std::string cost = {};
};
struct FailNode {
  std::string node_id;
  Failure failure;
  EdgeChoice edges = {};
};
struct RetryNode {
  std::string node_id;
  std::int64_t delay_ms = 0;
  Failure last_error;
};
struct SkipNode {
  std::string node_id;
  std::string reason;
};
struct SuspendNode {
  std::string node_id;
  std::string interrupt_id;
  std::string kind;  // InterruptPayload kind
  std::string key;
  std::string run_id = {};
  std::string node_key = {};
  /// Serialized object. Empty: a wait that is no interrupt, with neither interrupt.requested nor a legacy twin.
  std::string data = {};
  std::string resume_schema = {};  // serialized JSON Schema, or empty
  std::int64_t timeout_ms = 0;     // 0 = none
  bool bearer_only = false;
  std::int64_t turns = 0;  // InterruptState::turns
  bool raises_timeout = false;
};
/// What approval.received tells of a decision.
struct ApprovalRecord {
  std::string action;      // accept, reject, refine, edit-accept, timeout
  std::string decided_by;  // empty only for a timeout
  /// Nobody knows who decided: such a vote replaces none.
  bool anonymous = false;
  std::string comment = {};          // serialized string, or empty
  std::string feedback = {};         // serialized string, or empty
  std::string refine_feedback = {};  // serialized object, or empty
  std::string edited_artifact = {};  // serialized JSON, or empty
};
/// An approval's vote that does not close it, or its timeout.
struct RecordDecision {
  std::string node_id;
  ApprovalRecord record;
};
struct ResumeNode {
  std::string node_id;
  std::string interrupt_id;
  std::string resume_value = "null";
  /// Empty: the wait was no interrupt; only node.resumed is written.
  std::string kind = {};
  std::string resolved_by = {};
  std::optional<ApprovalRecord> decision = {};  // of an approval
  /// Nobody answered in time, and the node goes on without an answer.
  bool timed_out = false;
};
struct WriteVariable {
  std::string node_id;
  std::string name;
  std::string value;  // serialized JSON
  bool sensitive = false;
  MaskingMode masking = MaskingMode::mask;  // of a sensitive value
};
struct WriteChannel {
  std::string node_id;
  std::string channel;
  std::string value;    // serialized JSON
  std::string reducer;  // name
  std::int64_t ttl_ms = 0;
  std::int64_t max_size = 0;
  std::int64_t schema_version = 0;  // 0: left out
  /// The workflow declares no such channel: the value is kept in the variable of that name.
  bool into_variable = false;
  bool sensitive = false;
  MaskingMode masking = MaskingMode::mask;  // of a sensitive value
  /// The channel's value after the write, by a reducer of the host's; empty: the named reducer folds it.
  std::string reduced = {};
  /// Another engine's write (protocol 02 §3.4): who wrote, in which of its runs.
  std::string source_engine_id = {};
  std::string source_run_id = {};
};
/// A `channel-write` trigger (protocol 02 §8.8) starts its node, which begins again together with what comes behind it;
/// or it will, when its node is free and `due_ms` has come.
struct FireTrigger {
  std::string trigger_id;
  std::string node_id;
  std::string channel;
  bool awaits = false;
  std::int64_t due_ms = 0;  // of one that waits
  /// Nodes that begin again, the trigger's first.
  std::vector<std::string> reset = {};
};
/// An event that changes no state: log lines, artifacts, output chunks, cap reports, vendor events.
struct AppendNote {
  Event event;
};
/// The version of a change that a run goes by (protocol 02 §4.3).
struct PinVersion {
  std::string change_id;
  std::int64_t version = 0;
  std::string node_id = {};
};
struct PauseRun {
  std::string reason = {};
  std::string drain_policy = "drain-current-node";
};
/// A pause that has to wait for handlers in flight: asked for (`withdrawn` false), or given up.
struct RequestPause {
  std::string reason = {};
  bool withdrawn = false;
};
struct ResumeRun {
  std::string reason = {};
};
/// The node waits for the end of a run that it starts.
struct StartChild {
  ChildRun child;
};
/// What the parent has learnt of a child; `result` counts once it has ended.
struct ChangeChild {
  std::string node_id;
  RunStatus status = RunStatus::running;
  ChildResult result;
};
struct CompleteRun {
  std::string outputs = {};
  /// An orchestrator has terminated the run: nodes in flight are cancelled first.
  bool terminates = false;
};
struct FailRun {
  Failure failure;
  std::string failed_node_id = {};
};
struct CancelRun {
  std::string reason = {};
  std::string cancelled_by = {};
  /// Set when the run's parent takes it along (protocol 03 §6.5).
  std::string parent_run_id = {};
  std::string parent_node_id = {};
};
struct TakeOver {};

}  // namespace command

using RunCommand =
    std::variant<command::StartRun, command::StartNode, command::CompleteNode, command::FailNode, command::RetryNode,
                 command::SkipNode, command::SuspendNode, command::RecordDecision, command::ResumeNode,
                 command::WriteVariable, command::WriteChannel, command::FireTrigger, command::AppendNote,
                 command::PinVersion, command::PauseRun, command::RequestPause, command::ResumeRun, command::StartChild,
                 command::ChangeChild, command::CompleteRun, command::FailRun, command::CancelRun, command::TakeOver>;

}  // namespace openwop
