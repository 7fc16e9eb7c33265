// Artifacts that a fork has without having made them: those of its history, and those that a replay repeats.
#pragma once

#include "openwop/log.h"

namespace openwop::runtime {

/// The artifact as readers of the fork get it; nothing if the run is no fork or its log names no such artifact. Its
/// content is the last one that the run which made it has given it.
[[nodiscard]] Result<std::optional<std::string>> inherited_artifact(const Store& store, const RunId& run,
                                                                    std::string_view artifact_id);

}  // namespace openwop::runtime
