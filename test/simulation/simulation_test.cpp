// The deterministic simulation: many seeds, each a world of its own.
//
//   OPENWOP_SIM_SEEDS=100000 openwop_test_simulation     more worlds
//   OPENWOP_SIM_SEED=4711 openwop_test_simulation        this one again
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

/// The seeds of this test run: one that is asked for, or the regressions and then as many as are asked for.
std::vector<std::uint64_t> seeds(std::uint64_t part, std::uint64_t parts) {
  if (const auto one = number_from("OPENWOP_SIM_SEED")) {
    return *one % parts == part ? std::vector{*one} : std::vector<std::uint64_t>{};
  }
  std::vector<std::uint64_t> all;
  for (const std::uint64_t seed : kRegressionSeeds) {
    if (seed % parts == part) all.push_back(seed);
  }
  const std::uint64_t count = number_from("OPENWOP_SIM_SEEDS").value_or(kDefaultSeeds);
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    if (seed % parts == part) all.push_back(seed);
  }
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
  for (const auto& [status, count] : one.endings) sum.endings[status] += count;
}

void show(std::string_view what, const World::Tally& sum) {
  std::cout << what << ": " << sum.runs << " runs, " << sum.crashes << " crashes, " << sum.failed_calls
            << " failed calls, " << sum.cancels << " cancels, " << sum.effects << " effects, " << sum.repeated
            << " executions repeated by one engine, " << sum.events_watched << " events watched;";
  for (const auto& [status, count] : sum.endings) std::cout << " " << count << " " << status;
  std::cout << "\n";
}

std::string report(std::uint64_t seed, const World& world) {
  std::string text = "repeat with: OPENWOP_SIM_SEED=" + std::to_string(seed) + " openwop_test_simulation\n";
  for (const std::string& complaint : world.complaints()) text += "  " + complaint + "\n";
  return text;
}

/// Odd seeds are wild worlds, even ones calm.
TEST_CASE("runs keep their promises through faults and crashes", "[simulation]") {
  World::Tally sum;
  for (const std::uint64_t seed : seeds(1, 2)) {
    World world(seed, Temper::wild, Faults::injected);
    const bool sound = world.run();
    add(sum, world.tally());
    INFO(report(seed, world));
    CHECK(sound);
  }
  show("wild worlds", sum);
}

TEST_CASE("without faults every execution of a node runs once", "[simulation]") {
  World::Tally sum;
  for (const std::uint64_t seed : seeds(0, 4)) {
    World world(seed, Temper::wild, Faults::none);
    const bool sound = world.run();
    add(sum, world.tally());
    INFO(report(seed, world));
    CHECK(sound);
  }
  show("wild worlds without faults", sum);
}

TEST_CASE("runs end through faults and crashes as they would have without", "[simulation]") {
  World::Tally sum;
  for (const std::uint64_t seed : seeds(0, 2)) {
    World quiet(seed, Temper::calm, Faults::none);
    const bool quiet_is_sound = quiet.run();
    World stormy(seed, Temper::calm, Faults::injected);
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
