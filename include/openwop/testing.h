// Tests of a host's own workflows and nodes: under virtual time, with a crash at every commit. No threads, no sleeps,
// no ports, no test framework: what comes out is a Report, whose text goes into whichever assertion there is.
//
//   Scenario scenario{
//       .workflows = {kOrder},
//       .set_up = [&](EngineOptions& options) { options.nodes.add({"vendor.acme.charge", SyncHandler(charge)}); },
//       .act = [](Host& host) {
//         const RunId run = host.create({.workflow_id = "order", .inputs = R"({"id":7})"});
//         host.run_to_end(run);
//         host.answer(run, "approve", R"({"action":"accept"})");
//         host.run_to_end(run);
//       }};
//   const Report report = crash_at_every_commit(scenario);
//   INFO(report.text()); CHECK(report.ok());
//
// crash_at_every_commit carries the scenario out once undisturbed, and then once for each commit of that history and
// each kind of fault: the process dies before the commit or behind it, the commit fails, its acknowledgement is lost,
// it is slow, the read after it fails. A process that has died is replaced by a new one on the same rows, and the
// callers of the scenario ask again until they are answered, as clients with idempotency keys do.
//
// Checked in every history: the promises of openwop/testing/promises.h; that the scenario's own expectations hold; and
// that every run ends as it does undisturbed, with as many runs of each workflow. For that a history must depend on
// nothing but its seed: `set_up` gives nodes that take time from NodeInvocation::now_ms and chance from
// NodeContext::random, and fakes of the outside world are made anew in `begin`. A scenario that differs from itself is
// reported as such.
//
// In CMake: find_package(openwop), target_link_libraries(tests PRIVATE openwop::testing).
//
// Thread-safety: none; one history after the other on the caller's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "openwop/engine.h"
#include "openwop/testing/fault_store.h"
#include "openwop/testing/promises.h"

namespace openwop::testing {

class Host;

struct Scenario {
  /// Definitions, registered at each start of a process.
  std::vector<std::string> workflows = {};
  /// Called at each start of a process; the built-in nodes are there already. Store, clock, ids, threads and on_error
  /// belong to the simulation.
  std::function<void(EngineOptions&)> set_up = {};
  /// What callers do.
  std::function<void(Host&)> act = {};
  /// Called before each history: the place to reset what `set_up` and `act` refer to.
  std::function<void()> begin = {};
};

/// What repeats a history.
struct History {
  std::uint64_t seed = 1;
  std::optional<PlannedFault> fault = {};
  /// Instead of a planned fault: faults of every kind, drawn from the seed.
  bool random_faults = false;

  /// "seed 1, crash_after commit 12".
  [[nodiscard]] std::string text() const;
};

/// A promise that did not hold.
struct Problem {
  History history;
  std::string promise;
  std::string what;
};

struct Report {
  std::vector<Problem> problems = {};
  /// Histories that were carried out, processes that died in them, and commits of the undisturbed one.
  std::size_t histories = 0;
  std::size_t crashes = 0;
  std::size_t commits = 0;

  [[nodiscard]] bool ok() const { return problems.empty(); }
  /// For people: what is broken, and what repeats it.
  [[nodiscard]] std::string text() const;
};

/// Problems beyond it are counted in no report: the first ones tell most.
inline constexpr std::size_t kMaxProblems = 20;
/// Ticks of one run_to_end(), and attempts of one call; beyond it something goes on for ever.
inline constexpr std::size_t kMaxRounds = 20'000;
/// How long a slow commit takes on the virtual clock. Other faults take about a second until the engine tries again: a
/// scenario whose end hangs on timeouts that are shorter ends differently, and is reported.
inline constexpr std::int64_t kSlowCommitMs = 5'000;

struct CrashOptions {
  std::uint64_t seed = 1;
  std::span<const Fault> faults = kAllFaults;
  /// What happens, line by line: commits, faults, crashes, events. Empty: nobody is told.
  std::function<void(std::string_view)> trace = {};
};

/// One history for each commit and each fault; see above.
[[nodiscard]] Report crash_at_every_commit(const Scenario& scenario, CrashOptions options = {});

struct SimulateOptions {
  std::uint64_t first_seed = 1;
  std::size_t seeds = 100;
  std::function<void(std::string_view)> trace = {};
};

/// For each seed a history with faults of every kind, as many as the seed wants; compared with the one without.
[[nodiscard]] Report simulate(const Scenario& scenario, SimulateOptions options = {});

/// One history again, as a Problem names it; compared with the undisturbed one of its seed.
[[nodiscard]] Report repeat(const Scenario& scenario, const History& history,
                            std::function<void(std::string_view)> trace = {});

/// The scenario once, undisturbed: for the assertions of an ordinary test, inside `act`.
[[nodiscard]] Report run_scenario(const Scenario& scenario, std::uint64_t seed = 1);

/// The callers of a scenario, and the world around its processes. Calls come back when they are acknowledged, whatever
/// crashes meanwhile. When something cannot go on (a call is refused for good, a run that should wait has ended) it is
/// a problem of the report, and further calls do nothing.
class Host {
 public:
  /// Creates a run, once, under a key of its own; `request.claim` is overwritten. A zero id when that is refused.
  RunId create(CreateRun request);
  /// Lets time pass until the run has ended, waits for an answer, or does not move any more. Gives its status.
  RunStatus run_to_end(const RunId& run);
  /// Lets all runs move for this long.
  void pass(std::int64_t ms);
  /// Answers the interrupt that the node waits with; lets the run come to it first.
  void answer(const RunId& run, const std::string& node_id, const std::string& value);
  /// Gives the status that the caller is told.
  RunStatus cancel(const RunId& run, const std::string& reason = "scenario");

  /// An expectation of the scenario's own; a false one is a problem of the report.
  void expect(bool holds, const std::string& what);
  /// The run as it is; nothing for one that is not there.
  [[nodiscard]] std::optional<RunView> view(const RunId& run);

  /// The engine of the process that is there now; gone after the next call that it does not survive. Its own calls may
  /// fail with store_io_error. Null once something is broken.
  [[nodiscard]] Engine* engine();
  [[nodiscard]] ManualClock& clock();
  /// Processes so far, the first one included.
  [[nodiscard]] std::size_t processes() const;

  class World;
  explicit Host(World& world) : world_(world) {}

 private:
  World& world_;
};

}  // namespace openwop::testing
