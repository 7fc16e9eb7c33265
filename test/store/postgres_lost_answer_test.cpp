// A commit whose connection drops before the answer: done once, and reported as it is.
#include "store/postgres_proxy.h"
#include "store/postgres_rig.h"

namespace openwop::test {
namespace {

using enum CommitOutcome;

/// A store behind a proxy, with its first connection made.
class Behind {
 public:
  Behind() : proxy_(PostgresServer::shared()) {
    static_cast<void>(PostgresServer::shared().new_schema());
    const std::string schema = PostgresServer::shared().last_schema();
    store_ = open_quick(quick(PostgresServer::shared().dsn(schema, proxy_.folder())));
    direct_ = open_quick(quick(PostgresServer::shared().dsn(schema)));
    commit_one(*store_, put_of("warm", "up"));
  }
  PostgresProxy& proxy() { return proxy_; }
  Store& store() { return *store_; }
  /// Another host's view of the same rows.
  Store& direct() { return *direct_; }

 private:
  PostgresProxy proxy_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Store> direct_;
};

TEST_CASE("a commit that was done and not acknowledged is reported as committed, not repeated", "[store][postgres]") {
  if (!have_postgres()) return;
  Behind fixture;
  fixture.proxy().lose_next(Loses::answer);
  // Repeated, it would be refused by its own row.
  CHECK(commit_one(fixture.store(), create_of("key", "1"), Durability::sync) == committed);
  CHECK(fixture.proxy().lost());
  CHECK(value_of(fixture.store(), "key") == "1");
  CHECK(commit_one(fixture.store(), create_of("key", "2")) == refused);
}

TEST_CASE("a commit that never reached the server is made again", "[store][postgres]") {
  if (!have_postgres()) return;
  Behind fixture;
  fixture.proxy().lose_next(Loses::request);
  CHECK(commit_one(fixture.store(), create_of("key", "1")) == committed);
  CHECK(fixture.proxy().lost());
  CHECK(value_of(fixture.direct(), "key") == "1");
}

TEST_CASE("a group keeps its outcomes when its acknowledgement is lost", "[store][postgres]") {
  if (!have_postgres()) return;
  Behind fixture;
  commit_one(fixture.store(), put_of("taken", "x"));
  // The group is refused at first and made again without the second: it is that attempt whose answer must be right.
  std::vector<Transaction> group = {create_of("a", "1"), create_of("taken", "2"), create_of("b", "3")};
  for (const auto what : {Loses::answer, Loses::request}) {
    fixture.proxy().lose_next(what);
    CHECK(commit_group(fixture.store(), group) == std::vector{committed, refused, committed});
    CHECK(value_of(fixture.direct(), "taken") == "x");
    Transaction undo;
    undo.erase("a");
    undo.erase("b");
    commit_one(fixture.store(), undo);
  }
}

TEST_CASE("a commit that the server gets to late, after it was made again, has no effect", "[store][postgres]") {
  if (!have_postgres()) return;
  Behind fixture;
  fixture.proxy().lose_next(Loses::until_delivered);
  CHECK(commit_one(fixture.store(), put_of("key", "1")) == committed);
  REQUIRE(fixture.proxy().lost());
  CHECK(commit_one(fixture.store(), put_of("key", "2")) == committed);
  const std::string said = fixture.proxy().deliver();
  CHECK(said.find("23502") != std::string::npos);
  CHECK(value_of(fixture.direct(), "key") == "2");
}

TEST_CASE("after store_io_error a read is final: the commit is in, or never will be", "[store][postgres]") {
  if (!have_postgres()) return;
  for (const auto what : {Loses::answer, Loses::until_delivered}) {
    Behind fixture;
    fixture.proxy().lose_next(what);
    fixture.proxy().let_in(false);
    const auto outcome = fixture.store().commit(put_of("key", "1"), Durability::sync);
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == ErrorCode::store_io_error);
    REQUIRE(fixture.proxy().lost());
    fixture.proxy().let_in(true);
    const auto read = value_of(fixture.store(), "key");
    CHECK(read.has_value() == (what == Loses::answer));
    if (what == Loses::until_delivered) static_cast<void>(fixture.proxy().deliver());
    CHECK(value_of(fixture.direct(), "key") == read);
    CHECK(commit_one(fixture.store(), put_of("key", "2")) == committed);
  }
}

}  // namespace
}  // namespace openwop::test
