#include "engine/workflow_catalog.h"

#include <mutex>

#include "engine/channel_writes.h"
#include "engine/configurable_check.h"
#include "openwop/agents.h"
#include "openwop/workflow_check.h"

namespace openwop::runtime {

namespace {

bool is_fixture_type(std::string_view type_id) { return type_id.starts_with("core.conformance."); }

}  // namespace

Result<std::shared_ptr<const Workflow>> WorkflowCatalog::add(std::string_view source) {
  if (source.size() > options_.max_workflow_bytes) {
    return Error{ErrorCode::payload_too_large, "workflow definition is larger than max_workflow_bytes (" +
                                                   std::to_string(options_.max_workflow_bytes) + ")"};
  }
  auto loaded = load_workflow(source, [this](std::string_view type) { return options_.nodes.find(type) != nullptr; });
  if (!loaded) return std::move(loaded).error();
  if (auto checked = check_nodes(*loaded); !checked) return std::move(checked).error();
  if (auto checked = check_configurable_schema(*loaded, options_.configurable_options); !checked) {
    return std::move(checked).error();
  }
  if (auto checked = check_channel_schemas(*loaded); !checked) return std::move(checked).error();
  auto workflow = std::make_shared<const Workflow>(std::move(*loaded));

  Transaction transaction;
  transaction.put(workflow_key(workflow->digest), workflow->source);
  transaction.put(newest_workflow_key(workflow->id), workflow->digest);
  auto outcome = store_.commit(transaction, Durability::sync);
  if (!outcome) return std::move(outcome).error();
  const std::unique_lock lock(mutex_);
  newest_.insert_or_assign(workflow->id, workflow);
  by_digest_.insert_or_assign(workflow->digest, workflow);
  return workflow;
}

Status WorkflowCatalog::check_nodes(const Workflow& workflow) const {
  std::vector<WorkflowProblem> problems;
  for (std::size_t i = 0; i < workflow.nodes.size(); ++i) {
    const WorkflowNode& node = workflow.nodes[i];
    const std::string pointer = "/nodes/" + std::to_string(i);
    if (is_fixture_type(node.type_id) && !workflow.id.starts_with("conformance-")) {
      problems.push_back({pointer + "/typeId", "'" + node.type_id + "' is for conformance fixtures only"});
    }
    const auto type = options_.nodes.find(node.type_id);
    if (type == nullptr || !type->check) continue;
    if (auto checked = type->check(node); !checked) problems.push_back({pointer + "/config", checked.error().message});
  }
  if (auto checked = check_orchestration(workflow); !checked) problems.push_back({"/nodes", checked.error().message});
  if (problems.empty()) return {};
  return workflow_error(problems);
}

Result<std::shared_ptr<const Workflow>> WorkflowCatalog::newest(std::string_view id) const {
  // In a cluster any host may have got a newer one.
  if (!options_.cluster) {
    const std::shared_lock lock(mutex_);
    if (const auto at = newest_.find(id); at != newest_.end()) return at->second;
  }
  // Ids are bounded by the definition's schema; a longer one cannot exist, and must not become a key.
  constexpr std::size_t kMaxIdBytes = 512;
  const Error not_found{ErrorCode::workflow_not_found, "no workflow has this id"};
  if (id.empty() || id.size() > kMaxIdBytes) return not_found;
  auto digest = store_.get(newest_workflow_key(id));
  if (!digest) return std::move(digest).error();
  if (!digest->has_value()) return not_found;
  auto workflow = by_digest(**digest);
  if (!workflow) return workflow;
  const std::unique_lock lock(mutex_);
  newest_.try_emplace((*workflow)->id, *workflow);
  return workflow;
}

Result<std::shared_ptr<const Workflow>> WorkflowCatalog::by_digest(std::string_view digest) const {
  {
    const std::shared_lock lock(mutex_);
    if (const auto at = by_digest_.find(digest); at != by_digest_.end()) return at->second;
  }
  auto source = store_.get(workflow_key(digest));
  if (!source) return std::move(source).error();
  if (!source->has_value()) {
    return Error{ErrorCode::workflow_not_found, "the workflow version " + std::string(digest) + " is not stored"};
  }
  // It was valid when it was stored. Node types that the host has dropped since show when a node of theirs starts.
  auto loaded = parse_workflow(**source, {});
  if (!loaded) return std::move(loaded).error();
  auto workflow = std::make_shared<const Workflow>(std::move(*loaded));
  const std::unique_lock lock(mutex_);
  return by_digest_.try_emplace(std::string(digest), std::move(workflow)).first->second;
}

Result<workflow::JsonSchema> WorkflowCatalog::schema_of(const Workflow& workflow) const {
  {
    const std::shared_lock lock(mutex_);
    if (const auto at = schemas_.find(workflow.digest); at != schemas_.end()) return at->second;
  }
  auto compiled = workflow::JsonSchema::compile(workflow.configurable_schema);
  if (!compiled) return compiled;
  const std::unique_lock lock(mutex_);
  return schemas_.try_emplace(workflow.digest, *std::move(compiled)).first->second;
}

Status WorkflowCatalog::check_configurable(const Workflow& workflow, std::string_view configurable) const {
  if (workflow.configurable_schema.empty()) return {};
  const auto schema = schema_of(workflow);
  if (!schema) return schema.error();
  const auto problems = schema->check(configurable.empty() ? "{}" : configurable);
  if (!problems) return problems.error();
  return problems->empty() ? Status{} : Status(configurable_error(*problems));
}

std::vector<std::string> WorkflowCatalog::ids() const {
  std::vector<std::string> found;
  const std::string prefix = newest_workflow_key({});
  const auto status = store_.scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view) {
    found.emplace_back(key.substr(prefix.size()));
    return true;
  });
  if (!status) found.clear();
  return found;
}

}  // namespace openwop::runtime
