// The second step of a removal: the rows that are left of a run that nobody knows any more.
#include <algorithm>

#include "engine/agent_services.h"
#include "engine/artifacts.h"
#include "engine/child_rows.h"
#include "engine/fork_plan.h"
#include "engine/retention.h"
#include "openwop/log.h"

namespace openwop::runtime {

namespace {

/// Forks of which is looked at whether they have begun; a run with more of them is kept whole meanwhile.
constexpr std::size_t kMaxForksLookedAt = 256;

/// What forks need of a log.
struct Need {
  /// Nothing from this sequence on; 0: nothing at all.
  std::uint64_t below = 0;
  /// One of the rows that say so.
  std::string row_key = {};
  std::string row = {};
};

Result<bool> has_begun(const Store& store, const RunId& fork) {
  auto head = Log(store).head(fork);
  if (!head) return std::move(head).error();
  if (!head->has_value()) return true;  // it is gone itself
  const auto marks = RunMarks::decode((*head)->summary);
  return !marks || marks->status != RunStatus::pending;
}

/// The run is gone, so no fork comes to these.
Result<Need> need_of_forks(const Store& store, const RunId& run) {
  Need need;
  std::vector<RunId> forks;
  auto read = forks_of(store, run, [&](const RunId& fork, std::uint64_t needs_below) {
    if (needs_below >= need.below) {
      need.below = needs_below;
      need.row_key = fork_reference_prefix(run).append(fork.view());
    }
    if (forks.size() <= kMaxForksLookedAt) forks.push_back(fork);
    return need.below != kWholeLog;
  });
  if (!read) return std::move(read).error();
  // How a fork begins may depend on what came behind the point where it leaves the source.
  if (forks.size() > kMaxForksLookedAt) need.below = kWholeLog;
  for (std::size_t i = 0; i < forks.size() && need.below != kWholeLog; ++i) {
    auto begun = has_begun(store, forks[i]);
    if (!begun) return std::move(begun).error();
    if (!*begun) need.below = kWholeLog;
  }
  if (need.row_key.empty()) return need;
  auto row = store.get(need.row_key);
  if (!row) return std::move(row).error();
  need.row = row->value_or("");
  return need;
}

}  // namespace

Status Retention::plan_removal(Step& step) {
  // What has been removed leaves marks in the store that a scan has to pass over, so it begins where the last one
  // ended.
  std::vector<Gone> all;
  auto scanned = gone_from(removing_from_, all);
  if (scanned && all.empty() && !removing_from_.empty()) {
    removing_from_.clear();
    scanned = gone_from(removing_from_, all);
  }
  if (!scanned) return scanned;
  if (all.empty()) {
    const std::lock_guard lock(mutex_);
    removing_ = false;
    return {};
  }
  for (const Gone& gone : all) {
    Transaction& transaction = begin_commit(step);
    transaction.require_equals(removing_key(gone.run), gone.row);
    if (auto planned = remove_rest(gone, transaction); !planned) return planned;
  }
  removing_from_ = removing_key(all.front().run);
  return {};
}

Status Retention::gone_from(const std::string& from, std::vector<Gone>& out) const {
  const std::string prefix = retention_prefix(RetentionRow::removing);
  return store_.scan({std::max(from, prefix), prefix_end(prefix), false},
                     [&](std::string_view key, std::string_view row) {
                       if (key.size() == prefix.size() + RunId::kBytes) {
                         out.push_back({RunId::from_bytes(key.substr(prefix.size())), std::string(row)});
                       }
                       return out.size() < kRunsPerStep;
                     });
}

/// As much as one commit holds; with the last of it goes the row that says that something is left.
Status Retention::remove_rest(const Gone& gone, Transaction& transaction) {
  auto done = release(gone, transaction);
  if (!done) return std::move(done).error();
  if (!*done) return {};
  auto need = need_of_forks(store_, gone.run);
  if (!need) return std::move(need).error();
  if (need->below != kWholeLog) {
    done = erase_batches(gone.run, need->below, transaction);
    if (!done) return std::move(done).error();
    if (!*done) return {};
  }
  if (need->below != 0) {
    // Refused if that fork goes meanwhile: whoever takes it away has not seen that this run is kept for it.
    transaction.require_equals(need->row_key, need->row);
    transaction.erase(removing_key(gone.run));
    transaction.put(kept_key(gone.run), gone.row);
    return {};
  }
  done = erase_some(std::string(1, kArtifactPrefix).append(gone.run.view()), transaction);
  if (!done) return std::move(done).error();
  if (!*done) return {};
  transaction.erase(Log::origin_key(gone.run));
  transaction.erase(removing_key(gone.run));
  return {};
}

/// What other runs wait for: children that may go now, sources that this one was a fork of. True if nothing is left.
Result<bool> Retention::release(const Gone& gone, Transaction& transaction) {
  const std::string parked = parked_prefix(gone.run);
  auto scanned = store_.scan({parked, prefix_end(parked), false}, [&](std::string_view key, std::string_view value) {
    transaction.erase(key);
    bytes::Reader reader(value);
    const auto ended_ms = static_cast<std::int64_t>(reader.u64());
    if (!reader.ok() || key.size() != parked.size() + RunId::kBytes) return transaction.size() < kRowsPerCommit;
    transaction.put(ended_key(ended_ms, RunId::from_bytes(key.substr(parked.size()))), {});
    static_cast<void>(note(std::max<std::int64_t>(ended_ms, 1)));
    return transaction.size() < kRowsPerCommit;
  });
  if (!scanned) return std::move(scanned).error();
  if (transaction.size() >= kRowsPerCommit) return false;
  for (const RunId& source : decode_references(gone.row)) {
    const std::string reference = fork_reference_prefix(source).append(gone.run.view());
    auto row = store_.get(reference);
    if (!row) return std::move(row).error();
    if (!row->has_value()) continue;
    transaction.erase(reference);
    auto kept = store_.get(kept_key(source));
    if (!kept) return std::move(kept).error();
    if (!kept->has_value()) continue;
    transaction.erase(kept_key(source));
    transaction.put(removing_key(source), **kept);
  }
  for (const char rows : {kChildNoticePrefix, kSeenSecretPrefix}) {
    auto done = erase_some(std::string(1, rows).append(gone.run.view()), transaction);
    if (!done || !*done) return done;
  }
  return transaction.size() < kRowsPerCommit;
}

/// True if none is left.
Result<bool> Retention::erase_some(const std::string& prefix, Transaction& transaction) const {
  bool all = true;
  auto scanned = store_.scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view) {
    all = transaction.size() < kRowsPerCommit;
    if (all) transaction.erase(key);
    return all;
  });
  if (!scanned) return std::move(scanned).error();
  return all;
}

/// Those that begin at the sequence or later, from the last one down: a reader that is at work finds a shorter log, and
/// no gap.
Result<bool> Retention::erase_batches(const RunId& run, std::uint64_t from_sequence, Transaction& transaction) const {
  bool all = true;
  std::size_t seen_bytes = 0;
  auto scanned = store_.scan({Log::batch_key(run, from_sequence), Log::run_prefix(run) + '\x03', true},
                             [&](std::string_view key, std::string_view value) {
                               all = transaction.size() < kRowsPerCommit && seen_bytes < kBytesPerCommit;
                               if (!all) return false;
                               seen_bytes += value.size();
                               transaction.erase(key);
                               return true;
                             });
  if (!scanned) return std::move(scanned).error();
  return all;
}

}  // namespace openwop::runtime
