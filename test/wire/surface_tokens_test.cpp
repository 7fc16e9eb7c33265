// Where tokens of interrupts are shown and where never, and what becomes of them when their run, or a fork of it, goes
// on without them.
#include "openwop/webhooks.h"
#include "outbound/webhook_rig.h"
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

const std::string kEvent = R"({"resumeValue":{"order":"o-1"}})";

SurfaceOptions logging_to(std::string& lines) {
  SurfaceOptions options;
  options.log = [&lines](LogLevel, std::string_view message, std::string_view fields) {
    lines.append(message).append(fields).append("\n");
  };
  options.log_requests = true;
  return options;
}

/// A surface with webhooks that go to a client which only pretends.
struct TokenRig {
  std::string logged;
  std::shared_ptr<FakeClient> client = std::make_shared<FakeClient>();
  std::shared_ptr<Webhooks> webhooks;
  SurfaceRig rig;

  TokenRig()
      : rig(logging_to(logged), 0, [&](SurfaceRig& base, EngineOptions& engine, SurfaceOptions& surface) {
          auto opened = Webhooks::open({.store = base.store,
                                        .client = client,
                                        .resolver = std::make_shared<FakeResolver>(),
                                        .clock = base.clock,
                                        .threads = 0});
          REQUIRE(opened.ok());
          webhooks = *opened;
          engine.observers = {webhooks};
          surface.webhooks = webhooks;
        }) {
    add(WorkflowText("event").node(
        "wait", "core.interrupt",
        R"({"kind":"external-event","data":{"eventType":"paid","correlation":{"order":"o-1"}}})"));
  }
  void add(const WorkflowText& text) { REQUIRE(rig.engine->register_workflow(text.json()).ok()); }
  Answer snapshot(const std::string& run) { return rig.get("/v1/runs/" + run); }
  std::string token(const std::string& run) { return snapshot(run).at({"interrupt", "interruptToken"}); }
  Answer answer_by(const std::string& token) { return rig.post("/v1/interrupts/" + token, kEvent, {}, ""); }
};

std::string code(const Answer& answer) { return answer.at({"error"}); }

}  // namespace

