// Replays of random workflows: from any event on, a replay repeats a deterministic run event for event; and when one
// node has become another one, the first event that differs is named, and no other.
//
//   OPENWOP_REPLAY_SEED=4711 openwop_test_simulation [replay]     this one again
#include <cstdlib>

#include "openwop/engine.h"
#include "openwop/memory_store.h"
#include "simulation/workflow_generator.h"
#include "support/catch.h"

namespace openwop::test {
namespace {

constexpr std::uint64_t kWorkflows = 1'000;
constexpr std::int64_t kBeginMs = 1'700'000'000'000;

struct Told {
  EventType type;
  std::string node_id;
  std::string payload;
  bool operator==(const Told&) const = default;
};

/// One workflow, one run of it, and replays; everything from one seed.
class ReplayWorld {
 public:
  explicit ReplayWorld(std::uint64_t seed) : random_(seed) {
    EngineOptions options;
    options.store = store_;
    options.threads = 0;
    options.clock = clock_;
    options.ids = std::make_shared<RandomIdSource>(seed);
    options.max_events_per_commit = random_.percent(30) ? 1 + random_.below(8) : 512;
    add_nodes(options.nodes);
    engine_ = std::move(*Engine::open(std::move(options)));
    workflow_ = generate_workflow(random_, random_.percent(50) ? Temper::wild : Temper::calm, "w");
    const auto registered = engine_->register_workflow(workflow_->source);
    INFO((registered.ok() ? "" : registered.error().message));
    REQUIRE(registered.ok());
  }

  /// Runs it to its end.
  RunId run_source() {
    CreateRun create;
    create.workflow_id = "w";
    create.inputs = R"({"n":)" + std::to_string(random_.below(12)) + "}";
    const auto created = engine_->create_run(std::move(create));
    REQUIRE(created.ok());
    const std::size_t cancel_after = random_.percent(10) ? random_.below(20) : SIZE_MAX;
    for (std::size_t step = 0; !ended(created->run_id); ++step) {
      REQUIRE(step < 20'000);
      if (step == cancel_after) static_cast<void>(engine_->cancel_run({.run_id = created->run_id, .reason = "enough"}));
      advance();
    }
    return created->run_id;
  }

  RunId replay(const RunId& source, std::uint64_t from) {
    ForkRun request;
    request.source_run = source;
    request.from_sequence = from;
    request.mode = ForkMode::replay;
    const auto forked = engine_->fork_run(std::move(request));
    REQUIRE(forked.ok());
    engine_->tick(clock_->now_ms());
    REQUIRE(ended(forked->run_id));
    return forked->run_id;
  }

  [[nodiscard]] std::vector<Told> story(const RunId& run) const {
    std::vector<Told> told;
    REQUIRE(engine_
                ->read_events("default", run, 0,
                              [&](const EventView& event) {
                                told.push_back({event.type, std::string(event.node_id), std::string(event.payload)});
                                return true;
                              })
                .ok());
    return told;
  }

  /// From now on the node computes something else.
  void make_deviant(std::string node_id) { deviant_ = std::move(node_id); }
  /// A pure node that completes at its start.
  [[nodiscard]] bool may_deviate(std::string_view node_id) const {
    const auto index = workflow_->find_node(node_id);
    if (!index) return false;
    const std::string& type = workflow_->nodes[*index].type_id;
    return type.starts_with("core.") && type != "core.delay" && type != "core.fail";
  }

  SimRandom& random() { return random_; }

 private:
  struct Open {
    Completion done;
    NodeOutcome outcome;
    std::int64_t due_ms;
  };

  bool ended(const RunId& run) const { return is_terminal(engine_->run("default", run)->state.status); }

  /// Somebody answers, at any time, and certainly once nothing else can happen.
  void answer_interrupt() {
    const auto page = engine_->list_interrupts({}, {}, 10);
    if (!page || page->interrupts.empty()) return;
    const InterruptSummary& asked = page->interrupts[random_.below(page->interrupts.size())];
    const char* answer = asked.kind != "approval" ? "7"
                         : random_.percent(60)    ? R"({"action":"accept"})"
                                                  : R"({"action":"reject"})";
    static_cast<void>(engine_->resolve_interrupt({.run_id = asked.run_id,
                                                  .node_id = asked.node_id,
                                                  .interrupt_id = asked.interrupt_id,
                                                  .resume_value = answer,
                                                  .principal = "somebody"}));
  }

  void advance() {
    auto next = engine_->tick(clock_->now_ms());
    for (const Open& open : open_) next = next ? std::min(*next, open.due_ms) : open.due_ms;
    if (!next || random_.percent(10)) answer_interrupt();
    if (next && *next > clock_->now_ms()) clock_->set(*next);
    for (std::size_t i = 0; i < open_.size();) {
      if (open_[i].due_ms > clock_->now_ms()) {
        ++i;
        continue;
      }
      Open open = std::move(open_[i]);
      open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i));
      open.done(std::move(open.outcome));
    }
    engine_->tick(clock_->now_ms());
  }

