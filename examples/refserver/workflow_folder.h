// Folders of workflow definitions: every *.json in them, in the order of their names.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "openwop/engine.h"

namespace refserver {

struct LoadedWorkflows {
  std::vector<std::string> ids;
  std::size_t refused = 0;
};

/// Registers what validates, logs what does not with file, place and reason, and goes on. Errors: a folder that cannot
/// be read.
[[nodiscard]] openwop::Result<LoadedWorkflows> load_workflows(openwop::Engine& engine,
                                                              const std::vector<std::string>& folders);

}  // namespace refserver
