// The definitions that runs are pinned to, the last few of them parsed.
#pragma once

#include <deque>
#include <memory>
#include <string_view>

#include "openwop/store.h"
#include "openwop/workflow.h"

namespace openwop::maintenance {

class WorkflowCache {
 public:
  static constexpr std::size_t kMaxWorkflows = 16;

  explicit WorkflowCache(const Store& store) : store_(store) {}

  /// Errors: workflow_not_found; store_corrupt for one that does not parse or is another's; store errors.
  [[nodiscard]] Result<std::shared_ptr<const Workflow>> by_digest(std::string_view digest);

 private:
  const Store& store_;
  std::deque<std::shared_ptr<const Workflow>> recent_;
};

}  // namespace openwop::maintenance
