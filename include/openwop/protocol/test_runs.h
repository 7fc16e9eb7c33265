// TestRuns: the mark of runs that were made with a test key (protocol 01 §4.1), whatever surface they came through.
//
//   auto test_runs = std::make_shared<TestRuns>(store);
//   options.observers.push_back(test_runs);        // EngineOptions
//   surface_options.test_runs = test_runs;
//
// A run is marked when whoever created or forked it acts with a test key (kTestActorPrefix), when the run that started
// it is marked, and when it is a fork of a marked one. The mark is a row of the run's first commit: `Q` run -> format.
// It is neither a tag nor metadata, because those are the caller's, come back as they were sent, and are not inherited.
// Runs from before the mark have none.
//
// Thread-safety: all members from any thread.
#pragma once

#include <memory>
#include <string_view>

#include "openwop/ids.h"
#include "openwop/result.h"
#include "openwop/run_observer.h"
#include "openwop/store.h"

namespace openwop {

/// What the name of an actor with a test key begins with, in CreateRun::created_by and ForkRun::forked_by.
inline constexpr std::string_view kTestActorPrefix = "test-key:";
inline constexpr char kTestRunPrefix = 'Q';

class TestRuns final : public RunObserver {
 public:
  /// The engine's store.
  explicit TestRuns(std::shared_ptr<const Store> store) : store_(std::move(store)) {}

  /// Errors: store errors.
  [[nodiscard]] Result<bool> contains(const RunId& run) const;

  void extend(const RunCommit& commit, Transaction& transaction) noexcept override;
  void removed(const RunId& run, Transaction& transaction) noexcept override;

 private:
  [[nodiscard]] bool is_test(const RunCommit& commit) const;

  std::shared_ptr<const Store> store_;
};

}  // namespace openwop
