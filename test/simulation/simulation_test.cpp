// The deterministic simulation: many seeds, each a world of its own.
//
//   OPENWOP_SIM_SEEDS=100000 openwop_test_simulation                            more worlds
//   OPENWOP_SIM_FIRST=100001 OPENWOP_SIM_SEEDS=100000 openwop_test_simulation   the next ones
//   OPENWOP_SIM_SEED=4711 openwop_test_simulation                               this one again
//   OPENWOP_SIM_SEED=4711 OPENWOP_SIM_EXTRAS=none openwop_test_simulation       as it was when it was kept
//   make simulate SEEDS=100000                                                  on all cores
#include <cstdlib>
#include <iostream>

#include "simulation/regression_seeds.h"
#include "simulation/world.h"
#include "support/catch.h"

namespace openwop::test {
namespace {

constexpr std::uint64_t kDefaultSeeds = 1'000;

std::optional<std::uint64_t> number_from(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

struct Seed {
  std::uint64_t number = 0;
  Extras extras = Extras::all;
};

/// The seeds of this test run: one that is asked for, or the regressions and then as many as are asked for.
std::vector<Seed> seeds(std::uint64_t part, std::uint64_t parts) {
  std::vector<Seed> all;
  const auto add = [&](std::uint64_t seed, Extras extras) {
    if (seed % parts == part) all.push_back({seed, extras});
  };
  if (const auto one = number_from("OPENWOP_SIM_SEED")) {
    const char* const extras = std::getenv("OPENWOP_SIM_EXTRAS");
    add(*one, extras != nullptr && std::string_view(extras) == "none" ? Extras::none : Extras::all);
    return all;
  }
  for (const std::uint64_t seed : kRegressionSeeds) add(seed, Extras::none);
  for (const std::uint64_t seed : kLaterRegressionSeeds) add(seed, Extras::all);
  const std::uint64_t first = number_from("OPENWOP_SIM_FIRST").value_or(1);
  const std::uint64_t count = number_from("OPENWOP_SIM_SEEDS").value_or(kDefaultSeeds);
  for (std::uint64_t seed = first; seed < first + count; ++seed) add(seed, Extras::all);
  return all;
}

void add(World::Tally& sum, const World::Tally& one) {
  sum.runs += one.runs;
  sum.crashes += one.crashes;
  sum.failed_calls += one.failed_calls;
  sum.effects += one.effects;
  sum.repeated += one.repeated;
  sum.cancels += one.cancels;
  sum.events_watched += one.events_watched;
  sum.children += one.children;
  sum.clock_jumps += one.clock_jumps;
  sum.late_requests += one.late_requests;
  sum.repeated_requests += one.repeated_requests;
  for (const auto& [status, count] : one.endings) sum.endings[status] += count;
}

void show(std::string_view what, const World::Tally& sum) {
  std::cout << what << ": " << sum.runs << " runs, " << sum.crashes << " crashes, " << sum.failed_calls
            << " failed calls, " << sum.cancels << " cancels, " << sum.effects << " effects, " << sum.repeated
            << " executions repeated by one engine, " << sum.events_watched << " events watched, " << sum.children
            << " child runs, " << sum.clock_jumps << " clock jumps, " << sum.late_requests << " late and "
            << sum.repeated_requests << " repeated requests;";
  for (const auto& [status, count] : sum.endings) std::cout << " " << count << " " << status;
  std::cout << "\n";
}

std::string report(const Seed& seed, const World& world) {
  std::string text = "repeat with: OPENWOP_SIM_SEED=" + std::to_string(seed.number) +
                     (seed.extras == Extras::none ? " OPENWOP_SIM_EXTRAS=none" : "") + " openwop_test_simulation\n";
  for (const std::string& complaint : world.complaints()) text += "  " + complaint + "\n";
  return text;
}

/// Odd seeds are wild worlds, even ones calm.
TEST_CASE("runs keep their promises through faults and crashes", "[simulation]") {
  World::Tally sum;
  for (const Seed& seed : seeds(1, 2)) {
    World world(seed.number, Temper::wild, Faults::injected, seed.extras);
    const bool sound = world.run();
    add(sum, world.tally());
    INFO(report(seed, world));
    CHECK(sound);
  }
  show("wild worlds", sum);
}

TEST_CASE("without faults every execution of a node runs once", "[simulation]") {
  World::Tally sum;
  for (const Seed& seed : seeds(0, 4)) {
    World world(seed.number, Temper::wild, Faults::none, seed.extras);
    const bool sound = world.run();
    add(sum, world.tally());
    INFO(report(seed, world));
    CHECK(sound);
  }
  show("wild worlds without faults", sum);
}

TEST_CASE("runs end through faults and crashes as they would have without", "[simulation]") {
  World::Tally sum;
  for (const Seed& seed : seeds(0, 2)) {
    World quiet(seed.number, Temper::calm, Faults::none, seed.extras);
    const bool quiet_is_sound = quiet.run();
    World stormy(seed.number, Temper::calm, Faults::injected, seed.extras);
    const bool stormy_is_sound = stormy.run();
    add(sum, stormy.tally());
    INFO(report(seed, quiet) << report(seed, stormy));
    CHECK(quiet_is_sound);
    CHECK(stormy_is_sound);
    if (!quiet_is_sound || !stormy_is_sound) continue;
    const auto expected = quiet.endings();
    const auto found = stormy.endings();
    CHECK(found.size() == expected.size());
    for (const auto& [wish, ending] : expected) CHECK(found.at(wish) == ending);
  }
  show("calm worlds", sum);
}

TEST_CASE("the worlds have what they are made of: crashes, child runs, clock jumps, late and repeated requests",
          "[simulation]") {
  World::Tally sum;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    World world(seed, seed % 2 == 1 ? Temper::wild : Temper::calm, Faults::injected);
    CHECK(world.run());
    add(sum, world.tally());
  }
  CHECK(sum.crashes > 20);
  CHECK(sum.children > 20);
  CHECK(sum.clock_jumps > 20);
  CHECK(sum.late_requests > 20);
  CHECK(sum.repeated_requests > 20);
}

TEST_CASE("one seed is one world, byte for byte", "[simulation]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Temper temper = seed % 2 == 1 ? Temper::wild : Temper::calm;
    World first(seed, temper, Faults::injected);
    World second(seed, temper, Faults::injected);
    first.run();
    second.run();
    INFO("OPENWOP_SIM_SEED=" << seed);
    CHECK(first.digest() == second.digest());
    World other(seed + 1'000'000, temper, Faults::injected);
    other.run();
    CHECK(other.digest() != first.digest());
  }
}

}  // namespace
}  // namespace openwop::test
