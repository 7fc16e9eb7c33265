// Events of agents on their way into the log (protocol 03 §7.3, §8): what a node gives is checked and brought into the
// form that the run's options ask for.
#pragma once

#include "engine/run_turn.h"

namespace openwop::runtime {

/// The event as it is recorded; nothing when it is suppressed (agent.reasoned with verbosity `off`). Events of other
/// families pass as they are. `configurable` is the run's. Errors: validation_error for one without an agent.
[[nodiscard]] Result<std::optional<Event>> admit_agent_event(const EngineOptions& options,
                                                             std::string_view configurable, const WorkflowNode& node,
                                                             Event event);

/// A runOrchestrator.decided that is about to be recorded. Errors: validation_error for a decision that is none, comes
/// from another orchestrator, or follows on a `terminate`.
[[nodiscard]] Status check_decided(const Run& run, std::string_view payload);

}  // namespace openwop::runtime
