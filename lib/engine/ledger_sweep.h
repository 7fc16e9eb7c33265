// Forgets ledger entries whose time is over, and the oldest remembered requests beyond their limit.
//
// The work is coupled to the writing of entries: every so many new ones, a bounded number of old ones goes. An engine
// that remembers nothing new looks at nothing.
//
// Thread-safe.
#pragma once

#include <atomic>

#include "engine/group_commit.h"
#include "openwop/engine.h"

namespace openwop::runtime {

class LedgerSweep {
 public:
  LedgerSweep(const Store& store, GroupCommit& commits, const EngineOptions& options)
      : store_(store), commits_(commits), options_(options) {}

  /// Counts what is remembered. Errors: store errors.
  [[nodiscard]] Status open();

  /// An entry is on its way to the store; now and then this submits a commit that forgets old ones. The caller, or
  /// somebody after it, leads the commit. `report` is told of store errors.
  void recorded(std::string_view row_key, std::int64_t now_ms, const std::function<void(const Error&)>& report);

 private:
  class Task;
  [[nodiscard]] Status forget_some(std::string_view scope, std::int64_t now_ms, std::size_t beyond_limit);

  const Store& store_;
  GroupCommit& commits_;
  const EngineOptions& options_;
  std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> counted_parts_{0};
  /// Remembered requests, as far as this process knows.
  std::atomic<std::int64_t> requests_{0};
};

}  // namespace openwop::runtime
