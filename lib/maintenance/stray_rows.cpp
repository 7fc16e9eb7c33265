#include "maintenance/stray_rows.h"

#include <algorithm>

#include "engine/agent_services.h"
#include "engine/artifacts.h"
#include "engine/child_rows.h"
#include "engine/fork_plan.h"
#include "engine/retention_rows.h"
#include "engine/run_header.h"
#include "engine/scope_claim.h"
#include "engine/workflow_catalog.h"
#include "maintenance/row_pages.h"
#include "openwop/hash.h"
#include "openwop/lease.h"
#include "openwop/ledger.h"
#include "openwop/protocol/test_runs.h"
#include "openwop/timer.h"

namespace openwop::maintenance {

namespace {

using runtime::RunMarks;

constexpr std::size_t kRecentRuns = 64;
const std::string kNotReadable = "the key does not decode";

/// The id that ends a key.
RunId last_run(std::string_view key) { return RunId::from_bytes(key.substr(key.size() - RunId::kBytes)); }

/// Where the time stands in the key of an interrupt row, behind tenant and what the index is by; npos: nowhere.
std::size_t place_in(std::string_view key) {
  constexpr std::size_t kDigestBytes = 16;
  const std::size_t tenant_end = key.find('\0', 2);
  if (tenant_end == std::string_view::npos) return tenant_end;
  if (key[1] == 'p') return tenant_end + 1;
  if (key[1] == 'c') return tenant_end + 1 + kDigestBytes;
  const std::size_t id_end = key.find('\0', tenant_end + 1);
  return id_end == std::string_view::npos ? id_end : id_end + 1;
}

/// Silence for a second look at a run: what is wrong with it has been reported.
class Unheard final : public Findings {
 public:
  Status found(StoreFinding) override { return {}; }
  Status found(StoreFinding, RowFix) override { return {}; }
  Status settle() override { return {}; }
  bool repairs() const override { return false; }
};

}  // namespace

Status StrayRows::search() {
  struct Kind {
    std::string prefix;
    Judge judge;
  };
  using namespace runtime;
  const auto letter = [](char c) { return std::string(1, c); };
  const Kind kinds[] = {
      {{kIndexPrefix, 's'}, &StrayRows::status_row},
      {{kIndexPrefix, 'w'}, &StrayRows::workflow_row},
      {{kIndexPrefix, 'g'}, &StrayRows::tag_row},
      {{kIndexPrefix, 'x'}, &StrayRows::scope_row},
      {{kIndexPrefix, 'p'}, &StrayRows::interrupt_row},
      {{kIndexPrefix, 'i'}, &StrayRows::interrupt_row},
      {{kIndexPrefix, 'c'}, &StrayRows::interrupt_row},
      {letter(kActivePrefix), &StrayRows::active_row},
      {letter(kTimerPrefix), &StrayRows::timer_row},
      {letter(kForkReferencePrefix), &StrayRows::fork_row},
      {letter(kChildOrderPrefix), &StrayRows::order_row},
      {letter(kChildNoticePrefix), &StrayRows::notice_row},
      {letter(kArtifactPrefix), &StrayRows::artifact_row},
      {letter(kSeenSecretPrefix), &StrayRows::secret_row},
      {letter(kTestRunPrefix), &StrayRows::test_row},
      {retention_prefix(RetentionRow::ended), &StrayRows::ended_row},
      {retention_prefix(RetentionRow::parked), &StrayRows::parked_row},
      {retention_prefix(RetentionRow::removing), &StrayRows::gone_row},
      {retention_prefix(RetentionRow::kept), &StrayRows::gone_row},
  };
  for (const Kind& kind : kinds) {
    if (auto searched = search_prefix(kind.prefix, kind.judge); !searched) return searched;
  }
  return read_everything();
}

Status StrayRows::search_prefix(const std::string& prefix, Judge judge) {
  return for_each_row(store_, prefix, [&](std::string_view key, std::string_view value) -> Status {
    ++rows_;
    auto reason = (this->*judge)(key, value);
    if (!reason) return std::move(reason).error();
    if (reason->empty()) return {};
    return findings_.found({"row_stray", printable(key), std::nullopt, std::move(*reason)},
                           {std::string(key), std::string(value), std::nullopt});
  });
}

/// Reads every row there is, needed or not: what lies on a damaged page of a file is found by reading it.
Status StrayRows::read_everything() {
  // Everything that docs/architecture.md lists, and the indexes under `I`.
  constexpr std::string_view kKnown = "ACEFHIKLMNPQRTUVWXY";
  constexpr std::string_view kIndexes = "cgipswx";
  const std::string definitions = runtime::workflow_key({});
  return for_each_row(store_, {}, [&](std::string_view key, std::string_view value) -> Status {
    const bool is_index = key.front() == runtime::kIndexPrefix;
    const bool known = kKnown.find(key.front()) != std::string_view::npos &&
                       (!is_index || (key.size() > 1 && kIndexes.find(key[1]) != std::string_view::npos));
    if (!known) return findings_.found({"row_unknown", printable(key), std::nullopt, "no row of a known kind"});
    if (!key.starts_with(definitions) || sha256_hex(value) == key.substr(definitions.size())) return {};
    return findings_.found(
        {"workflow_damaged", printable(key), std::nullopt, "it has other bytes than its digest says"});
  });
}

// ---- what is known of runs ----

Result<bool> StrayRows::exists(const std::string& key) const {
  auto row = store_.get(key);
  if (!row) return std::move(row).error();
  return row->has_value();
}

Result<const StrayRows::Facts*> StrayRows::facts_of(const RunId& run) {
  if (facts_ && facts_run_ == run) return &*facts_;
  Facts facts;
  facts.troubled = troubled_.contains(run);
  auto header = store_.get(Log::header_key(run));
  if (!header) return std::move(header).error();
  auto head = store_.get(Log::head_key(run));
  if (!head) return std::move(head).error();
  facts.exists = header->has_value() || head->has_value();
  if (facts.exists && !facts.troubled) {
    // What does not decode has been reported with its run.
    auto decoded = runtime::decode_header(header->value_or(""));
    auto log_head = LogHead::decode(head->value_or(""));
    auto marks = log_head ? RunMarks::decode(log_head->summary) : Result<RunMarks>(log_head.error());
    facts.troubled = !decoded || !marks;
    if (!facts.troubled) {
      facts.header = std::make_shared<const RunHeader>(std::move(*decoded));
      facts.marks = std::move(*marks);
    }
  }
  facts_ = std::move(facts);
  facts_run_ = run;
  return &*facts_;
}

Result<const Rows*> StrayRows::interrupts_of(const RunId& run) {
  const auto known =
      std::find_if(interrupts_.begin(), interrupts_.end(), [&](const auto& entry) { return entry.first == run; });
  if (known != interrupts_.end()) return &known->second;
  Unheard unheard;
  auto reading = read_run_rows(store_, workflows_, run, unheard);
  if (!reading) return std::move(reading).error();
  Rows rows;
  if (*reading && (*reading)->has_log) rows = runtime::interrupt_rows_of((*reading)->run);
  interrupts_.emplace_front(run, std::move(rows));
  if (interrupts_.size() > kRecentRuns) interrupts_.pop_back();
  return &interrupts_.front().second;
}

Result<bool> StrayRows::started_by(const RunId& parent, const RunId& child) {
  Unheard unheard;
  auto reading = read_run_rows(store_, workflows_, parent, unheard);
  if (!reading) return std::move(reading).error();
  if (!*reading) return true;  // nobody can say
  const auto& children = (*reading)->run.state.children;
  return std::any_of(children.begin(), children.end(), [&](const ChildRun& each) { return each.run_id == child; });
}

template <class Fits>
StrayRows::Reason StrayRows::of_run(const RunId& run, Fits fits) {
  auto facts = facts_of(run);
  if (!facts) return std::move(facts).error();
  if ((*facts)->troubled) return std::string();
  if (!(*facts)->exists) return "the run " + run.text() + " is not there";
  if (fits(**facts)) return std::string();
  return "the run " + run.text() + " is " + std::string(status_name((*facts)->marks.status)) +
         " and does not have this row";
}

// ---- one kind of row each ----

StrayRows::Reason StrayRows::status_row(std::string_view key, std::string_view) {
  if (key.size() < 4 + RunId::kBytes) return kNotReadable;
  const RunId run = last_run(key);
  return of_run(run, [&](const Facts& facts) {
    return key == runtime::status_index_prefix(facts.marks.tenant, facts.marks.status).append(run.view());
  });
}

StrayRows::Reason StrayRows::workflow_row(std::string_view key, std::string_view) {
  if (key.size() < 4 + RunId::kBytes) return kNotReadable;
  const RunId run = last_run(key);
  return of_run(run, [&](const Facts& facts) {
    return key == runtime::workflow_index_prefix(facts.marks.tenant, facts.marks.workflow_id).append(run.view());
  });
}

StrayRows::Reason StrayRows::tag_row(std::string_view key, std::string_view) {
  if (key.size() < 4 + RunId::kBytes) return kNotReadable;
  const RunId run = last_run(key);
  return of_run(run, [&](const Facts& facts) {
    const auto& tags = facts.header->tags;
    return std::any_of(tags.begin(), tags.end(), [&](const std::string& tag) {
      return key == runtime::tag_index_prefix(facts.marks.tenant, tag).append(run.view());
    });
  });
}

StrayRows::Reason StrayRows::scope_row(std::string_view key, std::string_view value) {
  if (value.size() != RunId::kBytes) return std::string("the value is no run");
  const RunId run = RunId::from_bytes(value);
  return of_run(run, [&](const Facts& facts) {
    Transaction claim;
    runtime::claim_scope(claim, *facts.header, run, facts.marks.status);
    for (std::size_t i = 0; i < claim.size(); ++i) {
      const auto entry = claim.entry(i);
      if (entry.op == Transaction::Op::put && entry.key == key) return true;
    }
    return false;
  });
}

StrayRows::Reason StrayRows::interrupt_row(std::string_view key, std::string_view) {
  constexpr std::size_t kTimeBytes = 8;
  const std::size_t place = place_in(key);
  if (place == std::string_view::npos || key.size() < place + kTimeBytes + RunId::kBytes) return kNotReadable;
  const RunId run = RunId::from_bytes(key.substr(place + kTimeBytes));
  auto facts = facts_of(run);
  if (!facts) return std::move(facts).error();
  if ((*facts)->troubled) return std::string();
  if (!(*facts)->exists) return "the run " + run.text() + " is not there";
  auto rows = interrupts_of(run);
  if (!rows) return std::move(rows).error();
  if ((*rows)->contains(key)) return std::string();
  return "the run " + run.text() + " has no such interrupt";
}

StrayRows::Reason StrayRows::active_row(std::string_view key, std::string_view) {
  if (key.size() != 1 + RunId::kBytes) return kNotReadable;
  return of_run(last_run(key), [](const Facts& facts) { return facts.marks.active; });
}

StrayRows::Reason StrayRows::timer_row(std::string_view key, std::string_view) {
  if (key.size() != 9 + RunId::kBytes) return kNotReadable;
  const RunId run = last_run(key);
  return of_run(run, [&](const Facts& facts) {
    return facts.marks.timer_due_ms != 0 && key == Timers::key(facts.marks.timer_due_ms, run);
  });
}

StrayRows::Reason StrayRows::fork_row(std::string_view key, std::string_view) {
  if (key.size() != 1 + 2 * RunId::kBytes) return kNotReadable;
  const RunId fork = last_run(key);
  const RunId source = RunId::from_bytes(key.substr(1));
  // The rows of a fork that is being removed go with it.
  auto removing = exists(runtime::removing_key(fork));
  if (!removing) return std::move(removing).error();
  if (*removing) return std::string();
  auto origin = Log(store_).origin(fork);
  if (!origin) return std::string();  // reported with the fork
  LogOrigin source_origin;
  if (auto facts = facts_of(fork); facts && (*facts)->header && (*facts)->header->is_replay()) {
    auto found = Log(store_).origin((*facts)->header->fork->source_run);
    if (found) source_origin = std::move(*found);
  }
  return of_run(fork, [&](const Facts& facts) {
    const auto names = [&](const LogOrigin& any) {
      return std::any_of(any.segments.begin(), any.segments.end(),
                         [&](const LogSegment& segment) { return segment.run == source; });
    };
    return names(*origin) ||
           (facts.header->is_replay() && (facts.header->fork->source_run == source || names(source_origin)));
  });
}

StrayRows::Reason StrayRows::order_row(std::string_view key, std::string_view value) {
  if (key.size() != 2 + RunId::kBytes) return kNotReadable;
  const RunId child = RunId::from_bytes(key.substr(1));
  auto there = exists(Log::head_key(child));
  if (!there) return std::move(there).error();
  if (key.back() == runtime::kControlOrder) {
    if (*there) return std::string();
    auto ordered = exists(runtime::child_order_key(child, runtime::kCreateOrder));
    if (!ordered) return std::move(ordered).error();
    return *ordered ? std::string() : "the run " + child.text() + " is neither there nor ordered";
  }
  if (key.back() != runtime::kCreateOrder) return kNotReadable;
  if (*there) return "the run " + child.text() + " is there already";
  auto checked = json::check(value, {kMaxValueBytes, 256});
  auto header = checked ? runtime::decode_header(value) : Result<RunHeader>(std::move(checked).error());
  if (!header) return std::string("the header in it does not decode");
  auto parent = exists(Log::header_key(header->parent_run_id));
  if (!parent) return std::move(parent).error();
  if (!*parent) return std::string();  // the parent has been removed since
  auto started = started_by(header->parent_run_id, child);
  if (!started) return std::move(started).error();
  return *started ? std::string() : "the run " + header->parent_run_id.text() + " has not started it";
}

StrayRows::Reason StrayRows::notice_row(std::string_view key, std::string_view) {
  if (key.size() != 1 + 2 * RunId::kBytes) return kNotReadable;
  // Whether the parent has still to act on it is the parent's matter: it drops what it knows.
  auto there = exists(Log::head_key(last_run(key)));
  if (!there) return std::move(there).error();
  return *there ? std::string() : "the run " + last_run(key).text() + " is not there";
}

StrayRows::Reason StrayRows::artifact_row(std::string_view key, std::string_view) {
  if (key.size() <= 1 + RunId::kBytes) return kNotReadable;
  const RunId run = RunId::from_bytes(key.substr(1));
  // What a gone run has made is there for its forks.
  for (const std::string& gone : {runtime::removing_key(run), runtime::kept_key(run)}) {
    auto there = exists(gone);
    if (!there) return std::move(there).error();
    if (*there) return std::string();
  }
  return of_run(run, [](const Facts&) { return true; });
}

StrayRows::Reason StrayRows::secret_row(std::string_view key, std::string_view) {
  if (key.size() <= 1 + RunId::kBytes) return kNotReadable;
  return of_run(RunId::from_bytes(key.substr(1)), [](const Facts& facts) { return !is_terminal(facts.marks.status); });
}

StrayRows::Reason StrayRows::test_row(std::string_view key, std::string_view) {
  if (key.size() != 1 + RunId::kBytes) return kNotReadable;
  return of_run(last_run(key), [](const Facts&) { return true; });
}

StrayRows::Reason StrayRows::ended_row(std::string_view key, std::string_view) {
  if (key.size() != 10 + RunId::kBytes) return kNotReadable;
  const RunId run = last_run(key);
  return of_run(run, [&](const Facts& facts) {
    return is_terminal(facts.marks.status) && key == runtime::ended_key(runtime::ended_ms_of(facts.marks), run);
  });
}

StrayRows::Reason StrayRows::parked_row(std::string_view key, std::string_view) {
  if (key.size() != 2 + 2 * RunId::kBytes) return kNotReadable;
  return of_run(last_run(key), [](const Facts& facts) { return is_terminal(facts.marks.status); });
}

StrayRows::Reason StrayRows::gone_row(std::string_view key, std::string_view) {
  if (key.size() != 2 + RunId::kBytes) return kNotReadable;
  auto there = exists(Log::header_key(last_run(key)));
  if (!there) return std::move(there).error();
  return *there ? "the run " + last_run(key).text() + " is there" : std::string();
}

}  // namespace openwop::maintenance
