#include "openwop/interrupt_callbacks.h"

#include "outbound/webhook_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

const std::vector<TokenKey> kKeys = {{.id = "k1", .secret = "sixteen bytes or more"}};
constexpr std::string_view kPrefix = "https://flows.example/v1/interrupts/";

struct CallbackRig : EngineRig {
  std::shared_ptr<FakeClient> client = std::make_shared<FakeClient>();
  std::shared_ptr<FakeResolver> resolver = std::make_shared<FakeResolver>();
  std::vector<std::string> troubles;
  CallbackOptions callback_options;
  std::shared_ptr<InterruptCallbacks> callbacks;

  CallbackRig() {
    callback_options.delivery.threads = 0;
    callback_options.delivery.max_retries = 2;
    callback_options.token_keys = kKeys;
    callback_options.delivery.on_trouble = [this](std::string_view message, std::string_view fields) {
      troubles.push_back(std::string(message) + " " + std::string(fields));
    };
  }
  /// Opens both, or opens them again on the same store as after a restart.
  void open_all() {
    engine.reset();
    options.observers.clear();
    callbacks.reset();
    CallbackOptions copy = callback_options;
    copy.delivery.store = store;
    copy.delivery.client = client;
    copy.delivery.resolver = resolver;
    copy.delivery.clock = clock;
    auto opened = InterruptCallbacks::open(std::move(copy));
    REQUIRE(opened.ok());
    callbacks = *opened;
    options.observers = {callbacks};
    open();
    add(WorkflowText("event").node("w", "core.interrupt",
                                   R"({"kind":"external-event","data":{"eventType":"paid","correlation":{}}})"));
    add(WorkflowText("approval").node("w", "core.approvalGate"));
    callbacks->start("https://flows.example");
  }
  RunId wait(const std::string& workflow = "event", const std::string& url = "https://hooks.example/in") {
    CreateRun request;
    request.workflow_id = workflow;
    request.callback_url = url;
    auto created = engine->create_run(request);
    REQUIRE(created.ok());
    return created->run_id;
  }
  std::size_t rows() const {
    std::size_t rows = 0;
    auto count = [&](std::string_view, std::string_view) { return ++rows != 0; };
    REQUIRE(store->scan({"Hc", "Hd", false}, count).ok());
    return rows;
  }
};

std::string text_of(const HttpCall& call, std::string_view name) {
  const auto value = json::member(call.body, name);
  REQUIRE(value);
  return json::as_string(*value).value();
}

}  // namespace

TEST_CASE("a run with a callback URL sends the link that answers its external event") {
  CallbackRig rig;
  rig.callback_options.secret = "shared with the receiver";
  rig.open_all();
  const RunId run = rig.wait();
  CHECK(rig.client->sent.empty());  // never inside the commit
  rig.callbacks->tick();
  REQUIRE(rig.client->sent.size() == 1);
  const HttpCall& call = rig.client->sent.front();
  CHECK(call.method == "POST");
  CHECK(call.url == "https://hooks.example/in");
  CHECK(call.connect_to == "93.184.216.34");
  CHECK(header_of(call, "X-openwop-Signature") ==
        webhook_signature("shared with the receiver", header_of(call, "X-openwop-Timestamp"), call.body));
  CHECK(header_of(call, "traceparent") != "none");
  CHECK(text_of(call, "runId") == run.text());
  CHECK(text_of(call, "nodeId") == "w");
  CHECK(text_of(call, "kind") == "external-event");
  CHECK(text_of(call, "expiresAt") == format_rfc3339(kStartMs + kInterruptTokenTtlMs));

  const std::string link = text_of(call, "callbackUrl");
  REQUIRE(link.starts_with(kPrefix));
  const auto claims = InterruptTokens(kKeys).verify(link.substr(kPrefix.size()), kStartMs);
  REQUIRE(claims.ok());
  CHECK(claims->run_id == run);
  CHECK(claims->node_id == "w");
  CHECK(claims->interrupt_id == text_of(call, "interruptId"));
  CHECK(claims->expires_ms == kStartMs + kInterruptTokenTtlMs);
  CHECK(claims->intent == TokenIntent::resolve);

  rig.callbacks->tick();
  CHECK(rig.client->sent.size() == 1);
  CHECK(rig.rows() == 0);
}

TEST_CASE("without a secret a callback is not signed") {
  CallbackRig rig;
  rig.open_all();
  rig.wait();
  rig.callbacks->tick();
  REQUIRE(rig.client->sent.size() == 1);
  CHECK(header_of(rig.client->sent.front(), "X-openwop-Signature") == "none");
}

TEST_CASE("a link lives no longer than its interrupt") {
  CallbackRig rig;
  rig.open_all();
  rig.add(WorkflowText("short").node(
      "w", "core.interrupt",
      R"({"kind":"external-event","data":{"eventType":"paid","correlation":{}},"timeoutMs":5000})"));
  rig.wait("short");
  SECTION("sent in time") {
    rig.callbacks->tick();
    REQUIRE(rig.client->sent.size() == 1);
    CHECK(text_of(rig.client->sent.front(), "expiresAt") == format_rfc3339(kStartMs + 5000));
  }
  SECTION("after the timeout nothing is sent") {
    rig.clock->advance(5000);
    rig.callbacks->tick();
    CHECK(rig.client->sent.empty());
  }
  CHECK(rig.rows() == 0);
}

TEST_CASE("approvals, and runs without a callback URL, send nothing") {
  CallbackRig rig;
  rig.open_all();
  rig.wait("approval");
  rig.wait("event", "");
  rig.callbacks->tick();
  CHECK(rig.client->sent.empty());
  CHECK(rig.rows() == 0);
}

