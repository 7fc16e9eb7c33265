// POST /v1/runs/{runId}:fork on a host that makes no forks.
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

TEST_CASE("a sound fork is answered 501, and discovery does not claim forks", "[wire][fork]") {
  SurfaceRig rig;
  const std::string source = rig.run("wire-noop");
  for (const char* body : {R"({"fromSeq":0,"mode":"replay"})", R"({"mode":"replay","runOptionsOverlay":{}})",
                           R"({"fromSeq":1,"mode":"branch","runOptionsOverlay":{"tags":["a"]}})"}) {
    INFO(body);
    const Answer refused = rig.post("/v1/runs/" + source + ":fork", body);
    CHECK(refused.status == 501);
    CHECK(refused.at({"error"}) == "not_implemented");
  }
  CHECK(rig.get("/.well-known/openwop", {}, "").at({"replay", "supported"}) == "false");
}

TEST_CASE("a fork that makes no sense is 400 and an unknown source 404 before anything else is said", "[wire][fork]") {
  SurfaceRig rig;
  const std::string source = rig.run("wire-noop");
  for (const char* body :
       {"", "[]", "{}", R"({"fromSeq":0})", R"({"fromSeq":0,"mode":"copy"})", R"({"fromSeq":-1,"mode":"branch"})",
        R"({"fromSeq":1.5,"mode":"replay"})", R"({"fromSeq":"1","mode":"branch"})", R"({"mode":"branch"})",
        R"({"fromSeq":0,"mode":"branch","more":1})",
        R"({"fromSeq":0,"mode":"replay","runOptionsOverlay":{"tags":[]}})"}) {
    INFO(body);
    const Answer refused = rig.post("/v1/runs/" + source + ":fork", body);
    CHECK(refused.status == 400);
    CHECK(refused.at({"error"}) == "validation_error");
  }
  CHECK(rig.post("/v1/runs/no-such-run:fork", R"({"fromSeq":0,"mode":"replay"})").status == 404);
  CHECK(rig.post("/v1/runs/" + source + ":fork", R"({"fromSeq":0,"mode":"replay"})", {}, "key-b").status == 404);
  CHECK(rig.post("/v1/runs/" + source + ":fork", R"({"fromSeq":0,"mode":"replay"})", {}, "key-reader").status == 403);
}
