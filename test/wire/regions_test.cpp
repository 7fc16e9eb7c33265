// Several regions with stores of their own: one key, one run in the end (protocol 01 §18).
#include <algorithm>

#include "openwop/testing/random.h"
#include "support/row_count.h"
#include "wire/region_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

std::string replay_of(const Answer& answer) { return answer.header("openwop-Idempotent-Replay"); }

std::string cancel_reason(SurfaceRig& rig, const std::string& run) {
  std::string reason;
  const auto id = RunId::parse(run);
  REQUIRE(id);
  REQUIRE(rig.engine
              ->read_events("a", *id, 0,
                            [&](const EventView& event) {
                              if (event.type == EventType::run_cancelled) reason = event.payload;
                              return true;
                            })
              .ok());
  return json::as_string(json::member(reason, "reason").value_or("")).value_or("");
}

}  // namespace

TEST_CASE("a key that one region has taken is answered by the others, and makes no second run", "[regions]") {
  RegionsRig world({"eu", "us", "ap"});
  const Answer first = world.create("eu", "k");
  REQUIRE(first.status == 201);
  world.exchange();
  for (const char* region : {"us", "ap"}) {
    const Answer again = world.create(region, "k");
    CHECK(again.status == 201);
    CHECK(again.body == first.body);
    CHECK(replay_of(again) == "true");
    CHECK(again.header("Location") == first.header("Location"));
    CHECK(world.create(region, "k", R"({"workflowId":"wire-noop"})").at({"error"}) == "idempotency_key_mismatch");
    CHECK(world.runs(region) == 0);
    CHECK(row_count(*world[region].rig->store, "Hr") == 0);
  }
  CHECK(row_count(*world["eu"].rig->store, "Hr") == 0);
  CHECK(world.status("eu", first.at({"runId"})) == "running");
  CHECK(world["eu"].rig->get("/.well-known/openwop").at({"idempotency", "crossRegion"}) == "best-effort");
}

TEST_CASE("of the runs that a partition made for one key the smallest id survives everywhere", "[regions]") {
  RegionsRig world({"eu", "us"});
  const bool eu_first = GENERATE(true, false);
  world.cut_both("eu", "us");
  // Ids begin with the time.
  const std::string early = eu_first ? "eu" : "us";
  const std::string late = eu_first ? "us" : "eu";
  const Answer winner = world.create(early, "k");
  world.advance(5);
  const Answer loser = world.create(late, "k");
  REQUIRE(winner.at({"runId"}) < loser.at({"runId"}));
  world.exchange();
  CHECK(world.status(late, loser.at({"runId"})) == "running");  // nobody knows yet
  CHECK(replay_of(world.create(late, "k")) == "true");
  CHECK(world.measured("eu", Metric::cross_region_partition) > 0);
  CHECK(world["eu"].troubles.size() == 1);

  world.mend_all();
  world.exchange();
  CHECK(world.status(early, winner.at({"runId"})) == "running");
  CHECK(world.status(late, loser.at({"runId"})) == "cancelled");
  CHECK(cancel_reason(*world[late].rig, loser.at({"runId"})) == "cross_region_dedup_loss");
  for (const std::string& region : {early, late}) {
    const Answer again = world.create(region, "k");
    CHECK(again.body == winner.body);
    CHECK(replay_of(again) == "true");
    CHECK(world.measured(region, Metric::cross_region_partition) == 0);
    CHECK(row_count(*world[region].rig->store, "Hr") == 0);
  }
  CHECK(world.measured(early, Metric::cross_region_conflicts) == 0);
  CHECK(world.measured(late, Metric::cross_region_conflicts) == 1);
  for (const MetricSeries& series : world[late].metrics->series()) {
    if (series.metric != Metric::cross_region_conflicts) continue;
    const std::vector<std::pair<std::string, std::string>> labels = {
        {"openwop.tenant_id", "a"}, {"openwop.route", "POST /v1/runs"}, {"openwop.region_pair", "eu:us"}};
    CHECK(series.labels == labels);
  }
  CHECK(std::count_if(world[late].logged.begin(), world[late].logged.end(),
                      [](const std::string& line) { return line.starts_with("a run gave way"); }) == 1);
  REQUIRE(world["eu"].troubles.size() == 2);
  CHECK_THAT(world["eu"].troubles[1], Catch::StartsWith("another region is reached again"));
}

