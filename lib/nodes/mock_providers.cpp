#include "nodes/mock_providers.h"

#include <algorithm>
#include <vector>

namespace openwop::nodes {

namespace {

constexpr std::int64_t kMaxDelayMsPerToken = 5'000;
constexpr std::int64_t kMaxFailAfterMs = 3'600'000;
constexpr std::string_view kDefaultModel = "mock-stream-text-v1";
constexpr std::array<std::string_view, 4> kFinishReasons = {"stop", "length", "tool_calls", "content_filter"};

// ---- config ----

Error invalid(std::string_view member, std::string_view message) {
  const std::string field = "configurable.mockProvider.config." + std::string(member);
  Error error{ErrorCode::validation_error, field + " " + std::string(message)};
  json::ObjectWriter(error.details).string("field", field);
  return error;
}

Status check_range(std::string_view config, std::string_view name, std::int64_t max) {
  const auto raw = json::member(config, name);
  const std::int64_t value = raw ? json::as_int(*raw).value_or(-1) : 0;
  if (value >= 0 && value <= max) return {};
  return invalid(name, "has to be an integer from 0 to " + std::to_string(max));
}

Status check_kind(std::string_view config, std::string_view name, json::Kind kind, std::string_view wanted) {
  const auto raw = json::member(config, name);
  if (!raw || json::kind(*raw) == kind) return {};
  return invalid(name, wanted);
}

Status check_usage(std::string_view config) {
  if (auto kind = check_kind(config, "usage", json::Kind::object, "has to be an object"); !kind) return kind;
  const auto usage = json::member(config, "usage");
  for (const std::string_view name : {"promptTokens", "completionTokens", "totalTokens"}) {
    const auto raw = usage ? json::member(*usage, name) : std::nullopt;
    if (raw && json::as_int(*raw).value_or(-1) < 0) return invalid("usage", "has to hold integers of at least 0");
  }
  return {};
}

Status check_tokens(std::string_view config) {
  if (auto kind = check_kind(config, "tokens", json::Kind::array, "has to be an array of strings"); !kind) return kind;
  bool strings = true;
  json::for_each_element(json::member(config, "tokens").value_or("[]"), [&](std::string_view token) {
    strings = json::kind(token) == json::Kind::string;
    return strings;
  });
  return strings ? Status{} : invalid("tokens", "has to be an array of strings");
}

Status check_finish_reason(std::string_view config) {
  const auto raw = json::member(config, "finishReason");
  if (!raw) return {};
  const auto text = json::as_string(*raw);
  const bool known = text && std::find(kFinishReasons.begin(), kFinishReasons.end(), *text) != kFinishReasons.end();
  return known ? Status{} : invalid("finishReason", "has to be stop, length, tool_calls or content_filter");
}

Status check_tool_calls(std::string_view config) {
  if (auto kind = check_kind(config, "toolCalls", json::Kind::array, "has to be an array"); !kind) return kind;
  bool sound = true;
  json::for_each_element(json::member(config, "toolCalls").value_or("[]"), [&](std::string_view call) {
    for (const std::string_view name : {"id", "name", "arguments"}) {
      sound = sound && json::kind(json::member(call, name).value_or("null")) == json::Kind::string;
    }
    return sound;
  });
  return sound ? Status{} : invalid("toolCalls", "has to hold objects of the strings id, name and arguments");
}

std::string text_of(std::string_view config, std::string_view name, std::string_view fallback) {
  const auto raw = json::member(config, name);
  return raw ? json::as_string(*raw).value_or(std::string(fallback)) : std::string(fallback);
}

std::int64_t integer_of(std::string_view config, std::string_view name) {
  const auto raw = json::member(config, name);
  return raw ? json::as_int(*raw).value_or(0) : 0;
}

// ---- answers ----

struct Usage {
  std::string raw;  // serialized
  AiUsage counts;
};

Usage usage_of(std::string_view config, std::int64_t default_completion) {
  Usage usage;
  if (const auto given = json::member(config, "usage")) {
    usage.raw = *given;
    usage.counts = {integer_of(*given, "promptTokens"), integer_of(*given, "completionTokens")};
    return usage;
  }
  usage.counts = {1, default_completion};
  json::ObjectWriter(usage.raw)
      .integer("promptTokens", 1)
      .integer("completionTokens", default_completion)
      .integer("totalTokens", default_completion + 1);
  return usage;
}

/// Chunks given one after the other, each after a while; holds no thread in between.
class ChunkStream : public std::enable_shared_from_this<ChunkStream> {
 public:
  ChunkStream(std::shared_ptr<AiSink> sink, std::vector<AiChunk> chunks, AiResult result, std::int64_t delay_ms)
      : sink_(std::move(sink)), chunks_(std::move(chunks)), result_(std::move(result)), delay_ms_(delay_ms) {}

