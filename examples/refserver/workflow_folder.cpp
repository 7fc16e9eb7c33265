#include "workflow_folder.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "log.h"
#include "openwop/workflow_problems.h"

namespace refserver {

using openwop::Error;
using openwop::ErrorCode;
using openwop::Result;
namespace fs = std::filesystem;

namespace {

Result<std::vector<fs::path>> definition_files(const std::string& folder) {
  std::error_code failure;
  std::vector<fs::path> files;
  for (fs::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
    if (at->path().extension() == ".json" && at->is_regular_file(failure)) files.push_back(at->path());
  }
  if (failure) return Error{ErrorCode::validation_error, "workflow folder " + folder + ": " + failure.message()};
  std::sort(files.begin(), files.end());
  return files;
}

std::optional<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return std::nullopt;
  return text.str();
}

void report(const fs::path& file, const Error& error) {
  const auto problems = openwop::workflow_problems(error);
  for (const auto& problem : problems) {
    log(LogLevel::warning, "workflow refused",
        text_fields({{"file", file.string()}, {"pointer", problem.pointer}, {"reason", problem.message}}));
  }
  if (problems.empty()) {
    log(LogLevel::warning, "workflow refused",
        text_fields({{"file", file.string()}, {"pointer", ""}, {"reason", error.message}}));
  }
}

}  // namespace

Result<WorkflowFolders::Loaded> WorkflowFolders::load(openwop::Engine& engine) {
  std::vector<fs::path> files;
  for (const std::string& folder : folders_) {
    auto found = definition_files(folder);
    if (!found) return std::move(found).error();
    files.insert(files.end(), found->begin(), found->end());
  }
  Loaded loaded;
  std::map<std::string, Known> before;
  before.swap(known_);
  for (const fs::path& file : files) {
    const auto earlier = before.extract(file.string());
    const auto source = read_file(file);
    auto workflow = source ? engine.register_workflow(*source)
                           : Result<std::shared_ptr<const openwop::Workflow>>(
                                 Error{ErrorCode::validation_error, "the file cannot be read"});
    if (!workflow) {
      report(file, workflow.error());
      ++loaded.refused;
      if (earlier) known_.insert_or_assign(file.string(), earlier.mapped());
      continue;
    }
    ++loaded.loaded;
    if (!earlier || earlier.mapped().digest != (*workflow)->digest) ++loaded.changed;
    known_.insert_or_assign(file.string(), Known{(*workflow)->id, (*workflow)->digest});
  }
  for (const auto& [file, gone] : before) {
    ++loaded.removed;
    log(LogLevel::warning, "workflow file is gone; its workflow stays",
        text_fields({{"file", file}, {"workflowId", gone.id}}));
  }
  return loaded;
}

}  // namespace refserver
