// Interrupts and pause through the surface: the order of checks, tokens, who sees them, idempotency, the inbox.
#include "support/engine_rig.h"
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

constexpr const char* kReplay = "openwop-Idempotent-Replay";
const std::string kAccept = R"({"resumeValue":{"action":"accept"}})";
const std::string kEvent = R"({"resumeValue":{"order":"o-1","extra":[1]}})";

struct Gates : SurfaceRig {
  explicit Gates(SurfaceOptions options = {}) : SurfaceRig(with_key(std::move(options))) {
    add(WorkflowText("approval")
            .node("gate", "core.approvalGate", R"({"title":"Ship?","actions":["accept","reject"]})"));
    add(WorkflowText("quorum").node("gate", "core.approvalGate",
                                    R"({"requiredApprovals":3,"rejectionPolicy":"majority"})"));
    add(WorkflowText("ask").node("ask", "core.clarificationGate",
                                 R"({"questions":[{"id":"q1","question":"Colour?"}]})"));
    add(WorkflowText("event").node(
        "wait", "core.interrupt",
        R"({"kind":"external-event","data":{"eventType":"paid","correlation":{"order":"o-1"}},"timeoutMs":60000})"));
    add(WorkflowText("bearer").node("gate", "core.approvalGate", R"({"profile":"openwop-interrupt-auth-required"})"));
    add(WorkflowText("delay").node("wait", "core.delay", R"({"ms":30000})"));
  }
  static SurfaceOptions with_key(SurfaceOptions options) {
    options.keys.push_back(ApiKey::of("key-approver", "a", {"approvals:respond"}));
    return options;
  }
  void add(const WorkflowText& text) { REQUIRE(engine->register_workflow(text.json()).ok()); }

  std::string gate(const std::string& run, const std::string& node = "gate") {
    return "/v1/runs/" + run + "/interrupts/" + node;
  }
  Answer snapshot(const std::string& run, const std::string& key = "key-a") { return get("/v1/runs/" + run, {}, key); }
  std::string token(const std::string& run) { return snapshot(run).at({"interrupt", "interruptToken"}); }
  std::string by_token(const std::string& token) { return "/v1/interrupts/" + token; }
};

std::string code(const Answer& answer) { return answer.at({"error"}); }

}  // namespace

TEST_CASE("a waiting run shows its node, its question, and to those who may answer a token", "[wire]") {
  Gates rig({.public_url = "https://runs.example"});
  const std::string run = rig.run("approval");
  const Answer shown = rig.snapshot(run);
  CHECK(shown.at({"status"}) == "waiting-approval");
  CHECK(shown.at({"currentNodeId"}) == "gate");
  CHECK(shown.at({"interrupt", "kind"}) == "approval");
  CHECK(shown.at({"interrupt", "nodeId"}) == "gate");
  CHECK(shown.at({"interrupt", "payload", "data", "artifactType"}) == "approval");
  const std::string token = shown.at({"interrupt", "interruptToken"});
  CHECK(shown.at({"interrupt", "callbackUrl"}) == "https://runs.example/v1/interrupts/" + token);
  CHECK(rig.snapshot(run, "key-reader").at({"interrupt", "interruptToken"}).empty());
  CHECK(rig.snapshot(run, "key-reader").at({"interrupt", "kind"}) == "approval");
  const std::string event = rig.run("event");
  CHECK_FALSE(rig.snapshot(event, "key-reader").at({"interrupt", "interruptToken"}).empty());
  for (const char* mode : {"updates", "values", "debug"}) {
    const auto stream = rig.stream("/v1/runs/" + run + "/events?streamMode=" + mode);
    CHECK(SurfaceRig::drain(*stream).find(token.substr(0, 40)) == std::string::npos);
  }
  const Answer log = rig.get("/v1/runs/" + run + "/events", {{"Accept", "application/json"}});
  CHECK(log.body.find(token.substr(0, 40)) == std::string::npos);
  // A gate that takes no token has one like any other, for those who may answer; what it is good for is told on use.
  const std::string bearer = rig.run("bearer");
  CHECK_FALSE(rig.snapshot(bearer).at({"interrupt", "interruptToken"}).empty());
  CHECK(rig.snapshot(bearer, "key-reader").at({"interrupt", "interruptToken"}).empty());
}

