// What a region takes of another one's messages, and what it makes of its answers.
#include <set>

#include "support/row_count.h"
#include "wire/region_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

const std::string kTarget = "/v1/regions/claims";

std::string claim(const std::string& replaced = "", const std::string& by = "") {
  std::string text =
      R"({"key":")" + std::string(64, '1') + R"(","request":")" + std::string(64, '2') +
      R"(","expiresMs":9999999999999,"status":201,"headers":{"Location":"/v1/runs/x"},)" +
      R"("body":"{\"runId\":\"01m84eg61bbkpgpmj4x7bjqfcv\",\"status\":\"running\",\"eventsUrl\":\"/v1/runs/x/events\"}"})";
  if (!replaced.empty()) {
    const auto at = text.find(replaced);
    REQUIRE(at != std::string::npos);
    text.replace(at, replaced.size(), by);
  }
  return text;
}

/// The key `k` of tenant `a`, with this body.
std::string claim_of_k(const std::string& body) {
  std::string text = claim(std::string(64, '1'), sha256_hex("a:POST /v1/runs:k"));
  return text.replace(text.find(std::string(64, '2')), 64, sha256_hex(body));
}

std::string message(const std::string& claims, const std::string& region = "us") {
  return R"({"region":")" + region + R"(","claims":[)" + claims + "]}";
}

/// Gives what it is told to give.
class FixedClient final : public HttpClient {
 public:
  HttpAnswer send(const HttpCall& call) override {
    bodies.push_back(call.body);
    return answers.size() > 1 ? take() : answers.front();
  }
  std::vector<HttpAnswer> answers;
  std::vector<std::string> bodies;

 private:
  HttpAnswer take() {
    HttpAnswer first = answers.front();
    answers.erase(answers.begin());
    return first;
  }
};

}  // namespace

TEST_CASE("only a key with the scope by name may tell of claims, and only for the region that it is of", "[regions]") {
  RegionsRig world({"eu", "us", "ap"});
  SurfaceRig& rig = *world["eu"].rig;
  CHECK(rig.post(kTarget, message(claim()), {}, "").status == 401);
  const Answer every_other_scope = rig.post(kTarget, message(claim()), {}, "key-b");
  CHECK(every_other_scope.status == 403);
  CHECK(every_other_scope.at({"details", "scopeRequired"}) == "regions:exchange");
  CHECK(rig.post(kTarget, message(claim()), {}, "from-ap").status == 403);
  CHECK(rig.post(kTarget, message(claim(), "mars"), {}, "from-us").status == 403);
  CHECK(rig.post(kTarget, message(claim(), "eu"), {}, "from-us").status == 403);
  ApiKey test_key = ApiKey::of("for-tests", "us", {std::string(kRegionScope)});
  test_key.test = true;
  const auto before = rig.store->size();
  const Answer taken = rig.post(kTarget, message(claim()), {}, "from-us");
  CHECK(taken.status == 200);
  CHECK(taken.body == R"({"region":"eu","left":[]})");
  CHECK(rig.store->size() > before);
  rig.surface->set_keys({test_key});
  CHECK(rig.post(kTarget, message(claim()), {}, "for-tests").status == 403);
  SurfaceRig alone;
  CHECK(alone.post(kTarget, message(claim())).status == 404);
}

TEST_CASE("another region's entry is kept for no longer than one of this region's own", "[regions]") {
  RegionsRig world({"eu", "us"});
  SurfaceRig& rig = *world["eu"].rig;
  const std::string body = R"({"workflowId":"wire-noop"})";
  REQUIRE(rig.post(kTarget, message(claim_of_k(body)), {}, "from-us").status == 200);
  CHECK(world.create("eu", "k", body).at({"runId"}) == "01m84eg61bbkpgpmj4x7bjqfcv");
  rig.advance(86'400'000);
  CHECK(world.create("eu", "k", body).header("openwop-Idempotent-Replay") == "false");
}

TEST_CASE("of two claims in one message that name the same key the smaller run is remembered", "[regions]") {
  RegionsRig world({"eu", "us"});
  SurfaceRig& rig = *world["eu"].rig;
  const std::string larger = claim("01m84eg61bbkpgpmj4x7bjqfcv", "02m84eg61bbkpgpmj4x7bjqfcv");
  for (const std::string& both : {larger + "," + claim(), claim() + "," + larger}) {
    const Answer taken = rig.post(kTarget, message(both), {}, "from-us");
    CHECK(taken.body == R"({"region":"eu","left":[]})");
    auto found = rig.engine->find_ledger_entry(Ledger::row_key(kRequestScope, std::string(32, '\x11')));
    REQUIRE((found.ok() && found->has_value()));
    CHECK_THAT((*found)->entry.outcome, Catch::Contains("01m84eg61bbkpgpmj4x7bjqfcv"));
  }
}

