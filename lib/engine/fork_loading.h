// What a shard reads with a fork besides its own rows: the definition of its history, and of a replay its place in the
// source's log.
#pragma once

#include "engine/run_rows.h"
#include "engine/run_turn.h"
#include "engine/workflow_catalog.h"

namespace openwop::runtime {

/// Before the run is folded. Nothing to do for runs that are no forks, as in all three.
[[nodiscard]] Status prepare_fork(const Store& store, const WorkflowCatalog& catalog, Run& run, const RunMarks& marks);
/// An event of the run, in order.
void note_own_event(Run& run, const EventView& event);
/// The run is folded: how a fork begins that has had no turn yet; how a replay that has goes on.
[[nodiscard]] Status prepare_start(const Store& store, const NodeRegistry& nodes, Run& run, const RunMarks& marks);

}  // namespace openwop::runtime
