// What a shard is told. Each message concerns one run and is handled on that run's shard, in the order of arrival.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <variant>

#include "engine/handler_run.h"
#include "engine/run_turn.h"
#include "openwop/engine.h"

namespace openwop::runtime {

struct CreateMessage {
  RunId run;
  std::shared_ptr<const RunHeader> header;
  std::shared_ptr<const Workflow> workflow;
  std::string created_by;
  std::optional<LedgerClaim> claim;
  std::function<void(Result<CreatedRun>)> done;
};
/// Cancel, pause, resume, resolve: one way for all of them. Done with the status after the commit.
struct RequestMessage {
  RunId run;
  std::string tenant;
  RunRequest request;
  /// Who asks; may be empty.
  std::string actor;
  std::optional<LedgerClaim> claim;
  std::function<void(Result<RunStatus>)> done;
  int tries = 0;
};
struct HandlerDoneMessage {
  RunId run;
  std::size_t node = 0;
  std::uint64_t token = 0;
  NodeOutcome outcome;
};
/// Events that a handler has recorded while it works.
struct NotesMessage {
  RunId run;
  std::size_t node = 0;
  std::uint64_t token = 0;
  std::vector<RunCommand> notes;
  /// Once, when they are durable or of no use any more.
  std::function<void()> done;
};
struct ChannelMessage {
  RunId run;
  ForeignChannelWrite write;
  std::function<void(Status)> done;
  int tries = 0;
};
/// Something to be called on the executor, kept until its time (NodeContext::after).
struct CallMessage {
  RunId run;
  std::function<void()> call;
};
struct TimerMessage {
  RunId run;
};
/// Go on with a run: after a restart (`taken_over`), or where a long turn was split.
struct GoOnMessage {
  RunId run;
  bool taken_over = false;
  /// Not empty: the run is a fork that begins, and this is who asked for it.
  std::string forked_by = {};
};
/// There are orders for the run from its parent (child_rows.h).
struct ChildOrderMessage {
  RunId run;
};
/// A run that this one has started has changed.
struct ChildNoticeMessage {
  RunId run;
  RunId child;
};
/// In a cluster: the partition is no longer this host's (cluster_keeper.h).
struct ForgetMessage {
  std::size_t partition = 0;
  /// There will be no more of its commits; the keeper is told once it has been forgotten.
  bool is_final = false;
};
struct FailedTurnMessage;

using Message = std::variant<CreateMessage, RequestMessage, HandlerDoneMessage, NotesMessage, ChannelMessage,
                             CallMessage, TimerMessage, GoOnMessage, ChildOrderMessage, ChildNoticeMessage,
                             ForgetMessage, std::unique_ptr<FailedTurnMessage>>;

/// The run that a message is about; null for one about a partition.
[[nodiscard]] const RunId* run_of(const Message& message);

/// A turn's commit was refused or failed: what the shard holds of the run in memory is not what the store holds.
struct FailedTurnMessage {
  RunId run;
  /// Handlers that the turn would have started, and those that it would have stopped.
  std::vector<std::shared_ptr<HandlerRun>> not_started;
  std::vector<std::shared_ptr<HandlerRun>> not_stopped;
  /// What to do again on the run as the store has it; nothing if the caller was told.
  std::optional<Message> again;
};

}  // namespace openwop::runtime
