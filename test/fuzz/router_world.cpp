#include "fuzz/router_world.h"

#include "fuzz/fuzz.h"
#include "openwop/ai_provider.h"
#include "openwop/json.h"
#include "openwop/ledger.h"
#include "openwop/protocol/region_link.h"

namespace openwop::fuzz {

namespace {

constexpr std::int64_t kNowMs = 1'800'000'000'000;

class CountedIds final : public IdSource {
 public:
  [[nodiscard]] Id next(std::int64_t now_ms) override {
    ++count_;
    Id id;
    for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(now_ms >> (40 - 8 * i));
    for (std::size_t i = 0; i < 8; ++i) id.bytes[8 + i] = static_cast<std::uint8_t>(count_ >> (56 - 8 * i));
    return id;
  }

 private:
  std::uint64_t count_ = 0;
};

/// Nothing leaves the process.
class NoClient final : public HttpClient {
 public:
  [[nodiscard]] HttpAnswer send(const HttpCall&) override { return {.failure = HttpFailure::connect}; }
};
class OneAddress final : public HostResolver {
 public:
  [[nodiscard]] Result<std::vector<std::string>> resolve(std::string_view host, std::int64_t) override {
    if (!host.empty() && (host.front() == '[' || (host.front() >= '0' && host.front() <= '9'))) {
      return std::vector{std::string(host)};
    }
    return std::vector<std::string>{"93.184.216.34"};
  }
};

struct OneNode {
  std::string_view id;
  std::string_view type;
  std::string_view config;
  std::string_view more = {};
};

constexpr std::array kWorkflows = {
    OneNode{"noop", "core.noop", "{}"},
    OneNode{"sleep", "core.delay", R"({"ms":600000})"},
    OneNode{"fails", "core.fail", R"({"code":"no_luck","message":"no luck"})"},
    OneNode{"approval", "core.approvalGate", R"({"title":"Go on?","actions":["accept","reject","refine"]})"},
    OneNode{"question", "core.clarificationGate",
            R"({"questions":[{"id":"q1","question":"How many?","schema":{"type":"integer"}}]})"},
    OneNode{"event", "core.interrupt",
            R"({"kind":"external-event","data":{"eventType":"paid","correlation":{"order":"o-1"}},"timeoutMs":60000})"},
    OneNode{"talk", "core.conversationGate", R"({"prompt":"Hello?","turnCount":3})"},
    OneNode{"artifact", "core.identity", "{}", R"(,"artifactType":"note")"},
    OneNode{"strict", "core.noop", "{}"},
};

std::string workflow_of(const OneNode& node) {
  std::string text =
      R"({"id":")" + std::string(node.id) + R"(","name":"x","version":"1.0","metadata":{},"settings":{},)";
  text += R"("triggers":[{"id":"manual","type":"manual"}],"variables":[)";
  if (node.id == "strict") {
    text += R"({"name":"n","type":"number","required":true},{"name":"s","type":"string","defaultValue":"x"}],)";
    text += R"("configurableSchema":{"model":{"type":"string"}},)";
  } else {
    text += R"({"name":"text","type":"string","defaultValue":"hello"}],)";
  }
  text += R"("edges":[],"nodes":[{"id":"node","name":"x","position":{"x":0,"y":0},"typeId":")" + std::string(node.type);
  text += R"(","config":)" + std::string(node.config);
  text += R"(,"inputs":{"text":{"type":"static","value":"hello"}})" + std::string(node.more) + "}]}";
  return text;
}

std::vector<ApiKey> api_keys() {
  ApiKey test = ApiKey::of("key-test", "a");
  test.test = true;
  ApiKey expired = ApiKey::of("key-old", "a");
  expired.expires_ms = 1;
  return {ApiKey::of("key-a", "a"),
          ApiKey::of("key-b", "b"),
          ApiKey::of("key-reader", "a", {"runs:read"}),
          test,
          expired,
          ApiKey::of("key-us", "us", {std::string(kRegionScope)})};
}

}  // namespace

Result<std::vector<CommitOutcome>> CountedStore::commit(std::span<const Transaction* const> group,
                                                        Durability durability) {
  auto outcomes = rows_.commit(group, durability);
  if (!outcomes) return outcomes;
  for (std::size_t i = 0; i < group.size(); ++i) {
    if ((*outcomes)[i] != CommitOutcome::committed) continue;
    for (std::size_t at = 0; at < group[i]->size(); ++at) {
      const auto entry = group[i]->entry(at);
      if (entry.op != Transaction::Op::put && entry.op != Transaction::Op::erase) continue;
      ++(entry.key.front() == kLedgerPrefix ? ledger_writes_ : other_writes_);
    }
  }
  return outcomes;
}

