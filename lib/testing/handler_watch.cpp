#include <optional>
#include <utility>
#include <variant>

#include "engine/run_header.h"
#include "openwop/ledger.h"
#include "openwop/run_fold.h"
#include "openwop/testing/promises.h"

namespace openwop::testing {

/// A handler's context as the engine gives it, but for its steps.
class HandlerWatch::Context final : public NodeContext {
 public:
  Context(HandlerWatch& watch, NodeContext& inner, std::shared_ptr<NodeContext> owner)
      : watch_(watch), inner_(inner), owner_(std::move(owner)) {}

  [[nodiscard]] const NodeInvocation& invocation() const override { return inner_.invocation(); }
  [[nodiscard]] std::uint64_t random() override { return inner_.random(); }
  [[nodiscard]] bool cancelled() const override { return inner_.cancelled(); }
  void on_cancel(std::function<void()> callback) override { inner_.on_cancel(std::move(callback)); }
  [[nodiscard]] Result<std::string> step(std::string_view key,
                                         const std::function<Result<std::string>()>& effect) override {
    return watch_.step(inner_, key, effect);
  }
  [[nodiscard]] Result<std::string> secret(std::string_view secret_id) override { return inner_.secret(secret_id); }
  [[nodiscard]] NodeMemory* memory() override { return inner_.memory(); }
  [[nodiscard]] std::string invocation_id(std::string_view key) const override { return inner_.invocation_id(key); }
  [[nodiscard]] Status emit(Event event) override { return inner_.emit(std::move(event)); }
  [[nodiscard]] std::uint64_t emitted_before() const override { return inner_.emitted_before(); }
  void after(std::int64_t delay_ms, std::function<void()> callback) override {
    inner_.after(delay_ms, std::move(callback));
  }
  [[nodiscard]] Result<std::int64_t> version(std::string_view change_id, std::int64_t min, std::int64_t max) override {
    return inner_.version(change_id, min, max);
  }
  void conceal(std::string secret) override { inner_.conceal(std::move(secret)); }

 private:
  HandlerWatch& watch_;
  NodeContext& inner_;
  std::shared_ptr<NodeContext> owner_;  // of an AsyncHandler; keeps `inner_`
};

void HandlerWatch::watch(NodeRegistry& registry, const std::set<std::string>& type_ids) {
  for (const std::string& id : type_ids) {
    const auto type = registry.find(id);
    if (type == nullptr || std::holds_alternative<PureHandler>(type->handler)) continue;
    NodeType watched = *type;
    if (const auto* sync = std::get_if<SyncHandler>(&type->handler)) {
      watched.handler = SyncHandler([this, inner = *sync](NodeContext& context) {
        started(context);
        Context seen(*this, context, nullptr);
        return inner(seen);
      });
    } else {
      const auto& async = std::get<AsyncHandler>(type->handler);
      watched.handler = AsyncHandler([this, inner = async](std::shared_ptr<NodeContext> context, Completion complete) {
        started(*context);
        inner(std::make_shared<Context>(*this, *context, context), std::move(complete));
      });
    }
    registry.add(std::move(watched));
  }
}

/// Output commit: a handler runs only after its node.started is durable, and once for each engine.
void HandlerWatch::started(const NodeContext& context) {
  const NodeInvocation& node = context.invocation();
  const auto header = runtime::decode_header(medium_->rows.get(Log::header_key(node.run_id))->value_or(""));
  if (header && header->fork) return;  // its history is in other logs
  const std::string name = node.run_id.text() + " " + std::string(node.node_id) + " attempt " +
                           std::to_string(node.attempt) + " iteration " + std::to_string(node.iteration);
  bool found = false;
  bool interrupted = false;
  std::size_t answers = 0;
  RunState state;
  const auto read = Log(medium_->rows).read(node.run_id, 0, [&](const EventView& event) {
    const NodeState* before = state.find_node(node.node_id);
    const std::uint32_t iteration = before == nullptr ? 0 : before->iteration;
    fold(state, event);
    const NodeState* after = state.find_node(node.node_id);
    // A pause may stop a handler in the middle; it begins again at the resume.
    interrupted = interrupted ||
                  (event.type == EventType::run_paused && after != nullptr && after->status == NodeStatus::running &&
                   after->attempt == node.attempt && after->iteration == node.iteration);
    // And one that has asked somebody is called again with the answer.
    if (event.type == EventType::node_resumed && event.node_id == node.node_id) ++answers;
    if (event.type != EventType::node_started || event.node_id != node.node_id) return true;
    found = found || (iteration == node.iteration && after->attempt == node.attempt);
    return true;
  });
  if (!read || !found) complain_("a handler runs only after its node.started is durable", name);
  const bool again = !started_by_this_engine_.insert(name + " answer " + std::to_string(answers)).second;
  if (!again || interrupted) return;
  ++repeated_;
  if (!store_has_failed()) complain_("unless its store fails, an engine runs an execution once", name);
}

Result<std::string> HandlerWatch::step(NodeContext& context, std::string_view key,
                                       const std::function<Result<std::string>()>& effect) {
  const std::string row = Ledger::row_key(kStepScope, context.invocation_id(key));
  const std::string name = context.invocation().run_id.text() + " " + std::string(context.invocation().node_id) +
                           " step " + std::string(key);
  std::optional<Result<std::string>> given;
  auto answer = context.step(key, [&]() -> Result<std::string> {
    ++effects_;
    if (medium_->rows.get(row)->has_value()) {
      complain_("a step's effect is never repeated after its outcome was recorded", name);
    }
    given = effect();
    return *given;
  });
  // The effect's own failure is an outcome like any other; the engine's says that nothing is known.
  const bool known = answer.ok() || (given && !given->ok() && given->error().code == answer.error().code &&
                                     given->error().message == answer.error().message);
  if (known && !medium_->rows.get(row)->has_value()) {
    complain_("the outcome of a step is durable before it is known", name);
  }
  return answer;
}

}  // namespace openwop::testing