  NodeOutcome outcome_of(NodeContext& node) {
    const auto config = [&](std::string_view name) { return node.config_as<std::int64_t>(name).value_or(0); };
    for (std::int64_t step = 0; step < config("steps"); ++step) {
      static_cast<void>(
          node.step("s" + std::to_string(step), [&]() -> Result<std::string> { return std::string("1"); }));
    }
    if (std::int64_t{node.invocation().attempt} < config("failFirst")) return Failure{"try_again", "not yet", {}, true};
    NodeCompleted completed;
    // What no replay could compute again: it has to come from the source.
    const std::string drawn = std::to_string(random_.below(1'000'000));
    json::ObjectWriter(completed.outputs).raw("value", drawn).raw("output", drawn);
    completed.variables.push_back({"v_" + std::string(node.invocation().node_id), drawn});
    if (random_.percent(30))
      completed.events.push_back({.type = EventType::log_appended, .payload = R"({"message":"x"})"});
    return completed;
  }

  void add_nodes(NodeRegistry& nodes) {
    NodeRegistry builtin;
    add_builtin_nodes(builtin);
    for (const char* name : {"start", "end", "noop", "identity", "delay", "fail", "conditional", "loop", "parallel",
                             "merge", "setVariable", "getVariable", "channelWrite", "interrupt", "approvalGate"}) {
      NodeType type = *builtin.find(std::string("core.") + name);
      const PureHandler plain = std::get<PureHandler>(type.handler);
      type.handler = PureHandler([this, plain](const NodeInvocation& node) {
        NodeOutcome outcome = plain(node);
        auto* completed = std::get_if<NodeCompleted>(&outcome);
        if (node.node_id != deviant_ || completed == nullptr) return outcome;
        const std::string before = completed->outputs.empty() ? "{}" : completed->outputs;
        completed->outputs = detail::merge_objects(before, R"({"deviant":true})");
        return outcome;
      });
      nodes.add(std::move(type));
    }
    nodes.add({"sim.work", SyncHandler([this](NodeContext& node) { return outcome_of(node); })});
    nodes.add({"sim.call", AsyncHandler([this](const std::shared_ptr<NodeContext>& node, const Completion& done) {
                 const std::int64_t latency = node->config_as<std::int64_t>("latencyMs").value_or(0);
                 open_.push_back({done, outcome_of(*node), clock_->now_ms() + latency});
               })});
  }

  SimRandom random_;
  std::shared_ptr<MemoryStore> store_ = std::make_shared<MemoryStore>();
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(kBeginMs);
  std::string deviant_;
  std::vector<Open> open_;
  std::shared_ptr<const Workflow> workflow_;
  std::unique_ptr<Engine> engine_;
};

std::string line(const std::vector<Told>& story, std::size_t at) {
  if (at >= story.size()) return "(end)";
  return std::string(event_name(story[at].type)) + " " + story[at].node_id + " " + story[at].payload;
}

/// The first difference, for the reader of a failure.
std::string difference(const std::vector<Told>& source, const std::vector<Told>& fork) {
  std::size_t at = 0;
  while (at < source.size() && at < fork.size() && source[at] == fork[at]) ++at;
  std::string text = "at " + std::to_string(at);
  for (std::size_t i = at < 3 ? 0 : at - 3; i < at; ++i) text += "\n       " + line(source, i);
  for (std::size_t i = at; i < at + 3; ++i) text += "\n     - " + line(source, i);
  for (std::size_t i = at; i < at + 3; ++i) text += "\n     + " + line(fork, i);
  return text;
}

void check_seed(std::uint64_t seed) {
  ReplayWorld world(seed);
  const RunId source = world.run_source();
  const auto told = world.story(source);
  for (const std::uint64_t from : {std::uint64_t{0}, std::uint64_t{world.random().below(told.size())}}) {
    const RunId first = world.replay(source, from);
    const auto repeated = world.story(first);
    INFO("OPENWOP_REPLAY_SEED=" << seed << " from " << from << "\n   " << difference(told, repeated));
    REQUIRE((repeated == told));
  }

  const std::uint64_t from = world.random().below(told.size());
  std::vector<std::size_t> candidates;
  for (std::size_t i = from; i < told.size(); ++i) {
    if (told[i].type == EventType::node_completed && world.may_deviate(told[i].node_id)) candidates.push_back(i);
  }
  if (candidates.empty()) return;
  const std::string node = told[world.random().pick(candidates)].node_id;
  std::size_t expected = from;
  while (told[expected].type != EventType::node_completed || told[expected].node_id != node) ++expected;
  world.make_deviant(node);
  const auto differing = world.story(world.replay(source, from));
  INFO("OPENWOP_REPLAY_SEED=" << seed << " from " << from << ", node " << node << " differs\n   "
                              << difference(told, differing));
  for (std::size_t i = 0; i < expected; ++i) REQUIRE(differing[i] == told[i]);
  REQUIRE(differing.size() > expected + 1);
  REQUIRE(differing[expected].type == EventType::node_completed);
  REQUIRE(differing[expected].payload != told[expected].payload);
  REQUIRE(differing[expected + 1].type == EventType::replay_diverged);
  REQUIRE(json::member(differing[expected + 1].payload, "atSequence") == std::to_string(expected));
  REQUIRE(json::member(differing[expected + 1].payload, "divergenceKind") == R"("output")");
  std::size_t notes = 0;
  for (const Told& event : differing) notes += event.type == EventType::replay_diverged ? 1 : 0;
  REQUIRE(notes == 1);
}

TEST_CASE("a replay repeats any deterministic run from any event; one node that differs is named exactly",
          "[simulation][replay]") {
  if (const char* one = std::getenv("OPENWOP_REPLAY_SEED"); one != nullptr && *one != '\0') {
    return check_seed(std::strtoull(one, nullptr, 10));
  }
  for (std::uint64_t seed = 1; seed <= kWorkflows; ++seed) check_seed(seed);
}

}  // namespace
}  // namespace openwop::test
