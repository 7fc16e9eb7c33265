// One run as its rows have it: header, events, the state that they fold to, and what they imply.
#pragma once

#include <map>

#include "engine/interrupt_rows.h"
#include "engine/run_rows.h"
#include "engine/run_turn.h"
#include "maintenance/findings.h"
#include "maintenance/workflow_cache.h"
#include "openwop/log.h"

namespace openwop::maintenance {

/// Key -> value.
using Rows = std::map<std::string, std::string, std::less<>>;

struct RunReading {
  runtime::Run run;
  LogOrigin origin;
  /// The run has no more than its header and head: a fork that has not begun, or a run of before there were logs.
  bool has_log = true;
  /// The last event ends the run.
  bool ended = false;
  std::uint64_t events = 0;
  /// As found; decoded where it decodes.
  std::optional<std::string> head_row;
  std::optional<LogHead> head;
  std::optional<runtime::RunMarks> marks;

  [[nodiscard]] const RunHeader& header() const { return *run.header; }
};

/// Reads and folds the run. Nothing: its log cannot be gone by, which has been reported. Errors: store errors other
/// than store_corrupt.
[[nodiscard]] Result<std::optional<RunReading>> read_run_rows(const Store& store, WorkflowCache& workflows,
                                                              const RunId& run, Findings& findings);

/// The head row that the log implies. Nothing when the log alone does not say, as the place of a replay that has not
/// ended. What the log does not say (the epoch, more pure steps to do) is taken from the row as found.
[[nodiscard]] std::optional<LogHead> implied_head(const RunReading& reading);
/// The head row found says what the implied one says, as far as it has to.
[[nodiscard]] bool head_agrees(const RunReading& reading, const LogHead& implied);

/// The derived rows that the log implies, by the summary of its head row. Errors: store errors.
[[nodiscard]] Result<Rows> implied_rows(const Store& store, const RunReading& reading, const runtime::RunMarks& marks);

}  // namespace openwop::maintenance
