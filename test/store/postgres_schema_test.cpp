// Versions of the tables.
#include "store/postgres_rig.h"
#include "stores/postgres/schema.h"

namespace openwop::test {
namespace {

/// The last schema of the shared server, looked at from outside.
std::string in_schema(const std::string& statement) {
  auto& server = PostgresServer::shared();
  return server.sql("SET search_path = " + server.last_schema() + "; " + statement);
}

TEST_CASE("tables of a newer build are refused", "[store][postgres]") {
  if (!have_postgres()) return;
  const auto options = quick(PostgresServer::shared().new_schema());
  commit_one(*open_quick(options), put_of("key", "value"));
  CHECK(in_schema("SELECT version FROM openwop_schema") == "1");
  in_schema("UPDATE openwop_schema SET version = 2");
  const auto newer = open_postgres_store(options);
  REQUIRE_FALSE(newer);
  CHECK(newer.error().code == ErrorCode::store_version_unsupported);
  in_schema("DELETE FROM openwop_schema");
  const auto none = open_postgres_store(options);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::store_corrupt);
  in_schema("INSERT INTO openwop_schema VALUES (1)");
  CHECK(value_of(*open_quick(options), "key") == "value");
}

TEST_CASE("an empty database is left alone where tables may not be made", "[store][postgres]") {
  if (!have_postgres()) return;
  auto options = quick(PostgresServer::shared().new_schema());
  options.create_if_missing = false;
  const auto opened = open_postgres_store(options);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::store_io_error);
  CHECK(in_schema("SELECT to_regclass('openwop_rows') IS NULL") == "t");
}

TEST_CASE("hosts that open an empty database at once make its tables once", "[store][postgres]") {
  if (!have_postgres()) return;
  const auto options = quick(PostgresServer::shared().new_schema());
  std::vector<std::string> problems(6);
  std::vector<std::thread> threads;
  for (auto& problem : problems) {
    threads.emplace_back([&] {
      if (const auto opened = open_postgres_store(options); !opened) problem = opened.error().message;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(problems == std::vector<std::string>(problems.size()));
  CHECK(in_schema("SELECT count(*), max(version) FROM openwop_schema") == "1|1");
}

TEST_CASE("a commit waits for the disk where the database's default is not to, and keeps a stricter default",
          "[store][postgres]") {
  if (!have_postgres()) return;
  const std::string dsn = PostgresServer::shared().new_schema();
  for (const auto& [setting, expected] : {std::pair{"off", "on"}, std::pair{"remote_apply", "remote_apply"}}) {
    auto opened = pg::Connection::open(quick(dsn + " options='-c synchronous_commit=" + setting + "'"));
    auto& connection = std::get<std::unique_ptr<pg::Connection>>(opened);
    const auto shown = connection->execute("SHOW synchronous_commit");
    CHECK(pg::field(*shown.results.front(), 0, 0) == expected);
  }
}

TEST_CASE("an upgrade does what is missing, in order, and a failed one changes nothing", "[store][postgres]") {
  if (!have_postgres()) return;
  const auto options = quick(PostgresServer::shared().new_schema());
  const auto settle = [&](const std::vector<pg::Migration>& known) {
    auto opened = pg::Connection::open(options);
    auto& connection = std::get<std::unique_ptr<pg::Connection>>(opened);
    return pg::settle_schema(*connection, known, true);
  };
  auto known = pg::migrations(options);
  REQUIRE(settle(known));
  known.push_back({{"ALTER TABLE openwop_rows ADD COLUMN added int DEFAULT 7", "SELECT broken"}});
  CHECK_FALSE(settle(known));
  CHECK(in_schema("SELECT version FROM openwop_schema") == "1");
  known.back().statements.pop_back();
  known.push_back({{"UPDATE openwop_rows SET added = 8"}});
  CHECK(settle(known));
  CHECK(settle(known));
  CHECK(in_schema("SELECT version FROM openwop_schema") == "3");
  const auto older_build = open_postgres_store(options);
  REQUIRE_FALSE(older_build);
  CHECK(older_build.error().code == ErrorCode::store_version_unsupported);
}

}  // namespace
}  // namespace openwop::test
