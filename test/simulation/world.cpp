#include "simulation/world.h"

#include "simulation/sim_trace.h"

namespace openwop::test {

World::World(std::uint64_t seed, Temper temper, Faults faults, Extras extras)
    : temper_(temper),
      faults_(faults),
      extras_(extras),
      workload_(seed),
      chaos_(workload_.fork()),
      weather_(seed ^ 0x5DEECE66DULL),
      ids_(std::make_shared<RandomIdSource>(seed)),
      outside_(medium_, workload_.fork(), [this](const auto& name, const auto& what) { complain(name, what); }),
      invariants_(medium_, [this](const auto& name, const auto& what) { complain(name, what); }) {
  if (faults_ == Faults::injected) {
    rates_ = FaultRates::draw(chaos_);
    if (chaos_.percent(50)) max_events_per_commit_ = 1 + chaos_.below(12);
  }
  outside_.now_ms = clock_->now_ms();
  outside_.watch().store_has_failed = [this] { return store_->has_failed(); };
  draw_workflows();
  draw_wishes();
}

World::~World() {
  // Nothing of the end of this engine counts.
  if (store_) store_->sever();
  engine_.reset();
}

void World::complain(const std::string& invariant, const std::string& what) {
  trace("BROKEN ", invariant, ": ", what);
  complaints_.push_back(invariant + ": " + what);
}

// ---- engines come and go ----

void World::open_engine() {
  medium_->open_again();
  while (engine_ == nullptr) {
    store_ = std::make_shared<FaultStore>(medium_, rates_, chaos_.fork());
    if (tracing()) store_->trace = [](std::string_view line) { trace(line); };
    EngineOptions options{.store = store_};
    options.nodes = outside_.registry();
    options.threads = 0;
    options.clock = clock_;
    options.ids = ids_;
    options.max_events_per_commit = max_events_per_commit_;
    options.on_error = [this](const Error& error) {
      if (error.code != ErrorCode::store_io_error) {
        complain("the engine reports only the store's failures", error.message);
      }
    };
    auto opened = Engine::open(std::move(options));
    if (opened) engine_ = std::move(*opened);
  }
}

void World::crash() {
  trace("crash");
  ++tally_.crashes;
  store_->sever();
  engine_.reset();
  for (const auto& [call, what] : unanswered_) complain("every call is answered once", what + " is never answered");
  unanswered_.clear();
  outside_.engine_replaced();
  open_engine();
  // Watchers come back as clients do: with the last sequence that they have seen.
  for (Watcher& watcher : watchers_) watcher.subscription.reset();
}

void World::crash_if_due() {
  while (store_->severed() || (store_->stuck() && chaos_.percent(30))) crash();
}

void World::tick() {
  outside_.now_ms = clock_->now_ms();
  trace("tick ", clock_->now_ms());
  outside_.answer_due(clock_->now_ms());
  engine_->tick(clock_->now_ms());
}

std::function<void()> World::expect_answer(const std::string& what) {
  const std::size_t call = calls_++;
  unanswered_.emplace(call, what);
  return [this, call, what] {
    if (unanswered_.erase(call) == 0) complain("every call is answered once", what + " is answered again");
  };
}

const RunId* World::some_run() {
  return acknowledged_.empty() ? nullptr : &acknowledged_[workload_.below(acknowledged_.size())];
}

// ---- a life ----

bool World::run() {
  open_engine();
  for (const std::string& id : workflow_ids_) {
    while (!engine_->workflow(id)) change_workflow(id);
  }
  const std::size_t steps = 40 + workload_.below(60);
  for (std::size_t i = 0; i < steps && !broken(); ++i) {
    step();
    crash_if_due();
    invariants_.check();
  }
  if (!broken()) come_to_rest();
  return !broken();
}

void World::come_to_rest() {
  rates_ = {};
  store_->calm_down();
  network_is_calm_ = true;
  deliver_all();
  if (store_->stuck() || (faults_ == Faults::injected && chaos_.percent(30))) crash();
  constexpr int kMaxRounds = 20'000;
  for (int round = 0; round < kMaxRounds && !broken(); ++round) {
    if (temper_ == Temper::calm) {
      for (std::size_t wish = 0; wish < wishes_.size(); ++wish) create(wish);
    }
    outside_.now_ms = clock_->now_ms();
    outside_.answer_due(clock_->now_ms());
    trace("rest tick ", clock_->now_ms());
    auto next = engine_->tick(clock_->now_ms());
    const auto answer = outside_.next_answer_ms();
    if (answer && (!next || *answer < *next)) next = answer;
    if (!next && help_everybody()) continue;
    if (!next) {
      invariants_.check_at_rest();
      for (const auto& [call, what] : unanswered_) complain("every call is answered once", what + " is never answered");
      check_watchers_at_rest();
      check_listing();
      return;
    }
    clock_->set(std::max(*next, clock_->now_ms()));
  }
  if (!broken()) complain("the world comes to rest with every run ended", "it goes on and on");
}

void World::check_watchers_at_rest() {
  for (Watcher& watcher : watchers_) {
    read_watcher(watcher, 1'000'000);
    std::vector<std::string> expected;
    const auto read = engine_->read_events("default", watcher.run, watcher.from, [&](const EventView& event) {
      expected.push_back(std::to_string(event.sequence) + " " + std::string(event.payload));
      return true;
    });
    const bool all = read.ok() && watcher.seen == expected && watcher.complete;
    if (!all) {
      complain(
          "a subscription gives every event once and in order",
          watcher.run.text() + ": " + std::to_string(watcher.seen.size()) + " of " + std::to_string(expected.size()));
    }
  }
}

// ---- looking back ----

std::string World::digest() const { return medium_->digest(); }

/// Outputs of a node that started a run name that run; its id is the world's.
std::string World::without_ids(std::string text) const {
  for (const auto& [run, folded] : invariants_.runs()) {
    if (folded.header.parent_run_id == RunId{}) continue;
    const std::string id = run.text();
    for (auto at = text.find(id); at != std::string::npos; at = text.find(id, at)) text.replace(at, id.size(), "<run>");
  }
  return text;
}

std::map<std::size_t, std::string> World::endings() const {
  std::map<std::size_t, std::string> endings;
  for (std::size_t i = 0; i < wishes_.size(); ++i) {
    const auto at = wishes_[i].run ? invariants_.runs().find(*wishes_[i].run) : invariants_.runs().end();
    if (at == invariants_.runs().end()) continue;
    const RunState& state = at->second.state;
    std::string text(status_name(state.status));
    // Of a run that fails, timing decides how far its other branches had come.
    if (state.status == RunStatus::completed) {
      text += " " + state.outputs;
      for (const auto& [name, value] : state.variables) text += "\n" + name + "=" + value;
      for (const auto& [name, value] : state.channels) text += "\n" + name + "=" + value;
      for (const auto& [id, node] : state.nodes) {
        text += "\n" + id + " " + std::string(node_status_name(node.status)) + " " + node.outputs + " attempt " +
                std::to_string(node.attempt) + " iteration " + std::to_string(node.iteration);
      }
    }
    endings.emplace(i, without_ids(std::move(text)));
  }
  return endings;
}

World::Tally World::tally() const {
  Tally tally = tally_;
  tally.runs = invariants_.runs().size();
  tally.effects = outside_.watch().effects();
  tally.repeated = outside_.watch().repeated();
  for (const auto& [run, folded] : invariants_.runs()) {
    ++tally.endings[std::string(status_name(folded.state.status))];
    if (folded.header.parent_run_id != RunId{}) ++tally.children;
  }
  return tally;
}

}  // namespace openwop::test
