#include "engine/retention.h"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/child_rows.h"
#include "engine/fork_plan.h"
#include "engine/run_header.h"
#include "engine/scope_claim.h"
#include "openwop/run_observer.h"
#include "openwop/timer.h"

namespace openwop::runtime {

namespace {

struct EndedRow {
  std::string key;
  std::int64_t ended_ms = 0;
  RunId run;
};

/// Nothing if it does not decode.
std::optional<EndedRow> ended_row(std::string_view key) {
  constexpr std::size_t kPrefixBytes = 2;
  bytes::Reader reader(key.substr(kPrefixBytes));
  const auto ended_ms = static_cast<std::int64_t>(reader.u64());
  if (!reader.ok() || reader.rest().size() != RunId::kBytes) return std::nullopt;
  return EndedRow{std::string(key), ended_ms, RunId::from_bytes(reader.rest())};
}

std::string ended_bound(std::int64_t ended_ms) {
  std::string bound = retention_prefix(RetentionRow::ended);
  bytes::put_u64(bound, static_cast<std::uint64_t>(ended_ms));
  return bound;
}

/// The run for which the commit parks another one.
std::optional<RunId> blocker_of(const Transaction& transaction) {
  const std::string prefix = retention_prefix(RetentionRow::parked);
  for (std::size_t i = 0; i < transaction.size(); ++i) {
    const auto entry = transaction.entry(i);
    if (entry.op == Transaction::Op::put && entry.key.starts_with(prefix)) {
      return RunId::from_bytes(entry.key.substr(prefix.size()));
    }
  }
  return std::nullopt;
}

/// The listing and index rows that a commit of the engine's own would have put.
void erase_created_rows(Transaction& transaction, const RunId& run, const RunMarks& marks,
                        std::span<const std::string> tags) {
  Transaction rows;
  put_created_rows(rows, run, marks, tags);
  for (std::size_t i = 0; i < rows.size(); ++i) transaction.erase(rows.entry(i).key);
}

}  // namespace

/// One commit of a step.
class Retention::Task final : public CommitTask {
 public:
  Task(Retention& retention, std::int64_t now_ms, std::function<void()> wake)
      : retention_(retention), now_ms_(now_ms), wake_(std::move(wake)) {}
  void finished(const Result<CommitOutcome>& outcome) override {
    if (!outcome) retention_.options_.on_error(outcome.error());
    retention_.finished(outcome && *outcome == CommitOutcome::committed, now_ms_);
    wake_();
  }

