// core.ai.callPrompt (protocol 01 §22.2): a model call whose answer streams into the log as output.chunk events.
//
//   config  promptId, prompt?, expectsStreaming?
//   outputs text, model?, finishReason?, toolCalls?, usage?
#include "nodes/builtin_nodes.h"
#include "nodes/mock_providers.h"
#include "openwop/ai_provider.h"

namespace openwop {

namespace nodes {

namespace {

std::string text_member(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? json::as_string(*raw).value_or("") : std::string();
}

class NodeSink final : public AiSink {
 public:
  NodeSink(std::shared_ptr<NodeContext> node, Completion done, std::string provider)
      : node_(std::move(node)),
        done_(std::move(done)),
        provider_(std::move(provider)),
        run_text_(node_->invocation().run_id.text()) {}

  Status chunk(AiChunk chunk) override {
    text_ += chunk.text;
    Event event;
    event.type = EventType::output_chunk;
    event.payload.clear();
    {
      json::ObjectWriter payload(event.payload);
      payload.string("nodeId", node_->invocation().node_id);
      payload.string("runId", run_text_);
      payload.string("chunk", chunk.text);
      payload.boolean("isLast", chunk.last);
      if (!chunk.meta.empty()) payload.raw("meta", chunk.meta);
    }
    return node_->emit(std::move(event));
  }

  void finish(AiResult result) override {
    NodeCompleted completed;
    {
      json::ObjectWriter outputs(completed.outputs);
      outputs.string("text", text_);
      if (!result.model.empty()) outputs.string("model", result.model);
      if (!result.finish_reason.empty()) outputs.string("finishReason", result.finish_reason);
      if (!result.tool_calls.empty()) outputs.raw("toolCalls", result.tool_calls);
      if (result.usage) {
        json::ObjectWriter(outputs.value_of("usage"))
            .integer("promptTokens", result.usage->prompt_tokens)
            .integer("completionTokens", result.usage->completion_tokens);
      }
    }
    if (result.usage || result.usd) {
      CostRecord cost;
      if (result.usage) {
        cost.tokens_input = result.usage->prompt_tokens;
        cost.tokens_output = result.usage->completion_tokens;
      }
      cost.usd = result.usd;
      cost.provider = provider_;
      cost.model = result.model;
      completed.cost = std::move(cost);
    }
    done_(std::move(completed));
  }

  void fail(Failure failure) override { done_(std::move(failure)); }
  [[nodiscard]] bool cancelled() const override { return node_->cancelled(); }
  void on_cancel(std::function<void()> callback) override { node_->on_cancel(std::move(callback)); }
  void after(std::int64_t delay_ms, std::function<void()> callback) override {
    node_->after(delay_ms, std::move(callback));
  }
  void conceal(std::string secret) override { node_->conceal(std::move(secret)); }
  [[nodiscard]] std::uint64_t recorded_chunks() const override { return node_->emitted_before(); }

 private:
  std::shared_ptr<NodeContext> node_;
  Completion done_;
  std::string provider_;
  std::string run_text_;
  std::string text_;
};

struct Route {
  std::string name;
  std::shared_ptr<AiProvider> provider;
};

Route route_of(std::string_view configurable, const AiProviders& providers) {
  if (const auto mock = json::member(configurable, "mockProvider")) {
    std::string id = text_member(*mock, "id");
    auto provider = mock_provider(id);
    return {std::move(id), std::move(provider)};
  }
  std::string name = text_member(json::member(configurable, "ai").value_or("{}"), "provider");
  if (name.empty()) name = providers.default_name;
  const auto at = providers.by_name.find(name);
  return {std::move(name), at == providers.by_name.end() ? nullptr : at->second};
}

AiCall call_of(const NodeContext& context) {
  const NodeInvocation& node = context.invocation();
  const std::string_view ai = json::member(node.configurable, "ai").value_or("{}");
  AiCall call;
  call.model = text_member(ai, "model");
  if (call.model.empty()) call.model = text_member(node.configurable, "model");
  call.prompt_id = text_member(node.config, "promptId");
  call.prompt = text_member(json::member(node.configurable, "promptOverrides").value_or("{}"), call.prompt_id);
  if (call.prompt.empty()) call.prompt = text_member(node.config, "prompt");
  call.inputs = node.inputs;
  call.credential_ref = text_member(ai, "credentialRef");
  call.invocation_id = context.invocation_id("ai");
  if (const auto mock = json::member(node.configurable, "mockProvider")) {
    call.config = json::member(*mock, "config").value_or("{}");
  }
  return call;
}

void call_prompt(const AiProviders& providers, std::shared_ptr<NodeContext> node, Completion done) {
  Route route = route_of(node->invocation().configurable, providers);
  if (route.provider == nullptr) {
    // Its name is the caller's text, so it is not repeated.
    return done(Failure{"capability_not_provided", "the host provides no AI provider for this call (aiProviders)",
                        R"({"capability":"aiProviders"})"});
  }
  AiCall call = call_of(*node);
  auto sink = std::make_shared<NodeSink>(std::move(node), std::move(done), std::move(route.name));
  route.provider->call(std::move(call), std::move(sink));
}

}  // namespace

}  // namespace nodes

void add_ai_nodes(NodeRegistry& registry, AiProviders providers) {
  const auto shared = std::make_shared<const AiProviders>(std::move(providers));
  registry.add({"core.ai.callPrompt",
                AsyncHandler([shared](std::shared_ptr<NodeContext> node, Completion done) {
                  nodes::call_prompt(*shared, std::move(node), std::move(done));
                }),
                {},
                [](const WorkflowNode& node) { return nodes::require_string(node, {"promptId"}); }});
}

}  // namespace openwop
