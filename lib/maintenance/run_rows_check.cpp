#include "maintenance/run_rows_check.h"

#include <algorithm>
#include <utility>

#include "engine/child_rows.h"
#include "engine/retention_rows.h"
#include "maintenance/row_pages.h"

namespace openwop::maintenance {

using runtime::RunMarks;

Status RunRowsCheck::all_runs() {
  auto complete = store_.get(runtime::retention_prefix(runtime::RetentionRow::complete));
  if (!complete) return std::move(complete).error();
  retains_ = complete->has_value();
  const std::string all(1, kLogPrefix);
  for (std::string begin = all; !begin.empty();) {
    const auto key = first_key(store_, begin, prefix_end(all));
    if (!key) return key.error();
    if (key->empty()) break;
    if (key->size() < 1 + RunId::kBytes) {
      auto found = findings_.found({"log_row_unknown", printable(*key), std::nullopt, "no row of a log"});
      if (!found) return found;
      begin = *key + '\0';
      continue;
    }
    const RunId run = RunId::from_bytes(std::string_view(*key).substr(1));
    if (auto checked = one_run(run); !checked) return checked;
    begin = prefix_end(Log::run_prefix(run));
  }
  return children_of_parents();
}

void RunRowsCheck::note_trouble(const RunId& run) {
  if (troubled_.size() < kMaxTroubledRuns) troubled_.insert(run);
}

Status RunRowsCheck::one_run(const RunId& run) {
  // A run that is gone may have rows left, for forks or until they are removed too.
  for (const std::string& gone : {runtime::removing_key(run), runtime::kept_key(run)}) {
    auto row = store_.get(gone);
    if (!row) return std::move(row).error();
    if (row->has_value()) return {};
  }
  ++counts_.runs;
  auto reading = read_run_rows(store_, workflows_, run, findings_);
  if (!reading) return std::move(reading).error();
  if (!*reading) {
    note_trouble(run);
    return {};
  }
  counts_.events += (*reading)->events;
  auto marks = head_of(**reading);
  if (!marks && marks.error().code != ErrorCode::not_found) return std::move(marks).error();
  if (!marks) return {};
  if (!is_terminal(marks->status)) ++counts_.live_runs;
  if (auto checked = rows_of(**reading, *marks); !checked) return checked;
  // Of a replay they are its source's.
  const auto& children = (*reading)->run.state.children;
  const bool waits =
      !(*reading)->header().is_replay() &&
      std::any_of(children.begin(), children.end(), [](const ChildRun& child) { return !is_terminal(child.status); });
  if (waits) parents_.insert(run);
  return parents_.size() < kMaxTroubledRuns ? Status{} : children_of_parents();
}

/// What the head row says, or would. Errors: not_found when nobody knows, which has been reported.
Result<RunMarks> RunRowsCheck::head_of(const RunReading& reading) {
  const RunId& run = reading.run.id;
  const std::string key = Log::head_key(run);
  const auto implied = implied_head(reading);
  if (!implied) {
    note_trouble(run);
    auto found = findings_.found({"head_lost", printable(key), run, "the place of a replay that has not ended"});
    if (!found) return std::move(found).error();
    return Error{ErrorCode::not_found, "no head"};
  }
  if (reading.header().event_log_schema_version < 2 || head_agrees(reading, *implied)) return *reading.marks;
  if (!findings_.repairs()) note_trouble(run);
  const bool missing = !reading.head_row;
  auto marks = RunMarks::decode(implied->summary);
  std::string detail = missing         ? "there is none"
                       : reading.marks ? "it does not say what the events say"
                                       : "it does not decode";
  if (reading.marks && marks && reading.marks->status != marks->status) {
    detail = "it says " + std::string(status_name(reading.marks->status)) + ", the events say " +
             std::string(status_name(marks->status));
  }
  auto found = findings_.found({missing ? "head_missing" : "head_wrong", printable(key), run, std::move(detail)},
                               {key, reading.head_row, implied->encode()});
  if (!found) return std::move(found).error();
  // What the row might have said beyond the events is known to a rebuild only, which decides it.
  if (!reading.marks && !findings_.repairs()) return Error{ErrorCode::not_found, "no head"};
  return marks;
}

Status RunRowsCheck::row(const RunId& run, const std::string& key, const std::string& value) {
  ++counts_.derived_rows;
  auto stored = store_.get(key);
  if (!stored) return std::move(stored).error();
  if (*stored == value) return {};
  const bool missing = !stored->has_value();
  return findings_.found({missing ? "row_missing" : "row_wrong", printable(key), run,
                          missing ? "the run's log implies it" : "the run's log implies another value"},
                         {key, std::move(*stored), value});
}

Status RunRowsCheck::rows_of(const RunReading& reading, const RunMarks& marks) {
  auto implied = implied_rows(store_, reading, marks);
  if (!implied) return std::move(implied).error();
  for (const auto& [key, value] : *implied) {
    if (auto checked = row(reading.run.id, key, value); !checked) return checked;
  }
  return retains_ && is_terminal(marks.status) ? retention_row(reading, marks) : Status{};
}

Status RunRowsCheck::retention_row(const RunReading& reading, const RunMarks& marks) {
  const RunId& run = reading.run.id;
  if (reading.header().parent_run_id != RunId{}) {
    auto parked = store_.get(runtime::parked_key(reading.header().parent_run_id, run));
    if (!parked) return std::move(parked).error();
    if (parked->has_value()) return {};
  }
  return row(run, runtime::ended_key(runtime::ended_ms_of(marks), run), {});
}

Status RunRowsCheck::children_of_parents() {
  if (auto settled = findings_.settle(); !settled) return settled;
  const std::set<RunId> parents = std::exchange(parents_, {});
  for (const RunId& run : parents) {
    auto reading = read_run_rows(store_, workflows_, run, findings_);
    if (!reading) return std::move(reading).error();
    if (!*reading) continue;
    for (const ChildRun& child : (*reading)->run.state.children) {
      if (is_terminal(child.status) || troubled_.contains(child.run_id)) continue;
      if (auto checked = child_of(**reading, child); !checked) return checked;
    }
  }
  return {};
}

/// A child that the run has started and not yet seen the end of: it is there, or ordered; and where it is not what the
/// run knows, a notice lies there.
Status RunRowsCheck::child_of(const RunReading& reading, const ChildRun& child) {
  const RunId& run = reading.run.id;
  auto head = store_.get(Log::head_key(child.run_id));
  if (!head) return std::move(head).error();
  if (!head->has_value()) {
    const std::string key = runtime::child_order_key(child.run_id, runtime::kCreateOrder);
    auto order = store_.get(key);
    if (!order) return std::move(order).error();
    // A child without a head row has a log; that has been reported, or put right.
    auto header = store_.get(Log::header_key(child.run_id));
    if (!header) return std::move(header).error();
    if (order->has_value() || header->has_value()) return {};
    return findings_.found({"child_missing", printable(key), run,
                            "the run waits for run " + child.run_id.text() + ", which is neither there nor ordered"});
  }
  const auto log_head = LogHead::decode(**head);
  const auto marks = log_head ? RunMarks::decode(log_head->summary) : Result<RunMarks>(log_head.error());
  if (!marks || is_terminal(reading.run.state.status) || marks->status == child.status) return {};
  const std::string key = runtime::child_notice_key(run, child.run_id);
  ++counts_.derived_rows;
  auto notice = store_.get(key);
  if (!notice) return std::move(notice).error();
  if (notice->has_value()) return {};
  std::string value;
  bytes::put_varint(value, log_head->next_sequence);
  return findings_.found(
      {"row_missing", printable(key), run,
       "the run has still to learn that run " + child.run_id.text() + " is " + std::string(status_name(marks->status))},
      {key, std::nullopt, value});
}

}  // namespace openwop::maintenance
