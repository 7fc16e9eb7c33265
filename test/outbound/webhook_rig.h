// Webhooks on a driven engine and a client that only pretends: what was sent is kept, what comes back is scripted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>

#include "openwop/webhooks.h"
#include "support/engine_rig.h"
#include "support/row_count.h"

namespace openwop::test {

class FakeClient final : public HttpClient {
 public:
  HttpAnswer send(const HttpCall& call) override {
    const std::lock_guard lock(mutex);
    sent.push_back(call);
    one_more.notify_all();
    if (during) during(call);
    if (answers.empty()) return {.status = standard};
    HttpAnswer answer = answers.front();
    answers.pop_front();
    return answer;
  }
  /// False when a generous time is over.
  [[nodiscard]] bool wait_for(std::size_t calls) {
    std::unique_lock lock(mutex);
    return one_more.wait_for(lock, std::chrono::seconds(60), [&] { return sent.size() >= calls; });
  }
  std::mutex mutex;
  std::condition_variable one_more;
  std::vector<HttpCall> sent;
  std::deque<HttpAnswer> answers;
  int standard = 200;
  std::function<void(const HttpCall&)> during;
};

class FakeResolver final : public HostResolver {
 public:
  Result<std::vector<std::string>> resolve(std::string_view host, std::int64_t) override {
    const auto at = hosts.find(host);
    if (at == hosts.end()) return Error{ErrorCode::not_found, "no such host"};
    return at->second;
  }
  std::map<std::string, std::vector<std::string>, std::less<>> hosts = {{"hooks.example", {"93.184.216.34"}}};
};

inline std::string header_of(const HttpCall& call, std::string_view name) {
  for (const auto& [key, value] : call.headers) {
    if (key == name) return value;
  }
  return "none";
}
/// The sequence of the event that was delivered.
inline std::int64_t sequence_of(const HttpCall& call) {
  const auto event = json::member(call.body, "event");
  return event ? json::as_int(*json::member(*event, "sequence")).value_or(-1) : -1;
}
inline std::string run_of(const HttpCall& call) { return json::as_string(*json::member(call.body, "runId")).value(); }

struct WebhookRig : EngineRig {
  std::shared_ptr<FakeClient> client = std::make_shared<FakeClient>();
  std::shared_ptr<FakeResolver> resolver = std::make_shared<FakeResolver>();
  std::vector<std::string> troubles;
  WebhookOptions webhook_options;
  std::shared_ptr<Webhooks> webhooks;

  WebhookRig() {
    webhook_options.threads = 0;
    webhook_options.on_trouble = [this](std::string_view message, std::string_view fields) {
      troubles.push_back(std::string(message) + " " + std::string(fields));
    };
  }
  /// Opens both, or opens them again on the same store as after a restart.
  void open_all() {
    engine.reset();
    options.observers.clear();
    webhooks.reset();
    WebhookOptions copy = webhook_options;
    copy.store = store;
    copy.client = client;
    copy.resolver = resolver;
    copy.clock = clock;
    auto opened = Webhooks::open(std::move(copy));
    REQUIRE(opened.ok());
    webhooks = *opened;
    options.observers = {webhooks};
    open();
    add(WorkflowText("noop").node("n", "core.noop"));
    add(WorkflowText("slow").node("d", "core.delay", R"({"ms":1000})"));
  }
  RegisteredWebhook hook(std::vector<std::string> events = {"run.completed"}, std::vector<std::string> tags = {},
                         const std::string& secret = "", const std::string& tenant = "default") {
    auto registered = webhooks->register_webhook({.tenant = tenant,
                                                  .url = "https://hooks.example/in",
                                                  .events = std::move(events),
                                                  .secret = secret,
                                                  .tags = std::move(tags)});
    INFO((registered.ok() ? std::string() : registered.error().message));
    REQUIRE(registered.ok());
    return *registered;
  }
  void deliver() { webhooks->tick(); }
  std::size_t outbox_rows() const { return row_count(*store, "Hq"); }
  std::vector<DeadLetter> dead(const std::string& tenant = "default") const {
    auto page = webhooks->dead_letters(tenant, std::nullopt, "", 1000);
    REQUIRE(page.ok());
    return page->letters;
  }
};

}  // namespace openwop::test
