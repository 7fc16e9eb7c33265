// Every statement that calls of the store send, prepared once for each connection.
//
// The SQL is what PostgreSQL shares with the engines that follow it: no functions of our own, no extension, no
// isolation level beyond what a statement names. Three tricks need their reason told:
//  - A pipeline is sent whole, before any of it is answered, so SQL itself has to stop it where a precondition does not
//    hold. A missing or different row divides by zero; a row that should be absent breaks the primary key. Either
//    aborts the transaction, and kind_of() calls both `refused`.
//  - claim_slot moves the slot's counter from what this session last knew to the number of the commit in hand, and is
//    an error (NULL in a NOT NULL column) if somebody moved it meanwhile. settle_slot moves it past a commit in doubt,
//    unless that commit is in: it waits for a server process that still works on it, and stops one that has not begun.
//  - Rows are locked and written in the order of their keys, by all writers, so that waiting rarely turns to deadlock.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace openwop::pg {

enum class Statement : std::uint8_t {
  begin,
  begin_read,
  commit,
  rollback,
  async_commit,
  claim_slot,
  settle_slot,
  check_shared,
  check_owned,
  insert,
  upsert,
  erase,
  required_rows,
  get,
  // In this order: forward, reverse; with and without an end; in one scope.
  scan_to,
  scan_to_reverse,
  scan_all,
  scan_all_reverse,
  scan_scope_to,
  scan_scope_to_reverse,
  scan_scope,
  scan_scope_reverse,
};

struct StatementText {
  Statement statement;
  const char* name;
  const char* sql;
};

inline constexpr std::array kStatements = {
    StatementText{Statement::begin, "begin", "BEGIN ISOLATION LEVEL READ COMMITTED"},
    StatementText{Statement::begin_read, "begin_read", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"},
    StatementText{Statement::commit, "commit", "COMMIT"},
    StatementText{Statement::rollback, "rollback", "ROLLBACK"},
    StatementText{Statement::async_commit, "async_commit", "SET LOCAL synchronous_commit = off"},
    StatementText{Statement::claim_slot, "claim_slot",
                  "INSERT INTO openwop_slots (store, session, commits) VALUES ($1::text, $2::bigint, $4::bigint) "
                  "ON CONFLICT (store, session) DO UPDATE SET "
                  "commits = CASE WHEN openwop_slots.commits = $3::bigint THEN $4::bigint END, used = now()"},
    StatementText{Statement::settle_slot, "settle_slot",
                  "INSERT INTO openwop_slots (store, session, commits) VALUES ($1::text, $2::bigint, $3::bigint + 1) "
                  "ON CONFLICT (store, session) DO UPDATE SET commits = "
                  "CASE WHEN openwop_slots.commits = $3::bigint THEN $3::bigint ELSE $3::bigint + 1 END "
                  "RETURNING commits"},
    StatementText{Statement::check_shared, "check_shared",
                  "SELECT 1 / (CASE WHEN count(*) = $4::bigint THEN 1 ELSE 0 END) FROM ("
                  "SELECT 1 FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS w(scope, rest, value) "
                  "JOIN openwop_rows r ON r.scope = w.scope AND r.rest = w.rest AND r.value = w.value "
                  "ORDER BY r.scope, r.rest FOR SHARE OF r) AS held"},
    StatementText{Statement::check_owned, "check_owned",
                  "SELECT 1 / (CASE WHEN count(*) = $4::bigint THEN 1 ELSE 0 END) FROM ("
                  "SELECT 1 FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS w(scope, rest, value) "
                  "JOIN openwop_rows r ON r.scope = w.scope AND r.rest = w.rest AND r.value = w.value "
                  "ORDER BY r.scope, r.rest FOR UPDATE OF r) AS held"},
    StatementText{
        Statement::insert, "insert",
        "INSERT INTO openwop_rows (scope, rest, value) "
        "SELECT scope, rest, value FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS w(scope, rest, value)"},
    StatementText{
        Statement::upsert, "upsert",
        "INSERT INTO openwop_rows (scope, rest, value) "
        "SELECT scope, rest, value FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS w(scope, rest, value) "
        "ON CONFLICT (scope, rest) DO UPDATE SET value = excluded.value"},
    StatementText{Statement::erase, "erase",
                  "DELETE FROM openwop_rows r USING unnest($1::bytea[], $2::bytea[]) AS w(scope, rest) "
                  "WHERE r.scope = w.scope AND r.rest = w.rest"},
    StatementText{Statement::required_rows, "required_rows",
                  "SELECT r.scope, r.rest, r.value FROM unnest($1::bytea[], $2::bytea[]) AS w(scope, rest) "
                  "JOIN openwop_rows r ON r.scope = w.scope AND r.rest = w.rest"},
    StatementText{Statement::get, "get", "SELECT value FROM openwop_rows WHERE scope = $1 AND rest = $2"},
    StatementText{Statement::scan_to, "scan_to",
                  "SELECT scope, rest, value FROM openwop_rows WHERE (scope, rest) >= ($1, $2) "
                  "AND (scope, rest) < ($3, $4) ORDER BY scope, rest LIMIT $5::bigint"},
    StatementText{Statement::scan_to_reverse, "scan_to_reverse",
                  "SELECT scope, rest, value FROM openwop_rows WHERE (scope, rest) >= ($1, $2) "
                  "AND (scope, rest) < ($3, $4) ORDER BY scope DESC, rest DESC LIMIT $5::bigint"},
    StatementText{Statement::scan_all, "scan_all",
                  "SELECT scope, rest, value FROM openwop_rows WHERE (scope, rest) >= ($1, $2) "
                  "ORDER BY scope, rest LIMIT $3::bigint"},
    StatementText{Statement::scan_all_reverse, "scan_all_reverse",
                  "SELECT scope, rest, value FROM openwop_rows WHERE (scope, rest) >= ($1, $2) "
                  "ORDER BY scope DESC, rest DESC LIMIT $3::bigint"},
    StatementText{Statement::scan_scope_to, "scan_scope_to",
                  "SELECT scope, rest, value FROM openwop_rows WHERE scope = $1 AND rest >= $2 "
                  "AND rest < $3 ORDER BY rest LIMIT $4::bigint"},
    StatementText{Statement::scan_scope_to_reverse, "scan_scope_to_reverse",
                  "SELECT scope, rest, value FROM openwop_rows WHERE scope = $1 AND rest >= $2 "
                  "AND rest < $3 ORDER BY rest DESC LIMIT $4::bigint"},
    StatementText{Statement::scan_scope, "scan_scope",
                  "SELECT scope, rest, value FROM openwop_rows WHERE scope = $1 AND rest >= $2 "
                  "ORDER BY rest LIMIT $3::bigint"},
    StatementText{Statement::scan_scope_reverse, "scan_scope_reverse",
                  "SELECT scope, rest, value FROM openwop_rows WHERE scope = $1 AND rest >= $2 "
                  "ORDER BY rest DESC LIMIT $3::bigint"},
};

constexpr const StatementText& text_of(Statement statement) { return kStatements[static_cast<std::size_t>(statement)]; }

constexpr bool statements_are_in_enum_order() {
  for (std::size_t i = 0; i < kStatements.size(); ++i) {
    if (static_cast<std::size_t>(kStatements[i].statement) != i) return false;
  }
  return true;
}
static_assert(statements_are_in_enum_order());
static_assert(kStatements.size() == static_cast<std::size_t>(Statement::scan_scope_reverse) + 1);

}  // namespace openwop::pg