  void go_on() {
    while (next_ < chunks_.size()) {
      if (sink_->cancelled()) return;
      // What was recorded before a crash is not waited for again.
      const bool waits = delay_ms_ > 0 && !waited_ && next_ >= sink_->recorded_chunks();
      if (waits) {
        waited_ = true;
        return sink_->after(delay_ms_, [self = shared_from_this()] { self->go_on(); });
      }
      waited_ = false;
      if (auto recorded = sink_->chunk(std::move(chunks_[next_++])); !recorded) {
        return sink_->fail({std::string(error_name(recorded.error().code)), recorded.error().message});
      }
    }
    sink_->finish(std::move(result_));
  }

 private:
  std::shared_ptr<AiSink> sink_;
  std::vector<AiChunk> chunks_;
  AiResult result_;
  std::int64_t delay_ms_;
  std::size_t next_ = 0;
  bool waited_ = false;
};

void start_stream(std::shared_ptr<AiSink> sink, std::vector<AiChunk> chunks, AiResult result, std::int64_t delay_ms) {
  std::make_shared<ChunkStream>(std::move(sink), std::move(chunks), std::move(result), delay_ms)->go_on();
}

void stream_text(const AiCall& call, std::shared_ptr<AiSink> sink) {
  std::vector<AiChunk> chunks;
  json::for_each_element(json::member(call.config, "tokens").value_or(R"(["mock"," response"])"),
                         [&](std::string_view token) {
                           chunks.push_back({json::unescape(token)});
                           return true;
                         });
  const Usage usage = usage_of(call.config, static_cast<std::int64_t>(chunks.size()));
  if (chunks.empty()) chunks.emplace_back();
  AiResult result;
  result.model = text_of(call.config, "model", kDefaultModel);
  result.finish_reason = text_of(call.config, "finishReason", "stop");
  result.usage = usage.counts;
  chunks.back().last = true;
  for (AiChunk& chunk : chunks) {
    json::ObjectWriter meta(chunk.meta);
    if (chunk.last) meta.string("finishReason", result.finish_reason);
    meta.string("model", result.model);
    if (chunk.last) meta.raw("usage", usage.raw);
  }
  start_stream(std::move(sink), std::move(chunks), std::move(result), integer_of(call.config, "delayMsPerToken"));
}

void tool_calls(const AiCall& call, std::shared_ptr<AiSink> sink) {
  const std::string_view calls = json::member(call.config, "toolCalls").value_or("[]");
  std::vector<std::string> metas;
  json::for_each_element(calls, [&](std::string_view tool_call) {
    metas.push_back(R"("toolCalls":[)" + std::string(tool_call) + "]");
    return true;
  });
  if (metas.empty()) metas.emplace_back(R"("toolCalls":[])");
  AiResult result;
  result.model = text_of(call.config, "model", "mock-tool-calls-v1");
  result.finish_reason = "tool_calls";
  result.tool_calls = calls;
  std::string usage;
  if (json::member(call.config, "usage")) {
    Usage given = usage_of(call.config, 0);
    result.usage = given.counts;
    usage = R"(,"usage":)" + given.raw;
  }
  std::vector<AiChunk> chunks;
  for (std::size_t i = 0; i < metas.size(); ++i) {
    const bool last = i + 1 == metas.size();
    const std::string end = last ? R"("finishReason":"tool_calls",)" : "";
    chunks.push_back({{},
                      last,
                      "{" + end + R"("model":)" + json::quoted(result.model) + "," + metas[i] +
                          (last ? usage : std::string()) + "}"});
  }
  start_stream(std::move(sink), std::move(chunks), std::move(result), integer_of(call.config, "delayMsPerToken"));
}

void fail_on_purpose(const AiCall& call, const std::shared_ptr<AiSink>& sink) {
  const auto retryable = json::member(call.config, "retryable");
  Failure failure{text_of(call.config, "code", "mock_provider_error"),
                  text_of(call.config, "message", "the mock provider failed as it was told to"),
                  {},
                  retryable && json::as_bool(*retryable).value_or(false)};
  const std::int64_t delay_ms = integer_of(call.config, "failAfterMs");
  if (delay_ms <= 0) return sink->fail(std::move(failure));
  sink->after(delay_ms, [sink, failure = std::move(failure)] {
    if (!sink->cancelled()) sink->fail(failure);
  });
}

void usage_only(const AiCall& call, std::shared_ptr<AiSink> sink) {
  const Usage usage = usage_of(call.config, 0);
  AiResult result;
  result.usage = usage.counts;
  start_stream(std::move(sink), {{{}, true, R"({"usage":)" + usage.raw + "}"}}, std::move(result), 0);
}

class MockProvider final : public AiProvider {
 public:
  explicit MockProvider(std::size_t which) : which_(which) {}