TEST_CASE("a token is in no webhook, no debug bundle and no line of the log, also when it is used",
          "[wire][webhooks]") {
  TokenRig out;
  REQUIRE(out.rig
              .post("/v1/webhooks",
                    R"({"url":"https://hooks.example/in","events":["node.suspended","interrupt.requested",)"
                    R"("interrupt.resolved","node.resumed","node.completed","run.completed"]})")
              .status == 201);
  const std::string run = out.rig.run("event");
  const std::string token = out.token(run);
  REQUIRE(token.find('.') != std::string::npos);
  const std::string payload = token.substr(0, token.find('.'));
  const std::string mac = token.substr(token.find('.') + 1);
  std::string seen = out.rig.get("/v1/runs/" + run + "/debug-bundle").body;
  CHECK(out.rig.get("/v1/interrupts/" + token, {}, "").status == 200);
  CHECK(out.rig.get("/v1/interrupts/" + token + "/", {}, "").status == 401);
  CHECK(out.rig.get("http://host.example/v1/interrupts/" + token + "?a=b", {}, "").status == 200);
  CHECK(out.rig.call({.method = "PUT", .target = "/v1/interrupts/" + token}, "").status == 401);
  CHECK(out.answer_by(token).status == 200);
  out.rig.settle();
  seen += out.rig.get("/v1/runs/" + run + "/debug-bundle").body;
  out.webhooks->tick();
  REQUIRE(out.client->sent.size() == 6);
  for (const HttpCall& call : out.client->sent) {
    seen += call.url + call.body;
    for (const auto& [name, value] : call.headers) seen += name + value;
  }
  seen += out.logged;
  CHECK(seen.find(run) != std::string::npos);
  CHECK(out.logged.find(R"("path":"/v1/interrupts/)") != std::string::npos);
  CHECK(seen.find(payload) == std::string::npos);
  CHECK(seen.find(mac) == std::string::npos);
}

TEST_CASE("the source's token does not open a branch's interrupt, which has an id and a token of its own",
          "[wire][fork]") {
  TokenRig out;
  const std::string source = out.rig.run("event");
  const std::string of_source = out.token(source);
  const Answer forked = out.rig.post("/v1/runs/" + source + ":fork", R"({"fromSeq":3,"mode":"branch"})");
  REQUIRE(forked.status == 201);
  out.rig.settle();
  const std::string branch = forked.at({"runId"});
  CHECK(out.snapshot(branch).at({"status"}) == "waiting-external");
  const std::string id = out.snapshot(source).at({"interrupt", "interruptId"});
  CHECK(out.snapshot(branch).at({"interrupt", "interruptId"}) != id);
  const std::string of_branch = out.token(branch);
  REQUIRE_FALSE(of_branch.empty());
  REQUIRE(of_branch != of_source);

  CHECK(out.answer_by(of_source).at({"runId"}) == source);
  CHECK(out.snapshot(source).at({"status"}) == "completed");
  CHECK(out.snapshot(branch).at({"status"}) == "waiting-external");
  CHECK(out.answer_by(of_source).status == 409);
  // Not even a token that this host signs opens it under the source's interrupt.
  const InterruptTokens ours(std::vector<TokenKey>{{"k1", "a secret of some length"}});
  const std::string mixed = ours.mint({.run_id = *RunId::parse(branch),
                                       .node_id = "wait",
                                       .interrupt_id = id,
                                       .expires_ms = out.rig.clock->now_ms() + 1'000});
  CHECK(out.answer_by(mixed).status == 409);
  CHECK(out.rig.get("/v1/interrupts/" + mixed, {}, "").status == 404);
  CHECK(out.snapshot(branch).at({"status"}) == "waiting-external");
  CHECK(out.answer_by(of_branch).at({"runId"}) == branch);
  CHECK(out.snapshot(branch).at({"status"}) == "completed");
}

TEST_CASE("a gate whose run fails beside it takes no answer any more, and its token shows nothing", "[wire]") {
  TokenRig out;
  out.add(WorkflowText("beside")
              .node("start", "core.parallel")
              .node("wait", "core.interrupt",
                    R"({"kind":"external-event","data":{"eventType":"paid","correlation":{"order":"o-1"}}})")
              .node("gate", "core.approvalGate")
              .edge("start", "wait")
              .edge("start", "gate"));
  const std::string run = out.rig.run("beside");
  const std::string gate = "/v1/runs/" + run + "/interrupts/";
  // Of the two that wait, the run shows the latest: the gate. The other one's token is made as the host makes it.
  const auto pending = out.rig.engine->pending_interrupt("a", *RunId::parse(run), "wait");
  REQUIRE(pending.ok());
  const InterruptTokens ours(std::vector<TokenKey>{{"k1", "a secret of some length"}});
  const std::string token = ours.mint({.run_id = *RunId::parse(run),
                                       .node_id = "wait",
                                       .interrupt_id = pending->interrupt.id,
                                       .expires_ms = out.rig.clock->now_ms() + 60'000});
  CHECK(out.rig.get("/v1/interrupts/" + token, {}, "").status == 200);
  CHECK(out.rig.post(gate + "gate", R"({"resumeValue":{"action":"reject"}})").at({"status"}) == "failed");
  for (const Answer& late : {out.rig.post(gate + "wait", kEvent), out.answer_by(token)}) {
    CHECK(late.status == 409);
    CHECK(code(late) == "interrupt_already_resolved");
  }
  const Answer shown = out.rig.get("/v1/interrupts/" + token, {}, "");
  CHECK(shown.status == 404);
  CHECK(code(shown) == "interrupt_not_found");
  CHECK(out.snapshot(run).at({"status"}) == "failed");
}