TEST_CASE("without a public URL a token's address is at the host that the caller has called", "[wire]") {
  const bool over_tls = GENERATE(false, true);
  Gates rig({.over_tls = over_tls});
  const std::string run = rig.run("event");
  const Answer shown = rig.get("/v1/runs/" + run, {{"Host", "runs.local:8080"}});
  CHECK(shown.at({"interrupt", "callbackUrl"}) == std::string(over_tls ? "https" : "http") +
                                                      "://runs.local:8080/v1/interrupts/" +
                                                      shown.at({"interrupt", "interruptToken"}));
}

TEST_CASE("discovery lists the profiles of interrupts that hold", "[wire]") {
  Gates rig;
  const std::string with_tokens = rig.get("/.well-known/openwop", {}).at({"extensions", "interrupts", "profiles"});
  CHECK(with_tokens ==
        R"(["openwop-interrupt-quorum","openwop-interrupt-auth-required","openwop-interrupt-cascade-cancel",)"
        R"("openwop-interrupt-external-event"])");
}

TEST_CASE("an answer by run is checked in the order of the protocol", "[wire]") {
  Gates rig;
  const std::string run = rig.run("approval");
  CHECK(rig.post(rig.gate(run), kAccept, {}, "").status == 401);
  CHECK(rig.post(rig.gate(run), kAccept, {}, "key-reader").status == 403);
  CHECK(rig.post(rig.gate(run), kAccept, {}, "key-b").status == 404);
  CHECK(code(rig.post(rig.gate(run, "nowhere"), "{")) == "interrupt_not_found");
  for (const char* body : {"{", "[]", "{}", R"({"resumeValue":{"action":"accept"},"x":1})", R"({"action":"accept"})",
                           R"({"resumeValue":{"action":"maybe"}})", R"({"resumeValue":null})"}) {
    INFO(body);
    const Answer refused = rig.post(rig.gate(run), body);
    CHECK(refused.status == 400);
    CHECK(code(refused) == "validation_error");
  }
  CHECK(rig.snapshot(run).at({"status"}) == "waiting-approval");
  const Answer accepted = rig.post(rig.gate(run), kAccept, {}, "key-approver");
  CHECK(accepted.status == 200);
  CHECK(accepted.at({"runId"}) == run);
  CHECK(accepted.at({"nodeId"}) == "gate");
  CHECK(accepted.at({"status"}) == "completed");
  const Answer again = rig.post(rig.gate(run), "{");
  CHECK(again.status == 409);
  CHECK(code(again) == "interrupt_already_resolved");
  CHECK(code(rig.post("/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/interrupts/gate", kAccept)) == "run_not_found");
  CHECK(rig.get(rig.gate(run)).status == 405);
}

TEST_CASE("the older approvals route takes the bare action", "[wire]") {
  Gates rig;
  const std::string run = rig.run("approval");
  const std::string path = "/v1/runs/" + run + "/approvals/gate";
  CHECK(rig.post(path, kAccept).status == 400);
  CHECK(rig.post(path, R"({"action":"accept"})").status == 200);
  CHECK(rig.post(path, R"({"action":"accept"})").status == 409);
  CHECK(rig.post("/v1/runs/" + run + "/approvals/nowhere", "{}").status == 404);
}

TEST_CASE("a token answers without a key, once, and shows the question before and nothing after", "[wire]") {
  Gates rig;
  const std::string run = rig.run("event");
  const std::string token = rig.token(run);
  REQUIRE_FALSE(token.empty());
  CHECK(rig.token(run) == token);
  const Answer waiting = rig.snapshot(run);
  CHECK(waiting.at({"interrupt", "correlationId"}) == waiting.at({"interrupt", "interruptId"}));
  const Answer shown = rig.get(rig.by_token(token), {}, "");
  CHECK(shown.status == 200);
  CHECK(shown.at({"kind"}) == "external-event");
  CHECK(shown.at({"timeoutMs"}) == "60000");
  CHECK(shown.at({"status"}).empty());
  CHECK(rig.post(rig.by_token(token), "{", {}, "").status == 400);
  const Answer other = rig.post(rig.by_token(token), R"({"resumeValue":{"order":"o-2"}})", {}, "");
  CHECK(other.status == 422);
  CHECK(code(other) == "correlation_mismatch");
  CHECK(rig.snapshot(run).at({"status"}) == "waiting-external");
  const Answer done = rig.post(rig.by_token(token), kEvent, {}, "not-even-a-key");
  CHECK(done.status == 200);
  CHECK(done.at({"status"}) == "completed");
  const Answer again = rig.post(rig.by_token(token), kEvent, {}, "");
  CHECK(again.status == 409);
  CHECK(code(again) == "interrupt_already_resolved");
  CHECK(code(rig.post(rig.by_token(token), "{", {}, "")) == "interrupt_already_resolved");
  const Answer late = rig.get(rig.by_token(token), {}, "");
  CHECK(late.status == 404);
  CHECK(code(late) == "interrupt_not_found");
}

