#include "stores/postgres/schema.h"

#include <charconv>

namespace openwop::pg {
namespace {

/// Version 1. A value is never compared or searched by the database, only a whole row by its key.
std::vector<std::string> first_tables(std::size_t hash_partitions) {
  std::vector<std::string> statements = {
      "CREATE TABLE openwop_rows (scope bytea NOT NULL, rest bytea NOT NULL, value bytea NOT NULL, "
      "PRIMARY KEY (scope, rest))" +
          std::string(hash_partitions > 0 ? " PARTITION BY HASH (scope)" : ""),
      // One row for each session of each store object: the number of its last commit (statements.h).
      "CREATE TABLE openwop_slots (store text NOT NULL, session bigint NOT NULL, commits bigint NOT NULL, "
      "used timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (store, session))"};
  for (std::size_t i = 0; i < hash_partitions; ++i) {
    statements.push_back("CREATE TABLE openwop_rows_" + std::to_string(i) +
                         " PARTITION OF openwop_rows FOR VALUES WITH (MODULUS " + std::to_string(hash_partitions) +
                         ", REMAINDER " + std::to_string(i) + ")");
  }
  return statements;
}

/// 0 where there is none. In plain mode results are text.
Result<std::size_t> read_version(Connection& connection) {
  // Asked as a query: to_regclass() may answer from a cache that is older than the lock of migrate().
  auto tables = connection.execute(
      "SELECT count(*) FROM information_schema.tables "
      "WHERE table_schema = current_schema() AND table_name = 'openwop_schema'");
  if (tables.failure) return to_error(*tables.failure, "look at the schema");
  if (field(*tables.results.front(), 0, 0) == "0") return std::size_t{0};
  auto stored = connection.execute("SELECT version FROM openwop_schema");
  if (stored.failure) return to_error(*stored.failure, "read of the schema version");
  const PGresult& rows = *stored.results.front();
  std::size_t version = 0;
  if (PQntuples(&rows) == 1) {
    const auto text = field(rows, 0, 0);
    std::from_chars(text.data(), text.data() + text.size(), version);
  }
  if (version == 0) return Error{ErrorCode::store_corrupt, "table openwop_schema does not hold one version"};
  return version;
}

Status check_version(std::size_t version, std::size_t known) {
  if (version <= known) return {};
  return Error{ErrorCode::store_version_unsupported, "the database has schema version " + std::to_string(version) +
                                                         "; this build knows versions up to " + std::to_string(known)};
}

Status migrate(Connection& connection, std::span<const Migration> known) {
  const auto execute = [&](const std::string& sql) -> Status {
    auto answers = connection.execute(sql);
    if (answers.failure) return to_error(*answers.failure, "upgrade of the schema");
    return {};
  };
  // The lock is one for each schema, and ends with the transaction.
  if (auto begun = execute("BEGIN; SELECT pg_advisory_xact_lock(hashtext('openwop ' || current_schema()))"); !begun) {
    return begun;
  }
  // Anew, under the lock: another process may have been faster.
  auto version = read_version(connection);
  if (!version) return std::move(version).error();
  if (auto checked = check_version(*version, known.size()); !checked) return checked;
  for (std::size_t next = *version; next < known.size(); ++next) {
    for (const std::string& sql : known[next].statements) {
      if (auto done = execute(sql); !done) return done;
    }
  }
  const std::string reached = std::to_string(known.size());
  auto noted = *version > 0 ? execute("UPDATE openwop_schema SET version = " + reached)
                            : execute(
                                  "CREATE TABLE openwop_schema (version bigint NOT NULL PRIMARY KEY); "
                                  "INSERT INTO openwop_schema VALUES (" +
                                  reached + ")");
  if (!noted) return noted;
  return execute("COMMIT");
}

}  // namespace

std::vector<Migration> migrations(const PostgresOptions& options) { return {{first_tables(options.hash_partitions)}}; }

Status settle_schema(Connection& connection, std::span<const Migration> known, bool may_change) {
  const auto version = read_version(connection);
  if (!version) return version.error();
  if (auto checked = check_version(*version, known.size()); !checked) return checked;
  if (*version < known.size()) {
    if (!may_change) {
      return Error{ErrorCode::store_io_error, *version == 0
                                                  ? "the database holds no store"
                                                  : "the database has an older schema, and may not be changed"};
    }
    if (auto done = migrate(connection, known); !done) return done;
  }
  // What store objects that are long gone left behind. A right to delete that is missing is no reason to stop.
  static_cast<void>(connection.execute("DELETE FROM openwop_slots WHERE used < now() - interval '7 days'"));
  return {};
}

}  // namespace openwop::pg