 private:
  Retention& retention_;
  std::int64_t now_ms_;
  std::function<void()> wake_;
};

Status Retention::open() {
  const std::string mark = retention_prefix(RetentionRow::complete);
  auto complete = store_.get(mark);
  if (!complete) return std::move(complete).error();
  if (auto looked = look(); !looked) return looked;
  if (!is_on() && complete->has_value()) {
    // From here on runs end without a row.
    auto task = std::make_unique<Task>(*this, 0, [] {});
    task->transaction.erase(mark);
    task->durability = Durability::async;
    {
      const std::lock_guard lock(mutex_);
      ++under_way_;
    }
    commits_.submit(std::move(task));
  }
  const std::lock_guard lock(mutex_);
  accounting_ = is_on() && !complete->has_value();
  account_from_ = {kIndexPrefix, 's'};
  return {};
}

Status Retention::look() {
  const auto first_of = [&](RetentionRow kind, std::string& key) {
    const std::string prefix = retention_prefix(kind);
    return store_.scan({prefix, prefix_end(prefix), false}, [&](std::string_view found, std::string_view) {
      key = found;
      return false;
    });
  };
  std::string removing;
  std::string ended;
  auto scanned = first_of(RetentionRow::removing, removing);
  if (scanned) scanned = first_of(RetentionRow::ended, ended);
  if (!scanned) return scanned;
  const auto row = ended.empty() ? std::nullopt : ended_row(ended);
  const std::lock_guard lock(mutex_);
  removing_ = removing_ || !removing.empty();
  if (!ended.empty()) {
    const std::int64_t ended_ms = row ? row->ended_ms : 0;
    first_ended_ms_ = std::min(first_ended_ms_.value_or(ended_ms), ended_ms);
  }
  return {};
}

std::int64_t Retention::add_end(Transaction& transaction, const RunId& run, const RunMarks& marks) const {
  if (!is_on()) return 0;
  const std::int64_t ended_ms = ended_ms_of(marks);
  transaction.put(ended_key(ended_ms, run), {});
  return ended_ms;
}

bool Retention::note(std::int64_t ended_ms) {
  if (ended_ms == 0) return false;
  const std::lock_guard lock(mutex_);
  if (first_ended_ms_ && *first_ended_ms_ <= ended_ms) return false;
  first_ended_ms_ = ended_ms;
  return true;
}

std::optional<std::int64_t> Retention::next_due_ms() const {
  const std::lock_guard lock(mutex_);
  if (under_way_ > 0) return std::nullopt;
  if (removing_ || accounting_) return rests_until_ms_;
  if (!is_on() || !first_ended_ms_) return std::nullopt;
  std::int64_t due_ms = 0;
  // A retention longer than time itself never ends.
  if (__builtin_add_overflow(*first_ended_ms_, options_.finished_run_retention_ms, &due_ms)) return std::nullopt;
  return std::max(due_ms, rests_until_ms_);
}

Result<bool> Retention::step(std::int64_t now_ms, const std::function<void()>& wake) {
  const auto due_ms = next_due_ms();
  if (!due_ms || *due_ms > now_ms) return false;
  Step next{now_ms, wake};
  if (auto planned = plan(next); !planned) {
    const std::lock_guard lock(mutex_);
    rests_until_ms_ = now_ms + options_.store_retry_ms;
    return std::move(planned).error();
  }
  {
    const std::lock_guard lock(mutex_);
    under_way_ += next.tasks.size();
  }
  const bool any = !next.tasks.empty();
  for (auto& task : next.tasks) commits_.submit(std::move(task));
  return any;
}

Status Retention::plan(Step& step) {
  bool removing = false;
  bool accounting = false;
  {
    const std::lock_guard lock(mutex_);
    removing = removing_;
    accounting = accounting_;
  }
  if (removing) {
    if (auto planned = plan_removal(step); !planned || !step.tasks.empty()) return planned;
  }
  return accounting ? plan_account(step) : is_on() ? plan_due(step) : Status{};
}

Transaction& Retention::begin_commit(Step& step) {
  auto task = std::make_unique<Task>(*this, step.now_ms, step.wake);
  // What power takes back is done again.
  task->durability = Durability::async;
  step.tasks.push_back(std::move(task));
  return step.tasks.back()->transaction;
}

void Retention::finished(bool sound, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  --under_way_;
  if (!sound) {
    // Failed, or somebody else was at the same rows: what there is to do is looked for again.
    rests_until_ms_ = now_ms + options_.store_retry_ms;
    removing_ = true;
    first_ended_ms_ = 0;
    account_next_.reset();
  }
  if (under_way_ > 0 || !account_next_) return;
  account_from_ = *std::exchange(account_next_, std::nullopt);
  accounting_ = !account_ends_;
}

// ---- ends whose time is over ----

Status Retention::plan_due(Step& step) {
  std::int64_t from_ms = 0;
  {
    const std::lock_guard lock(mutex_);
    from_ms = first_ended_ms_.value_or(0);
    first_ended_ms_.reset();
  }
  std::vector<EndedRow> due;
  std::vector<std::string> strange;
  std::optional<std::int64_t> left_ms;
  auto scanned = store_.scan({ended_bound(from_ms), prefix_end(retention_prefix(RetentionRow::ended)), false},
                             [&](std::string_view key, std::string_view) {
                               auto row = ended_row(key);
                               if (!row) {
                                 strange.emplace_back(key);
                                 return strange.size() < kRunsPerStep;
                               }
                               const bool is_due = row->ended_ms <= step.now_ms - options_.finished_run_retention_ms;
                               if (!is_due || due.size() == kRunsPerStep) {
                                 left_ms = row->ended_ms;
                                 return false;
                               }
                               due.push_back(std::move(*row));
                               return true;
                             });
  if (left_ms) static_cast<void>(note(*left_ms));
  if (!scanned) {
    static_cast<void>(note(from_ms));
    return scanned;
  }
  for (const std::string& key : strange) begin_commit(step).erase(key);
  std::set<RunId> going;
  for (const EndedRow& row : due) {
    Transaction& transaction = begin_commit(step);
    transaction.erase(row.key);
    if (auto planned = let_go(row.run, row.ended_ms, transaction); !planned) {
      static_cast<void>(note(from_ms));
      return planned;
    }
    const auto blocker = blocker_of(transaction);
    if (blocker && going.contains(*blocker)) {
      // Its parent goes with this very step; with the next one nothing holds it.
      step.tasks.pop_back();
      static_cast<void>(note(row.ended_ms));
      continue;
    }
    going.insert(row.run);
  }
  return {};
}

/// The run is unknown once this is committed, or parked. A row of a run that is not there, or not to be judged, goes.
Status Retention::let_go(const RunId& run, std::int64_t ended_ms, Transaction& transaction) {
  auto header_row = store_.get(Log::header_key(run));
  if (!header_row) return std::move(header_row).error();
  auto head_row = store_.get(Log::head_key(run));
  if (!head_row) return std::move(head_row).error();
  if (!header_row->has_value() || !head_row->has_value()) return {};
  auto header = decode_header(**header_row);
  auto head = LogHead::decode(**head_row);
  auto marks = head ? RunMarks::decode(head->summary) : Result<RunMarks>(head.error());
  if (!header || !marks || !head->sealed) {
    options_.on_error({ErrorCode::store_corrupt, "run " + run.text() + " is damaged, so it is kept"});
    return {};
  }
  if (header->parent_run_id != RunId{}) {
    auto parent = store_.get(Log::header_key(header->parent_run_id));
    if (!parent) return std::move(parent).error();
    if (parent->has_value()) {
      std::string value;
      bytes::put_u64(value, static_cast<std::uint64_t>(ended_ms));
      transaction.require_equals(Log::header_key(header->parent_run_id), **parent);
      transaction.put(parked_key(header->parent_run_id, run), value);
      return {};
    }
  }
  auto references = references_of(run, *header);
  if (!references) return std::move(references).error();
  transaction.require_equals(Log::head_key(run), **head_row);
  transaction.erase(Log::header_key(run));
  transaction.erase(Log::head_key(run));
  erase_created_rows(transaction, run, *marks, header->tags);
  transaction.erase(child_order_key(run, kCreateOrder));
  transaction.erase(child_order_key(run, kControlOrder));
  for (const auto& observer : options_.observers) observer->removed(run, transaction);
  transaction.put(removing_key(run), encode_references(*references));
  const std::lock_guard lock(mutex_);
  removing_ = true;
  return {};
}

Result<std::vector<RunId>> Retention::references_of(const RunId& run, const RunHeader& header) const {
  std::vector<RunId> runs;
  if (!header.fork) return runs;
  const Log log(store_);
  const auto add = [&runs](const LogOrigin& origin) {
    for (const LogSegment& segment : origin.segments) runs.push_back(segment.run);
  };
  auto origin = log.origin(run);
  if (!origin) return std::move(origin).error();
  add(*origin);
  if (header.is_replay()) {
    auto source = log.origin(header.fork->source_run);
    if (!source) return std::move(source).error();
    add(*source);
    runs.push_back(header.fork->source_run);
  }
  std::sort(runs.begin(), runs.end());
  runs.erase(std::unique(runs.begin(), runs.end()), runs.end());
  return runs;
}

// ---- ends that have no row ----

Status Retention::plan_account(Step& step) {
  std::string from;
  {
    const std::lock_guard lock(mutex_);
    from = account_from_;
  }
  std::vector<RunId> ended;
  std::string last;
  std::size_t seen = 0;
  auto scanned = store_.scan(
      {from, prefix_end(std::string{kIndexPrefix, 's'}), false}, [&](std::string_view key, std::string_view) {
        last = key;
        const std::size_t id_at = key.size() < RunId::kBytes + 3 ? 0 : key.size() - RunId::kBytes;
        const auto status = static_cast<std::uint8_t>(id_at == 0 ? 0 : key[id_at - 1]);
        if (status < kRunStatusCount && is_terminal(static_cast<RunStatus>(status))) {
          ended.push_back(RunId::from_bytes(key.substr(id_at)));
        }
        return ++seen < kRowsPerCommit;
      });
  if (!scanned) return scanned;
  Transaction& transaction = begin_commit(step);
  for (const RunId& run : ended) {
    auto row = store_.get(Log::head_key(run));
    if (!row) return std::move(row).error();
    auto head = LogHead::decode(row->value_or(""));
    auto marks = head ? RunMarks::decode(head->summary) : Result<RunMarks>(head.error());
    if (!marks || !head->sealed) continue;
    transaction.require_equals(Log::head_key(run), **row);
    static_cast<void>(note(add_end(transaction, run, *marks)));
  }
  const bool ends = seen < kRowsPerCommit;
  if (ends) {
    transaction.put(retention_prefix(RetentionRow::complete), std::string(1, static_cast<char>(kRetentionFormat)));
  }
  const std::lock_guard lock(mutex_);
  account_ends_ = ends;
  account_next_ = last.empty() ? from : last + '\0';
  return {};
}

}  // namespace openwop::runtime
