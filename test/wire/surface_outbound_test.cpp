// Webhooks, debug bundles and the audit log through the surface.
#include "openwop/audit_log.h"
#include "openwop/webhooks.h"
#include "outbound/webhook_rig.h"
#include "support/row_count.h"
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

struct OutboundRig {
  std::shared_ptr<FakeClient> client = std::make_shared<FakeClient>();
  std::shared_ptr<Webhooks> webhooks;
  std::shared_ptr<AuditLog> audit;
  SurfaceRig rig;

  explicit OutboundRig(SurfaceOptions options = {}, std::uint32_t retries = 0)
      : rig(std::move(options), 0, [&](SurfaceRig& base, EngineOptions& engine, SurfaceOptions& surface) {
          auto hooks = Webhooks::open({.store = base.store,
                                       .client = client,
                                       .resolver = std::make_shared<FakeResolver>(),
                                       .clock = base.clock,
                                       .threads = 0,
                                       .max_retries = retries});
          REQUIRE(hooks.ok());
          webhooks = *hooks;
          auto log = AuditLog::open(
              {.store = base.store, .signing_key = std::string(32, 'k'), .clock = base.clock, .threads = 0});
          REQUIRE(log.ok());
          audit = *log;
          engine.observers = {webhooks, audit};
          surface.webhooks = webhooks;
          surface.audit = audit;
        }) {}

  Answer remove(const std::string& target, const std::string& key = "key-a", http::Headers headers = {}) {
    return rig.call({.method = "DELETE", .target = target, .headers = std::move(headers)}, key);
  }
  Answer add(const std::string& body = R"({"url":"https://hooks.example/in","events":["run.completed"]})",
             http::Headers headers = {}, const std::string& key = "key-a") {
    return rig.post("/v1/webhooks", body, std::move(headers), key);
  }
  std::size_t subscriptions() const { return row_count(*rig.store, "Hs"); }
};

}  // namespace

TEST_CASE("a webhook is registered, delivers, and is removed", "[wire][webhooks]") {
  OutboundRig out;
  const Answer made = out.add();
  REQUIRE(made.status == 201);
  CHECK(made.at({"secret"}).size() == 64);
  CHECK(made.at({"secretFingerprint"}) == webhook_secret_fingerprint(made.at({"secret"})));
  CHECK(made.at({"tenantId"}) == "a");
  CHECK(made.at({"url"}) == "https://hooks.example/in");
  CHECK(made.at({"events"}) == R"(["run.completed"])");
  CHECK(made.at({"signatureAlgorithm"}) == "v1");
  const std::string run = out.rig.run("wire-noop");
  out.webhooks->tick();
  REQUIRE(out.client->sent.size() == 1);
  CHECK(run_of(out.client->sent[0]) == run);
  report_contract_problems("delivery", schema_problems("WebhookDelivery", out.client->sent[0].body));
  const Answer gone = out.remove("/v1/webhooks/" + made.at({"webhookId"}) + "?tenantId=a");
  CHECK(gone.status == 204);
  CHECK(gone.body.empty());
  CHECK(out.remove("/v1/webhooks/" + made.at({"webhookId"})).status == 404);
  out.rig.run("wire-noop");
  out.webhooks->tick();
  CHECK(out.client->sent.size() == 1);
}