TEST_CASE("a run that has ended before its region hears of the other keeps its end, and repeats get the other",
          "[regions]") {
  RegionsRig world({"eu", "us"});
  const std::string noop = R"({"workflowId":"wire-noop"})";
  world.cut_both("eu", "us");
  const Answer winner = world.create("eu", "k", noop);
  world.advance(5);
  const Answer loser = world.create("us", "k", noop);
  REQUIRE(world.status("us", loser.at({"runId"})) == "completed");
  world.mend_all();
  world.exchange();
  CHECK(world.status("us", loser.at({"runId"})) == "completed");
  CHECK(world.create("us", "k", noop).body == winner.body);
}

TEST_CASE("two different requests under one key come down to the smallest id too", "[regions]") {
  RegionsRig world({"eu", "us"});
  world.cut_both("eu", "us");
  const Answer winner = world.create("eu", "k");
  world.advance(5);
  const std::string other = R"({"workflowId":"wire-sleep","inputs":{"delayMs":500000}})";
  const Answer loser = world.create("us", "k", other);
  world.mend_all();
  world.exchange();
  CHECK(world.status("us", loser.at({"runId"})) == "cancelled");
  CHECK(world.create("us", "k").body == winner.body);
  CHECK(world.create("us", "k", other).at({"error"}) == "idempotency_key_mismatch");
}

TEST_CASE("what a region had to tell survives its restart, and an answer that is lost is asked for again",
          "[regions]") {
  RegionsRig world({"eu", "us"});
  world.cut_both("eu", "us");
  const Answer winner = world.create("eu", "k");
  world.advance(5);
  const Answer loser = world.create("us", "k");
  world.restart("eu");
  world.restart("us");
  world.mend_all();
  world.lost_answers = 3;
  world.exchange();
  world.exchange();
  CHECK(world.status("us", loser.at({"runId"})) == "cancelled");
  CHECK(world.create("us", "k").body == winner.body);
  CHECK(world.measured("us", Metric::cross_region_conflicts) == 1);
  CHECK(row_count(*world["eu"].rig->store, "Hr") == 0);
}

TEST_CASE("a crash between the cancel and the new answer is put right when the region is told again", "[regions]") {
  RegionsRig world({"eu", "us"});
  world.cut_both("eu", "us");
  const Answer winner = world.create("eu", "k");
  world.advance(5);
  const Answer loser = world.create("us", "k");
  // As far as it got.
  REQUIRE(world["us"]
              .rig->post("/v1/runs/" + loser.at({"runId"}) + "/cancel", R"({"reason":"cross_region_dedup_loss"})")
              .status == 200);
  world.mend_all();
  world.exchange();
  CHECK(world.create("us", "k").body == winner.body);
  CHECK(cancel_reason(*world["us"].rig, loser.at({"runId"})) == "cross_region_dedup_loss");
}