TEST_CASE("what is no token of this host's is not found, and nothing says why", "[wire]") {
  Gates rig;
  const std::string token = rig.token(rig.run("event"));
  const auto dot = token.find('.');
  const InterruptTokens others(std::vector<TokenKey>{{"k1", "somebody else's secret"}});
  const InterruptTokens ours(std::vector<TokenKey>{{"k1", "a secret of some length"}});
  const std::string run_id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  const std::string forged = others.mint(
      {.run_id = *RunId::parse(run_id), .node_id = "n", .interrupt_id = "i", .expires_ms = rig.clock->now_ms() + 1000});
  const std::string unknown_run = ours.mint(
      {.run_id = *RunId::parse(run_id), .node_id = "n", .interrupt_id = "i", .expires_ms = rig.clock->now_ms() + 1000});
  std::string flipped = token;
  flipped[3] = flipped[3] == 'A' ? 'B' : 'A';
  const std::string first = rig.get("/v1/interrupts/x", {}, "").body;
  for (const std::string& bad :
       {std::string("x"), std::string("a.b"), token.substr(0, token.size() - 1), token.substr(0, dot), token + "=",
        token + ".x", token.substr(0, dot) + "=" + token.substr(dot), flipped, forged, unknown_run,
        std::string(5'000, 'a')}) {
    INFO(bad.substr(0, 60));
    for (const Answer& answer : {rig.get(rig.by_token(bad), {}, ""), rig.post(rig.by_token(bad), kEvent, {}, "")}) {
      CHECK(answer.status == 404);
      CHECK(answer.body == first);
    }
  }
}

TEST_CASE("a token expires, with the interrupt at the latest; a rotation leaves tokens as they are", "[wire]") {
  Gates rig({.token_ttl_ms = 20'000});
  const std::string token = rig.token(rig.run("event"));
  rig.advance(20'001);
  for (const Answer& answer : {rig.get(rig.by_token(token), {}, ""), rig.post(rig.by_token(token), kEvent, {}, "")}) {
    CHECK(answer.status == 410);
    CHECK(code(answer) == "interrupt_expired");
  }
  Gates timed;
  const std::string run = timed.run("event");
  const std::string until_timeout = timed.token(run);
  timed.advance(60'000);
  CHECK(timed.snapshot(run).at({"status"}) == "failed");
  CHECK(timed.snapshot(run).at({"error", "code"}) == "interrupt_timeout");
  CHECK(timed.post(timed.by_token(until_timeout), kEvent, {}, "").status == 410);
  CHECK(timed.post(timed.gate(run, "wait"), kEvent).status == 409);

  Gates old({.token_keys = {{"old", "the secret of last year"}}});
  const std::string rotated_run = old.run("event");
  const std::string rotated = old.token(rotated_run);
  OpenWopSurface next(*old.engine,
                      {.token_keys = {{"new", "the secret of this year"}, {"old", "the secret of last year"}}});
  http::Request request{.method = "POST", .target = old.by_token(rotated), .body = kEvent};
  CHECK(std::get<http::Response>(next.handle(request)).status == 200);
}

TEST_CASE("a gate that asks for a key refuses the token and anybody without the scope", "[wire]") {
  Gates rig;
  const std::string run = rig.run("bearer");
  // Its token is shown, so that who tries it learns what is missing.
  CHECK(code(rig.post(rig.by_token(rig.token(run)), kAccept, {}, "")) == "auth_elevation_required");
  const InterruptTokens ours(std::vector<TokenKey>{{"k1", "a secret of some length"}});
  const std::string id = rig.snapshot(run).at({"interrupt", "interruptId"});
  const InterruptClaims claims{
      .run_id = *RunId::parse(run), .node_id = "gate", .interrupt_id = id, .expires_ms = rig.clock->now_ms() + 1000};
  for (const Answer& answer :
       {rig.post(rig.by_token(ours.mint(claims)), kAccept, {}, ""), rig.get(rig.by_token(ours.mint(claims)), {}, "")}) {
    CHECK(answer.status == 403);
    CHECK(code(answer) == "auth_elevation_required");
  }
  InterruptClaims inspect = claims;
  inspect.intent = TokenIntent::inspect;
  CHECK(code(rig.post(rig.by_token(ours.mint(inspect)), kAccept, {}, "")) == "forbidden");
  CHECK(rig.post(rig.gate(run), kAccept, {}, "key-reader").status == 403);
  CHECK(rig.post(rig.gate(run), kAccept).status == 200);
}

TEST_CASE("three voters behind one key make a quorum; two rejections of three fail the run", "[wire]") {
  Gates rig;
  const auto vote = [&](const std::string& run, const std::string& action, int voter) {
    return rig.post(rig.gate(run), R"({"resumeValue":{"action":")" + action + R"(","voter":"approver-)" +
                                       std::to_string(voter) + "\"}}");
  };
  const std::string run = rig.run("quorum");
  const std::string token = rig.token(run);
  for (int i = 1; i <= 2; ++i) {
    const Answer partial = vote(run, "accept", i);
    CHECK(partial.status == 200);
    CHECK(partial.at({"status"}) == "waiting-approval");
  }
  CHECK_THAT(rig.snapshot(run).at({"interrupt", "votes"}), Catch::Contains("approver-2"));
  CHECK(rig.post(rig.by_token(token), R"({"resumeValue":{"action":"accept"}})", {}, "").at({"status"}) == "completed");
  CHECK(vote(run, "accept", 4).status == 409);
  const std::string rejected = rig.run("quorum");
  CHECK(vote(rejected, "reject", 1).at({"status"}) == "waiting-approval");
  CHECK(vote(rejected, "reject", 2).at({"status"}) == "failed");
  CHECK(rig.snapshot(rejected).at({"error", "code"}) == "interrupt_rejected");
}

TEST_CASE("the host decides for whom a key may vote", "[wire]") {
  Gates rig(
      {.may_act_as = [](const ApiKey& key, std::string_view voter) { return key.tenant == "a" && voter == "ann"; }});
  const std::string run = rig.run("quorum");
  CHECK(rig.post(rig.gate(run), R"({"resumeValue":{"action":"accept","voter":"bob"}})").status == 403);
  CHECK(rig.post(rig.gate(run), R"({"resumeValue":{"action":"accept","voter":"ann"}})").status == 200);
}

TEST_CASE("an answer to a run that was cancelled has come too late", "[wire]") {
  Gates rig;
  const std::string run = rig.run("event");
  const std::string token = rig.token(run);
  REQUIRE(rig.post("/v1/runs/" + run + "/cancel", "{}").status == 200);
  CHECK(code(rig.post(rig.gate(run, "wait"), kEvent)) == "interrupt_cancelled");
  CHECK(rig.post(rig.gate(run, "wait"), kEvent).status == 409);
  CHECK(code(rig.post(rig.by_token(token), kEvent, {}, "")) == "interrupt_cancelled");
  // Words that a host uses for runs whose parent was cancelled change nothing.
  const std::string other = rig.run("event");
  REQUIRE(rig.post("/v1/runs/" + other + "/cancel", R"({"reason":"parent-cancelled"})").status == 200);
  CHECK(code(rig.post(rig.gate(other, "wait"), kEvent)) == "interrupt_cancelled");
}

TEST_CASE("a keyed answer is given once and remembered, by run and by token", "[wire]") {
  Gates rig;
  const http::Headers key{{"Idempotency-Key", "k-1"}};
  const std::string run = rig.run("ask");
  const std::string body = R"({"resumeValue":{"answers":{"q1":"blue"}}})";
  CHECK(rig.post(rig.gate(run, "ask"), R"({"resumeValue":{"answers":{}}})", key).status == 400);
  const Answer first = rig.post(rig.gate(run, "ask"), body, key);
  CHECK(first.status == 200);
  CHECK(first.header(kReplay) == "false");
  const Answer again = rig.post(rig.gate(run, "ask"), body, key);
  CHECK(again.status == 200);
  CHECK(again.body == first.body);
  CHECK(again.header(kReplay) == "true");
  CHECK(code(rig.post(rig.gate(run, "ask"), body + " ", key)) == "idempotency_key_mismatch");

  const std::string path = rig.by_token(rig.token(rig.run("event")));
  const Answer event = rig.post(path, kEvent, key, "");
  CHECK(event.status == 200);
  const Answer same = rig.post(path, kEvent, key, "");
  CHECK(same.status == 200);
  CHECK(same.header(kReplay) == "true");
}

TEST_CASE("the inbox lists what waits in the tenant, oldest first, with filters and a cursor", "[wire]") {
  Gates rig;
  const std::string first = rig.run("approval");
  rig.advance(1'000);
  const std::string second = rig.run("event");
  rig.advance(1'000);
  const std::string third = rig.run("approval");
  const Answer page = rig.get("/v1/interrupts?limit=2", {}, "key-approver");
  REQUIRE(page.status == 200);
  CHECK(page.body.find(first) < page.body.find(second));
  CHECK(page.body.find(third) == std::string::npos);
  CHECK_THAT(page.body, Catch::Contains(R"("title":"Ship?")") && Catch::Contains(R"("ageMs":2000)"));
  CHECK(page.body.find("Token") == std::string::npos);
  const Answer rest = rig.get("/v1/interrupts?limit=2&cursor=" + page.at({"nextCursor"}));
  CHECK_THAT(rest.body, Catch::Contains(third));
  CHECK(rest.at({"nextCursor"}).empty());
  CHECK_THAT(rig.get("/v1/interrupts?correlation=order:o-1").body, Catch::Contains(second) && !Catch::Contains(first));
  CHECK_THAT(rig.get("/v1/interrupts?kind=approval&workflowId=approval").body, !Catch::Contains(second));
  CHECK(rig.get("/v1/interrupts", {}, "key-b").body == R"({"interrupts":[]})");
  CHECK(rig.get("/v1/interrupts", {}, "key-reader").status == 403);
  CHECK(rig.get("/v1/interrupts", {}, "").status == 401);
  for (const char* query : {"limit=0", "cursor=zz", "cursor=00", "kind=odd", "correlation=x", "requestedFrom=noon"}) {
    CHECK(rig.get(std::string("/v1/interrupts?") + query).status == 400);
  }
}

TEST_CASE("a run is paused and resumed; what cannot be says its status", "[wire]") {
  Gates rig;
  const std::string run = rig.run("delay");
  const std::string pause = "/v1/runs/" + run + ":pause";
  const std::string resume = "/v1/runs/" + run + ":resume";
  CHECK(rig.post(pause, "{}", {}, "key-reader").status == 403);
  CHECK(rig.post(pause, "{}", {}, "key-b").status == 404);
  CHECK(rig.post(pause, R"({"drainPolicy":"later"})").status == 400);
  CHECK(rig.post(pause, R"({"until":"x"})").status == 400);
  CHECK(rig.post(pause, R"({"reason":1})").status == 400);
  const Answer not_yet = rig.post(resume, "");
  CHECK(not_yet.status == 409);
  CHECK(code(not_yet) == "conflict");
  CHECK(not_yet.at({"details", "runStatus"}) == "running");

  const http::Headers key{{"Idempotency-Key", "p"}};
  const Answer paused = rig.post(pause, R"({"reason":"tea","drainPolicy":"drain-current-node"})", key);
  CHECK(paused.status == 202);
  CHECK(paused.at({"status"}) == "paused");
  CHECK(rig.snapshot(run).at({"status"}) == "paused");
  const Answer again = rig.post(pause, "");
  CHECK(again.status == 409);
  CHECK(again.at({"details", "runStatus"}) == "paused");
  CHECK_FALSE(again.at({"details", "pausedAt"}).empty());
  const Answer replayed = rig.post(pause, R"({"reason":"tea","drainPolicy":"drain-current-node"})", key);
  CHECK(replayed.status == 202);
  CHECK(replayed.header(kReplay) == "true");
  CHECK(rig.post(resume, R"({"reason":"back","x":1})").status == 400);
  const Answer resumed = rig.post(resume, R"({"reason":"back"})");
  CHECK(resumed.status == 202);
  CHECK(resumed.at({"status"}) == "running");
  CHECK(rig.snapshot(run).at({"status"}) == "completed");
  CHECK(rig.post(resume, "").at({"details", "runStatus"}) == "completed");
  const std::string waiting = rig.run("approval");
  CHECK(rig.post("/v1/runs/" + waiting + ":pause", "").at({"details", "runStatus"}) == "waiting-approval");
  CHECK(rig.post("/v1/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV:pause", "").status == 404);
}

TEST_CASE("discovery tells of interrupts and pauses, and never of a bare edit", "[wire]") {
  Gates rig;
  const Answer document = rig.get("/.well-known/openwop", {}, "");
  CHECK(document.at({"supportedEnvelopes"}) == R"(["clarification.request"])");
  CHECK(document.at({"schemaVersions", "clarification.request"}) == "1");
  CHECK(document.at({"runs", "pauseResume", "supported"}) == "true");
  CHECK(document.at({"capabilities", "runs", "pauseResume", "supported"}) == "true");
  CHECK(document.at({"extensions", "interrupts", "signedCallbackTokens"}) == "true");
  CHECK(document.body.find("\"edit\"") == std::string::npos);
}
