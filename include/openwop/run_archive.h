// One run as one portable file, and a run made from such a file in another store.
//
// The file is JSON Lines:
//   {"archive":{"format":"openwop-run","version":1,"runId","tenant","header","workflow","events","artifacts",…}}
//   {"event":{"sequence","type","timeMs","nodeId"?,"causedBy"?,"schemaVersion","engineVersion","payload","hidden"?}} …
//   {"artifact":{"id","row"}}   …
//   {"sha256":"…"}              over all bytes before this line
// JSON of the run's own (header, payload, hidden, row) stands there to the byte; where it holds a line break, the
// member is named …Text and holds it as a string. `workflow` is the source of the definition that the run is pinned to;
// a fork has that of its source's history as `sourceWorkflow`, and the events that it inherits are among the events:
// the file needs nothing else. The same run always gives the same file.
//
// `hidden` holds what readers of a run are not shown, sensitive values included: the file is as secret as the store.
//
// A run that waits (for a time, an answer, a retry, the end of its pause) goes on where it is imported, once an engine
// is opened there: stop it at its origin, or there are two. What a handler has recorded with NodeContext::step before
// the node began to wait is not in the file; the handler does it again when it is called again. Nor are the memory of
// agents, remembered requests and deliveries under way.
//
// For stores that no engine is at work on. Thread-safety: each call is its own.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "openwop/ids.h"
#include "openwop/result.h"
#include "openwop/run_status.h"
#include "openwop/store.h"

namespace openwop {

inline constexpr std::int64_t kRunArchiveVersion = 1;
/// Longer lines are refused with payload_too_large; no event or artifact of the engine's makes one.
inline constexpr std::size_t kMaxArchiveLineBytes = std::size_t{192} << 20;

struct RunArchive {
  RunId run_id;
  RunStatus status = RunStatus::pending;
  std::uint64_t events = 0;
  std::uint64_t artifacts = 0;
  /// Of an import: the run was there already, to the byte.
  bool unchanged = false;

  [[nodiscard]] std::string to_json() const;
};

/// `write` gets one line after the other, each with its line break, and may end the export with an error. Memory: the
/// run's state, one batch, one artifact. Errors: run_not_found; conflict for a run that cannot be cut out: a handler of
/// it is in flight, it waits for runs that it has started, a fork that has not begun, a replay that has not ended;
/// store_corrupt for a damaged log or definition; store errors.
[[nodiscard]] Result<RunArchive> export_run(const Store& store, const RunId& run,
                                            const std::function<Status(std::string_view line)>& write);

/// `read` gives one line after the other without its line break, and nothing at the end. The run becomes visible with
/// the last commit; what an import that was cut off has left goes with the next one of that run, or when an engine
/// opens the store. A run that is there already and is the same changes nothing. Errors: conflict for another run of
/// that id, or a scope that another run holds; store_version_unsupported for a file of a newer version;
/// validation_error for one that is cut short, altered, or no archive; payload_too_large; store errors.
[[nodiscard]] Result<RunArchive> import_run(Store& store,
                                            const std::function<Result<std::optional<std::string>>()>& read);

}  // namespace openwop
