// What the simulated runs act on: side effects that are counted, and slow services that answer when the world's clock
// says so. It outlives every engine, as the real world does.
//
// Node types:
//   sim.work  a SyncHandler; sim.call an AsyncHandler that is answered after config.latencyMs.
// Both take `steps` (recorded side effects), `failSteps` (1: in attempt 0 the effects fail, on record), `failFirst`
// (attempts that fail and may be retried) and `counts` (a row of the host's own counts the completions).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "openwop/node.h"
#include "simulation/fault_store.h"

namespace openwop::test {

/// Says that an invariant (see invariants.h) does not hold.
using Complain = std::function<void(const std::string& invariant, const std::string& what)>;

class OutsideWorld {
 public:
  OutsideWorld(std::shared_ptr<Medium> medium, SimRandom random, Complain complain)
      : medium_(std::move(medium)), random_(random), complain_(std::move(complain)) {}

  /// After a call of the store has failed, an engine may run an attempt once more; otherwise it must not.
  std::function<bool()> store_has_failed;

  [[nodiscard]] NodeRegistry registry();

  /// A new engine runs from now on. Of the answers that the old one waited for, some never come and some come late.
  void engine_replaced();
  /// Answers what is due.
  void answer_due(std::int64_t now_ms);
  /// When the next answer is due, or nothing.
  [[nodiscard]] std::optional<std::int64_t> next_answer_ms() const;

  /// The row that a counting node writes.
  [[nodiscard]] static std::string counter_key(const RunId& run, std::string_view node_id);

  std::int64_t now_ms = 0;
  std::size_t effects_executed = 0;
  /// Executions that one engine ran more than once.
  std::size_t repeated = 0;

 private:
  struct Call {
    Completion complete;
    std::shared_ptr<NodeContext> context;
    NodeOutcome outcome;
    std::int64_t due_ms = 0;
    std::uint64_t engine = 0;
  };

  NodeOutcome work(NodeContext& context);
  std::optional<Failure> take_steps(NodeContext& context);
  void check_started(const NodeContext& context);
  void start_call(std::shared_ptr<NodeContext> context, const Completion& complete);

  std::shared_ptr<Medium> medium_;
  SimRandom random_;
  Complain complain_;
  std::uint64_t engine_ = 0;
  std::vector<Call> calls_;
  std::set<std::string> started_by_this_engine_;
};

}  // namespace openwop::test
