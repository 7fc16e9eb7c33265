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
#include <string>
#include <vector>

#include "openwop/node.h"
#include "openwop/testing/promises.h"

namespace openwop::test {

using testing::Complain;
using testing::Medium;
using SimRandom = testing::Random;

class OutsideWorld {
 public:
  OutsideWorld(std::shared_ptr<Medium> medium, SimRandom random, Complain complain)
      : medium_(std::move(medium)), random_(random), complain_(std::move(complain)), watch_(medium_, complain_) {}

  /// What stands between the handlers and the engine.
  [[nodiscard]] testing::HandlerWatch& watch() { return watch_; }
  [[nodiscard]] const testing::HandlerWatch& watch() const { return watch_; }

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
  void start_call(std::shared_ptr<NodeContext> context, const Completion& complete);

  std::shared_ptr<Medium> medium_;
  SimRandom random_;
  Complain complain_;
  std::uint64_t engine_ = 0;
  std::vector<Call> calls_;
  testing::HandlerWatch watch_;
};

}  // namespace openwop::test
