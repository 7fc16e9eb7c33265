// Which of a node's outputs readers may see.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/run_turn.h"

namespace openwop::runtime {

/// The object without the values of these members, as the mode has it.
[[nodiscard]] std::string mask_outputs(std::string_view outputs, const std::vector<std::string>& sensitive,
                                       MaskingMode mode);
/// Output ports that are marked, and those that hand on a sensitive value as it is.
[[nodiscard]] std::vector<std::string> hidden_ports(const Run& run, const WorkflowNode& node, std::string_view outputs);

}  // namespace openwop::runtime
