// The graph questions of a run: may this node start now, and which edges does an ended node take? Pure functions of the
// workflow and the run's state.
#pragma once

#include "openwop/expression.h"
#include "openwop/run_command.h"
#include "openwop/run_state.h"
#include "openwop/workflow.h"

namespace openwop::runtime {

enum class Verdict : std::uint8_t {
  wait,   // some source has not ended
  ready,  // start it
  dead,   // it cannot start any more: skip it
};

/// For a node that is idle. `final`: nothing in the run moves any more, so edges out of loops that are dead stay dead.
[[nodiscard]] Verdict judge(const Workflow& workflow, const RunState& state, std::size_t node, bool final);

/// The edges that a completed node takes. `port` and `default_port` as in NodeCompleted.
/// Errors: validation_error when a condition cannot be evaluated.
[[nodiscard]] Result<EdgeChoice> choose_edges(const Workflow& workflow, std::size_t node, std::string_view port,
                                              std::string_view default_port, const ExpressionScope& scope);

/// The edges that handle a node's failure; none: the failure fails the run.
[[nodiscard]] Result<EdgeChoice> choose_failure_edges(const Workflow& workflow, std::size_t node,
                                                      const ExpressionScope& scope);

enum class LoopCeiling : std::uint8_t {
  /// Targets that bound their loop themselves (core.loop, dispatch cycles) are not counted.
  of_target,
  /// settings.maxLoopbackIterations counts for every target: a node that fails before it starts bounds nothing.
  of_workflow,
};

/// True when following `edge` once more would pass settings.maxLoopbackIterations.
[[nodiscard]] bool passes_loopback_limit(const Workflow& workflow, const RunState& state, std::uint32_t edge,
                                         LoopCeiling ceiling);

}  // namespace openwop::runtime
