#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "testing/host_world.h"

namespace openwop::testing {

namespace {

using Trace = std::function<void(std::string_view)>;

/// What is left of a history once its world is gone.
struct Lived {
  std::vector<std::string> endings;
  std::string digest;
  std::size_t commits = 0;
  bool sound = false;
};

class Driver {
 public:
  Driver(const Scenario& scenario, Trace trace) : scenario_(scenario), trace_(std::move(trace)) {}

  Lived live(const History& history) {
    if (trace_) trace_("== " + history.text());
    if (scenario_.begin) scenario_.begin();
    Host::World world(scenario_, history, trace_);
    world.live();
    ++report_.histories;
    report_.crashes += world.processes() > 0 ? world.processes() - 1 : 0;
    for (const Problem& problem : world.problems()) add(problem);
    return {world.endings(), world.digest(), world.commits(), world.problems().empty()};
  }

  /// Undisturbed, and twice: a scenario that differs from itself cannot be compared with.
  Lived live_undisturbed(std::uint64_t seed) {
    const History history{.seed = seed};
    Lived first = live(history);
    if (!first.sound) return first;
    const Lived second = live(history);
    first.sound = second.sound && first.digest == second.digest;
    if (second.sound && !first.sound) {
      add({history, "one seed is one history, byte for byte",
           "the scenario takes time, chance or state from elsewhere: " +
               difference(first.endings, second.endings).value_or("the rows differ")});
    }
    return first;
  }

  void compare(const Lived& expected, const History& history) {
    const Lived found = live(history);
    if (!found.sound) return;
    if (auto other = difference(expected.endings, found.endings)) {
      add({history, "every run ends as it does undisturbed", *std::move(other)});
    }
  }

  [[nodiscard]] bool full() const { return report_.problems.size() >= kMaxProblems; }
  [[nodiscard]] Report& report() { return report_; }

 private:
  void add(Problem problem) {
    if (!full()) report_.problems.push_back(std::move(problem));
  }

  static std::optional<std::string> difference(const std::vector<std::string>& expected,
                                               const std::vector<std::string>& found) {
    const std::size_t most = std::max(expected.size(), found.size());
    for (std::size_t i = 0; i < most; ++i) {
      const std::string left = i < expected.size() ? expected[i] : "nothing";
      const std::string right = i < found.size() ? found[i] : "nothing";
      if (left != right) return fmt::format("expected\n    {}\n  found\n    {}", left, right);
    }
    return std::nullopt;
  }

  const Scenario& scenario_;
  Trace trace_;
  Report report_;
};

}  // namespace

std::string History::text() const {
  std::string out = "seed " + std::to_string(seed);
  if (fault) out += ", " + std::string(fault_name(fault->fault)) + " at commit " + std::to_string(fault->commit);
  if (random_faults) out += ", random faults";
  return out;
}

std::string Report::text() const {
  std::string out = std::to_string(histories) + " histories, " + std::to_string(crashes) + " crashes, " +
                    std::to_string(commits) + " commits undisturbed";
  if (ok()) return out + ": every promise kept\n";
  out += ":\n";
  for (const Problem& problem : problems) {
    out.append("broken: ").append(problem.promise).append("\n  ").append(problem.what).append("\n  repeat with ");
    out.append(problem.history.text()).append("\n");
  }
  return out;
}

Report crash_at_every_commit(const Scenario& scenario, CrashOptions options) {
  Driver driver(scenario, std::move(options.trace));
  const Lived expected = driver.live_undisturbed(options.seed);
  driver.report().commits = expected.commits;
  for (std::size_t commit = 0; commit < expected.commits && expected.sound; ++commit) {
    for (const Fault fault : options.faults) {
      if (driver.full()) break;
      driver.compare(expected, {.seed = options.seed, .fault = PlannedFault{commit, fault}});
    }
  }
  return std::move(driver.report());
}

Report simulate(const Scenario& scenario, SimulateOptions options) {
  Driver driver(scenario, std::move(options.trace));
  for (std::uint64_t seed = options.first_seed; seed < options.first_seed + options.seeds && !driver.full(); ++seed) {
    const Lived expected = driver.live_undisturbed(seed);
    driver.report().commits += expected.commits;
    if (expected.sound) driver.compare(expected, {.seed = seed, .random_faults = true});
  }
  return std::move(driver.report());
}

Report repeat(const Scenario& scenario, const History& history, std::function<void(std::string_view)> trace) {
  Driver driver(scenario, std::move(trace));
  const Lived expected = driver.live_undisturbed(history.seed);
  driver.report().commits = expected.commits;
  if (expected.sound && (history.fault || history.random_faults)) driver.compare(expected, history);
  return std::move(driver.report());
}

Report run_scenario(const Scenario& scenario, std::uint64_t seed) {
  Driver driver(scenario, {});
  driver.report().commits = driver.live({.seed = seed}).commits;
  return std::move(driver.report());
}

// ---- Host ----

RunId Host::create(CreateRun request) { return world_.create(std::move(request)); }
RunStatus Host::run_to_end(const RunId& run) { return world_.run_to_end(run); }
void Host::pass(std::int64_t ms) { world_.pass(ms); }
void Host::answer(const RunId& run, const std::string& node_id, const std::string& value) {
  world_.answer(run, node_id, value);
}
RunStatus Host::cancel(const RunId& run, const std::string& reason) { return world_.cancel(run, reason); }
void Host::expect(bool holds, const std::string& what) {
  if (!holds) world_.complain("the scenario's expectation holds", what);
}
std::optional<RunView> Host::view(const RunId& run) { return world_.view(run); }
Engine* Host::engine() { return world_.engine(); }
ManualClock& Host::clock() { return world_.clock(); }
std::size_t Host::processes() const { return world_.processes(); }

}  // namespace openwop::testing