World::World() {
  clock_->set(kNowMs);
  open();
  add_workflows();
  make_runs();
  settle();
  writes_at_first_ = writes();
}

void World::open() {
  const auto ids = std::make_shared<CountedIds>();
  auto webhooks = Webhooks::open({.store = store_,
                                  .client = std::make_shared<NoClient>(),
                                  .resolver = std::make_shared<OneAddress>(),
                                  .clock = clock_,
                                  .ids = ids,
                                  .make_secret = [] { return std::string(64, 'a'); },
                                  .threads = 0});
  auto audit =
      AuditLog::open({.store = store_, .signing_key = std::string(32, 'k'), .clock = clock_, .ids = ids, .threads = 0});
  auto regions = RegionLink::open({.region = "eu",
                                   .peers = {{"us", "https://us.example", "a-key-there"}},
                                   .store = store_,
                                   .client = std::make_shared<NoClient>(),
                                   .clock = clock_,
                                   .threads = false});
  expect(webhooks.ok() && audit.ok() && regions.ok(), "webhooks, audit log and regions open");

  EngineOptions options{.store = store_, .threads = 0, .clock = clock_, .ids = ids};
  options.observers = {*webhooks, *audit, *regions};
  add_builtin_nodes(options.nodes);
  add_ai_nodes(options.nodes);
  auto engine = Engine::open(std::move(options));
  expect(engine.ok(), "the engine opens");
  engine_ = *std::move(engine);

  SurfaceOptions surface{.keys = api_keys(), .ids = ids, .token_keys = {{"k1", "a secret of some length"}}};
  surface.mock_providers.assign(kMockProviderIds.begin(), kMockProviderIds.end());
  surface.webhooks = *webhooks;
  surface.audit = *audit;
  surface.regions = *regions;
  surface.max_request_body_bytes = 8'192;
  surface.max_target_bytes = 2'048;
  surface.max_header_bytes = 4'096;
  surface.max_long_polls = 0;  // a poll that would wait is refused: time stands still
  surface_ = std::make_unique<OpenWopSurface>(*engine_, std::move(surface));
}

void World::add_workflows() {
  for (const OneNode& node : kWorkflows) {
    const auto added = engine_->register_workflow(workflow_of(node));
    expect(added.ok(), "a workflow is registered", added ? "" : added.error().message);
  }
}

void World::make_runs() {
  name_run("{live}", "sleep");
  name_run("{ended}", "noop");
  name_run("{failed}", "fails");
  name_run("{paused}", "sleep");
  name_run("{approval}", "approval");
  name_run("{question}", "question");
  name_run("{event}", "event");
  name_run("{talk}", "talk");
  name_run("{artifact}", "artifact");
  static_cast<void>(must("POST", with_names("/v1/runs/{paused}:pause"), "{}", 202));
  settle();
  const std::string waiting = must("GET", with_names("/v1/runs/{approval}"), "", 200);
  const auto interrupt = json::member(waiting, "interrupt");
  const auto token = interrupt ? json::member(*interrupt, "interruptToken") : std::nullopt;
  expect(token.has_value(), "a waiting run shows a token", waiting);
  names_.emplace_back("{token}", json::as_string(*token).value_or(""));
  const std::string hook =
      must("POST", "/v1/webhooks", R"({"url":"https://hooks.example/in","events":["run.completed"]})", 201);
  names_.emplace_back("{webhook}", json::as_string(json::member(hook, "webhookId").value_or("")).value_or(""));
}

void World::name_run(std::string name, std::string_view workflow) {
  const std::string created =
      must("POST", "/v1/runs", R"({"workflowId":")" + std::string(workflow) + R"(","tags":["t"]})", 201);
  names_.emplace_back(std::move(name), json::as_string(json::member(created, "runId").value_or("")).value_or(""));
  settle();
}

std::string World::must(std::string method, std::string target, std::string body, int status) {
  http::Request request{.method = std::move(method), .target = std::move(target), .body = std::move(body)};
  request.headers.emplace("Authorization", "Bearer key-a");
  request.headers.emplace("Content-Type", "application/json");
  const http::Reply reply = handle(request);
  const auto* response = std::get_if<http::Response>(&reply);
  expect(response != nullptr && response->status == status, "the world is made as it should be",
         response != nullptr ? response->body : "");
  return response->body;
}

std::string World::with_names(std::string text) const {
  for (const auto& [name, value] : names_) {
    for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + value.size())) {
      text.replace(at, name.size(), value);
    }
  }
  return text;
}

}  // namespace openwop::fuzz
