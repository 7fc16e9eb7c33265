#include "openwop/store_check.h"

#include "maintenance/audit_check.h"
#include "maintenance/run_rows_check.h"
#include "maintenance/stray_rows.h"
#include "openwop/json.h"

namespace openwop {

namespace maintenance {
namespace {

class Report final : public Findings {
 public:
  explicit Report(const std::function<void(const StoreFinding&)>& on_finding) : on_finding_(on_finding) {}

  Status found(StoreFinding finding) override {
    ++count_;
    if (on_finding_) on_finding_(finding);
    return {};
  }
  Status found(StoreFinding finding, RowFix) override { return found(std::move(finding)); }
  Status settle() override { return {}; }
  [[nodiscard]] bool repairs() const override { return false; }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  const std::function<void(const StoreFinding&)>& on_finding_;
  std::uint64_t count_ = 0;
};

/// Puts right what it can, in commits of bounded size.
class Repair final : public Findings {
 public:
  explicit Repair(const StoreRebuildOptions& options) : options_(options), report_(options.on_finding) {}

  Status found(StoreFinding finding) override { return report_.found(std::move(finding)); }
  Status found(StoreFinding finding, RowFix fix) override {
    if (fix.before) {
      transaction_.require_equals(fix.key, *fix.before);
    } else {
      transaction_.require_absent(fix.key);
    }
    if (fix.after) {
      transaction_.put(fix.key, *fix.after);
    } else {
      transaction_.erase(fix.key);
    }
    pending_.push_back(std::move(finding));
    return pending_.size() >= options_.max_rows_per_commit ? settle() : Status{};
  }
  Status settle() override {
    if (pending_.empty()) return {};
    auto outcome = options_.store->commit(transaction_, Durability::sync);
    if (!outcome) return std::move(outcome).error();
    if (*outcome == CommitOutcome::refused) {
      return Error{ErrorCode::conflict, "rows change while the store is rebuilt: something else is at work on it"};
    }
    transaction_.clear();
    changes_ += pending_.size();
    ++commits_;
    for (const StoreFinding& change : pending_) {
      if (options_.on_change) options_.on_change(change);
    }
    pending_.clear();
    return {};
  }
  [[nodiscard]] bool repairs() const override { return true; }
  [[nodiscard]] std::uint64_t left() const { return report_.count(); }
  [[nodiscard]] std::uint64_t changes() const { return changes_; }
  [[nodiscard]] std::uint64_t commits() const { return commits_; }

 private:
  const StoreRebuildOptions& options_;
  Report report_;
  Transaction transaction_;
  std::vector<StoreFinding> pending_;
  std::uint64_t changes_ = 0;
  std::uint64_t commits_ = 0;
};

/// Runs and what they imply, then rows that nothing implies: these are judged by the head rows, which are right by
/// then.
Result<StoreCheckSummary> go_through(const Store& store, Findings& findings) {
  WorkflowCache workflows(store);
  RunRowsCheck runs(store, workflows, findings);
  if (auto checked = runs.all_runs(); !checked) return std::move(checked).error();
  if (auto settled = findings.settle(); !settled) return std::move(settled).error();
  StrayRows strays(store, workflows, findings, runs.troubled());
  if (auto searched = strays.search(); !searched) return std::move(searched).error();
  if (auto settled = findings.settle(); !settled) return std::move(settled).error();
  StoreCheckSummary summary = runs.counts();
  summary.derived_rows += strays.rows();
  return summary;
}

void write_counts(json::ObjectWriter& out, const StoreCheckSummary& summary) {
  const auto count = [&](std::string_view name, std::uint64_t value) {
    out.integer(name, static_cast<std::int64_t>(value));
  };
  count("runs", summary.runs);
  count("liveRuns", summary.live_runs);
  count("events", summary.events);
  count("derivedRows", summary.derived_rows);
  count("auditEntries", summary.audit_entries);
  count("findings", summary.findings);
}

}  // namespace
}  // namespace maintenance

std::string StoreFinding::to_json() const {
  std::string out;
  {
    json::ObjectWriter object(out);
    object.string("what", what).string("key", key);
    if (run) object.string("run", run->text());
    object.string("detail", detail);
  }
  return out;
}

std::string StoreCheckSummary::to_json() const {
  std::string out;
  {
    json::ObjectWriter object(out);
    maintenance::write_counts(object, *this);
  }
  return out;
}

std::string StoreRebuildSummary::to_json() const {
  std::string out;
  {
    json::ObjectWriter object(out);
    maintenance::write_counts(object, check);
    object.integer("changes", static_cast<std::int64_t>(changes));
    object.integer("commits", static_cast<std::int64_t>(commits));
  }
  return out;
}

Result<StoreCheckSummary> check_store(const StoreCheckOptions& options) {
  if (!options.store) return Error{ErrorCode::validation_error, "StoreCheckOptions::store must be set"};
  maintenance::Report report(options.on_finding);
  auto summary = maintenance::go_through(*options.store, report);
  if (!summary) return summary;
  auto entries = maintenance::check_audit_chain(options, report);
  if (!entries) return std::move(entries).error();
  summary->audit_entries = *entries;
  summary->findings = report.count();
  return summary;
}

Result<StoreRebuildSummary> rebuild_store(const StoreRebuildOptions& options) {
  if (!options.store || options.max_rows_per_commit == 0) {
    return Error{ErrorCode::validation_error, "a rebuild needs a store, and commits of at least one row"};
  }
  maintenance::Repair repair(options);
  auto check = maintenance::go_through(*options.store, repair);
  if (!check) return std::move(check).error();
  check->findings = repair.left();
  return StoreRebuildSummary{*check, repair.changes(), repair.commits()};
}

}  // namespace openwop
