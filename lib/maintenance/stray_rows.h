// The search for derived rows that nothing implies: of runs that are gone, or of a state that the run is not in.
#pragma once

#include <deque>
#include <set>

#include "maintenance/run_reading.h"

namespace openwop::maintenance {

class StrayRows {
 public:
  /// `troubled`: runs whose rows say nothing, because their log or head is not sound.
  StrayRows(const Store& store, WorkflowCache& workflows, Findings& findings, const std::set<RunId>& troubled)
      : store_(store), workflows_(workflows), findings_(findings), troubled_(troubled) {}

  /// Errors: store errors.
  [[nodiscard]] Status search();
  [[nodiscard]] std::uint64_t rows() const { return rows_; }

 private:
  /// Why a row is stray; empty: it is not.
  using Reason = Result<std::string>;
  using Judge = Reason (StrayRows::*)(std::string_view key, std::string_view value);

  /// What rows and listings need to know of a run.
  struct Facts {
    bool exists = false;
    bool troubled = false;
    std::shared_ptr<const RunHeader> header = {};
    runtime::RunMarks marks = {};
  };

  [[nodiscard]] Status search_prefix(const std::string& prefix, Judge judge);
  [[nodiscard]] Status read_everything();
  [[nodiscard]] Result<const Facts*> facts_of(const RunId& run);
  [[nodiscard]] Result<const Rows*> interrupts_of(const RunId& run);
  [[nodiscard]] Result<bool> exists(const std::string& key) const;
  [[nodiscard]] Result<bool> started_by(const RunId& parent, const RunId& child);
  /// A row of a run: stray unless `fits`.
  template <class Fits>
  Reason of_run(const RunId& run, Fits fits);

  Reason status_row(std::string_view key, std::string_view value);
  Reason workflow_row(std::string_view key, std::string_view value);
  Reason tag_row(std::string_view key, std::string_view value);
  Reason scope_row(std::string_view key, std::string_view value);
  Reason interrupt_row(std::string_view key, std::string_view value);
  Reason active_row(std::string_view key, std::string_view value);
  Reason timer_row(std::string_view key, std::string_view value);
  Reason fork_row(std::string_view key, std::string_view value);
  Reason order_row(std::string_view key, std::string_view value);
  Reason notice_row(std::string_view key, std::string_view value);
  Reason artifact_row(std::string_view key, std::string_view value);
  Reason secret_row(std::string_view key, std::string_view value);
  Reason test_row(std::string_view key, std::string_view value);
  Reason ended_row(std::string_view key, std::string_view value);
  Reason parked_row(std::string_view key, std::string_view value);
  Reason gone_row(std::string_view key, std::string_view value);

  const Store& store_;
  WorkflowCache& workflows_;
  Findings& findings_;
  const std::set<RunId>& troubled_;
  std::uint64_t rows_ = 0;
  /// Of the run looked at last: rows of one run often lie together.
  RunId facts_run_ = {};
  std::optional<Facts> facts_;
  std::deque<std::pair<RunId, Rows>> interrupts_;
};

}  // namespace openwop::maintenance
