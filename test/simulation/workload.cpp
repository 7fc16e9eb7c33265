// What callers of the simulated engine do.
#include <algorithm>
#include <utility>

#include "simulation/sim_trace.h"
#include "simulation/world.h"

namespace openwop::test {

namespace {

constexpr std::string_view kTenant = "default";

std::string line_of(const EventView& event) {
  return std::to_string(event.sequence) + " " + std::string(event.payload);
}

}  // namespace

// ---- the network ----

void World::send(Delivery delivery, std::function<void()> request) {
  if (extras_ == Extras::none || network_is_calm_) return request();
  const std::size_t way = weather_.below(100);
  const bool repeats = delivery == Delivery::may_repeat && way < 15;
  const bool is_late = repeats || (way >= 15 && way < 30);
  if (is_late) under_way_.push_back(request);
  if (repeats) ++tally_.repeated_requests;
  if (!is_late || repeats) return request();
  ++tally_.late_requests;
}

void World::deliver_some() {
  while (!under_way_.empty() && weather_.percent(40)) {
    const auto at = under_way_.begin() + static_cast<std::ptrdiff_t>(weather_.below(under_way_.size()));
    const auto request = std::move(*at);
    under_way_.erase(at);
    trace("a request arrives late");
    request();
  }
}

void World::deliver_all() {
  for (const auto& request : std::exchange(under_way_, {})) request();
}

void World::draw_workflows() {
  for (std::size_t i = 0; i < 1 + workload_.below(4); ++i) {
    const std::string id = "workflow-" + std::to_string(i);
    // Only earlier ones, so that none starts itself.
    const auto callees = extras_ == Extras::all ? workflow_ids_ : std::vector<std::string>{};
    workflow_ids_.push_back(id);
    for (std::size_t version = 0; version < (temper_ == Temper::calm ? 1 : 2); ++version) {
      versions_[id].push_back(generate_workflow(workload_, temper_, id, callees));
      invariants_.know(versions_[id].back());
    }
  }
}

void World::draw_wishes() {
  const bool calm = temper_ == Temper::calm;
  for (std::size_t i = 0; i < 3 + workload_.below(10); ++i) {
    Wish wish;
    wish.workflow_id = workload_.pick(workflow_ids_);
    wish.inputs = R"({"n":)" + std::to_string(workload_.below(10)) + "}";
    if (!calm && workload_.percent(15)) {
      wish.configurable = R"({"recursionLimit":)" + std::to_string(workload_.between(1, 20)) + "}";
    }
    // In a calm world every caller asks until it is answered; one key makes that one run.
    if (calm || workload_.percent(60)) wish.key = "key-" + std::to_string(calm ? i : workload_.below(6));
    if (!calm && workload_.percent(20)) wish.key_lifetime_ms = workload_.between(1'000, 100'000);
    wishes_.push_back(std::move(wish));
  }
}

void World::step() {
  switch (workload_.below(20)) {
    case 0:
    case 1:
    case 2: return ask_for_run();
    case 3: return cancel_some_run();
    case 4: return watch_some_run();
    case 5:
    case 6: return read_watchers(workload_.percent(50) ? 1 + workload_.below(6) : 1'000);
    case 7: return query_some_run();
    case 8:
      if (temper_ == Temper::wild && workload_.percent(30)) change_workflow(workload_.pick(workflow_ids_));
      return;
    case 9:
      if (faults_ == Faults::injected && chaos_.percent(30)) crash();
      return;
    case 10: return check_listing();
    case 11:
    case 12: return answer_some_interrupt();
    case 13: return pause_some_run();
    case 14:
      if (const RunId* run = some_run(); run != nullptr && temper_ == Temper::wild) resume_run(*run);
      return;
    default: return pass_time();
  }
}

/// Somebody sets the machine's clock. Nothing lives by the order of its times; within half a day nothing expires either
/// that a run could still need.
void World::jump_clock() {
  constexpr std::int64_t kHourMs = 3'600'000;
  const std::int64_t by_ms = weather_.percent(50) ? -weather_.between(1, kHourMs) : weather_.between(1, 12 * kHourMs);
  trace("the clock jumps by ", by_ms);
  ++tally_.clock_jumps;
  clock_->advance(by_ms);
}

void World::pass_time() {
  deliver_some();
  if (extras_ == Extras::all && weather_.percent(4)) jump_clock();
  const std::size_t kind = workload_.below(10);
  const std::int64_t step_ms = kind < 2   ? 0
                               : kind < 8 ? workload_.between(1, 1'500)
                                          : workload_.between(1'000, 700'000);
  clock_->advance(step_ms);
  tick();
  if (workload_.percent(40)) read_watchers(1'000);
}

// ---- calls ----

void World::ask_for_run() {
  const std::size_t wish = workload_.below(wishes_.size());
  create(wish);
  if (workload_.percent(50)) engine_->tick(clock_->now_ms());
}

/// The claim for a keyed wish; nothing if its key is already used and the caller has its answer.
std::optional<LedgerClaim> World::claim_for(Wish& wish, std::vector<std::string>& tags) {
  const std::string row = Ledger::row_key("create", wish.key);
  auto found = engine_->find_ledger_entry(row);
  if (!found) return std::nullopt;
  LedgerClaim claim;
  std::string generation = "first";
  if (found->has_value()) {
    if (!(*found)->expired(clock_->now_ms())) {
      wish.run = RunId::parse((*found)->entry.outcome);
      invariants_.acknowledged(*wish.run);
      return std::nullopt;
    }
    claim.replaces = (*found)->raw;
    generation = "after " + (*found)->entry.outcome;
  }
  tags.push_back(wish.key + " " + generation);
  claim.row_key = row;
  claim.request_digest = wish.inputs;
  claim.expires_ms = wish.key_lifetime_ms == 0 ? 0 : clock_->now_ms() + wish.key_lifetime_ms;
  claim.outcome = [](const RunId& run, RunStatus) { return run.text(); };
  return claim;
}

void World::create(std::size_t index) {
  Wish& wish = wishes_[index];
  if (wish.pending || (wish.asked && (wish.key.empty() || temper_ == Temper::calm) && wish.run)) return;
  if (wish.asked && wish.key.empty()) return;
  CreateRun request{.workflow_id = wish.workflow_id, .inputs = wish.inputs};
  request.configurable = wish.configurable;
  if (!wish.key.empty()) {
    request.claim = claim_for(wish, request.tags);
    if (!request.claim) return;
  }
  trace("create ", wish.workflow_id);
  wish.asked = true;
  wish.pending = true;
  const std::string row = request.claim ? request.claim->row_key : std::string();
  // A repeat behind the life of its key would be another run, and rightly so.
  send(row.empty() || wish.key_lifetime_ms != 0 ? Delivery::once : Delivery::may_repeat,
       [this, request = std::move(request), index, row] { create_at_engine(request, index, row); });
}

void World::create_at_engine(const CreateRun& request, std::size_t index, const std::string& row) {
  engine_->create_run(request, [this, index, row, answered = expect_answer("create")](Result<CreatedRun> created) {
    answered();
    wishes_[index].pending = false;
    if (!created) {
      ++tally_.failed_calls;
      const ErrorCode code = created.error().code;
      const bool expected = code == ErrorCode::store_io_error || code == ErrorCode::precondition_failed ||
                            code == ErrorCode::service_unavailable;
      if (!expected) complain("reads agree with the log", "create fails with " + created.error().message);
      return;
    }
    wishes_[index].run = created->run_id;
    acknowledged_.push_back(created->run_id);
    invariants_.acknowledged(created->run_id);
    if (!row.empty() && !medium_->rows.get(row)->has_value())
      complain("an idempotency key has one run", "no ledger row");
  });
}

void World::cancel_some_run() {
  const RunId* run = some_run();
  if (temper_ == Temper::calm || run == nullptr) return;
  CancelRun request{.run_id = *run, .reason = "simulated", .cancelled_by = "caller"};
  if (workload_.percent(30)) {
    const std::string row = Ledger::row_key("cancel", run->text());
    auto found = engine_->find_ledger_entry(row);
    if (!found || found->has_value()) return;
    request.claim = LedgerClaim{
        .row_key = row, .outcome = [](const RunId&, RunStatus status) { return std::string(status_name(status)); }};
  }
  const std::size_t times = workload_.percent(20) ? 2 : 1;
  for (std::size_t i = 0; i < times; ++i) {
    send(Delivery::may_repeat, [this, request] { cancel_at_engine(request); });
  }
  if (workload_.percent(50)) engine_->tick(clock_->now_ms());
}

void World::cancel_at_engine(const CancelRun& request) {
  trace("cancel ", request.run_id.text());
  engine_->cancel_run(request, [this, run = request.run_id, answered = expect_answer("cancel")](auto status) {
    answered();
    trace("cancel of ", run.text(), " answered ", status ? status_name(*status) : "with an error");
    if (status) {
      ++tally_.cancels;
      invariants_.cancelled(run, *status);
    } else {
      ++tally_.failed_calls;
    }
  });
}

void World::answer_some_interrupt() {
  const auto page = engine_->list_interrupts({}, {}, 1 + workload_.below(5));
  if (!page || page->interrupts.empty()) return;
  static const std::vector<std::string> kWild = {R"({"action":"accept"})", R"({"action":"accept"})",
                                                 R"({"action":"reject"})", R"({"action":"maybe"})", "7"};
  const bool calm = temper_ == Temper::calm;
  const InterruptSummary interrupt = page->interrupts[workload_.below(page->interrupts.size())];
  const std::size_t times = !calm && workload_.percent(30) ? 2 : 1;
  for (std::size_t i = 0; i < times; ++i) answer(interrupt, calm ? "7" : workload_.pick(kWild));
  if (!calm && workload_.percent(10)) cancel_some_run();
  if (workload_.percent(50)) engine_->tick(clock_->now_ms());
}

void World::answer(const InterruptSummary& interrupt, const std::string& value) {
  send(Delivery::may_repeat, [this, interrupt, value] { answer_at_engine(interrupt, value); });
}

void World::answer_at_engine(const InterruptSummary& interrupt, const std::string& value) {
  trace("answer ", interrupt.run_id.text(), " ", interrupt.node_id, " ", value);
  engine_->resolve_interrupt({.run_id = interrupt.run_id,
                              .node_id = interrupt.node_id,
                              .interrupt_id = interrupt.interrupt_id,
                              .resume_value = value,
                              .principal = "somebody"},
                             [this, interrupt, answered = expect_answer("resolve")](Result<RunStatus> status) {
                               answered();
                               if (!status) {
                                 ++tally_.failed_calls;
                                 return;
                               }
                               ++tally_.answers;
                               invariants_.answered(interrupt.run_id, interrupt.node_id, interrupt.interrupt_id);
                             });
}

void World::pause_some_run() {
  const RunId* run = some_run();
  if (temper_ == Temper::calm || run == nullptr) return;
  const DrainPolicy policy = workload_.percent(50) ? DrainPolicy::immediate : DrainPolicy::drain_current_node;
  send(Delivery::may_repeat, [this, run = *run, policy] {
    trace("pause ", run.text(), " ", drain_policy_name(policy));
    engine_->pause_run({.run_id = run, .reason = "simulated", .drain_policy = policy},
                       [this, answered = expect_answer("pause")](Result<RunStatus> status) {
                         answered();
                         tally_.pauses += status ? 1 : 0;
                       });
  });
  if (workload_.percent(50)) engine_->tick(clock_->now_ms());
}

void World::resume_run(const RunId& run) {
  send(Delivery::may_repeat, [this, run] {
    trace("resume ", run.text());
    engine_->resume_run({.run_id = run}, [this, answered = expect_answer("resume")](Result<RunStatus> status) {
      answered();
      tally_.resumes += status ? 1 : 0;
    });
  });
  engine_->tick(clock_->now_ms());
}

bool World::help_everybody() {
  bool helped = false;
  for (std::string cursor;;) {
    const auto paused = engine_->list_runs({.status = RunStatus::paused}, cursor, 100);
    if (!paused) break;
    for (const RunSummary& run : paused->runs) resume_run(run.run_id);
    helped = helped || !paused->runs.empty();
    cursor = paused->cursor;
    if (cursor.empty()) break;
  }
  const auto waiting = engine_->list_interrupts({}, {}, 100);
  if (!waiting) return helped;
  for (const InterruptSummary& interrupt : waiting->interrupts) {
    answer(interrupt, temper_ == Temper::calm || interrupt.kind == "custom" ? "7" : R"({"action":"accept"})");
  }
  return helped || !waiting->interrupts.empty();
}

/// Runs in flight keep the version that they began with.
void World::change_workflow(const std::string& id) {
  static_cast<void>(engine_->register_workflow(workload_.pick(versions_.at(id))->source));
  crash_if_due();
}

// ---- watching and asking ----

void World::watch_some_run() {
  const RunId* run = some_run();
  if (run == nullptr || watchers_.size() >= 8) return;
  Watcher watcher;
  watcher.run = *run;
  invariants_.check();
  const auto at = invariants_.runs().find(*run);
  if (at == invariants_.runs().end()) return;
  watcher.from = workload_.below(at->second.state.next_sequence);
  watchers_.push_back(std::move(watcher));
}

void World::read_watchers(std::size_t max_events) {
  for (Watcher& watcher : watchers_) {
    if (workload_.percent(60)) read_watcher(watcher, max_events);
  }
}

void World::read_watcher(Watcher& watcher, std::size_t max_events) {
  if (!watcher.subscription) {
    auto opened = engine_->subscribe(kTenant, watcher.run, watcher.from + watcher.seen.size());
    if (!opened) return;
    watcher.subscription = std::move(*opened);
  }
  const auto read = watcher.subscription->read(max_events, [&](const EventView& event) {
    if (event.sequence != watcher.from + watcher.seen.size()) {
      complain("a subscription gives every event once and in order", watcher.run.text());
    }
    watcher.seen.push_back(line_of(event));
    ++tally_.events_watched;
    return true;
  });
  watcher.complete = watcher.complete || watcher.subscription->complete();
  if (read && *read > max_events) complain("a subscription gives every event once and in order", "too many at once");
}

void World::query_some_run() {
  const RunId* run = some_run();
  if (run == nullptr) return;
  invariants_.check();
  const auto at = invariants_.runs().find(*run);
  const auto view = engine_->run(kTenant, *run);
  const auto explained = engine_->explain(kTenant, *run);
  if (at == invariants_.runs().end()) return;
  const RunState& state = at->second.state;
  const auto wrong = [&](const Error& error) { return error.code != ErrorCode::store_io_error; };
  if (view ? view->state.next_sequence != state.next_sequence || view->state.variables != state.variables
           : wrong(view.error())) {
    complain("reads agree with the log", "run " + run->text());
  }
  if (explained ? explained->status != state.status : wrong(explained.error())) {
    complain("reads agree with the log", "explain " + run->text());
  }
}

void World::check_listing() {
  invariants_.check();
  std::map<RunId, RunStatus> listed;
  std::string cursor;
  do {
    const auto page = engine_->list_runs({}, cursor, 1 + workload_.below(4));
    if (!page) return;
    for (const RunSummary& run : page->runs) {
      if (!listed.emplace(run.run_id, run.status).second) complain("reads agree with the log", "a run is listed twice");
    }
    cursor = page->cursor;
  } while (!cursor.empty());
  std::map<RunId, RunStatus> expected;
  for (const auto& [run, folded] : invariants_.runs()) expected.emplace(run, folded.state.status);
  if (listed != expected) complain("reads agree with the log", "the listing");
}

}  // namespace openwop::test
