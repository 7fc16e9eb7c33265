#include "simulation/outside_world.h"

#include <algorithm>

namespace openwop::test {

namespace {

constexpr char kHostRowPrefix = 'U';

std::int64_t config_of(const NodeContext& context, std::string_view name) {
  return context.config_as<std::int64_t>(name).value_or(0);
}

}  // namespace

std::string OutsideWorld::counter_key(const RunId& run, std::string_view node_id) {
  return "count/" + run.text() + "/" + std::string(node_id);
}

NodeRegistry OutsideWorld::registry() {
  NodeRegistry registry;
  add_builtin_nodes(registry);
  registry.add({"sim.work", SyncHandler([this](NodeContext& context) { return work(context); })});
  registry.add({"sim.call", AsyncHandler([this](std::shared_ptr<NodeContext> context, Completion complete) {
                  start_call(std::move(context), complete);
                })});
  watch_.watch(registry, {"sim.work", "sim.call"});
  return registry;
}

std::optional<Failure> OutsideWorld::take_steps(NodeContext& context) {
  const NodeInvocation& node = context.invocation();
  for (std::int64_t step = 0; step < config_of(context, "steps"); ++step) {
    const std::string key = "step-" + std::to_string(step);
    const bool fails = config_of(context, "failSteps") != 0 && node.attempt == 0;
    const auto effect = [&]() -> Result<std::string> {
      if (fails) return Error{ErrorCode::rate_limited, "the service is busy"};
      return "receipt-" + key + "-" + std::string(node.node_id);
    };
    // A host whose store has trouble asks again; the engine of a process that is gone never answers.
    constexpr int kTries = 40;
    auto answer = context.step(key, effect);
    for (int i = 0; i < kTries && !answer && answer.error().code != ErrorCode::rate_limited; ++i) {
      answer = context.step(key, effect);
    }
    const bool known = answer.ok() || answer.error().code == ErrorCode::rate_limited;
    if (known && answer.ok() == fails) complain_("a step gives the outcome of its effect", key);
    if (!answer) return Failure{std::string(error_name(answer.error().code)), "step failed", {}, true};
  }
  return std::nullopt;
}

NodeOutcome OutsideWorld::work(NodeContext& context) {
  const NodeInvocation& node = context.invocation();
  if (auto failed = take_steps(context)) return std::move(*failed);
  if (std::int64_t{node.attempt} < config_of(context, "failFirst")) {
    return Failure{"try_again", "not yet", {}, true};
  }
  NodeCompleted completed;
  const std::string value = std::to_string(node.node_id.size() + node.iteration + node.attempt % 2);
  json::ObjectWriter(completed.outputs).raw("value", value).raw("output", value);
  completed.variables.push_back({"v_" + std::string(node.node_id), value});
  if (context.config_as<bool>("counts").value_or(false)) {
    const std::string key = counter_key(node.run_id, node.node_id);
    const auto before = *medium_->rows.get(kHostRowPrefix + key);
    completed.host_writes.push_back({key, std::to_string(before ? std::stoi(*before) + 1 : 1)});
  }
  return completed;
}

void OutsideWorld::start_call(std::shared_ptr<NodeContext> context, const Completion& complete) {
  const std::int64_t latency_ms = config_of(*context, "latencyMs");
  NodeOutcome outcome = work(*context);
  if (latency_ms == 0) return complete(std::move(outcome));
  calls_.push_back({complete, std::move(context), std::move(outcome), now_ms + latency_ms, engine_});
}

void OutsideWorld::engine_replaced() {
  ++engine_;
  watch_.engine_replaced();
  std::erase_if(calls_, [&](const Call&) { return random_.percent(50); });
}

void OutsideWorld::answer_due(std::int64_t now) {
  std::vector<Call> due;
  for (std::size_t i = 0; i < calls_.size();) {
    if (calls_[i].due_ms > now) {
      ++i;
      continue;
    }
    due.push_back(std::move(calls_[i]));
    calls_.erase(calls_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  for (Call& call : due) {
    // Some services answer twice; some give up once they are told that nobody waits.
    if (call.context->cancelled() && random_.percent(50)) continue;
    call.complete(call.outcome);
    if (random_.percent(10)) call.complete(std::move(call.outcome));
  }
}

std::optional<std::int64_t> OutsideWorld::next_answer_ms() const {
  std::optional<std::int64_t> next;
  for (const Call& call : calls_) {
    if (!next || call.due_ms < *next) next = call.due_ms;
  }
  return next;
}

}  // namespace openwop::test
