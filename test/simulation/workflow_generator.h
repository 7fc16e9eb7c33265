// Random workflows that a host would accept: blocks in blocks (sequence, branches, choice, loop, caught failure) over
// the built-in node types and the simulation's own (sim_nodes.h).
//
// A calm workflow ends in the same state whatever the timing: no timeouts, no limit on executions, every node writes
// names of its own, conditions look only at the run's inputs and the source's outputs, and joins wait for all branches.
// A wild one has none of these restraints, and gets extra edges at random.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "openwop/testing/random.h"
#include "openwop/workflow.h"

namespace openwop::test {

using SimRandom = testing::Random;

enum class Temper : std::uint8_t { calm, wild };

/// Draws until load_workflow() accepts the definition. The run's input is the number `n`.
/// Nodes may start runs of `callees`.
[[nodiscard]] std::shared_ptr<const Workflow> generate_workflow(SimRandom& random, Temper temper, const std::string& id,
                                                                const std::vector<std::string>& callees = {});

}  // namespace openwop::test
