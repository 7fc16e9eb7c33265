// Removes runs whose time after their end is over (EngineOptions::finished_run_retention_ms).
//
// An ended run is found by a row that its last commit writes (retention_rows.h). Removal takes two steps:
//   1. one small commit takes header, head and listing rows away: the run is unknown from here on, nobody can fork it
//      any more, and a row says that the rest has to go;
//   2. commits of at most kRowsPerCommit rows take away the rest: batches from the last one down, artifacts, what other
//      rows say of it. What living forks still need of its log stays until the last of them goes.
// Each step reads what is there, so that a crash between any two of them loses nothing: the next open() goes on.
//
// A child goes after its parent: what a parent has still to learn of it lies there, and whoever reads the parent finds
// its children. A replay reads nothing of children but what its source's log says.
//
// Lives with the timekeeper: step() from one thread at a time, and at most one step's commits are under way. note() is
// thread-safe.
#pragma once

#include <mutex>

#include "engine/group_commit.h"
#include "engine/retention_rows.h"
#include "openwop/engine.h"

namespace openwop::runtime {

class Retention {
 public:
  /// Runs that one step deals with.
  static constexpr std::size_t kRunsPerStep = 32;
  static constexpr std::size_t kRowsPerCommit = 256;
  static constexpr std::size_t kBytesPerCommit = std::size_t{4} << 20;

  Retention(const Store& store, GroupCommit& commits, const EngineOptions& options)
      : store_(store), commits_(commits), options_(options) {}

  /// Finds what there is to do. Errors: store errors.
  [[nodiscard]] Status open();
  /// Finds what other hosts have left to do. Errors: store errors.
  [[nodiscard]] Status look();

  /// For the commit that ends a run; gives what to note() once it is durable, 0 for nothing.
  [[nodiscard]] std::int64_t add_end(Transaction& transaction, const RunId& run, const RunMarks& marks) const;
  /// A run has ended; true if it is the first to go.
  bool note(std::int64_t ended_ms);

  /// Submits the commits of one step, if anything is due; `wake` is called when they are through. True if it did.
  /// Errors: store errors; the next step comes after store_retry_ms.
  [[nodiscard]] Result<bool> step(std::int64_t now_ms, const std::function<void()>& wake);
  /// When there is something to do; nothing while commits are under way.
  [[nodiscard]] std::optional<std::int64_t> next_due_ms() const;

 private:
  class Task;
  /// What the commits of one step share.
  struct Step {
    std::int64_t now_ms = 0;
    std::function<void()> wake;
    std::vector<std::unique_ptr<CommitTask>> tasks = {};
  };
  struct Gone {
    RunId run;
    std::string row;
  };

  [[nodiscard]] bool is_on() const { return options_.finished_run_retention_ms > 0; }
  [[nodiscard]] Status plan(Step& step);
  Transaction& begin_commit(Step& step);
  void finished(bool sound, std::int64_t now_ms);

  // What is gone and has rows left (retention_removal.cpp).
  [[nodiscard]] Status plan_removal(Step& step);
  [[nodiscard]] Status gone_from(const std::string& from, std::vector<Gone>& out) const;
  [[nodiscard]] Status remove_rest(const Gone& gone, Transaction& transaction);
  [[nodiscard]] Result<bool> release(const Gone& gone, Transaction& transaction);
  [[nodiscard]] Result<bool> erase_some(const std::string& prefix, Transaction& transaction) const;
  [[nodiscard]] Result<bool> erase_batches(const RunId& run, std::uint64_t from_sequence,
                                           Transaction& transaction) const;

  // What is due.
  [[nodiscard]] Status plan_due(Step& step);
  [[nodiscard]] Status let_go(const RunId& run, std::int64_t ended_ms, Transaction& transaction);
  [[nodiscard]] Result<std::vector<RunId>> references_of(const RunId& run, const RunHeader& header) const;

  // Runs that ended while nobody kept account of it.
  [[nodiscard]] Status plan_account(Step& step);

  const Store& store_;
  GroupCommit& commits_;
  const EngineOptions& options_;

  /// Of the timekeeper: where the search for what is gone begins; empty: at the beginning.
  std::string removing_from_ = {};

  mutable std::mutex mutex_;
  /// Commits under way.
  std::size_t under_way_ = 0;
  std::int64_t rests_until_ms_ = 0;
  /// No row of an end comes before; nothing: there is none.
  std::optional<std::int64_t> first_ended_ms_ = {};
  bool removing_ = false;
  bool accounting_ = false;
  /// How far in the listing by status the account has come, and will have with the commit under way.
  std::string account_from_ = {};
  std::optional<std::string> account_next_ = {};
  bool account_ends_ = false;
};

}  // namespace openwop::runtime
