// A Store in a PostgreSQL database (or one that speaks its protocol and SQL), for hosts that share their runs.
//
// Several processes may have the same database open: each Transaction's preconditions are checked and its writes made
// in one database transaction, so what one process commits another can only refuse or follow. A group is one round trip
// and a fixed number of prepared statements, however many rows it has.
//
// Errors: while the database cannot be reached, every call gives store_io_error once its attempts are used up, and the
// same Store goes on when the database is back. A commit whose acknowledgement was lost is looked up after the
// reconnect, so it is neither repeated nor reported wrongly; store_io_error leaves it open, as store.h allows, but only
// until the next call that reaches the database: by then it has taken effect or never will.
//
// Thread-safety: that of Store. Each call in progress holds one connection of the pool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "openwop/store.h"

namespace openwop {

/// Who else may open the store while this object is there. A lock of the database, taken at the start: one that
/// restarts forgets it, and unguarded openers (readers) do not ask for it.
enum class PostgresSharing : std::uint8_t {
  unguarded,
  /// Hosts of a cluster (openwop/cluster.h).
  shared,
  /// Nobody.
  alone,
};

struct PostgresOptions {
  /// Connection string of libpq: "host=db1,db2 dbname=openwop user=openwop target_session_attrs=read-write" or a
  /// postgresql:// URL. The tables lie in the first schema of its search path.
  std::string dsn = {};
  /// Make the tables, or bring them up to date, where they are missing or old. Off: such a database is refused.
  bool create_if_missing = true;
  PostgresSharing sharing = PostgresSharing::unguarded;
  /// Partitions of the table of rows, by hash of a key's first bytes, when it is made; 0 = one plain table.
  std::size_t hash_partitions = 0;
  /// Connections for calls; one more is for change hints.
  std::size_t max_connections = 8;
  /// How long a call waits for a connection while all are in use.
  int acquire_timeout_ms = 5'000;
  /// libpq takes no less than two.
  int connect_timeout_s = 5;
  /// After which the server gives a statement up.
  int statement_timeout_ms = 10'000;
  /// Silence of the server while it owes an answer, after which the connection is given up. Above the former.
  int network_timeout_ms = 15'000;
  /// How often a call is tried in all when its connection drops or the database asks to repeat it. Once the database
  /// is known to be away, calls try once, until one has succeeded.
  int max_attempts = 5;
  /// Pause before the second attempt; it doubles with each further one.
  int backoff_initial_ms = 20;
  int backoff_max_ms = 1'000;
  /// How often a group is checked again because other writers changed what it requires while it was committed.
  int max_contended_rounds = 64;
  /// Rows of one page of a scan; the first page is smaller.
  std::size_t scan_page_rows = 512;
  /// Tell other processes of commits, and be told (Store::on_foreign_change). Off: no thread, no connection for it.
  bool change_hints = true;
  /// By LISTEN/NOTIFY; off, or where the database has none: by looking every `hint_poll_ms`. The same in all
  /// processes, because without it a store does not notify either.
  bool listen = true;
  /// At most one NOTIFY in so many milliseconds, however many commits there are.
  int hint_interval_ms = 10;
  int hint_poll_ms = 1'000;
};

/// Connects, and makes or upgrades the tables. Errors: store_io_error; store_version_unsupported where a newer build
/// has upgraded them; store_locked (PostgresSharing); store_corrupt; not_implemented in a build without libpq.
[[nodiscard]] Result<std::unique_ptr<Store>> open_postgres_store(const PostgresOptions& options);

}  // namespace openwop
