// What a fork request comes to: the new run's header, and where its history lies. Reads two or three rows of the
// source, however long the source is.
//
//   F <source run> <fork>  ->  format, first sequence that the fork does not need   (all ones: it needs the whole log)
//
// One such row for each run whose events a fork refers to, written with the fork: whoever deletes runs finds there who
// still needs them.
#pragma once

#include <limits>

#include "openwop/engine.h"
#include "openwop/log.h"

namespace openwop::runtime {

inline constexpr char kForkReferencePrefix = 'F';
/// What a fork needs that goes by the whole log of its source.
inline constexpr std::uint64_t kWholeLog = std::numeric_limits<std::uint64_t>::max();

[[nodiscard]] std::string fork_reference_prefix(const RunId& source);

struct ForkPlan {
  RunHeader header;
  LogOrigin origin;
  LogOrigin source_origin;
  /// The source's header row as read: the commit requires it, so that a source which is deleted meanwhile has no fork.
  std::string source_row;
  std::shared_ptr<const Workflow> workflow;
};

/// Errors: as Engine::fork_run. `newest` gives the workflow that is registered under an id.
[[nodiscard]] Result<ForkPlan> plan_fork(
    const Store& store, const EngineOptions& options, const ForkRun& request, std::int64_t now_ms,
    const std::function<Result<std::shared_ptr<const Workflow>>(std::string_view)>& newest);

/// The rows of the new run.
void put_fork(Transaction& transaction, const RunId& run, const ForkPlan& plan);

/// Of these, the rows that say which runs the fork refers to. `source_origin` is of the run that was forked; only a
/// replay needs it.
void put_fork_references(Transaction& transaction, const RunId& run, const RunHeader& header, const LogOrigin& origin,
                         const LogOrigin& source_origin);

/// Visits the forks that refer to events of the run: the fork, and the first sequence that it does not need.
[[nodiscard]] Status forks_of(const Store& store, const RunId& source,
                              const std::function<bool(const RunId& fork, std::uint64_t needs_below)>& visit);

}  // namespace openwop::runtime
