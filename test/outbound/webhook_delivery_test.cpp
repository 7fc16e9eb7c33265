#include <set>

#include "openwop/trace_context.h"
#include "outbound/webhook_rig.h"

using namespace openwop;
using namespace openwop::test;

TEST_CASE("the signature and the fingerprint are those of the protocol's test vector") {
  const std::string body = R"({"runId":"run_1","workspaceId":"t1","event":{"type":"run.completed"}})";
  CHECK(webhook_signature("openwop-test-secret", "1700000000", body) ==
        "sha256=9b3442f0edacf96a959463f20ea607249e63a12a114981a6609c11688af20da7");
  CHECK(webhook_secret_fingerprint("openwop-test-secret") == "2197e638");
}

TEST_CASE("a delivery carries the stored event, the exact headers and a signature over what is sent") {
  WebhookRig rig;
  rig.open_all();
  const auto hook = rig.hook({"run.completed"}, {}, "my-secret");
  const RunId run = rig.create("noop");
  CHECK(rig.client->sent.empty());  // never inside the commit
  rig.deliver();
  REQUIRE(rig.client->sent.size() == 1);
  const HttpCall& call = rig.client->sent.front();
  CHECK(call.method == "POST");
  CHECK(call.url == "https://hooks.example/in");
  CHECK(call.connect_to == "93.184.216.34");
  CHECK(call.timeout_ms == 5000);
  CHECK(header_of(call, "Content-Type") == "application/json");
  CHECK(header_of(call, "User-Agent") == "openwop-webhook-dispatcher/0.1.0");
  CHECK(header_of(call, "X-openwop-Webhook-Id") == hook.id.text());
  CHECK(header_of(call, "X-openwop-Event-Type") == "run.completed");
  CHECK(header_of(call, "X-openwop-Timestamp") == std::to_string(kStartMs / 1000));
  CHECK(header_of(call, "X-openwop-Signature-Algorithm") == "v1");
  CHECK(header_of(call, "X-openwop-Signature") ==
        webhook_signature("my-secret", std::to_string(kStartMs / 1000), call.body));
  CHECK(parse_traceparent(header_of(call, "traceparent")).value().trace_id == trace_id_of(run));
  CHECK(call.headers.size() == 8);
  std::string stored;
  REQUIRE(rig.engine
              ->read_events("default", run, 3,
                            [&](const EventView& event) {
                              append_event_document(stored, run.text(), event);
                              return false;
                            })
              .ok());
  CHECK(call.body ==
        R"({"runId":")" + run.text() + R"(","workspaceId":"default","type":"run.completed","event":)" + stored + "}");
  rig.deliver();
  CHECK(rig.client->sent.size() == 1);
  CHECK(rig.outbox_rows() == 0);
}

