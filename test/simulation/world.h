// One seed, one world: an engine driven on a virtual clock over a store that fails, callers that create, cancel, watch
// and ask, services that answer late, and crashes. Nothing in it depends on anything but the seed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "openwop/engine.h"
#include "openwop/testing/fault_store.h"
#include "simulation/invariants.h"
#include "simulation/outside_world.h"
#include "simulation/workflow_generator.h"

namespace openwop::test {

using testing::FaultRates;
using testing::FaultStore;

enum class Faults : std::uint8_t { none, injected };
/// What came into the worlds after their first seeds had been kept as regressions: runs that start runs, a clock that
/// jumps, requests that arrive twice or behind later ones.
enum class Extras : std::uint8_t { none, all };

class World {
 public:
  World(std::uint64_t seed, Temper temper, Faults faults, Extras extras = Extras::all);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  /// The whole history: the workload, then the way to rest. False as soon as an invariant is broken.
  bool run();

  /// What is broken, one line each; empty if all is well.
  [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }
  /// SHA-256 over all rows that the world leaves.
  [[nodiscard]] std::string digest() const;
  /// For each create that was acknowledged, by its number: the run's end as text, without anything that timing decides.
  [[nodiscard]] std::map<std::size_t, std::string> endings() const;

  // What the worlds of a test went through; a test of the test.
  struct Tally {
    std::size_t runs = 0;
    std::size_t crashes = 0;
    std::size_t failed_calls = 0;
    std::size_t effects = 0;
    std::size_t repeated = 0;
    std::size_t cancels = 0;
    std::size_t answers = 0;
    std::size_t pauses = 0;
    std::size_t resumes = 0;
    std::size_t events_watched = 0;
    std::size_t children = 0;
    std::size_t clock_jumps = 0;
    std::size_t late_requests = 0;
    std::size_t repeated_requests = 0;
    std::map<std::string, std::size_t> endings;
  };
  [[nodiscard]] Tally tally() const;

 private:
  /// A caller's wish for a run.
  struct Wish {
    std::string workflow_id;
    std::string inputs;
    std::string configurable;
    std::string key;  // idempotency key; without one the caller asks once
    std::int64_t key_lifetime_ms = 0;
    bool asked = false;
    bool pending = false;
    std::optional<RunId> run;
  };
  struct Watcher {
    RunId run;
    std::uint64_t from = 0;
    std::vector<std::string> seen;
    bool complete = false;
    std::unique_ptr<EventSubscription> subscription;
  };

  // ---- the way of requests (workload.cpp) ----
  enum class Delivery : std::uint8_t { once, may_repeat };
  /// Carries the request to the engine: at once; or later, behind others; or both.
  void send(Delivery delivery, std::function<void()> request);
  void deliver_some();
  void deliver_all();

  // ---- workload (workload.cpp) ----
  void draw_workflows();
  void draw_wishes();
  void step();
  void ask_for_run();
  void create(std::size_t wish);
  void create_at_engine(const CreateRun& request, std::size_t wish, const std::string& row);
  [[nodiscard]] std::optional<LedgerClaim> claim_for(Wish& wish, std::vector<std::string>& tags);
  void cancel_some_run();
  void cancel_at_engine(const CancelRun& request);
  void change_workflow(const std::string& id);
  void answer_some_interrupt();
  void answer(const InterruptSummary& interrupt, const std::string& value);
  void answer_at_engine(const InterruptSummary& interrupt, const std::string& value);
  void pause_some_run();
  void resume_run(const RunId& run);
  /// Resumes what is paused and answers what waits; false if there was nothing.
  bool help_everybody();
  void pass_time();
  void jump_clock();
  void watch_some_run();
  void read_watchers(std::size_t max_events);
  void read_watcher(Watcher& watcher, std::size_t max_events);
  void query_some_run();
  void check_listing();

  // ---- the world itself (world.cpp) ----
  void complain(const std::string& invariant, const std::string& what);
  void open_engine();
  void crash();
  void crash_if_due();
  void tick();
  void come_to_rest();
  void check_watchers_at_rest();
  [[nodiscard]] std::string without_ids(std::string text) const;
  [[nodiscard]] bool broken() const { return !complaints_.empty(); }
  /// Counts a call; give its answer to the function that this returns.
  [[nodiscard]] std::function<void()> expect_answer(const std::string& what);
  [[nodiscard]] const RunId* some_run();

  Temper temper_;
  Faults faults_;
  Extras extras_;
  SimRandom workload_;
  SimRandom chaos_;
  SimRandom weather_;  // of the clock and the network
  std::vector<std::string> complaints_;
  std::shared_ptr<Medium> medium_ = std::make_shared<Medium>();
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  std::shared_ptr<IdSource> ids_;
  OutsideWorld outside_;
  Invariants invariants_;
  FaultRates rates_;
  std::size_t max_events_per_commit_ = 512;
  std::shared_ptr<FaultStore> store_;
  std::unique_ptr<Engine> engine_;
  std::vector<Wish> wishes_;
  std::vector<std::string> workflow_ids_;
  std::map<std::string, std::vector<std::shared_ptr<const Workflow>>> versions_;
  std::vector<Watcher> watchers_;
  std::vector<std::function<void()>> under_way_;
  bool network_is_calm_ = false;
  std::map<std::size_t, std::string> unanswered_;
  std::size_t calls_ = 0;
  std::vector<RunId> acknowledged_;
  Tally tally_;
};

}  // namespace openwop::test
