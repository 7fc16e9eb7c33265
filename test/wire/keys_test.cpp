// Bearer keys over time: expiry, revocation, rotation, and what a key sees of discovery (protocol 01 §4, §7.3).
#include "wire/surface_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

ApiKey key_of(const char* text, std::string principal) {
  ApiKey key = ApiKey::of(text, "a");
  key.principal = std::move(principal);
  return key;
}

}  // namespace

TEST_CASE("keys end at their time and at their revocation, each with its own code", "[wire]") {
  SurfaceOptions options;
  ApiKey expiring = key_of("key-expiring", "p");
  expiring.expires_ms = ManualClock().now_ms() + 1000;
  ApiKey revoked = key_of("key-revoked", "p");
  revoked.revoked_ms = ManualClock().now_ms() + 2000;
  options.keys = {expiring, revoked};
  SurfaceRig rig(std::move(options));
  CHECK(rig.get("/v1/runs", {}, "key-expiring").status == 200);
  rig.advance(1000);
  const Answer expired = rig.get("/v1/runs", {}, "key-expiring");
  CHECK(expired.status == 401);
  CHECK(expired.at({"error"}) == "key_expired");
  CHECK(expired.body.find("key-expiring") == std::string::npos);
  CHECK(rig.get("/v1/runs", {}, "key-revoked").status == 200);
  rig.advance(1000);
  CHECK(rig.get("/v1/runs", {}, "key-revoked").at({"error"}) == "key_revoked");
  // Over or unknown, a key opens nothing that exists and nothing that does not.
  CHECK(rig.get("/v1/nothing", {}, "key-revoked").status == 401);
}

TEST_CASE("while a key is rotated, old and new act as one; then only the new one does", "[wire]") {
  SurfaceOptions options;
  options.keys = {key_of("old", "robot")};
  SurfaceRig rig(std::move(options));
  const std::string run = rig.run("wire-sleep");
  CHECK(rig.get("/v1/runs/" + run, {}, "new").status == 401);
  rig.surface->set_keys({key_of("old", "robot"), key_of("new", "robot")});
  CHECK(rig.get("/v1/runs/" + run, {}, "old").status == 200);
  CHECK(rig.get("/v1/runs/" + run, {}, "new").status == 200);
  const http::Headers keyed = {{"Idempotency-Key", "k"}};
  const Answer first = rig.post("/v1/runs/" + run + "/cancel", "", keyed, "old");
  REQUIRE(first.status == 200);
  CHECK(rig.post("/v1/runs/" + run + "/cancel", "", keyed, "new").header("openwop-Idempotent-Replay") == "true");
  CHECK_THAT(rig.get("/v1/runs/" + run + "/events/poll", {}, "new").body, Catch::Contains("api-key:robot"));
  ApiKey old = key_of("old", "robot");
  old.revoked_ms = 1;
  rig.surface->set_keys({old, key_of("new", "robot")});
  CHECK(rig.get("/v1/runs/" + run, {}, "old").at({"error"}) == "key_revoked");
  CHECK(rig.get("/v1/runs/" + run, {}, "new").status == 200);
  CHECK(rig.get("/v1/runs/" + run).status == 401);  // not in the new list
}

TEST_CASE("a key listed twice counts as the entry that is in force", "[wire]") {
  SurfaceRig rig;
  ApiKey over = key_of("twice", "p");
  over.expires_ms = 1;
  rig.surface->set_keys({over, key_of("twice", "p")});
  CHECK(rig.get("/v1/runs", {}, "twice").status == 200);
  rig.surface->set_keys({key_of("twice", "p"), over});
  CHECK(rig.get("/v1/runs", {}, "twice").status == 200);
}

TEST_CASE("a query that names another tenant is refused before anything is looked up", "[wire]") {
  SurfaceRig rig;
  const std::string run = rig.run("wire-noop");
  for (const std::string& id : {run, std::string("nothing")}) {
    CHECK(rig.get("/v1/runs/" + id + "?tenantId=b").status == 403);
    CHECK(rig.get("/v1/runs/" + id + "?tenantId=b").body == rig.get("/v1/runs/none?tenantId=b").body);
  }
  CHECK(rig.get("/v1/runs/" + run + "?tenantId=a").status == 200);
}

TEST_CASE("discovery shows a key nothing that its scopes do not let it use", "[wire]") {
  SurfaceOptions options;
  options.advertise_fixtures = true;
  options.mock_providers = {"stream-text"};
  options.ai_providers = {.supported = {"acme"}, .byok = {}};
  SurfaceRig rig(std::move(options));
  const Answer open = rig.get("/.well-known/openwop", {}, "");
  CHECK(open.at({"testing", "mockProviders"}) == R"(["stream-text"])");
  CHECK(open.at({"aiProviders", "supported"}) == R"(["acme"])");
  CHECK(open.header("Vary") == "Authorization");
  CHECK_FALSE(open.at({"fixtures"}).empty());
  CHECK(rig.get("/.well-known/openwop").body == open.body);  // every scope
  const Answer narrow = rig.get("/.well-known/openwop", {}, "key-reader");
  CHECK(narrow.at({"fixtures"}).empty());
  CHECK(narrow.at({"replay", "supported"}) == "false");
  CHECK(narrow.at({"capabilities", "webhooks", "supported"}) == "false");
  CHECK(narrow.at({"limits"}) == open.at({"limits"}));
  CHECK(narrow.header("Cache-Control") == "private, max-age=300");
  CHECK(narrow.header("ETag") != open.header("ETag"));
  rig.surface->set_keys({ApiKey::of("key-a", "a")});
  CHECK(rig.get("/.well-known/openwop", {}, "").at({"testing"}).empty());
}
