// The claim of one run on (tenant, scopeId), for callers that want at most one run at a time there (protocol 01 §14.2).
//
//   I x <tenant> 0x00 <scope>  ->  the run that holds it
//
// The row comes with the commit that creates the run, on the condition that there is none, and goes with the one that
// ends it. A claim of a run that waits is held all the same: nothing but its end frees it.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <optional>

#include "openwop/engine.h"

namespace openwop::runtime {

/// Adds what a created run's commit has to say about its scope. A run that has ended by then asks, but holds nothing.
void claim_scope(Transaction& transaction, const RunHeader& header, const RunId& run, RunStatus status);

/// Adds the end of the claim to the commit that ends the run.
void release_scope(Transaction& transaction, const RunHeader& header);

/// The run that holds the scope, or nothing.
[[nodiscard]] Result<std::optional<RunId>> scope_holder(const Store& store, std::string_view tenant,
                                                        std::string_view scope_id);

[[nodiscard]] Error run_already_active(const RunId& holder);

}  // namespace openwop::runtime
