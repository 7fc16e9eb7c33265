#include "engine/artifacts.h"

#include <algorithm>

#include "openwop/redaction.h"

namespace openwop::runtime {

std::string artifact_key(const RunId& run, std::string_view artifact_id) {
  std::string key(1, kArtifactPrefix);
  key.append(run.view()).append(artifact_id);
  return key;
}

std::string artifact_row(const RunId& run, std::string_view node_id, const NodeArtifact& artifact,
                         std::int64_t now_ms) {
  std::string row;
  {
    json::ObjectWriter object(row);
    object.string("artifactId", artifact.artifact_id);
    object.string("artifactType", artifact.artifact_type);
    object.string("runId", run.text());
    object.string("nodeId", node_id);
    object.string("createdAt", format_rfc3339(now_ms));
    if (!artifact.version.empty()) object.string("version", artifact.version);
    if (!artifact.summary.empty()) object.string("summary", artifact.summary);
    object.raw("content", artifact.content);
  }
  redact_json(row);
  return row;
}

Event artifact_event(std::string_view node_id, const NodeArtifact& artifact) {
  Event event;
  event.type = EventType::artifact_created;
  event.node_id = node_id;
  event.payload.clear();
  {
    json::ObjectWriter payload(event.payload);
    payload.string("artifactId", artifact.artifact_id);
    payload.string("artifactType", artifact.artifact_type);
    payload.string("nodeId", node_id);
    if (!artifact.version.empty()) payload.string("version", artifact.version);
    if (!artifact.summary.empty()) payload.string("summary", artifact.summary);
  }
  return event;
}

void add_output_artifact(const WorkflowNode& node, std::uint32_t iteration, NodeCompleted& completed) {
  if (node.artifact_type.empty() || completed.outputs.empty() || !completed.artifacts.empty()) return;
  NodeArtifact artifact;
  artifact.artifact_id = iteration == 0 ? node.id : node.id + "-" + std::to_string(iteration);
  artifact.artifact_type = node.artifact_type;
  artifact.content.clear();
  // A masked output stays masked wherever it is read.
  {
    json::ObjectWriter content(artifact.content);
    json::for_each_member(completed.outputs, [&](std::string_view raw_key, std::string_view value) {
      const std::string key = json::unescape(raw_key);
      const auto& sensitive = node.sensitive_outputs;
      const bool hide = std::find(sensitive.begin(), sensitive.end(), key) != sensitive.end();
      content.raw_member(key, hide ? kMaskedJson : value);
      return true;
    });
  }
  completed.artifacts.push_back(std::move(artifact));
}

}  // namespace openwop::runtime