TEST_CASE("a replay does not send the callbacks of its source again") {
  CallbackRig rig;
  rig.open_all();
  const RunId run = rig.wait();
  rig.callbacks->tick();
  REQUIRE(rig.engine->fork_run({.source_run = run, .from_sequence = 0, .mode = ForkMode::replay}).ok());
  rig.callbacks->tick();
  CHECK(rig.client->sent.size() == 1);
}

TEST_CASE("a callback is tried again with growing waits, and given up in the end") {
  CallbackRig rig;
  rig.open_all();
  rig.client->standard = 503;
  rig.wait();
  const auto first = rig.callbacks->tick();
  CHECK(rig.client->sent.size() == 1);
  REQUIRE(first);
  CHECK(*first > kStartMs + 700);
  CHECK(*first <= kStartMs + 1000);
  rig.callbacks->tick();
  CHECK(rig.client->sent.size() == 1);  // not before it is due

  rig.clock->advance(*first - kStartMs);
  const auto second = rig.callbacks->tick();
  CHECK(rig.client->sent.size() == 2);
  REQUIRE(second);
  CHECK(*second - *first > 1500);
  SECTION("taken at last") {
    rig.client->standard = 204;
    rig.clock->advance(*second - *first);
    CHECK_FALSE(rig.callbacks->tick());
    CHECK(rig.client->sent.size() == 3);
    CHECK(rig.troubles.size() == 2);
  }
  SECTION("given up") {
    rig.clock->advance(*second - *first);
    CHECK_FALSE(rig.callbacks->tick());
    CHECK(rig.client->sent.size() == 3);
    REQUIRE(rig.troubles.size() == 4);
    CHECK(rig.troubles.back().starts_with("interrupt callback given up"));
    CHECK(rig.troubles.back().find("status 503") != std::string::npos);
  }
  CHECK(rig.rows() == 0);
}

TEST_CASE("a callback that was not sent is sent after a restart, attempts counted") {
  CallbackRig rig;
  rig.callback_options.delivery.max_retries = 1;
  rig.open_all();
  rig.client->standard = 500;
  rig.wait();
  SECTION("before the first attempt") {
    rig.open_all();
    rig.client->standard = 200;
    rig.callbacks->tick();
    CHECK(rig.client->sent.size() == 1);
  }
  SECTION("between attempts") {
    rig.callbacks->tick();
    rig.open_all();
    rig.callbacks->tick();
    CHECK(rig.client->sent.size() == 1);  // still not due
    rig.clock->advance(1000);
    rig.callbacks->tick();
    CHECK(rig.client->sent.size() == 2);
  }
  SECTION("ended in the middle of an attempt") {
    rig.client->answers.push_back({.failure = HttpFailure::cancelled});
    rig.callbacks->tick();
    CHECK(rig.rows() == 1);
    rig.open_all();
    rig.client->standard = 200;
    rig.callbacks->tick();
    CHECK(rig.client->sent.size() == 2);
  }
  CHECK(rig.rows() == 0);
}

TEST_CASE("a callback to an address that is not public is given up at once") {
  CallbackRig rig;
  rig.resolver->hosts["inside.example"] = {"10.0.0.7"};
  rig.open_all();
  rig.wait("event",
           GENERATE(as<std::string>{}, "https://inside.example/x", "http://hooks.example/in", "https://127.0.0.1/x"));
  CHECK_FALSE(rig.callbacks->tick());
  CHECK(rig.client->sent.empty());
  CHECK(rig.troubles.size() == 2);
  CHECK(rig.rows() == 0);
}

TEST_CASE("in a cluster the run's host sends its callbacks, and what the host before has left") {
  struct Ownership final : RunOwnership {
    [[nodiscard]] bool is_mine(const RunId&) const override { return mine; }
    bool mine = false;
  };
  CallbackRig rig;
  rig.open_all();
  const auto ownership = std::make_shared<Ownership>();
  rig.callbacks->ownership_changed(ownership);
  rig.wait();
  rig.callbacks->tick();
  CHECK(rig.client->sent.empty());
  CHECK(rig.rows() == 1);
  ownership->mine = true;
  rig.callbacks->ownership_changed(ownership);
  rig.callbacks->tick();
  CHECK(rig.client->sent.size() == 1);
  rig.callbacks->ownership_changed(ownership);
  rig.callbacks->tick();
  CHECK(rig.client->sent.size() == 1);
  CHECK(rig.rows() == 0);
}

TEST_CASE("callbacks beyond the limit are dropped and reported once") {
  CallbackRig rig;
  rig.callback_options.max_queued = 2;
  rig.open_all();
  for (int i = 0; i < 4; ++i) rig.wait();
  CHECK(rig.rows() == 2);
  CHECK(rig.troubles.size() == 1);
  rig.callbacks->tick();
  CHECK(rig.client->sent.size() == 2);
  rig.wait();
  rig.callbacks->tick();
  CHECK(rig.client->sent.size() == 3);
}

TEST_CASE("nothing is sent before the host can be reached, and options are checked") {
  CallbackRig rig;
  CHECK(InterruptCallbacks::open({}).error().code == ErrorCode::validation_error);
  CallbackOptions options = rig.callback_options;
  options.delivery.store = rig.store;
  options.delivery.client = rig.client;
  options.delivery.resolver = rig.resolver;
  options.delivery.clock = rig.clock;
  SECTION("no token key") { options.token_keys.clear(); }
  SECTION("no time to live") { options.token_ttl_ms = 0; }
  SECTION("no client") { options.delivery.client.reset(); }
  CHECK(InterruptCallbacks::open(options).error().code == ErrorCode::validation_error);
}
