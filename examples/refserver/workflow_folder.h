// Folders of workflow definitions: every *.json in them, in the order of their names. Loaded at the start and again
// when asked: a changed file is a new version of its workflow, and runs in flight keep theirs.
//
// Used by one thread at a time.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "openwop/engine.h"

namespace refserver {

class WorkflowFolders {
 public:
  explicit WorkflowFolders(std::vector<std::string> folders) : folders_(std::move(folders)) {}

  struct Loaded {
    std::size_t loaded = 0;
    std::size_t changed = 0;  // since the last time; all of them at the first
    std::size_t refused = 0;
    std::size_t removed = 0;
  };

  /// Registers what validates, logs what does not with file, place and reason, and goes on; a workflow whose file is
  /// bad or gone stays as it was. Errors: a folder that cannot be read.
  [[nodiscard]] openwop::Result<Loaded> load(openwop::Engine& engine);

 private:
  struct Known {
    std::string id;
    std::string digest;
  };

  std::vector<std::string> folders_;
  std::map<std::string, Known> known_;  // by path
};

}  // namespace refserver
