// One history of a scenario: processes that come and go on one medium, and what is seen of them.
//
// One thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "openwop/testing.h"

namespace openwop::testing {

class Host::World {
 public:
  World(const Scenario& scenario, History history, const std::function<void(std::string_view)>& trace);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  /// The whole history; afterwards all is calm and nothing moves without a caller.
  void live();

  // ---- what a Host does ----
  RunId create(CreateRun request);
  RunStatus run_to_end(const RunId& run);
  void pass(std::int64_t ms);
  void answer(const RunId& run, const std::string& node_id, const std::string& value);
  RunStatus cancel(const RunId& run, const std::string& reason);
  [[nodiscard]] std::optional<RunView> view(const RunId& run);
  void complain(const std::string& promise, const std::string& what);
  [[nodiscard]] Engine* engine() { return engine_.get(); }
  [[nodiscard]] ManualClock& clock() { return *clock_; }
  [[nodiscard]] std::size_t processes() const { return processes_; }

  // ---- what is left of it ----
  [[nodiscard]] const std::vector<Problem>& problems() const { return problems_; }
  [[nodiscard]] std::size_t commits() const { return medium_->commits; }
  [[nodiscard]] std::string digest() const { return medium_->digest(); }
  /// Each run that the scenario has created as text, in the order of creation, then how many runs each workflow has;
  /// without anything that a crash may change.
  [[nodiscard]] std::vector<std::string> endings() const;

 private:
  void start_process();
  [[nodiscard]] bool open_engine();
  void replace_process();
  /// After a call that failed: a new process if there has to be one, otherwise some time.
  void recover();
  /// One tick; nothing more to do by itself: nothing.
  [[nodiscard]] std::optional<std::int64_t> tick();
  [[nodiscard]] std::string come_to_question(const RunId& run, const std::string& node_id);
  void come_to_rest();
  [[nodiscard]] bool broken() const { return !problems_.empty(); }
  [[nodiscard]] const FoldedRun* folded(const RunId& run);
  [[nodiscard]] std::string ending_of(const FoldedRun& run) const;
  [[nodiscard]] std::string comparable(std::string text) const;
  void tell(const std::string& what) const {
    if (trace_) trace_(what);
  }

  const Scenario& scenario_;
  const History history_;
  const std::function<void(std::string_view)>& trace_;
  std::vector<Problem> problems_;
  std::shared_ptr<Medium> medium_ = std::make_shared<Medium>();
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  std::shared_ptr<IdSource> ids_;
  Random chance_;
  FaultRates rates_;
  RunInvariants invariants_;
  HandlerWatch watch_;
  std::set<std::string> node_types_;
  std::shared_ptr<FaultStore> store_;
  std::unique_ptr<Engine> engine_;
  std::vector<RunId> created_;
  std::size_t processes_ = 0;
};

}  // namespace openwop::testing