  void call(AiCall call, std::shared_ptr<AiSink> sink) override {
    if (auto sound = check_mock_config(kMockProviderIds[which_], call.config); !sound) {
      return sink->fail({std::string(error_name(sound.error().code)), sound.error().message, sound.error().details});
    }
    switch (which_) {
      case 0: return stream_text(call, std::move(sink));
      case 1: return tool_calls(call, std::move(sink));
      case 2: return fail_on_purpose(call, sink);
      case 3: return usage_only(call, std::move(sink));
    }
  }

 private:
  std::size_t which_;  // in kMockProviderIds
};

}  // namespace

std::shared_ptr<AiProvider> mock_provider(std::string_view id) {
  const auto at = std::find(kMockProviderIds.begin(), kMockProviderIds.end(), id);
  if (at == kMockProviderIds.end()) return nullptr;
  return std::make_shared<MockProvider>(static_cast<std::size_t>(at - kMockProviderIds.begin()));
}

}  // namespace openwop::nodes

namespace openwop {

Status check_mock_config(std::string_view provider_id, std::string_view config) {
  if (nodes::mock_provider(provider_id) == nullptr) {
    return Error{ErrorCode::unsupported_mock_provider, "there is no mock provider of that id"};
  }
  const json::Kind text = json::Kind::string;
  const Status checks[] = {
      nodes::check_tokens(config),
      nodes::check_finish_reason(config),
      nodes::check_tool_calls(config),
      nodes::check_usage(config),
      nodes::check_range(config, "delayMsPerToken", nodes::kMaxDelayMsPerToken),
      nodes::check_range(config, "failAfterMs", nodes::kMaxFailAfterMs),
      nodes::check_kind(config, "model", text, "has to be a string"),
      nodes::check_kind(config, "code", text, "has to be a string"),
      nodes::check_kind(config, "message", text, "has to be a string"),
      nodes::check_kind(config, "retryable", json::Kind::boolean, "has to be a boolean"),
  };
  for (const Status& check : checks) {
    if (!check) return check;
  }
  return {};
}

}  // namespace openwop