TEST_CASE("a delivery goes on with the trace that the run was created in") {
  WebhookRig rig;
  rig.open_all();
  rig.hook({"run.completed"});
  CreateRun request;
  request.workflow_id = "noop";
  request.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  request.tracestate = "acme=1";
  rig.create(std::move(request));
  rig.deliver();
  REQUIRE(rig.client->sent.size() == 1);
  const std::string sent = header_of(rig.client->sent.front(), "traceparent");
  CHECK(sent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
  CHECK(sent.find("00f067aa0ba902b7") == std::string::npos);
  CHECK(header_of(rig.client->sent.front(), "tracestate") == "acme=1");
}

TEST_CASE("events, tags and the tenant decide what a subscription gets") {
  WebhookRig rig;
  rig.open_all();
  rig.hook({"node.completed", "run.completed"}, {"red", "blue"});
  rig.hook({"run.completed"}, {}, "", "other");
  rig.create("noop");
  rig.create(CreateRun{.workflow_id = "noop", .tags = {"green"}});
  rig.deliver();
  CHECK(rig.client->sent.empty());
  rig.create(CreateRun{.workflow_id = "noop", .tags = {"green", "blue"}});
  rig.deliver();
  REQUIRE(rig.client->sent.size() == 2);
  CHECK(header_of(rig.client->sent[0], "X-openwop-Event-Type") == "node.completed");
  CHECK(header_of(rig.client->sent[1], "X-openwop-Event-Type") == "run.completed");
  rig.create(CreateRun{.workflow_id = "noop", .tenant = "other"});
  rig.deliver();
  REQUIRE(rig.client->sent.size() == 3);
  CHECK(json::member(rig.client->sent[2].body, "workspaceId") == R"("other")");
}

TEST_CASE("the events of one run are delivered in the order of their sequences") {
  WebhookRig rig;
  rig.open_all();
  rig.hook({"run.started", "node.started", "node.completed", "run.completed"});
  const RunId first = rig.create("slow");
  rig.create("noop");
  rig.advance(1000);
  rig.deliver();
  std::map<std::string, std::vector<std::int64_t>> seen;
  for (const HttpCall& call : rig.client->sent) seen[run_of(call)].push_back(sequence_of(call));
  REQUIRE(seen.size() == 2);
  for (const auto& [run, sequences] : seen) CHECK(sequences == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK(seen.contains(first.text()));
}

TEST_CASE("without retries an event gets one attempt, whatever comes of it, also across a restart") {
  WebhookRig rig;
  rig.open_all();
  rig.hook({"run.started", "run.completed"});
  rig.client->answers = {{.status = 500}, {.failure = HttpFailure::timeout}};
  rig.create("noop");
  rig.deliver();
  CHECK(rig.client->sent.size() == 2);
  CHECK(rig.troubles.size() == 2);
  rig.advance(10'000'000);
  rig.deliver();
  rig.open_all();
  rig.deliver();
  CHECK(rig.client->sent.size() == 2);
  CHECK(rig.dead().empty());
}

TEST_CASE("an event leaves the outbox before its only attempt: a crash during it repeats nothing") {
  WebhookRig rig;
  rig.open_all();
  rig.hook();
  std::size_t rows = 99;
  rig.client->during = [&](const HttpCall&) { rows = rig.outbox_rows(); };
  rig.create("noop");
  CHECK(rig.outbox_rows() == 1);
  rig.deliver();
  CHECK(rows == 0);
}

TEST_CASE("what is in the outbox at a restart is delivered after it") {
  WebhookRig rig;
  rig.open_all();
  const auto hook = rig.hook({"run.completed"}, {}, "s1");
  const RunId run = rig.create("noop");
  rig.open_all();
  rig.deliver();
  REQUIRE(rig.client->sent.size() == 1);
  CHECK(run_of(rig.client->sent[0]) == run.text());
  CHECK(header_of(rig.client->sent[0], "X-openwop-Webhook-Id") == hook.id.text());
}

TEST_CASE("a redirect is a failure") {
  WebhookRig rig;
  rig.open_all();
  rig.hook();
  rig.client->answers = {{.status = 302}};
  rig.create("noop");
  rig.deliver();
  REQUIRE(rig.troubles.size() == 1);
  CHECK(rig.troubles[0].find("status 302") != std::string::npos);
}

TEST_CASE("four failures in a row open the circuit for an hour, then one delivery probes") {
  WebhookRig rig;
  rig.open_all();
  rig.hook();
  rig.client->standard = 503;
  for (int i = 0; i < 6; ++i) {
    rig.create("noop");
    rig.deliver();
  }
  CHECK(rig.client->sent.size() == 4);  // the others are skipped
  CHECK(rig.outbox_rows() == 0);
  rig.advance(3'599'999);
  rig.create("noop");
  rig.deliver();
  CHECK(rig.client->sent.size() == 4);
  rig.advance(1);
  rig.create("noop");
  rig.deliver();
  CHECK(rig.client->sent.size() == 5);  // the probe failed
  rig.create("noop");
  rig.deliver();
  CHECK(rig.client->sent.size() == 5);
  // The circuit is remembered across a restart.
  rig.open_all();
  rig.create("noop");
  rig.deliver();
  CHECK(rig.client->sent.size() == 5);
  rig.advance(3'600'000);
  rig.client->standard = 204;
  for (int i = 0; i < 3; ++i) rig.create("noop");
  rig.deliver();
  CHECK(rig.client->sent.size() == 8);  // closed again
}

TEST_CASE("a success between failures keeps the circuit closed") {
  WebhookRig rig;
  rig.open_all();
  rig.hook();
  for (int i = 0; i < 12; ++i) {
    rig.client->standard = i % 4 == 3 ? 200 : 500;
    rig.create("noop");
    rig.deliver();
  }
  CHECK(rig.client->sent.size() == 12);
}

TEST_CASE("a hundred failures within seven days end the subscription, older ones do not count") {
  WebhookRig rig;
  rig.webhook_options.circuit_failures = 1000;
  rig.webhook_options.disable_failures = 10;
  rig.open_all();
  rig.hook();
  rig.client->standard = 500;
  const auto fail = [&](int times) {
    for (int i = 0; i < times; ++i) {
      rig.create("noop");
      rig.deliver();
    }
  };
  fail(9);
  rig.advance(std::int64_t{7} * 86'400'000);
  fail(9);
  CHECK(rig.client->sent.size() == 18);
  fail(1);
  CHECK(rig.client->sent.size() == 19);
  rig.client->standard = 200;
  fail(3);
  CHECK(rig.client->sent.size() == 19);
  rig.open_all();
  fail(3);
  CHECK(rig.client->sent.size() == 19);
  rig.hook();  // only a new registration helps
  fail(1);
  CHECK(rig.client->sent.size() == 20);
}

TEST_CASE("with retries an event is tried again after growing waits, in order, and then kept as a dead letter") {
  WebhookRig rig;
  rig.webhook_options.max_retries = 2;
  rig.webhook_options.circuit_failures = 100;
  rig.open_all();
  const auto hook = rig.hook({"run.started", "run.completed"});
  rig.client->standard = 500;
  const RunId run = rig.create("noop");
  rig.deliver();
  REQUIRE(rig.client->sent.size() == 1);  // the later event waits for the first one
  const auto next = rig.webhooks->tick();
  REQUIRE(next);
  CHECK(*next > kStartMs + 749);
  CHECK(*next <= kStartMs + 1000);
  rig.advance(1000);
  rig.deliver();
  CHECK(rig.client->sent.size() == 2);
  rig.open_all();  // what has been tried is remembered
  rig.advance(1000);
  rig.deliver();
  CHECK(rig.client->sent.size() == 2);
  rig.client->answers = {{.status = 502}, {.status = 200}};
  rig.advance(1000);
  rig.deliver();
  REQUIRE(rig.client->sent.size() == 4);
  std::vector<std::int64_t> order;
  for (const HttpCall& call : rig.client->sent) order.push_back(sequence_of(call));
  CHECK(order == std::vector<std::int64_t>{0, 0, 0, 3});
  const auto dead = rig.dead();
  REQUIRE(dead.size() == 1);
  CHECK(dead[0].webhook_id == hook.id);
  CHECK(dead[0].run_id == run);
  CHECK(dead[0].sequence == 0);
  CHECK(dead[0].attempts == 3);
  CHECK(dead[0].reason == "status 502");
  CHECK(rig.outbox_rows() == 0);
  CHECK(rig.dead("other").empty());
}

TEST_CASE("with retries a row stays in the outbox until its attempt is over: a crash during it repeats it") {
  WebhookRig rig;
  rig.webhook_options.max_retries = 1;
  rig.open_all();
  rig.hook();
  std::size_t rows = 99;
  rig.client->during = [&](const HttpCall&) { rows = rig.outbox_rows(); };
  rig.create("noop");
  rig.deliver();
  CHECK(rows == 1);
  CHECK(rig.outbox_rows() == 0);
}

TEST_CASE("with retries events wait for an open circuit, and come through it in order") {
  WebhookRig rig;
  rig.webhook_options.max_retries = 10;
  rig.open_all();
  rig.hook();
  rig.client->standard = 500;
  for (int i = 0; i < 6; ++i) rig.create("noop");
  rig.deliver();
  CHECK(rig.client->sent.size() == 4);
  CHECK(rig.outbox_rows() == 6);
  rig.client->standard = 200;
  rig.advance(3'600'000);
  rig.deliver();
  CHECK(rig.outbox_rows() == 0);
  CHECK(rig.client->sent.size() == 10);
}

TEST_CASE(
    "without retries nothing of what is queued goes out once the circuit is open or the subscription has failed") {
  for (const bool fails : {false, true}) {
    WebhookRig rig;
    (fails ? rig.webhook_options.disable_failures : rig.webhook_options.circuit_failures) = 2;
    rig.open_all();
    rig.hook({"run.started", "node.completed", "run.completed"});
    rig.client->standard = 500;
    rig.create("noop");
    rig.create("noop");
    rig.deliver();
    CHECK(rig.client->sent.size() == 2);
    CHECK(rig.outbox_rows() == 0);
    CHECK(rig.dead().empty());
  }
}

TEST_CASE("with retries what waits for a subscription that has failed becomes dead letters") {
  WebhookRig rig;
  rig.webhook_options.max_retries = 10;
  rig.webhook_options.circuit_failures = 1000;
  rig.webhook_options.disable_failures = 3;
  rig.open_all();
  rig.hook();
  rig.client->standard = 500;
  for (int i = 0; i < 5; ++i) rig.create("noop");
  rig.deliver();
  CHECK(rig.client->sent.size() == 3);
  CHECK(rig.outbox_rows() == 0);
  const auto letters = rig.dead();
  REQUIRE(letters.size() == 5);
  for (const DeadLetter& letter : letters) CHECK(letter.reason == "subscription failed");
}

TEST_CASE("dead letters are bounded for each tenant and come in pages") {
  WebhookRig rig;
  rig.webhook_options.max_retries = 1;
  rig.webhook_options.circuit_failures = 1000;
  rig.webhook_options.max_dead_letters_per_tenant = 3;
  rig.open_all();
  const auto hook = rig.hook();
  rig.client->standard = 500;
  std::vector<RunId> runs;
  for (int i = 0; i < 5; ++i) {
    runs.push_back(rig.create("noop"));
    rig.clock->advance(10);
  }
  rig.deliver();
  rig.advance(10'000);
  rig.deliver();
  CHECK(rig.client->sent.size() == 10);
  const auto first = rig.webhooks->dead_letters("default", hook.id, "", 2);
  REQUIRE(first.ok());
  REQUIRE(first->letters.size() == 2);
  CHECK(first->letters[0].run_id == runs[2]);
  REQUIRE_FALSE(first->cursor.empty());
  const auto second = rig.webhooks->dead_letters("default", hook.id, first->cursor, 2);
  REQUIRE(second.ok());
  REQUIRE(second->letters.size() == 1);
  CHECK(second->letters[0].run_id == runs[4]);
  CHECK(second->cursor.empty());
  CHECK(rig.webhooks->dead_letters("default", hook.id, "rubbish", 2).error().code == ErrorCode::validation_error);
}

TEST_CASE("a subscription that is removed gets nothing more, and its rows go") {
  WebhookRig rig;
  rig.open_all();
  const auto hook = rig.hook();
  const auto other = rig.hook();
  rig.create("noop");
  CHECK(rig.webhooks->unregister_webhook("other", hook.id).error().code == ErrorCode::not_found);
  REQUIRE(rig.webhooks->unregister_webhook("default", hook.id).ok());
  rig.deliver();
  REQUIRE(rig.client->sent.size() == 1);
  CHECK(header_of(rig.client->sent[0], "X-openwop-Webhook-Id") == other.id.text());
  CHECK(rig.outbox_rows() == 0);
  CHECK(rig.webhooks->unregister_webhook("default", hook.id).error().code == ErrorCode::not_found);
  // Rows that a crash left behind are cleared away at the next start.
  rig.create("noop");
  REQUIRE(rig.webhooks->unregister_webhook("default", other.id).ok());
  rig.open_all();
  CHECK(rig.outbox_rows() == 1);
  rig.deliver();
  CHECK(rig.outbox_rows() == 0);
  CHECK(rig.client->sent.size() == 1);
}

TEST_CASE("a subscription's outbox is bounded: further events are dropped and reported once") {
  WebhookRig rig;
  rig.webhook_options.max_queued_per_subscription = 3;
  rig.open_all();
  rig.hook();
  for (int i = 0; i < 6; ++i) rig.create("noop");
  CHECK(rig.outbox_rows() == 3);
  REQUIRE(rig.troubles.size() == 1);
  CHECK(rig.troubles[0].find("max_queued_per_subscription") != std::string::npos);
  rig.deliver();
  CHECK(rig.client->sent.size() == 3);
  rig.create("noop");
  rig.deliver();
  CHECK(rig.client->sent.size() == 4);
}

TEST_CASE("no secret is in any report of trouble") {
  WebhookRig rig;
  rig.open_all();
  rig.hook({"run.completed"}, {}, "top-secret-text");
  rig.client->standard = 500;
  for (int i = 0; i < 5; ++i) {
    rig.create("noop");
    rig.deliver();
  }
  REQUIRE(rig.troubles.size() == 5);  // four failures and the circuit
  for (const std::string& trouble : rig.troubles) {
    CHECK(trouble.find("top-secret-text") == std::string::npos);
    CHECK(trouble.find(webhook_secret_fingerprint("top-secret-text")) != std::string::npos);
  }
}

TEST_CASE("threads deliver everything, in order within each run, while runs go on") {
  WebhookRig rig;
  rig.webhook_options.threads = 4;
  rig.open_all();
  rig.hook({"run.started", "node.completed", "run.completed"});
  rig.hook({"run.completed"});
  constexpr std::size_t kRuns = 50;
  for (std::size_t i = 0; i < kRuns; ++i) rig.create("noop");
  CHECK(rig.client->wait_for(4 * kRuns));
  rig.webhooks->close();
  std::map<std::string, std::vector<std::int64_t>> seen;
  for (const HttpCall& call : rig.client->sent) {
    seen[header_of(call, "X-openwop-Webhook-Id") + run_of(call)].push_back(sequence_of(call));
  }
  CHECK(seen.size() == 2 * kRuns);
  for (const auto& [lane, sequences] : seen) CHECK(std::is_sorted(sequences.begin(), sequences.end()));
  CHECK(rig.client->sent.size() == 4 * kRuns);
  CHECK(rig.outbox_rows() == 0);
}
