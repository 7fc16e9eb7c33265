#include "engine/ledger_sweep.h"

#include <algorithm>
#include <vector>

#include "openwop/ledger.h"

namespace openwop::runtime {

namespace {

constexpr std::uint64_t kEntriesPerSweep = 64;
// More than come in between two sweeps, so that a backlog shrinks.
constexpr std::size_t kForgottenPerSweep = 256;
// In a cluster others remember and forget too: all are counted anew after so many parts of the limit, which is a few
// rows read for each that is written.
constexpr std::uint64_t kCountsPerLimit = 8;

bool is_request(std::string_view row_key) { return row_key.starts_with(Ledger::row_key(kRequestScope, {})); }

}  // namespace

class LedgerSweep::Task final : public CommitTask {
 public:
  Task(std::atomic<std::int64_t>& requests, std::int64_t forgotten) : requests_(requests), forgotten_(forgotten) {}
  void finished(const Result<CommitOutcome>& outcome) override {
    if (outcome && *outcome == CommitOutcome::committed) requests_.fetch_sub(forgotten_);
  }

 private:
  std::atomic<std::int64_t>& requests_;
  std::int64_t forgotten_;
};

Status LedgerSweep::open() {
  const std::string prefix = Ledger::expiry_prefix(kRequestScope);
  std::int64_t count = 0;
  auto scanned = store_.scan({prefix, prefix_end(prefix)}, [&](std::string_view, std::string_view) {
    ++count;
    return true;
  });
  requests_.store(count);
  return scanned;
}

void LedgerSweep::recorded(std::string_view row_key, std::int64_t now_ms,
                           const std::function<void(const Error&)>& report) {
  if (is_request(row_key)) requests_.fetch_add(1);
  if (written_.fetch_add(1) % kEntriesPerSweep != kEntriesPerSweep - 1) return;
  if (options_.cluster) {
    const std::uint64_t part = std::max<std::uint64_t>(options_.max_remembered_requests / kCountsPerLimit, 1);
    const std::uint64_t parts = written_.load() / part;
    if (counted_parts_.exchange(parts) != parts) {
      if (auto counted = open(); !counted) report(counted.error());
    }
  }
  const auto limit = static_cast<std::int64_t>(options_.max_remembered_requests);
  const auto beyond = static_cast<std::size_t>(std::max<std::int64_t>(requests_.load() - limit, 0));
  for (const std::string_view scope : {kRequestScope, kStepScope}) {
    if (auto swept = forget_some(scope, now_ms, scope == kRequestScope ? beyond : 0); !swept) report(swept.error());
  }
}

Status LedgerSweep::forget_some(std::string_view scope, std::int64_t now_ms, std::size_t beyond_limit) {
  const std::string prefix = Ledger::expiry_prefix(scope);
  std::vector<std::pair<std::string, std::string>> listed;  // where it is listed, the row's key
  auto scanned = store_.scan({prefix, prefix_end(prefix)}, [&](std::string_view key, std::string_view) {
    const auto [row_key, expires_ms] = Ledger::expiring(key, scope);
    if (expires_ms > now_ms && listed.size() >= beyond_limit) return false;
    listed.emplace_back(key, row_key);
    return listed.size() < kForgottenPerSweep;
  });
  if (!scanned) return scanned;
  if (listed.empty()) return {};
  auto task = std::make_unique<Task>(requests_, scope == kRequestScope ? static_cast<std::int64_t>(listed.size()) : 0);
  task->durability = Durability::async;
  for (const auto& [place, row_key] : listed) {
    auto raw = store_.get(row_key);
    if (!raw) return std::move(raw).error();
    // A newer entry may have taken the row since the list was read; it has a place of its own.
    const bool same = raw->has_value() && Ledger::expiry_of(**raw) == Ledger::expiring(place, scope).expires_ms;
    if (same) Ledger::forget(task->transaction, row_key, **raw);
    task->transaction.erase(place);
  }
  commits_.submit(std::move(task));
  return {};
}

}  // namespace openwop::runtime
