#include "openwop/protocol/test_runs.h"

#include <string>

namespace openwop {

namespace {

constexpr std::string_view kFormat = "\x01";

std::string row_key(const RunId& run) { return std::string(1, kTestRunPrefix).append(run.view()); }

/// The commit that a run's own events begin with: those of a fork begin behind the events that it inherits.
bool is_first(const RunCommit& commit) {
  if (commit.created || commit.action == RunAction::fork) return true;
  return commit.header.fork && commit.first_sequence == commit.header.fork->from_sequence;
}

}  // namespace

Result<bool> TestRuns::contains(const RunId& run) const {
  auto row = store_->get(row_key(run));
  if (!row) return std::move(row).error();
  return row->has_value();
}

bool TestRuns::is_test(const RunCommit& commit) const {
  if (commit.actor.starts_with(kTestActorPrefix)) return true;
  // Both were committed before the run came to be.
  if (commit.header.parent_run_id != RunId{}) return contains(commit.header.parent_run_id).value_or(false);
  if (commit.header.fork) return contains(commit.header.fork->source_run).value_or(false);
  return false;
}

void TestRuns::extend(const RunCommit& commit, Transaction& transaction) noexcept {
  if (is_first(commit) && is_test(commit)) transaction.put(row_key(commit.run), kFormat);
}

void TestRuns::removed(const RunId& run, Transaction& transaction) noexcept { transaction.erase(row_key(run)); }

}  // namespace openwop
