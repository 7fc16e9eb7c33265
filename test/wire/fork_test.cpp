// POST /v1/runs/{runId}:fork through the surface.
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

constexpr const char* kReplay = "openwop-Idempotent-Replay";

struct ForkSurfaceRig : SurfaceRig {
  using SurfaceRig::SurfaceRig;

  Answer fork(const std::string& run, const std::string& body, http::Headers headers = {},
              const std::string& key = "key-a") {
    return post("/v1/runs/" + run + ":fork", body, std::move(headers), key);
  }
  /// Events of a run as JSON, without ids and times.
  std::vector<std::string> story(const std::string& run) {
    std::vector<std::string> told;
    const Answer page = get("/v1/runs/" + run + "/events", {{"Accept", "application/json"}});
    REQUIRE(page.status == 200);
    json::for_each_element(json::member(page.body, "events").value_or("[]"), [&](std::string_view event) {
      std::string line;
      for (const char* name : {"sequence", "type", "nodeId", "payload"}) {
        line += std::string(json::member(event, name).value_or("-")) + " ";
      }
      told.push_back(std::move(line));
      return true;
    });
    return told;
  }
};

}  // namespace

TEST_CASE("a fork answers 201 with its lineage and an absolute eventsUrl, and runs to the source's end",
          "[wire][fork]") {
  ForkSurfaceRig rig;
  const std::string source = rig.run("wire-noop");
  for (const char* mode : {"replay", "branch"}) {
    const Answer forked =
        rig.fork(source, std::string(R"({"fromSeq":1,"mode":")") + mode + R"("})", {{"Host", "example.org:81"}});
    REQUIRE(forked.status == 201);
    const std::string run = forked.at({"runId"});
    CHECK(run != source);
    CHECK(forked.at({"sourceRunId"}) == source);
    CHECK(forked.at({"fromSeq"}) == "1");
    CHECK(forked.at({"mode"}) == mode);
    CHECK(forked.at({"status"}) == "pending");
    CHECK(forked.at({"eventsUrl"}) == "http://example.org:81/v1/runs/" + run + "/events");
    CHECK(forked.header("Location") == "/v1/runs/" + run);
    rig.settle();
    const Answer snapshot = rig.get("/v1/runs/" + run);
    CHECK(snapshot.at({"status"}) == "completed");
    CHECK(snapshot.at({"sourceRunId"}) == source);
    CHECK(snapshot.at({"fromSeq"}) == "1");
    CHECK(snapshot.at({"forkMode"}) == mode);
    CHECK(snapshot.at({"parentRunId"}).empty());
    CHECK(rig.story(run) == rig.story(source));
  }
}

TEST_CASE("events of a fork are its own at the wire, inherited ones too", "[wire][fork]") {
  ForkSurfaceRig rig;
  const std::string source = rig.run("wire-noop");
  const std::string fork = rig.fork(source, R"({"fromSeq":2,"mode":"branch"})").at({"runId"});
  rig.settle();
  const Answer page = rig.get("/v1/runs/" + fork + "/events", {{"Accept", "application/json"}});
  CHECK(page.body.find(source) == std::string::npos);
  CHECK(occurrences(page.body, "\"runId\":\"" + fork + "\"") >= 4);
  const Answer poll = rig.get("/v1/runs/" + fork + "/events/poll?lastSequence=0");
  CHECK(poll.status == 200);
  CHECK(poll.body.find(source) == std::string::npos);
}

TEST_CASE("a replay without fromSeq begins at 0; a branch needs one", "[wire][fork]") {
  ForkSurfaceRig rig;
  const std::string source = rig.run("wire-noop");
  const Answer replay = rig.fork(source, R"({"mode":"replay"})");
  CHECK(replay.status == 201);
  CHECK(replay.at({"fromSeq"}) == "0");
  CHECK(rig.fork(source, R"({"mode":"branch"})").status == 400);
  CHECK(rig.fork(source, R"({"mode":"replay","runOptionsOverlay":{}})").status == 201);
}

TEST_CASE("forks that make no sense are 400, those past the end 422, unknown sources 404", "[wire][fork]") {
  ForkSurfaceRig rig;
  const std::string source = rig.run("wire-noop");
  for (const char* body :
       {"", "[]", "{}", R"({"fromSeq":0})", R"({"fromSeq":0,"mode":"copy"})", R"({"fromSeq":-1,"mode":"branch"})",
        R"({"fromSeq":1.5,"mode":"branch"})", R"({"fromSeq":"1","mode":"branch"})",
        R"({"fromSeq":null,"mode":"replay"})", R"({"fromSeq":0,"mode":"branch","more":1})",
        R"({"fromSeq":0,"mode":"branch","runOptionsOverlay":[]})",
        R"({"fromSeq":0,"mode":"branch","runOptionsOverlay":{"inputs":{}}})",
        R"({"fromSeq":0,"mode":"replay","runOptionsOverlay":{"tags":[]}})",
        R"({"fromSeq":0,"mode":"branch","runOptionsOverlay":{"configurable":{"recursionLimit":0}}})",
        R"({"fromSeq":0,"mode":"branch","runOptionsOverlay":{"tags":[""]}})"}) {
    INFO(body);
    const Answer refused = rig.fork(source, body);
    CHECK(refused.status == 400);
    CHECK(refused.at({"error"}) == "validation_error");
  }
  const Answer beyond = rig.fork(source, R"({"fromSeq":1000000,"mode":"replay"})");
  CHECK(beyond.status == 422);
  CHECK(beyond.at({"error"}) == "validation_error");
  CHECK(beyond.at({"details", "sourceRunId"}) == source);
  CHECK(beyond.at({"details", "fromSeq"}) == "1000000");
  CHECK(rig.fork(source, R"({"fromSeq":18446744073709551615,"mode":"branch"})").status == 422);
  CHECK(rig.fork("no-such-run", R"({"fromSeq":0,"mode":"replay"})").status == 404);
  CHECK(rig.fork(source, R"({"fromSeq":0,"mode":"replay"})", {}, "key-b").status == 404);
  CHECK(rig.get("/v1/runs").body.find("sourceRunId") == std::string::npos);
}

TEST_CASE("a fork needs both scopes", "[wire][fork]") {
  SurfaceOptions options;
  options.keys.push_back(ApiKey::of("key-creator", "a", {"runs:create"}));
  ForkSurfaceRig rig(std::move(options));
  const std::string source = rig.run("wire-noop");
  for (const char* key : {"key-reader", "key-creator"}) {
    CHECK(rig.fork(source, R"({"fromSeq":0,"mode":"replay"})", {}, key).status == 403);
  }
  CHECK(rig.fork(source, R"({"fromSeq":0,"mode":"replay"})", {}, "").status == 401);
}

TEST_CASE("an Idempotency-Key makes one fork; another body with it is a conflict", "[wire][fork]") {
  ForkSurfaceRig rig;
  const std::string source = rig.run("wire-noop");
  const http::Headers key = {{"Idempotency-Key", "k1"}};
  const Answer first = rig.fork(source, R"({"fromSeq":1,"mode":"branch"})", key);
  const Answer again = rig.fork(source, R"({"fromSeq":1,"mode":"branch"})", key);
  CHECK(first.status == 201);
  CHECK(first.header(kReplay) == "false");
  CHECK(again.status == 201);
  CHECK(again.header(kReplay) == "true");
  CHECK(again.body == first.body);
  const Answer other = rig.fork(source, R"({"fromSeq":2,"mode":"branch"})", key);
  CHECK(other.status == 409);
  // Another source is another request.
  CHECK(rig.fork(rig.run("wire-noop"), R"({"fromSeq":1,"mode":"branch"})", key).at({"runId"}) != first.at({"runId"}));
}

TEST_CASE("the overlay of a branch is laid over the source's options", "[wire][fork]") {
  ForkSurfaceRig rig;
  const Answer created =
      rig.post("/v1/runs", R"({"workflowId":"wire-noop","configurable":{"temperature":1,"model":"m"},)"
                           R"("tags":["old"],"metadata":{"a":1,"b":2}})");
  REQUIRE(created.status == 201);
  rig.settle();
  const std::string fork =
      rig.fork(created.at({"runId"}),
               R"({"fromSeq":1,"mode":"branch","runOptionsOverlay":{"configurable":{"model":"n"},"metadata":{"c":3}}})")
          .at({"runId"});
  rig.settle();
  const Answer snapshot = rig.get("/v1/runs/" + fork);
  CHECK(json::equal(snapshot.at({"configurable"}), R"({"temperature":1,"model":"n"})"));
  CHECK(json::equal(snapshot.at({"metadata"}), R"({"c":3})"));
  CHECK(json::equal(snapshot.at({"tags"}), R"(["old"])"));
}

TEST_CASE("discovery tells which modes of forks there are, and each of them is there", "[wire][fork]") {
  ForkSurfaceRig rig;
  const Answer discovery = rig.get("/.well-known/openwop", {}, "");
  CHECK(discovery.at({"replay", "supported"}) == "true");
  CHECK(discovery.at({"capabilities", "replay"}) == discovery.at({"replay"}));
  std::size_t modes = 0;
  const std::string source = rig.run("wire-noop");
  json::for_each_element(discovery.at({"replay", "modes"}), [&](std::string_view mode) {
    CHECK(rig.fork(source, R"({"fromSeq":0,"mode":)" + std::string(mode) + "}").status == 201);
    return ++modes != 0;
  });
  CHECK(modes == 2);
}

TEST_CASE("the colon of a verb may come as an escape; one that belongs to an id stays with it", "[wire][fork]") {
  ForkSurfaceRig rig;
  const std::string source = rig.run("wire-sleep");
  for (const char* colon : {"%3A", "%3a"}) {
    const Answer forked = rig.post("/v1/runs/" + source + colon + "fork", R"({"fromSeq":0,"mode":"branch"})");
    CHECK(forked.status == 201);
    CHECK(forked.at({"sourceRunId"}) == source);
  }
  CHECK(rig.post("/v1/runs/" + source + "%3Apause", "{}").status == 202);
  CHECK(rig.post("/v1/runs/" + source + "%3Aresume", "{}").status == 202);
  // An id that is followed by nothing, or a verb that is none.
  CHECK(rig.post("/v1/runs/%3Afork", R"({"fromSeq":0,"mode":"branch"})").status == 405);
  CHECK(rig.post("/v1/runs/" + source + "%3Acopy", "{}").status == 405);
  CHECK(rig.get("/v1/runs/" + source + "%3Afork").status == 404);
  CHECK(rig.post("/v1/runs/" + source + "/interrupts/a%3Afork", R"({"resumeValue":1})").status == 404);
}
