// Inputs of a node: its port values resolved against the run's state, plus what its edges carry. And the scope in which
// expressions and conditions of a run are evaluated.
#pragma once

#include "openwop/engine.h"
#include "openwop/expression.h"
#include "openwop/run_state.h"
#include "openwop/workflow.h"

namespace openwop::runtime {

/// Names as docs/expressions.md lists them. `output` and `inputs` are serialized objects, empty when there are none.
class RunScope final : public ExpressionScope {
 public:
  RunScope(const RunHeader& header, const RunState& state, std::string_view inputs, std::string_view output)
      : header_(header), state_(state), inputs_(inputs), output_(output) {}

  /// From now on channels are read as this node may read them.
  RunScope& read_as(const Workflow& workflow, const WorkflowNode& node) {
    workflow_ = &workflow;
    reader_ = &node;
    return *this;
  }
  /// What was read and not allowed: channel_access_denied.
  [[nodiscard]] Status access() const { return access_; }

  [[nodiscard]] std::optional<std::string> find(std::string_view root, std::string_view name) const override;

 private:
  [[nodiscard]] std::optional<std::string> channel(std::string_view name) const;

  const RunHeader& header_;
  const RunState& state_;
  std::string_view inputs_;
  std::string_view output_;
  const Workflow* workflow_ = nullptr;
  const WorkflowNode* reader_ = nullptr;
  mutable Status access_;
};

/// The inputs object of a node that is about to start. Errors: validation_error naming the port that has no value.
[[nodiscard]] Result<std::string> resolve_inputs(const Workflow& workflow, const RunHeader& header,
                                                 const RunState& state, std::size_t node);

}  // namespace openwop::runtime