TEST_CASE("a registration that is not right is refused with its code and changes nothing", "[wire][webhooks]") {
  OutboundRig out;
  struct Row {
    const char* body;
    int status;
    const char* code;
  };
  for (const Row& row : {
           Row{"", 400, "validation_error"},
           Row{"[]", 400, "validation_error"},
           Row{"{}", 400, "validation_error"},
           Row{R"({"events":["run.completed"]})", 400, "validation_error"},
           Row{R"({"url":"https://hooks.example/in"})", 400, "validation_error"},
           Row{R"({"url":"https://hooks.example/in","events":[]})", 400, "validation_error"},
           Row{R"({"url":"https://hooks.example/in","events":"run.completed"})", 400, "validation_error"},
           Row{R"({"url":"https://hooks.example/in","events":[1]})", 400, "validation_error"},
           Row{R"({"url":7,"events":["run.completed"]})", 400, "validation_error"},
           Row{R"({"url":"not a url","events":["run.completed"]})", 400, "validation_error"},
           Row{R"({"url":"http://hooks.example/in","events":["run.completed"]})", 400, "webhook_url_rejected"},
           Row{R"({"url":"https://127.0.0.1/in","events":["run.completed"]})", 400, "webhook_url_rejected"},
           Row{R"({"url":"https://hooks.example/in","events":["run.completed"],"secret":""})", 400, "validation_error"},
           Row{R"({"url":"https://hooks.example/in","events":["run.completed"],"secret":1})", 400, "validation_error"},
           Row{R"({"url":"https://hooks.example/in","events":["run.completed"],"tags":"x"})", 400, "validation_error"},
           Row{R"({"url":"https://hooks.example/in","events":["run.completed"],"extra":1})", 400, "validation_error"},
           Row{R"({"url":"https://hooks.example/in","events":["run.completed"],"tenantId":1})", 400,
               "validation_error"},
           Row{R"({"url":"https://hooks.example/in","events":["run.completed"],"tenantId":"b"})", 403, "forbidden"},
           // The tenant comes first, whatever else is wrong.
           Row{R"({"tenantId":"b"})", 403, "forbidden"},
       }) {
    INFO(row.body);
    const Answer answer = out.add(row.body);
    CHECK(answer.status == row.status);
    CHECK(answer.at({"error"}) == row.code);
  }
  CHECK(out.add(R"({"url":"https://hooks.example/in","events":["run.completed"]})", {}, "key-reader").status == 403);
  CHECK(out.subscriptions() == 0);
  CHECK(out.add(R"({"url":"https://hooks.example/in","events":["run.completed"],"tenantId":"a","secret":"mine",)"
                R"("tags":["x"]})")
            .at({"secret"}) == "mine");
}

TEST_CASE("removing asks for the tenant before it looks anything up", "[wire][webhooks]") {
  OutboundRig out;
  const std::string id = out.add().at({"webhookId"});
  CHECK(out.remove("/v1/webhooks/" + id + "?tenantId=b").status == 403);
  CHECK(out.remove("/v1/webhooks/nothing?tenantId=b").status == 403);
  CHECK(out.remove("/v1/webhooks/" + id, "key-b").body == out.remove("/v1/webhooks/nothing", "key-b").body);
  CHECK(out.remove("/v1/webhooks/" + id, "key-b").status == 404);
  CHECK(out.subscriptions() == 1);
}

TEST_CASE("a keyed registration is made once, and a keyed removal answers again", "[wire][webhooks]") {
  OutboundRig out;
  const std::string body = R"({"url":"https://hooks.example/in","events":["run.completed"]})";
  const Answer first = out.add(body, {{"Idempotency-Key", "k"}});
  const Answer again = out.add(body, {{"Idempotency-Key", "k"}});
  CHECK(first.status == 201);
  CHECK(first.header("openwop-Idempotent-Replay") == "false");
  CHECK(again.status == 201);
  CHECK(again.body == first.body);
  CHECK(again.header("openwop-Idempotent-Replay") == "true");
  CHECK(out.subscriptions() == 1);
  CHECK(out.add(R"({"url":"https://hooks.example/2","events":["run.completed"]})", {{"Idempotency-Key", "k"}}).status ==
        409);
  const std::string target = "/v1/webhooks/" + first.at({"webhookId"});
  CHECK(out.remove(target, "key-a", {{"Idempotency-Key", "d"}}).status == 204);
  const Answer removed = out.remove(target, "key-a", {{"Idempotency-Key", "d"}});
  CHECK(removed.status == 204);
  CHECK(removed.header("openwop-Idempotent-Replay") == "true");
}

TEST_CASE("dead letters can be read by their tenant, page by page", "[wire][webhooks]") {
  OutboundRig out({}, 1);
  const std::string id = out.add().at({"webhookId"});
  out.client->standard = 500;
  for (int i = 0; i < 3; ++i) out.rig.run("wire-noop");
  out.webhooks->tick();
  out.rig.advance(1000);
  out.webhooks->tick();
  out.rig.advance(3'600'000);  // the circuit
  out.webhooks->tick();
  out.rig.advance(3'600'000);
  out.webhooks->tick();
  const Answer page = out.rig.get("/v1/webhooks/dead-letters?limit=2&webhookId=" + id);
  REQUIRE(page.status == 200);
  CHECK(occurrences(page.body, "\"runId\"") == 2);
  CHECK(page.at({"nextCursor"}) != "");
  const Answer rest = out.rig.get("/v1/webhooks/dead-letters?cursor=" + page.at({"nextCursor"}));
  CHECK(occurrences(rest.body, "\"runId\"") == 1);
  CHECK(out.rig.get("/v1/webhooks/dead-letters", {}, "key-b").body == R"({"deadLetters":[]})");
  CHECK(out.rig.get("/v1/webhooks/dead-letters?limit=0").status == 400);
  CHECK(out.rig.get("/v1/webhooks/dead-letters?cursor=x").status == 400);
  CHECK(out.rig.get("/v1/webhooks/dead-letters?webhookId=x").status == 400);
}

TEST_CASE("a host without webhooks, audit log and bundles does not claim them and answers 404", "[wire][webhooks]") {
  SurfaceOptions options;
  options.debug_bundle = false;
  SurfaceRig rig(std::move(options));
  const Answer discovery = rig.get("/.well-known/openwop", {}, "");
  CHECK(discovery.at({"webhooks", "supported"}) == "false");
  CHECK(discovery.at({"debugBundle", "supported"}) == "false");
  CHECK(discovery.at({"auth"}) == "");
  CHECK(rig.post("/v1/webhooks", R"({"url":"https://hooks.example/in","events":["run.completed"]})").status == 404);
  CHECK(rig.get("/v1/audit/verify").status == 404);
  CHECK(rig.get("/v1/runs/" + rig.run("wire-noop") + "/debug-bundle").status == 404);
}

TEST_CASE("discovery claims webhooks, bundles and the audit profile at both places", "[wire][webhooks]") {
  OutboundRig out;
  const Answer discovery = out.rig.get("/.well-known/openwop", {}, "");
  const std::string nested = discovery.at({"capabilities"});
  for (const char* block : {"webhooks", "debugBundle", "auth"}) {
    CHECK(discovery.at({block}) != "");
    CHECK(json::member(nested, block) == discovery.at({block}));
  }
  CHECK(discovery.at({"webhooks"}) == R"({"supported":true,"signatureAlgorithms":["v1"]})");
  CHECK(discovery.at({"auth", "profiles"}).find("openwop-audit-log-integrity") != std::string::npos);
  CHECK(discovery.at({"auth", "auditLogIntegrity", "hashChain"}) == "true");
  CHECK(discovery.at({"auth", "auditLogIntegrity", "checkpointSignatureAlgorithm"}) == "ed25519");
  CHECK(discovery.at({"auth", "auditLogIntegrity", "checkpointPublicKey"}) == out.audit->public_key());
  CHECK(discovery.at({"auth", "auditLogIntegrity", "checkpointIntervalEntries"}) == "1000");
  CHECK(discovery.at({"auth", "auditLogIntegrity", "checkpointIntervalSeconds"}) == "300");
}

TEST_CASE("a debug bundle has the whole log, no inputs, and is not to be stored", "[wire][bundle]") {
  OutboundRig out;
  const std::string run = out.rig.run("wire-noop", R"({"userField":"plant-7f3a"})");
  const Answer bundle = out.rig.get("/v1/runs/" + run + "/debug-bundle");
  REQUIRE(bundle.status == 200);
  CHECK(bundle.header("Cache-Control") == "no-store");
  CHECK(bundle.at({"bundleVersion"}) == "1.0");
  CHECK(bundle.at({"run", "runId"}) == run);
  CHECK(bundle.at({"run", "status"}) == "completed");
  CHECK(bundle.at({"run", "inputs"}) == "{}");
  CHECK(bundle.at({"run", "variables"}) == "{}");
  CHECK(bundle.at({"run", "error"}) == "null");
  CHECK(bundle.at({"run", "endedAt"}) != "null");
  CHECK(bundle.at({"metrics", "eventCount"}) == "4");
  CHECK(bundle.at({"metrics", "nodeCount"}) == "1");
  CHECK(bundle.at({"redactionApplied"}) == "true");
  CHECK(bundle.at({"redactionMode"}) == "mask");
  CHECK(bundle.at({"truncated"}) == "false");
  CHECK(bundle.body.find("plant-7f3a") == std::string::npos);
  const Answer poll = out.rig.get("/v1/runs/" + run + "/events/poll");
  CHECK(bundle.at({"events"}) == poll.at({"events"}));
  CHECK(out.rig.get("/v1/runs/" + run + "/debug-bundle", {}, "key-b").status == 404);
  CHECK(out.rig.get("/v1/runs/nothing/debug-bundle").status == 404);
  CHECK(out.rig.get("/v1/runs/" + run + "/debug-bundle?maxEvents=-1").status == 400);
}

TEST_CASE("a debug bundle has the spans that its events tell of, as an exporter sent them", "[wire][bundle]") {
  OutboundRig out;
  const std::string run = out.rig.run("wire-noop");
  const Answer bundle = out.rig.get("/v1/runs/" + run + "/debug-bundle");
  std::map<std::string, std::string> spans;
  json::for_each_element(bundle.at({"spans"}), [&](std::string_view span) {
    spans.emplace(json::as_string(*json::member(span, "name")).value_or(""), span);
    return true;
  });
  REQUIRE(spans.size() == 2);
  const std::string& whole = spans["openwop.run"];
  const std::string& node = spans["openwop.node.core.noop"];
  const RunId id = RunId::parse(run).value();
  CHECK(json::member(whole, "spanId") == json::quoted(to_hex(run_span_id(id))));
  CHECK(json::member(whole, "parentSpanId") == "null");
  CHECK(json::member(node, "parentSpanId") == json::member(whole, "spanId"));
  CHECK_THAT(node, Catch::Contains(R"("openwop.node_attempt":0)"));
  CHECK(json::member(node, "endedAt").has_value());
  // What has not ended has no span yet.
  const std::string waiting = out.rig.run("wire-sleep");
  CHECK(out.rig.get("/v1/runs/" + waiting + "/debug-bundle").at({"spans"}) == "[]");
}

TEST_CASE("of a bundle that is too large the spans go before the events", "[wire][bundle]") {
  const std::size_t whole = [] {
    OutboundRig out;
    return out.rig.get("/v1/runs/" + out.rig.run("wire-steps") + "/debug-bundle").body.size();
  }();
  SurfaceOptions options;
  options.max_debug_bundle_bytes = whole + 500;  // room is kept for what is behind them
  OutboundRig out(std::move(options));
  const std::string run = out.rig.run("wire-steps");
  const Answer bundle = out.rig.get("/v1/runs/" + run + "/debug-bundle");
  CHECK(bundle.body.size() <= whole + 500);
  CHECK(bundle.at({"truncated"}) == "true");
  CHECK(bundle.at({"truncatedReason"}) == "spans_truncated_to_size_cap");
  CHECK(bundle.at({"events"}) == out.rig.get("/v1/runs/" + run + "/events/poll").at({"events"}));
}

TEST_CASE("a bundle of a run that waits says what it waits for", "[wire][bundle]") {
  OutboundRig out;
  const std::string run = out.rig.run("wire-sleep");
  const Answer bundle = out.rig.get("/v1/runs/" + run + "/debug-bundle");
  CHECK(bundle.at({"run", "status"}) == "running");
  CHECK(bundle.at({"run", "endedAt"}) == "null");
  CHECK(bundle.at({"explanation"}) == out.rig.get("/v1/runs/" + run + "/explain").body);
}

TEST_CASE("a bundle beyond its cap keeps a prefix of the log and says that it is cut", "[wire][bundle]") {
  SurfaceOptions options;
  options.max_debug_bundle_bytes = 2600;
  OutboundRig out(std::move(options));
  const std::string run = out.rig.run("wire-steps");
  const Answer bundle = out.rig.get("/v1/runs/" + run + "/debug-bundle");
  CHECK(bundle.body.size() <= 2600);
  CHECK(bundle.at({"truncated"}) == "true");
  CHECK(bundle.at({"truncatedReason"}) == "events_truncated_to_size_cap");
  const std::size_t kept = occurrences(bundle.at({"events"}), "\"sequence\":");
  CHECK(kept >= 1);
  CHECK(bundle.at({"metrics", "eventCount"}) == std::to_string(kept));
  CHECK(bundle.at({"events"}).find("\"sequence\":0,") != std::string::npos);
  const Answer two = out.rig.get("/v1/runs/" + run + "/debug-bundle?maxEvents=1");
  CHECK(two.at({"metrics", "eventCount"}) == "1");
  CHECK(two.at({"truncatedReason"}) == "events_truncated_to_max_events");
}

TEST_CASE("the audit log has who did what through the surface, and verifies", "[wire][audit]") {
  OutboundRig out;
  const std::string id = out.add().at({"webhookId"});
  const std::string run = out.rig.run("wire-sleep");
  CHECK(out.rig.post("/v1/runs/" + run + "/cancel", "{}").status == 200);
  CHECK(out.remove("/v1/webhooks/" + id).status == 204);
  const Answer verified = out.rig.get("/v1/audit/verify?fromSeq=0&toSeq=100");
  REQUIRE(verified.status == 200);
  CHECK(verified.at({"fromSeq"}) == "0");
  CHECK(verified.at({"toSeq"}) == "100");
  CHECK(verified.at({"chainValid"}) == "true");
  CHECK(verified.at({"anomalies"}) == "[]");
  CHECK(out.rig.get("/v1/audit/verify").at({"toSeq"}) == "5");  // the key's first use is an entry too
  CHECK(occurrences(out.rig.get("/v1/audit/verify").at({"checkpoints"}), "\"signature\"") == 1);
  std::string log;
  REQUIRE(out.rig.store
              ->scan({"Ye", "Yf", false},
                     [&](std::string_view, std::string_view row) {
                       log += row;
                       return true;
                     })
              .ok());
  for (const char* action : {"key.used", "webhook.register", "run.create", "run.cancel", "webhook.unregister"}) {
    INFO(action);
    CHECK(occurrences(log, std::string("\"action\":\"") + action + "\"") == 1);
  }
  CHECK(occurrences(log, "\"actor\":\"api-key:") == 5);
  CHECK(out.rig.get("/v1/audit/verify?fromSeq=-1").status == 400);
  CHECK(out.rig.get("/v1/audit/verify?toSeq=x").status == 400);
  CHECK(out.rig.get("/v1/audit/verify", {}, "key-reader").status == 403);
  CHECK(out.rig.get("/v1/audit/checkpoints").at({"signingKey", "algorithm"}) == "ed25519");
  CHECK(out.rig.get("/v1/audit/checkpoints", {}, "key-reader").status == 403);
}

TEST_CASE("a key's use is in the audit log once, whatever it asks for; a refused key's is not", "[wire][audit]") {
  OutboundRig out;
  const auto entries = [&] {
    REQUIRE(out.audit->verify({}, {}).ok());
    std::string log;
    REQUIRE(out.rig.store
                ->scan({"Ye", "Yf", false},
                       [&](std::string_view, std::string_view row) {
                         log += row;
                         return true;
                       })
                .ok());
    return log;
  };
  for (int i = 0; i < 500; ++i) CHECK(out.rig.get("/v1/runs", {}, "key-b").status == 200);
  CHECK(out.rig.get("/v1/runs", {}, "no-key").status == 401);
  CHECK(out.rig.get("/.well-known/openwop", {}, "").status == 200);
  const std::string log = entries();
  CHECK(occurrences(log, "\"action\":\"key.used\"") == 1);
  CHECK_THAT(log, Catch::Contains("\"target\":\"key:" + ApiKey::of("key-b").id) && !Catch::Contains("key-b\""));
  CHECK(out.rig.get("/v1/audit/verify", {}, "key-reader").status == 403);  // accepted as a key, lacks the scope
  CHECK(occurrences(entries(), "\"action\":\"key.used\"") == 2);
}
