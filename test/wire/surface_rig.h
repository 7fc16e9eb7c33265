// SurfaceRig: the OpenWOP surface on a driven engine in memory; no sockets, no threads, a clock that tests turn.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>

#include "openwop/ai_provider.h"
#include "openwop/engine.h"
#include "openwop/json.h"
#include "openwop/memory_store.h"
#include "openwop/protocol/openwop_surface.h"
#include "support/catch.h"
#include "support/server.h"
#include "support/wire_contract.h"

namespace openwop::test {

class SurfaceRig {
 public:
  /// Changes the options with what only the rig has: its store and its clock.
  using Prepare = std::function<void(SurfaceRig&, EngineOptions&, SurfaceOptions&)>;

  /// With engine threads, requests may come from several threads at once, by answer_of().
  explicit SurfaceRig(SurfaceOptions options = {}, std::size_t threads = 0, const Prepare& prepare = {}) {
    EngineOptions engine_options{.store = store, .threads = threads, .clock = clock};
    add_builtin_nodes(engine_options.nodes);
    add_fixture_nodes(engine_options.nodes);
    add_ai_nodes(engine_options.nodes);
    if (options.mock_providers.empty()) options.mock_providers.assign(kMockProviderIds.begin(), kMockProviderIds.end());
    if (prepare) prepare(*this, engine_options, options);
    auto opened = Engine::open(std::move(engine_options));
    REQUIRE(opened.ok());
    engine = *std::move(opened);
    for (const auto& file : std::filesystem::directory_iterator(wire_workflows())) register_file(file.path());
    ApiKey key_a = ApiKey::of("key-a", "a");
    key_a.scopes.emplace_back(kRegionScope);
    options.keys.push_back(std::move(key_a));
    options.keys.push_back(ApiKey::of("key-b", "b"));
    options.keys.push_back(ApiKey::of("key-reader", "a", {"runs:read"}));
    if (options.token_keys.empty()) options.token_keys = {{"k1", "a secret of some length"}};
    ApiKey test_key = ApiKey::of("key-test", "a");
    test_key.test = true;
    options.keys.push_back(test_key);
    surface = std::make_unique<OpenWopSurface>(*engine, std::move(options));
  }

  http::Reply reply(http::Request request, const std::string& key = "key-a") {
    if (!key.empty()) request.headers.emplace("Authorization", "Bearer " + key);
    return surface->handle(request);
  }
  /// Each answer is held against the OpenAPI document.
  Answer call(http::Request request, const std::string& key = "key-a") {
    if (!key.empty()) request.headers.emplace("Authorization", "Bearer " + key);
    Answer answer = answer_of(request);
    REQUIRE(answer.status != 0);
    expect_contract({request.method, request.target, request.body}, answer);
    return answer;
  }
  /// The answer to a request as it stands; status 0 for a stream. From any thread.
  Answer answer_of(const http::Request& request) {
    const http::Reply got = surface->handle(request);
    const auto* response = std::get_if<http::Response>(&got);
    if (response == nullptr) return {};
    Answer answer{.status = response->status, .body = response->body};
    for (const auto& [name, value] : response->headers) answer.headers.emplace(name, value);
    return answer;
  }
  Answer get(const std::string& target, http::Headers headers = {}, const std::string& key = "key-a") {
    return call({.target = target, .headers = std::move(headers)}, key);
  }
  Answer post(const std::string& target, const std::string& body, http::Headers headers = {},
              const std::string& key = "key-a") {
    headers.emplace("Content-Type", "application/json");
    return call({.method = "POST", .target = target, .headers = std::move(headers), .body = body}, key);
  }
  /// A run of a workflow, as far as it goes by itself.
  std::string run(const std::string& workflow, const std::string& inputs = "{}") {
    const Answer created = post("/v1/runs", R"({"workflowId":")" + workflow + R"(","inputs":)" + inputs + "}");
    REQUIRE(created.status == 201);
    settle();
    return created.at({"runId"});
  }
  void settle() { engine->tick(clock->now_ms()); }
  void advance(std::int64_t ms) {
    clock->advance(ms);
    settle();
  }
  std::unique_ptr<http::EventStream> stream(const std::string& target, http::Headers headers = {}) {
    http::Reply got = reply({.target = target, .headers = std::move(headers)});
    REQUIRE(std::holds_alternative<std::unique_ptr<http::EventStream>>(got));
    return std::move(std::get<std::unique_ptr<http::EventStream>>(got));
  }
  /// Everything that a stream gives without waiting.
  static std::string drain(http::EventStream& stream) {
    std::string out;
    for (;;) {
      const http::StreamFrame frame = stream.next(0);
      if (frame.kind != http::StreamFrame::Kind::bytes) {
        report_contract_problems("stream", frame_problems(out));
        return out;
      }
      out += frame.bytes;
    }
  }

  std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>();
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::unique_ptr<Engine> engine;
  std::unique_ptr<OpenWopSurface> surface;

 private:
  void register_file(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    const auto workflow = engine->register_workflow(text.str());
    INFO(path << ": " << (workflow.ok() ? "" : workflow.error().message));
    REQUIRE(workflow.ok());
  }
};

/// How often `what` occurs in `text`.
inline std::size_t occurrences(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++count;
  return count;
}

}  // namespace openwop::test
