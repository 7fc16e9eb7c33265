// Checking a store: do the rows that the engine derives from the logs of its runs say what the logs say?
//
//   auto summary = check_store({.store = store, .on_finding = [](const StoreFinding& f) { puts(f.to_json().c_str());
//   }});
//
// check_store() reads only. For each run it goes through the log (header, gapless events that decode, one terminal
// event at the end), folds it, and compares with the head row and with every derived row that the fold implies; then it
// goes through the derived rows and looks for those that nothing implies; then it reads every row of the store, so that
// damage of a file is found wherever it lies; then the hash chain of the audit log.
// rebuild_store() does the same and puts derived rows right. It never touches what they derive from: a run whose log is
// damaged is reported and left alone, with all of its rows.
//
// Both are for a store that no engine is at work on; a PostgreSQL database in use gives findings that are none, for
// rows that change meanwhile.
//
// Memory: the state of one run at a time (EngineOptions::max_run_state_bytes), one batch of events, a page of at most
// kStorePageRows rows or kStorePageBytes bytes, 16 workflows, the interrupt rows of 64 runs, 16 bytes for each of at
// most kMaxTroubledRuns runs that are found wrong. It does not grow with the store.
//
// Thread-safety: each call is its own; they share nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "openwop/ids.h"
#include "openwop/result.h"
#include "openwop/store.h"

namespace openwop {

inline constexpr std::size_t kStorePageRows = 512;
inline constexpr std::size_t kStorePageBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMaxTroubledRuns = 100'000;

/// What `StoreFinding::what` may be. The second list is what rebuild_store() puts right.
///
///   header_missing       a log without its header row
///   header_damaged       the header row does not decode
///   workflow_missing     the definition that the run is pinned to is not there
///   workflow_damaged     … or is not the one of that digest, or does not parse; also said of the row itself
///   log_damaged          a batch does not decode, a gap, a payload that is no JSON, events behind the terminal one, …
///   log_row_unknown      a row among those of the log that is no part of it
///   child_missing        a run that the log started is neither there nor ordered
///   head_lost            the head row of a replay that has not ended: its place in the source is known nowhere else
///   row_unknown          a row of no known kind
///   audit_entry_wrong    an audit entry that is missing or does not fit the one before
///   audit_head_wrong     the head of the audit chain does not fit its last entry
///   audit_checkpoint_wrong  a checkpoint whose root or signature does not hold
///
///   head_missing, head_wrong           the head row of a log
///   row_missing, row_wrong, row_stray  a derived row
struct StoreFinding {
  std::string what;
  /// The row; bytes that are not printable as \xNN.
  std::string key;
  std::optional<RunId> run = {};
  std::string detail;

  /// One line: {"what","key","run"?,"detail"}.
  [[nodiscard]] std::string to_json() const;
};

struct StoreCheckOptions {
  std::shared_ptr<Store> store;
  /// Called for each finding as it is found, on the caller's thread. Findings are not collected.
  std::function<void(const StoreFinding&)> on_finding = {};
  /// AuditOptions::signing_key; empty: the signatures of checkpoints are not checked, their roots are.
  std::string audit_signing_key = {};
  /// AuditOptions::earlier_signing_keys.
  std::vector<std::string> audit_earlier_signing_keys = {};
};

struct StoreCheckSummary {
  std::uint64_t runs = 0;
  /// Of these, runs that have not ended.
  std::uint64_t live_runs = 0;
  /// Read, inherited ones once for each fork.
  std::uint64_t events = 0;
  /// Derived rows that were looked at.
  std::uint64_t derived_rows = 0;
  std::uint64_t audit_entries = 0;
  std::uint64_t findings = 0;

  [[nodiscard]] std::string to_json() const;
};

/// Errors: store errors that end the check, such as store_corrupt naming a damaged file where the next row would be;
/// validation_error for a signing key that is none.
[[nodiscard]] Result<StoreCheckSummary> check_store(const StoreCheckOptions& options);

struct StoreRebuildOptions {
  std::shared_ptr<Store> store;
  /// What was put right, once it is durable.
  std::function<void(const StoreFinding&)> on_change = {};
  /// What was not.
  std::function<void(const StoreFinding&)> on_finding = {};
  /// A commit holds at most so many rows.
  std::size_t max_rows_per_commit = 256;
};

struct StoreRebuildSummary {
  /// As of the check that went along; `findings` are those that are left.
  StoreCheckSummary check;
  std::uint64_t changes = 0;
  std::uint64_t commits = 0;

  [[nodiscard]] std::string to_json() const;
};

/// May be stopped at any commit and begun again. Errors: those of check_store(); conflict when rows change meanwhile,
/// because something else is at work on the store.
[[nodiscard]] Result<StoreRebuildSummary> rebuild_store(const StoreRebuildOptions& options);

}  // namespace openwop
