// What one run's log implies, held against the rows that are there.
#pragma once

#include <set>

#include "maintenance/run_reading.h"

namespace openwop::maintenance {

class RunRowsCheck {
 public:
  RunRowsCheck(const Store& store, WorkflowCache& workflows, Findings& findings)
      : store_(store), workflows_(workflows), findings_(findings) {}

  /// Head rows that are wrong are settled when it returns. Errors: store errors.
  [[nodiscard]] Status all_runs();

  /// Runs whose rows say nothing of what they should be.
  [[nodiscard]] const std::set<RunId>& troubled() const { return troubled_; }
  [[nodiscard]] const StoreCheckSummary& counts() const { return counts_; }

 private:
  [[nodiscard]] Status one_run(const RunId& run);
  [[nodiscard]] Result<runtime::RunMarks> head_of(const RunReading& reading);
  [[nodiscard]] Status rows_of(const RunReading& reading, const runtime::RunMarks& marks);
  [[nodiscard]] Status row(const RunId& run, const std::string& key, const std::string& value);
  [[nodiscard]] Status children_of_parents();
  [[nodiscard]] Status child_of(const RunReading& reading, const ChildRun& child);
  [[nodiscard]] Status retention_row(const RunReading& reading, const runtime::RunMarks& marks);
  void note_trouble(const RunId& run);

  const Store& store_;
  WorkflowCache& workflows_;
  Findings& findings_;
  /// Every ended run has a row of its end.
  bool retains_ = false;
  std::set<RunId> troubled_;
  /// Runs with children whose end they have not seen: looked at once the head rows of these are right.
  std::set<RunId> parents_;
  StoreCheckSummary counts_;
};

}  // namespace openwop::maintenance