TEST_CASE("a message that is not as described is refused and changes nothing", "[regions]") {
  RegionsRig world({"eu", "us"});
  SurfaceRig& rig = *world["eu"].rig;
  const auto before = rig.store->size();
  const std::vector<std::string> bad = {
      "{}",
      R"({"region":"us"})",
      R"({"claims":[]})",
      R"({"region":7,"claims":[]})",
      R"({"region":"us","claims":{}})",
      R"({"region":"us","claims":[],"more":1})",
      message("7"),
      message("{}"),
      message(claim(std::string(64, '1'), std::string(63, '1'))),
      message(claim(std::string(64, '1'), std::string(64, 'A'))),
      message(claim(std::string(64, '2'), std::string(64, 'g'))),
      message(claim("9999999999999", "0")),
      message(claim("9999999999999", "\"x\"")),
      message(claim("9999999999999", "-1")),
      message(claim("201", "200")),
      message(claim("201", "99999999999999999999")),
      message(claim("01m84eg61bbkpgpmj4x7bjqfcv", "no id")),
      message(claim("\\\"status\\\"", "\\\"runId\\\"")),  // names a member twice
      message(claim("running", "completed")),
      message(claim("running", "")),
      message(claim(R"(\"status\":\"running\")", R"(\"more\":7)")),
      message(claim("/v1/runs/x/events", "")),
      message(claim(R"(\"eventsUrl\")", R"(\"more\")")),
      message(claim(R"(\"status\")", R"(\"statusUrl\":\"\",\"status\")")),
      message(claim(R"(\"status\")", R"(\"workflowId\":7,\"status\")")),
      message(claim(R"("/v1/runs/x")", "7")),
      message(claim(R"("/v1/runs/x")", R"("")")),
      message(claim(R"("/v1/runs/x")", R"("a\r\nSet-Cookie: b")")),
      message(claim(R"("headers":{)", R"("surplus":1,"headers":{)")),
      // The first of the two is sound, and is not taken either.
      message(claim() + ",7"),
  };
  for (const std::string& body : bad) {
    INFO(body);
    CHECK(rig.post(kTarget, body, {}, "from-us").status == 400);
    CHECK(rig.store->size() == before);
  }
  std::string many = claim();
  for (int i = 0; i < 1'000; ++i) many += ",{}";
  CHECK(rig.post(kTarget, message(many), {}, "from-us").status == 400);
  CHECK(rig.store->size() == before);
}

TEST_CASE("of another region's answer callers get the body and where the run is, as JSON", "[regions]") {
  RegionsRig world({"eu", "us"});
  SurfaceRig& rig = *world["eu"].rig;
  const std::string body = R"({"workflowId":"wire-noop"})";
  std::string named = claim_of_k(body);
  const std::string headers = R"("headers":{)";
  named.insert(named.find(headers) + headers.size(), R"("content-type":"text/html","X-More":"1",)");
  REQUIRE(rig.post(kTarget, message(named), {}, "from-us").status == 200);
  const Answer repeat = rig.post("/v1/runs", body, {{"Idempotency-Key", "k"}});
  CHECK(repeat.status == 201);
  CHECK(repeat.header("openwop-Idempotent-Replay") == "true");
  CHECK(repeat.header("Content-Type") == "application/json");
  CHECK(repeat.header("Location") == "/v1/runs/x");
  CHECK(repeat.header("X-More").empty());
}

TEST_CASE("what another region answers decides what is told again", "[regions]") {
  const std::string taken = R"({"region":"us","left":[]})";
  auto client = std::make_shared<FixedClient>();
  const auto with_client = [&](RegionOptions& options) { options.client = client; };
  client->answers = {{.status = 200, .body = taken}};
  RegionsRig world({"eu", "us"}, with_client);
  RegionsRig::Region& eu = world["eu"];
  const auto outbox = [&] { return row_count(*eu.rig->store, "Hr"); };
  (void)world.create("eu", "a");
  (void)world.create("eu", "b");
  REQUIRE(outbox() == 2);

  SECTION("failures of the way, of the key and of the other side keep everything") {
    for (const HttpAnswer& failure :
         {HttpAnswer{.failure = HttpFailure::connect}, HttpAnswer{.status = 400}, HttpAnswer{.status = 401},
          HttpAnswer{.status = 403}, HttpAnswer{.status = 404}, HttpAnswer{.status = 413}, HttpAnswer{.status = 429},
          HttpAnswer{.status = 500}, HttpAnswer{.status = 503}, HttpAnswer{.status = 200, .body = "no JSON"},
          HttpAnswer{.status = 200, .body = R"({"region":"eu"})"}}) {
      client->answers = {failure};
      world.advance(1'000);
      (void)eu.link->tick();
      CHECK(outbox() == 2);
    }
    // Told once for all of them.
    CHECK(eu.troubles.size() == 1);
    CHECK_THAT(eu.troubles[0], Catch::Contains(R"("reason":"connect")"));
    CHECK(world.measured("eu", Metric::cross_region_partition) == 10.0);
  }
  SECTION("what is left is told again, alone") {
    client->answers = {{.status = 200, .body = R"({"region":"us","left":[1]})"}, {.status = 200, .body = taken}};
    (void)eu.link->tick();
    CHECK(outbox() == 0);
    REQUIRE(client->bodies.size() == 2);
    CHECK(occurrences(client->bodies[0], "\"key\"") == 2);
    CHECK(occurrences(client->bodies[1], "\"key\"") == 1);
  }
  SECTION("what is left and is not taken alone either stays, and holds nobody up") {
    client->answers = {
        {.status = 200, .body = R"({"region":"us","left":[0]})"}, {.status = 503}, {.status = 200, .body = taken}};
    (void)eu.link->tick();
    CHECK(outbox() == 1);
    CHECK(client->bodies.size() == 2);
    CHECK_THAT(eu.troubles.at(0), Catch::Contains("status 503"));
    CHECK(world.measured("eu", Metric::cross_region_partition) == 0);
    // It is not told again before the next look, nor does it keep others from being told.
    (void)world.create("eu", "c");
    (void)eu.link->tick();
    CHECK(outbox() == 1);
    CHECK(client->bodies.size() == 3);
    CHECK(occurrences(client->bodies[2], "\"key\"") == 1);
    world.advance(5'000);
    (void)eu.link->tick();
    CHECK(outbox() == 0);
  }
  SECTION("a message that is refused is taken apart if an empty one is not, and the claim at fault stays") {
    client->answers = {
        {.status = 400}, {.status = 200, .body = taken}, {.status = 413}, {.status = 200, .body = taken}};
    (void)eu.link->tick();
    CHECK(outbox() == 1);
    CHECK(client->bodies.size() == 4);
    REQUIRE(eu.troubles.size() == 1);
    CHECK_THAT(eu.troubles[0], Catch::Contains("status 413"));
    // Alone in its page now: refused, and the region is there all the same.
    client->answers = {{.status = 409}, {.status = 200, .body = taken}};
    world.advance(5'000);
    (void)eu.link->tick();
    CHECK(outbox() == 1);
    CHECK(eu.troubles.size() == 1);  // that somebody knows
    CHECK(world.measured("eu", Metric::cross_region_partition) == 0);
  }
  SECTION("a claim that is not answered in time holds nobody up") {
    client->answers = {{.failure = HttpFailure::timeout},
                       {.status = 200, .body = taken},
                       {.failure = HttpFailure::timeout},
                       {.status = 200, .body = taken}};
    (void)eu.link->tick();
    CHECK(outbox() == 1);
    CHECK(world.measured("eu", Metric::cross_region_partition) == 0);
    REQUIRE(eu.troubles.size() == 1);
    CHECK_THAT(eu.troubles[0], Catch::Contains(R"("reason":"timeout")"));
  }
  SECTION("claims that are never taken do not keep those behind them from being told alone") {
    for (int i = 0; i < 8; ++i) (void)world.create("eu", "k" + std::to_string(i));
    // Whoever is told alone is refused but for the last.
    client->answers = {{.status = 200, .body = R"({"region":"us","left":[0,1,2,3,4,5,6,7,8,9]})"}, {.status = 409}};
    std::set<std::string> alone;
    for (int look = 0; look < 10; ++look) {
      client->answers = {{.status = 200, .body = R"({"region":"us","left":[0,1,2,3,4,5,6,7,8,9]})"}, {.status = 409}};
      (void)eu.link->tick();
      world.advance(5'000);
    }
    for (const std::string& body : client->bodies) {
      if (occurrences(body, "\"key\"") == 1) alone.insert(body);
    }
    CHECK(alone.size() == 10);
    CHECK(client->bodies.size() == 40);
  }
  SECTION("an entry that cannot be read is stepped over") {
    const std::string prefix = Ledger::row_key(kRequestScope, {});
    std::string first;
    REQUIRE(eu.rig->store
                ->scan({prefix, prefix_end(prefix)},
                       [&](std::string_view key, std::string_view) {
                         first = key;
                         return false;
                       })
                .ok());
    Transaction damage;
    damage.put(first, "not an entry");
    REQUIRE(eu.rig->store->commit(damage, Durability::sync).ok());
    (void)eu.link->tick();
    CHECK(outbox() == 1);
    REQUIRE(client->bodies.size() == 1);
    CHECK(occurrences(client->bodies[0], "\"key\"") == 1);
  }
}

TEST_CASE("options of regions that do not make sense are refused", "[regions]") {
  const auto opens = [](const std::function<void(RegionOptions&)>& change) {
    RegionOptions options;
    options.region = "eu";
    options.peers = {{"us", "https://us.example", "key"}};
    options.store = std::make_shared<MemoryStore>();
    options.client = std::make_shared<FixedClient>();
    options.threads = false;
    change(options);
    const auto opened = RegionLink::open(std::move(options));
    if (!opened) CHECK(opened.error().code == ErrorCode::validation_error);
    return opened.ok();
  };
  CHECK(opens([](RegionOptions&) {}));
  CHECK_FALSE(opens([](RegionOptions& o) { o.store.reset(); }));
  CHECK_FALSE(opens([](RegionOptions& o) { o.client.reset(); }));
  CHECK_FALSE(opens([](RegionOptions& o) { o.region = ""; }));
  CHECK_FALSE(opens([](RegionOptions& o) { o.region = "EU"; }));
  CHECK_FALSE(opens([](RegionOptions& o) { o.region = std::string(64, 'a'); }));
  CHECK_FALSE(opens([](RegionOptions& o) { o.region = "us"; }));
  CHECK_FALSE(opens([](RegionOptions& o) { o.peers.clear(); }));
  CHECK_FALSE(opens([](RegionOptions& o) { o.peers.push_back(o.peers.front()); }));
  CHECK_FALSE(opens([](RegionOptions& o) { o.peers.front().url = "us.example"; }));
  for (const char* url : {"https://us.example/", "https://us.example/base", "https://us?x=1", "https://u:p@us",
                          "http://", "https://us example", "ftp://us", "https://us\r\nX: y"}) {
    INFO(url);
    CHECK_FALSE(opens([&](RegionOptions& o) { o.peers.front().url = url; }));
  }
  CHECK(opens([](RegionOptions& o) { o.peers.front().url = "http://[::1]:8080"; }));
  CHECK_FALSE(opens([](RegionOptions& o) { o.peers.front().key = ""; }));
  CHECK_FALSE(opens([](RegionOptions& o) { o.peers.front().key = "a\r\nb"; }));
  CHECK_FALSE(opens([](RegionOptions& o) { o.max_claims_per_request = 0; }));
  CHECK_FALSE(opens([](RegionOptions& o) { o.max_claims_per_request = 1'001; }));
  CHECK_FALSE(opens([](RegionOptions& o) { o.probe_ms = 0; }));
  CHECK_FALSE(opens([](RegionOptions& o) {
    for (int i = 0; i < 16; ++i) o.peers.push_back({"r" + std::to_string(i), "http://r", "key"});
  }));
}

TEST_CASE("with threads a region is told without anybody's doing, and closing waits for nothing", "[regions]") {
  auto client = std::make_shared<FixedClient>();
  client->answers = {{.status = 200, .body = R"({"region":"us","left":[]})"}};
  RegionsRig world({"eu", "us"}, [&](RegionOptions& options) {
    options.client = client;
    options.threads = true;
    options.probe_ms = 3'600'000;
  });
  RegionsRig::Region& eu = world["eu"];
  (void)world.create("eu", "a");
  eu.link->start();
  const auto is_told = [&] { return row_count(*eu.rig->store, "Hr") == 0; };
  CHECK(eventually(is_told));
  (void)world.create("eu", "b");
  CHECK(eventually(is_told));
  eu.link->close();
}
