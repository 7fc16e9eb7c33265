// Artifacts: their row, their event, and the ones that a node's outputs make by themselves (protocol 02 §9).
//
//   R <run> <artifact id>   the artifact as one JSON object, as readers get it
#pragma once

#include <string>

#include "openwop/node.h"

namespace openwop::runtime {

inline constexpr char kArtifactPrefix = 'R';

[[nodiscard]] std::string artifact_key(const RunId& run, std::string_view artifact_id);
/// Without secrets: artifacts are read by others than the run.
[[nodiscard]] std::string artifact_row(const RunId& run, std::string_view node_id, const NodeArtifact& artifact,
                                       std::int64_t now_ms);
[[nodiscard]] Event artifact_event(std::string_view node_id, const NodeArtifact& artifact);

/// A node whose definition names an artifactType, and which made no artifact itself, gives its outputs as one:
/// `<nodeId>`, or `<nodeId>-<iteration>` from the second iteration of a loop on.
void add_output_artifact(const WorkflowNode& node, std::uint32_t iteration, NodeCompleted& completed);

}  // namespace openwop::runtime