TEST_CASE("a refusal that one region remembers gives way to a run of another", "[regions]") {
  RegionsRig world({"eu", "us"});
  const http::Headers enforce = {{"Idempotency-Key", "k"}, {"X-Dedup", "enforce"}};
  const std::string body = R"({"workflowId":"wire-noop"})";
  const std::string named = Ledger::row_key(kRequestScope, {});
  // As kept by a host whose refusal was final.
  world.cut_both("eu", "us");
  const Answer run = world.create("eu", "k", body);
  LedgerClaim claim;
  claim.request_digest = "d";
  claim.expires_ms = world["us"].rig->clock->now_ms() + 86'400'000;
  REQUIRE(world["eu"]
              .rig->store
              ->scan({named, prefix_end(named)},
                     [&](std::string_view key, std::string_view) {
                       claim.row_key = key;
                       return false;
                     })
              .ok());
  std::string refusal;
  bytes::put_varint(refusal, 409);
  bytes::put_string(refusal, R"({"error":"conflict","message":"no"})");
  REQUIRE(world["us"].rig->engine->remember(claim, refusal).ok());
  world.mend_all();
  world.exchange();
  CHECK(world.create("us", "k", body).body == run.body);
}

TEST_CASE("many keys are told page by page, none of them twice", "[regions]") {
  RegionsRig world({"eu", "us"}, [](RegionOptions& options) { options.max_claims_per_request = 3; });
  for (int i = 0; i < 10; ++i) {
    REQUIRE(world.create("eu", "k" + std::to_string(i), R"({"workflowId":"wire-noop"})").status == 201);
  }
  (void)world["eu"].link->tick();
  CHECK(world.requests == 4);
  CHECK(row_count(*world["eu"].rig->store, "Hr") == 0);
  for (int i = 0; i < 10; ++i) {
    CHECK(replay_of(world.create("us", "k" + std::to_string(i), R"({"workflowId":"wire-noop"})")) == "true");
  }
  // Nothing to tell: an idle region is asked whether it is there, and left alone otherwise.
  (void)world["eu"].link->tick();
  CHECK(world.requests == 4);
  world.advance(5'000);
  (void)world["eu"].link->tick();
  CHECK(world.requests == 5);
}

TEST_CASE("a row that a late commit puts before those that were told is told too", "[regions]") {
  RegionsRig world({"eu", "us"});
  (void)world.create("eu", "b", R"({"workflowId":"wire-noop"})");
  (void)world["eu"].link->tick();
  // A clock that goes back does the same as a commit that comes late.
  world["eu"].rig->clock->advance(-1'000);
  (void)world.create("eu", "a", R"({"workflowId":"wire-noop"})");
  world["eu"].rig->clock->advance(1'000);
  world.exchange();
  CHECK(replay_of(world.create("us", "a", R"({"workflowId":"wire-noop"})")) == "true");
}

TEST_CASE("a key whose time is over is told to nobody, and its row goes", "[regions]") {
  RegionsRig world({"eu", "us"});
  world.cut_both("eu", "us");
  (void)world.create("eu", "k");
  REQUIRE(row_count(*world["eu"].rig->store, "Hr") == 1);
  world.advance(86'400'001);
  world.mend_all();
  world.exchange();
  CHECK(row_count(*world["eu"].rig->store, "Hr") == 0);
  CHECK(replay_of(world.create("us", "k")) == "false");
}

TEST_CASE("beyond max_queued_per_peer the oldest keys are given up, and somebody is told", "[regions]") {
  RegionsRig world({"eu", "us"}, [](RegionOptions& options) { options.max_queued_per_peer = 2; });
  world.cut_both("eu", "us");
  for (int i = 0; i < 4; ++i) {
    REQUIRE(world.create("eu", "k" + std::to_string(i)).status == 201);
    world["eu"].rig->clock->advance(1);
  }
  CHECK(row_count(*world["eu"].rig->store, "Hr") == 4);
  (void)world["eu"].link->tick();
  CHECK(row_count(*world["eu"].rig->store, "Hr") == 2);
  REQUIRE(world["eu"].troubles.size() == 2);
  CHECK_THAT(world["eu"].troubles[1], Catch::Contains("max_queued_per_peer: 2 given up"));
  world.mend_all();
  world.exchange();
  CHECK(replay_of(world.create("us", "k3")) == "true");
  // Of one that was given up there are two runs at first. Whoever hears of the second answers with the first.
  const Answer first = world.create("eu", "k0");
  const Answer second = world.create("us", "k0");
  CHECK(replay_of(second) == "false");
  world.exchange();
  CHECK(world.create("us", "k0").body == first.body);
  CHECK(world.status("us", second.at({"runId"})) == "cancelled");
}

TEST_CASE("creates that fail leave nothing to tell", "[regions]") {
  RegionsRig world({"eu", "us"});
  CHECK(world.create("eu", "k", R"({"workflowId":"no-such"})").status == 400);
  CHECK(row_count(*world["eu"].rig->store, "Hr") == 0);
}

TEST_CASE("a region whose clock is ahead, and thinks that a key's time is over, hears of the run that survives",
          "[regions]") {
  RegionsRig world({"eu", "us"});
  const Answer first = world.create("eu", "k");
  world.exchange();
  world.advance(86'400'000 - 25'000);
  world["us"].rig->clock->advance(10'000);
  // A moment before the time is over in one region, and behind it in the other.
  world["us"].rig->clock->advance(5'000);
  const Answer second = world.create("us", "k");
  CHECK(replay_of(second) == "false");
  (void)world["us"].link->tick();
  CHECK(world.create("eu", "k").body == first.body);
  world.advance(20'000);
  const Answer third = world.create("eu", "k");
  CHECK(replay_of(third) == "false");
  CHECK(third.at({"runId"}) != second.at({"runId"}));
  world.exchange();
  world.exchange();
  const std::string survivor = std::min(second.at({"runId"}), third.at({"runId"}));
  CHECK(world.create("eu", "k").at({"runId"}) == survivor);
  CHECK(world.create("us", "k").at({"runId"}) == survivor);
}

TEST_CASE("who knows better says so, also of a third region's run", "[regions]") {
  RegionsRig world({"ap", "eu", "us"});
  world.cut_both("ap", "us");
  const Answer first = world.create("ap", "k");
  world.advance(5);
  const Answer second = world.create("us", "k");
  world.exchange();
  // They cannot reach one another, and agree all the same: eu has heard of both.
  CHECK(world.create("us", "k").body == first.body);
  CHECK(world.status("us", second.at({"runId"})) == "cancelled");
  CHECK(world.measured("us", Metric::cross_region_conflicts) == 1);
}

TEST_CASE("a region that gives way tells those whom it had told of its own run", "[regions]") {
  RegionsRig world({"ap", "eu", "us"});
  world.cut_both("eu", "us");
  world.cut_both("eu", "ap");
  const Answer winner = world.create("eu", "k");
  world.advance(5);
  const Answer loser = world.create("us", "k");
  world.exchange();
  REQUIRE(world.create("ap", "k").body == loser.body);
  world.mend("eu", "us");
  world.mend("us", "eu");
  world.exchange();
  CHECK(world.create("us", "k").body == winner.body);
  CHECK(world.create("ap", "k").body == winner.body);
}

TEST_CASE("more than one look tells is told all the same, and what comes meanwhile does not wait for it", "[regions]") {
  RegionsRig world({"eu", "us"}, [](RegionOptions& options) { options.max_claims_per_request = 2; });
  world.cut_both("eu", "us");
  const std::string noop = R"({"workflowId":"wire-noop"})";
  for (int i = 0; i < 30; ++i) (void)world.create("eu", "k" + std::to_string(i), noop);
  (void)world["eu"].link->tick();
  world.mend_all();
  world.advance(1'000);
  (void)world["eu"].link->tick();
  CHECK(row_count(*world["eu"].rig->store, "Hr") == 0);
}

TEST_CASE("rows of a region that is not configured any more go when their time is over", "[regions]") {
  RegionsRig world({"eu", "us"});
  world.cut_both("eu", "us");
  (void)world.create("eu", "k");
  RegionOptions options = world["eu"].link->options();
  options.peers = {{"ap", "http://ap", "key"}};
  REQUIRE(RegionLink::open(options).ok());
  CHECK(row_count(*world["eu"].rig->store, "Hr") == 1);  // it may come back
  world.advance(86'400'001);
  REQUIRE(RegionLink::open(options).ok());
  CHECK(row_count(*world["eu"].rig->store, "Hr") == 0);
}

TEST_CASE("a clock that goes back does not hold up what there is to tell", "[regions]") {
  RegionsRig world({"eu", "us"});
  world.cut_both("eu", "us");
  (void)world.create("eu", "k");
  (void)world["eu"].link->tick();
  world.mend_all();
  world["eu"].rig->clock->advance(-3'600'000);
  (void)world["eu"].link->tick();
  world["eu"].rig->clock->advance(1'000);
  (void)world["eu"].link->tick();
  CHECK(row_count(*world["eu"].rig->store, "Hr") == 0);
}

TEST_CASE("forks and other mutations under a key are told to nobody", "[regions]") {
  RegionsRig world({"eu", "us"});
  const Answer run = world.create("eu", "k", R"({"workflowId":"wire-noop"})");
  world.exchange();
  REQUIRE(world["eu"].rig->post("/v1/runs/" + run.at({"runId"}) + "/cancel", "", {{"Idempotency-Key", "c"}}).status ==
          200);
  REQUIRE(world["eu"]
              .rig
              ->post("/v1/runs/" + run.at({"runId"}) + ":fork", R"({"mode":"replay","fromSeq":0})",
                     {{"Idempotency-Key", "f"}})
              .status == 201);
  CHECK(row_count(*world["eu"].rig->store, "Hr") == 0);
}

// Every history of cuts, repeats, restarts and lost answers has to end the same way.
TEST_CASE("regions come down to one run a key, whatever they hear of one another and when", "[regions]") {
  const auto seed = GENERATE(range<std::uint64_t>(1, 25));
  INFO("seed " << seed);
  testing::Random random(seed);
  const std::vector<std::string> names = {"ap", "eu", "us"};
  RegionsRig world(names, [](RegionOptions& options) { options.max_claims_per_request = 2; });
  std::map<std::string, std::map<std::string, std::set<std::string>>> made;  // key -> run -> the region that made it
  for (int step = 0; step < 120; ++step) {
    const std::string& region = random.pick(names);
    const std::string& other = random.pick(names);
    switch (random.below(9)) {
      case 0: world.cut(region, other); break;
      case 1: world.mend(region, other); break;
      case 2: world.restart(region); break;
      case 3: world.lost_answers = static_cast<int>(random.below(3)); break;
      case 4: world.advance(random.between(1, 3'000)); break;
      case 5: (void)world[region].link->tick(); break;
      case 6: world[region].rig->clock->advance(random.between(-2'000, 2'000)); break;
      default: {
        world[region].rig->clock->advance(1);
        const std::string key = "k" + std::to_string(random.below(6));
        const Answer answer = world.create(region, key);
        REQUIRE(answer.status == 201);
        if (replay_of(answer) == "false") made[key][answer.at({"runId"})].insert(region);
      }
    }
  }
  world.mend_all();
  world.lost_answers = 0;
  for (int i = 0; i < 4; ++i) world.exchange();
  for (const auto& [key, runs] : made) {
    const std::string& survivor = runs.begin()->first;
    INFO(key << ": " << runs.size() << " runs, " << survivor << " has to survive");
    for (const std::string& name : names) {
      const Answer again = world.create(name, key);
      CHECK(again.at({"runId"}) == survivor);
      CHECK(replay_of(again) == "true");
    }
    for (const auto& [run, regions] : runs) {
      CHECK(world.status(*regions.begin(), run) == (run == survivor ? "running" : "cancelled"));
    }
  }
  for (const std::string& name : names) CHECK(row_count(*world[name].rig->store, "Hr") == 0);
}
