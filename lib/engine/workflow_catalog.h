// The workflows of an engine: the newest of each id, and every version that some run is pinned to.
//
//   W d <digest>  ->  the definition, byte for byte
//   W l <id>      ->  digest of the newest
//
// Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <shared_mutex>

#include "openwop/engine.h"
#include "workflow/json_schema.h"

namespace openwop::runtime {

inline constexpr char kWorkflowPrefix = 'W';

/// Of the row that holds the definition.
[[nodiscard]] inline std::string workflow_key(std::string_view digest) {
  return std::string{kWorkflowPrefix, 'd'}.append(digest);
}
/// Of the row that holds the digest of the newest one.
[[nodiscard]] inline std::string newest_workflow_key(std::string_view id) {
  return std::string{kWorkflowPrefix, 'l'}.append(id);
}

class WorkflowCatalog {
 public:
  WorkflowCatalog(Store& store, const EngineOptions& options) : store_(store), options_(options) {}

  [[nodiscard]] Result<std::shared_ptr<const Workflow>> add(std::string_view source);
  /// Errors: workflow_not_found.
  [[nodiscard]] Result<std::shared_ptr<const Workflow>> newest(std::string_view id) const;
  /// Errors: workflow_not_found when the store does not have it.
  [[nodiscard]] Result<std::shared_ptr<const Workflow>> by_digest(std::string_view digest) const;
  [[nodiscard]] std::vector<std::string> ids() const;

  /// A run's `configurable` (empty: none) against the workflow's configurableSchema, if it has one.
  /// Errors: validation_error with details {"field", "problems":[{"pointer","message"}]}.
  [[nodiscard]] Status check_configurable(const Workflow& workflow, std::string_view configurable) const;

 private:
  [[nodiscard]] Status check_nodes(const Workflow& workflow) const;
  [[nodiscard]] Result<workflow::JsonSchema> schema_of(const Workflow& workflow) const;

  Store& store_;
  const EngineOptions& options_;
  mutable std::shared_mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const Workflow>, std::less<>> newest_;
  mutable std::map<std::string, std::shared_ptr<const Workflow>, std::less<>> by_digest_;
  mutable std::map<std::string, workflow::JsonSchema, std::less<>> schemas_;  // by digest of the workflow
};

}  // namespace openwop::runtime
