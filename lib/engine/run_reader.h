// Reading runs as the store has them: views, listing, explanation. Any thread; no shard is involved.
#pragma once

#include "engine/run_rows.h"
#include "engine/workflow_catalog.h"

namespace openwop::runtime {

/// The run after all events, or after event `last_sequence`. Errors: run_not_found, also for another tenant's run.
[[nodiscard]] Result<RunView> read_run(const Store& store, const WorkflowCatalog& catalog, std::string_view tenant,
                                       const RunId& run, std::optional<std::uint64_t> last_sequence);

/// Errors: run_not_found.
[[nodiscard]] Result<std::string> read_tenant(const Store& store, const RunId& run);

/// The tenant check alone. Errors: run_not_found.
[[nodiscard]] Status require_run(const Store& store, std::string_view tenant, const RunId& run);

/// How far a run is, from its head row. Errors: run_not_found, as above.
[[nodiscard]] Result<RunProgress> read_progress(const Store& store, std::string_view tenant, const RunId& run);

/// Errors: validation_error for a cursor that list_runs() did not give.
[[nodiscard]] Result<RunPage> list_runs(const Store& store, const RunFilter& filter, std::string_view cursor,
                                        std::size_t limit);

[[nodiscard]] RunExplanation explain_run(const RunView& view);

}  // namespace openwop::runtime
