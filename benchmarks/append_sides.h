// Ways to append events, all with the same record bytes: a 256-byte payload in the batch row of lib's Log.
//
// Ours is the whole append path of the engine for events that change nothing else: an Event, Log::append_events with
// head row and end of the log required, GroupCommit, the RocksDB store. A run in flight is one outstanding append; the
// run's next is made when its commit has finished, on the thread that led the commit. The raw sides write the finished
// bytes of the same row and nothing else.
#pragma once

#include <cstddef>

#include "openwop/store.h"

namespace openwop::bench {

/// One thread, `runs` runs in flight.
[[nodiscard]] double append_ours(Durability durability, std::size_t runs);

/// As many threads as runs, each waiting for its own commit.
[[nodiscard]] double append_ours_waiting(Durability durability, std::size_t threads);

/// RocksDB as the store opens it: one Put for each event, on one thread, over the keys of `runs` runs.
[[nodiscard]] double append_raw(Durability durability, std::size_t runs);

/// The same with a thread for each run.
[[nodiscard]] double append_raw_threads(Durability durability, std::size_t threads);

/// The limit of the disk: `group` records in one write(), then fdatasync(), on a plain file.
[[nodiscard]] double append_file(std::size_t group);

}  // namespace openwop::bench
