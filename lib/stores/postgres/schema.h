// The tables, by version. openwop_schema holds the version that a database has.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stores/postgres/connection.h"

namespace openwop::pg {

struct Migration {
  /// Carried out in one transaction with the note of the version.
  std::vector<std::string> statements;
};

/// The n-th one (from 1) leads to version n.
[[nodiscard]] std::vector<Migration> migrations(const PostgresOptions& options);

/// Brings the database to the version of the last migration, under a lock that keeps other processes from doing the
/// same. A database that is there already is only looked at, so this needs no right to make tables then.
/// Errors: store_version_unsupported, store_io_error, store_corrupt.
[[nodiscard]] Status settle_schema(Connection& connection, std::span<const Migration> known, bool may_change);

}  // namespace openwop::pg
