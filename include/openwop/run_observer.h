// RunObserver: what follows a run's commit without the run knowing of it: webhook outboxes, audit entries, spans,
// metrics. Given to the engine in EngineOptions::observers.
//
//   turn decided -> extend(commit, transaction) -> store commit (group, one sync) -> committed(commit) -> answers
//
// With no observer a commit costs nothing more; with some, each sees every commit of every run that has events.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "openwop/engine.h"
#include "openwop/event.h"
#include "openwop/store.h"

namespace openwop {

/// What somebody asked for that led to the commit; `none` for what the engine does by itself (outcomes of handlers,
/// timers, recovery).
enum class RunAction : std::uint8_t { none, create, cancel, pause, resume, fork, resolve_interrupt };

/// One commit of one run. A plain view: valid during the call that it is given to.
struct RunCommit {
  const RunId& run;
  const RunHeader& header;
  const Workflow& workflow;
  /// In order, gapless; not empty.
  const std::vector<Event>& events;
  std::uint64_t first_sequence = 0;
  /// After the last of the events.
  RunStatus status = RunStatus::pending;
  RunAction action = RunAction::none;
  /// Who asked, such as "api-key:1a2b3c4d"; empty for `none` and where the caller did not say.
  std::string_view actor = {};
  /// The run's first commit, and its last one.
  bool created = false;
  bool ended = false;
  /// Before the first of the events; pending for the first commit, and for the first turn of a fork.
  RunStatus status_before = RunStatus::pending;

  [[nodiscard]] EventView event(std::size_t i) const {
    return view_of(events[i], first_sequence + i, header.engine_version);
  }
};

/// Which runs are this host's, in a cluster (openwop/cluster.h). Thread-safe; outlives the engine.
class RunOwnership {
 public:
  virtual ~RunOwnership() = default;
  /// A claim may end at any moment: the store decides what counts.
  [[nodiscard]] virtual bool is_mine(const RunId& run) const = 0;
};

/// Thread-safety: called from any of the engine's threads, for different runs at the same time; for one run in the
/// order of its commits. An observer must outlive nothing: the engine shares it.
class RunObserver {
 public:
  virtual ~RunObserver() = default;

  /// Adds rows to the run's own commit; they take effect with its events or not at all. Called before the commit, and
  /// again (with the same or with other events) when the store refused it: anything but adding rows belongs in
  /// committed(). Rows that could make the store refuse the commit are no business of an observer: it must add no
  /// preconditions. Quick, and without a wait for anything: the shard stands still meanwhile.
  virtual void extend(const RunCommit& commit, Transaction& transaction) noexcept {
    static_cast<void>(commit);
    static_cast<void>(transaction);
  }

  /// The commit is durable; called before its caller is answered. Not called when the store gave an error, although the
  /// commit may then have taken effect: what must not be missed is a row of extend(). Quick; must not wait for the
  /// engine.
  virtual void committed(const RunCommit& commit) noexcept { static_cast<void>(commit); }

  /// The run is removed, its time being over (EngineOptions::finished_run_retention_ms): adds the removal of what
  /// extend() has added for it and nobody else will take away. Called before the commit, and again when that was
  /// refused; no preconditions, and as quick as extend().
  virtual void removed(const RunId& run, Transaction& transaction) noexcept {
    static_cast<void>(run);
    static_cast<void>(transaction);
  }

  /// In a cluster: at the start, and whenever runs have come to this host or gone from it. Quick; must not wait for the
  /// engine.
  virtual void ownership_changed(const std::shared_ptr<const RunOwnership>& ownership) noexcept {
    static_cast<void>(ownership);
  }
  /// In a cluster: other hosts may have written to the store. A hint, with each heartbeat at the least. As quick.
  virtual void hosts_wrote() noexcept {}
};

}  // namespace openwop
