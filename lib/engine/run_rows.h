// Rows that derive from a run's log: the summary in the log head, the listing indexes, the mark of a run that needs its
// engine after a restart, and the run's timer. All of them can be rebuilt from the log.
//
//   I s <tenant> 0x00 <status> <run>            listing by status (and, over all statuses, by time: run ids sort by
//   age) I w <tenant> 0x00 <workflow> 0x00 <run>     listing by workflow I g <tenant> 0x00 <tag> 0x00 <run> listing by
//   tag A <run>                                     a handler is in flight: recovery starts here
#pragma once

#include <span>
#include <string>

#include "openwop/ids.h"
#include "openwop/run_status.h"
#include "openwop/store.h"

namespace openwop::runtime {

inline constexpr char kActivePrefix = 'A';
inline constexpr char kIndexPrefix = 'I';
/// Rows of the host's own: U <key>.
inline constexpr char kHostPrefix = 'U';

/// What the derived rows say about a run; lies in the log head as its summary.
struct RunMarks {
  RunStatus status = RunStatus::pending;
  /// A handler is in flight, or more pure steps are due.
  bool active = false;
  /// More pure steps are due (Run::unsettled).
  bool unsettled = false;
  std::int64_t timer_due_ms = 0;  // 0 = none
  std::int64_t created_ms = 0;
  /// When the head row was written; the run's last event may be later while the run lives (Log::end).
  std::int64_t changed_ms = 0;
  std::string tenant = {};
  std::string workflow_id = {};
  /// Of a replay that has begun: one more than the first event of the source that it has not repeated yet, and whether
  /// it has lost the source's order (ReplayGuide). 0 for all other runs, whose rows do not hold these.
  std::uint64_t replay_next = 0;
  bool replay_lost = false;

  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static Result<RunMarks> decode(std::string_view summary);
};

[[nodiscard]] std::string status_index_prefix(std::string_view tenant, RunStatus status);
[[nodiscard]] std::string workflow_index_prefix(std::string_view tenant, std::string_view workflow_id);
[[nodiscard]] std::string tag_index_prefix(std::string_view tenant, std::string_view tag);
[[nodiscard]] std::string active_key(const RunId& run);

/// Rows of a new run.
void put_created_rows(Transaction& transaction, const RunId& run, const RunMarks& marks,
                      std::span<const std::string> tags);
/// What changes between two commits of a run.
void put_changed_rows(Transaction& transaction, const RunId& run, const RunMarks& before, const RunMarks& after);

}  // namespace openwop::runtime
