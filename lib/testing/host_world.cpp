#include "testing/host_world.h"

#include <algorithm>
#include <set>
#include <utility>

#include "openwop/workflow_check.h"

namespace openwop::testing {

namespace {

constexpr std::int64_t kAskAgainMs = 100;
constexpr std::string_view kScope = "scenario";
constexpr std::string_view kComesToRest = "the scenario comes to rest";
constexpr std::string_view kIsAccepted = "what the scenario asks for is accepted";

bool is_trouble(const Error& error) {
  return error.code == ErrorCode::store_io_error || error.code == ErrorCode::service_unavailable;
}

}  // namespace

Host::World::World(const Scenario& scenario, History history, const std::function<void(std::string_view)>& trace)
    : scenario_(scenario),
      history_(std::move(history)),
      trace_(trace),
      ids_(std::make_shared<RandomIdSource>(history_.seed)),
      chance_(history_.seed),
      invariants_(medium_, [this](const auto& promise, const auto& what) { complain(promise, what); }),
      watch_(medium_, [this](const auto& promise, const auto& what) { complain(promise, what); }) {
  medium_->plan = history_.fault;
  if (history_.random_faults) rates_ = FaultRates::draw(chance_);
  watch_.store_has_failed = [this] { return store_->has_failed(); };
  if (trace_) {
    invariants_.trace = [this](const RunId& run, const EventView& event) {
      tell("  " + run.text() + " " + std::to_string(event.sequence) + " " + std::string(event.type_name) + " " +
           std::string(event.node_id));
    };
  }
  for (const std::string& source : scenario_.workflows) {
    const auto loaded = load_workflow(source, {});
    if (!loaded) continue;  // the engine says why
    for (const WorkflowNode& node : loaded->nodes) node_types_.insert(node.type_id);
  }
}

Host::World::~World() {
  // Nothing of the end of this process counts.
  if (store_) store_->sever();
  engine_.reset();
}

void Host::World::complain(const std::string& promise, const std::string& what) {
  tell("BROKEN " + promise + ": " + what);
  if (problems_.size() < kMaxProblems) problems_.push_back({history_, promise, what});
}

// ---- processes ----

void Host::World::start_process() {
  for (std::size_t tries = 0; engine_ == nullptr && !broken(); ++tries) {
    if (tries == kMaxRounds) return complain(std::string(kComesToRest), "no process can be started");
    if (!open_engine()) {
      store_->sever();
      engine_.reset();
    }
  }
}

/// False when the store does not let it; other reasons are problems.
bool Host::World::open_engine() {
  medium_->open_again();
  ++processes_;
  watch_.engine_replaced();
  store_ = std::make_shared<FaultStore>(medium_, rates_, chance_.fork());
  store_->on_slow = [this] { clock_->advance(kSlowCommitMs); };
  if (trace_) store_->trace = trace_;
  tell("process " + std::to_string(processes_));
  EngineOptions options{.store = store_};
  add_builtin_nodes(options.nodes);
  if (scenario_.set_up) scenario_.set_up(options);
  watch_.watch(options.nodes, node_types_);
  options.store = store_;
  options.threads = 0;
  options.clock = clock_;
  options.ids = ids_;
  options.on_error = [this](const Error& error) {
    if (!is_trouble(error)) complain("the engine reports only the store's failures", error.message);
  };
  auto opened = Engine::open(std::move(options));
  if (!opened) {
    if (!is_trouble(opened.error())) complain(std::string(kIsAccepted), "open: " + opened.error().message);
    return false;
  }
  engine_ = std::move(*opened);
  for (const std::string& source : scenario_.workflows) {
    const auto added = engine_->register_workflow(source);
    if (added) continue;
    if (!is_trouble(added.error())) complain(std::string(kIsAccepted), "workflow: " + added.error().message);
    return false;
  }
  return true;
}

void Host::World::replace_process() {
  tell("crash");
  store_->sever();
  engine_.reset();
  start_process();
}

void Host::World::recover() {
  if (store_->severed() || store_->stuck()) return replace_process();
  clock_->advance(kAskAgainMs);
  static_cast<void>(tick());
}

std::optional<std::int64_t> Host::World::tick() {
  if (broken()) return std::nullopt;
  const auto next = engine_->tick(clock_->now_ms());
  const bool gone = store_->severed() || store_->stuck();
  if (gone) replace_process();
  invariants_.check();
  return gone ? std::optional(clock_->now_ms()) : next;
}

// ---- calls ----

RunId Host::World::create(CreateRun request) {
  const std::string row = Ledger::row_key(kScope, "create-" + std::to_string(created_.size()));
  request.claim = LedgerClaim{.row_key = row, .outcome = [](const RunId& run, RunStatus) { return run.text(); }};
  created_.emplace_back();
  for (std::size_t tries = 0; !broken(); ++tries) {
    if (tries == kMaxRounds) {
      complain(std::string(kComesToRest), "create is not answered");
      break;
    }
    // An answer that did not arrive is in the ledger.
    const auto earlier = engine_->find_ledger_entry(row);
    if (earlier && earlier->has_value()) {
      created_.back() = RunId::parse((*earlier)->entry.outcome).value_or(RunId{});
    } else if (earlier) {
      const auto made = engine_->create_run(request);
      if (made) created_.back() = made->run_id;
      const bool may_be_there = !made && made.error().code == ErrorCode::precondition_failed;
      if (!made && !may_be_there && !is_trouble(made.error())) {
        complain(std::string(kIsAccepted), "create: " + made.error().message);
      }
    }
    if (created_.back() != RunId{}) {
      invariants_.acknowledged(created_.back());
      invariants_.check();
      break;
    }
    recover();
  }
  return created_.back();
}

RunStatus Host::World::run_to_end(const RunId& run) {
  for (std::size_t round = 0; !broken(); ++round) {
    if (round == kMaxRounds) complain(std::string(kComesToRest), "run " + run.text() + " goes on and on");
    const auto next = tick();
    const FoldedRun* found = folded(run);
    // Whoever has an answer is asked before the time for it is over.
    const bool stays = found == nullptr || is_terminal(found->state.status) || is_waiting(found->state.status);
    if (stays || !next) break;
    clock_->set(std::max(*next, clock_->now_ms()));
  }
  const FoldedRun* found = folded(run);
  if (found == nullptr && !broken()) complain("an acknowledged run is there", run.text());
  return found == nullptr ? RunStatus::pending : found->state.status;
}

void Host::World::pass(std::int64_t ms) {
  const std::int64_t until_ms = clock_->now_ms() + ms;
  for (std::size_t round = 0; !broken(); ++round) {
    if (round == kMaxRounds) return complain(std::string(kComesToRest), "time does not pass");
    const auto next = tick();
    if (!next || *next > until_ms) break;
    clock_->set(std::max(*next, clock_->now_ms()));
  }
  if (clock_->now_ms() < until_ms) clock_->set(until_ms);
  static_cast<void>(tick());
}

/// The interrupt that the node waits with, once it does; empty if it never will.
std::string Host::World::come_to_question(const RunId& run, const std::string& node_id) {
  for (std::size_t round = 0; round < kMaxRounds && !broken(); ++round) {
    const auto next = tick();
    const FoldedRun* found = folded(run);
    if (found == nullptr || is_terminal(found->state.status)) break;
    const InterruptState* asked = found->state.find_interrupt(node_id);
    if (asked != nullptr && asked->outcome == InterruptOutcome::pending) return asked->id;
    if (!next) break;
    clock_->set(std::max(*next, clock_->now_ms()));
  }
  return {};
}

void Host::World::answer(const RunId& run, const std::string& node_id, const std::string& value) {
  const std::string interrupt_id = come_to_question(run, node_id);
  if (broken()) return;
  if (interrupt_id.empty()) {
    return complain(std::string(kIsAccepted), "node " + node_id + " of run " + run.text() + " waits for no answer");
  }
  const FoldedRun* found = folded(run);
  for (std::size_t tries = 0; !broken(); ++tries) {
    if (tries == kMaxRounds) return complain(std::string(kComesToRest), "the answer to " + node_id + " is not taken");
    const auto taken = engine_->resolve_interrupt({.tenant = found->header.tenant,
                                                   .run_id = run,
                                                   .node_id = node_id,
                                                   .interrupt_id = interrupt_id,
                                                   .resume_value = value,
                                                   .principal = "scenario"});
    // An answer whose acknowledgement was lost is refused the second time: it is in the log.
    const bool taken_before = !taken && taken.error().code == ErrorCode::interrupt_already_resolved && tries > 0;
    if (taken || taken_before) return invariants_.answered(run, node_id, interrupt_id);
    if (!is_trouble(taken.error())) {
      return complain(std::string(kIsAccepted), "answer to " + node_id + ": " + taken.error().message);
    }
    recover();
    found = folded(run);
    if (found == nullptr) return;  // and reported
  }
}

RunStatus Host::World::cancel(const RunId& run, const std::string& reason) {
  for (std::size_t tries = 0; !broken(); ++tries) {
    const FoldedRun* found = folded(run);
    if (tries == kMaxRounds || found == nullptr) {
      complain(std::string(kComesToRest), "cancel of " + run.text() + " is not answered");
      break;
    }
    const auto told = engine_->cancel_run(
        {.tenant = found->header.tenant, .run_id = run, .reason = reason, .cancelled_by = "scenario"});
    if (told) {
      invariants_.cancelled(run, *told);
      return *told;
    }
    if (!is_trouble(told.error())) complain(std::string(kIsAccepted), "cancel: " + told.error().message);
    recover();
  }
  return RunStatus::pending;
}

std::optional<RunView> Host::World::view(const RunId& run) {
  for (std::size_t tries = 0; tries < kMaxRounds && !broken(); ++tries) {
    const FoldedRun* found = folded(run);
    if (found == nullptr) return std::nullopt;
    auto view = engine_->run(found->header.tenant, run);
    if (view) return std::move(*view);
    if (!is_trouble(view.error())) return std::nullopt;
    recover();
  }
  return std::nullopt;
}

const FoldedRun* Host::World::folded(const RunId& run) {
  invariants_.check();
  const auto at = invariants_.runs().find(run);
  return at == invariants_.runs().end() ? nullptr : &at->second;
}

// ---- a life ----

void Host::World::live() {
  start_process();
  Host host(*this);
  if (scenario_.act && !broken()) scenario_.act(host);
  if (!broken()) come_to_rest();
}

/// What the scenario does not wait for comes to its end as well.
void Host::World::come_to_rest() {
  rates_ = {};
  store_->calm_down();
  for (std::size_t round = 0; !broken(); ++round) {
    if (round == kMaxRounds) return complain(std::string(kComesToRest), "it goes on and on");
    const auto next = tick();
    if (!next) return invariants_.check_at_rest();
    clock_->set(std::max(*next, clock_->now_ms()));
  }
}

// ---- looking back ----

/// Without ids of runs and without times, which differ when something is tried again.
std::string Host::World::comparable(std::string text) const {
  constexpr std::string_view kTime = "0000-00-00T00:00:00.000Z";
  const auto is_time = [&](std::size_t at) {
    for (std::size_t i = 0; i < kTime.size(); ++i) {
      const char c = text[at + i];
      if (kTime[i] == '0' ? c < '0' || c > '9' : c != kTime[i]) return false;
    }
    return true;
  };
  for (std::size_t at = 0; at + kTime.size() <= text.size(); ++at) {
    if (is_time(at)) text.replace(at, kTime.size(), "<time>");
  }
  for (const auto& [run, folded] : invariants_.runs()) {
    const std::string id = run.text();
    for (auto at = text.find(id); at != std::string::npos; at = text.find(id, at)) text.replace(at, id.size(), "<run>");
  }
  return text;
}

std::string Host::World::ending_of(const FoldedRun& run) const {
  const RunState& state = run.state;
  std::string text = run.header.workflow_id + " " + std::string(status_name(state.status));
  // Of a run that failed or was cancelled, timing decides how far its other branches had come.
  if (is_terminal(state.status) && state.status != RunStatus::completed) return text;
  text += " " + state.outputs;
  for (const auto& [name, value] : state.variables) text.append("\n    ").append(name).append(" = ").append(value);
  for (const auto& [name, value] : state.channels) text.append("\n    ").append(name).append(" = ").append(value);
  for (const auto& [id, node] : state.nodes) {
    text += "\n    " + id + ": " + std::string(node_status_name(node.status)) + " " + node.outputs + " attempt " +
            std::to_string(node.attempt) + " iteration " + std::to_string(node.iteration);
  }
  return comparable(std::move(text));
}

std::vector<std::string> Host::World::endings() const {
  std::vector<std::string> endings;
  for (const RunId& run : created_) {
    const auto at = invariants_.runs().find(run);
    endings.push_back(at == invariants_.runs().end() ? "not there" : ending_of(at->second));
  }
  std::map<std::string, std::size_t> counts;
  for (const auto& [run, folded] : invariants_.runs()) {
    ++counts[folded.header.workflow_id + " " + std::string(status_name(folded.state.status))];
  }
  for (const auto& [what, count] : counts) endings.push_back(std::to_string(count) + " x " + what);
  return endings;
}

}  // namespace openwop::testing
