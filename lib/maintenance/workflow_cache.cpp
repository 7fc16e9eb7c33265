#include "maintenance/workflow_cache.h"

#include <algorithm>

#include "engine/workflow_catalog.h"
#include "openwop/workflow_parse.h"

namespace openwop::maintenance {

Result<std::shared_ptr<const Workflow>> WorkflowCache::by_digest(std::string_view digest) {
  const auto known =
      std::find_if(recent_.begin(), recent_.end(), [&](const auto& workflow) { return workflow->digest == digest; });
  if (known != recent_.end()) return *known;
  const std::string name = "the workflow version " + std::string(digest);
  auto source = store_.get(runtime::workflow_key(digest));
  if (!source) return std::move(source).error();
  if (!source->has_value()) return Error{ErrorCode::workflow_not_found, name + " is not stored"};
  auto parsed = parse_workflow(**source, {});
  if (!parsed) return Error{ErrorCode::store_corrupt, name + " does not parse: " + parsed.error().message};
  if (parsed->digest != digest) return Error{ErrorCode::store_corrupt, name + " has other bytes than its digest says"};
  recent_.push_front(std::make_shared<const Workflow>(std::move(*parsed)));
  if (recent_.size() > kMaxWorkflows) recent_.pop_back();
  return recent_.front();
}

}  // namespace openwop::maintenance
