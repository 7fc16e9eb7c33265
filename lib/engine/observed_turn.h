// What a turn's observers are told: kept from the turn until its commit is through, and only where there are observers.
#pragma once

#include <optional>

#include "engine/messages.h"
#include "openwop/run_observer.h"

namespace openwop::runtime {

struct ObservedTurn {
  std::shared_ptr<const RunHeader> header;
  std::shared_ptr<const Workflow> workflow;
  std::vector<Event> events;
  std::uint64_t first_sequence = 0;
  RunStatus status = RunStatus::pending;
  RunAction action = RunAction::none;
  std::string actor = {};
  bool created = false;
  RunStatus status_before = RunStatus::pending;

  [[nodiscard]] RunCommit commit_of(const RunId& run) const {
    return {.run = run,
            .header = *header,
            .workflow = *workflow,
            .events = events,
            .first_sequence = first_sequence,
            .status = status,
            .action = action,
            .actor = actor,
            .created = created,
            .ended = is_terminal(status),
            .status_before = status_before};
  }
};

/// Who asked for what in a message.
struct Asked {
  RunAction action = RunAction::none;
  std::string actor = {};
};
[[nodiscard]] inline Asked asked_by(const Message& message) {
  if (const auto* create = std::get_if<CreateMessage>(&message)) return {RunAction::create, create->created_by};
  if (const auto* go_on = std::get_if<GoOnMessage>(&message); go_on != nullptr && !go_on->forked_by.empty()) {
    return {RunAction::fork, go_on->forked_by};
  }
  const auto* request = std::get_if<RequestMessage>(&message);
  if (request == nullptr) return {};
  struct ActionOf {
    RunAction operator()(const command::CancelRun&) const { return RunAction::cancel; }
    RunAction operator()(const command::PauseRun&) const { return RunAction::pause; }
    RunAction operator()(const command::ResumeRun&) const { return RunAction::resume; }
    RunAction operator()(const Resolution&) const { return RunAction::resolve_interrupt; }
    RunAction operator()(const ResolveInterrupt&) const { return RunAction::resolve_interrupt; }
  };
  return {std::visit(ActionOf{}, request->request), request->actor};
}

}  // namespace openwop::runtime
