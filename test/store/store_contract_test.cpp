// The contract of openwop/store.h, sentence by sentence, on every backend.
#include <string>

#include "store/store_backends.h"

namespace openwop::test {
namespace {

using namespace std::string_literals;
using enum CommitOutcome;

/// Runs `body` on a fresh store of each backend.
template <class Body>
void on_every_backend(Body body) {
  for (const auto& backend : store_backends()) {
    DYNAMIC_SECTION(backend.name) {
      const auto fixture = backend.make();
      body(*fixture);
    }
  }
}

TEST_CASE("a store that was never written has no rows", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    CHECK_FALSE(value_of(fixture.store(), "key").has_value());
    CHECK(rows_of(fixture.store(), {}).empty());
    CHECK(rows_of(fixture.store(), {.reverse = true}).empty());
  });
}

TEST_CASE("a committed row is read back by get and by scan", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    CHECK(commit_one(store, put_of("key", "value"), Durability::sync) == committed);
    CHECK(value_of(store, "key") == "value");
    CHECK(rows_of(store, {}) == Rows{{"key", "value"}});
  });
}

TEST_CASE("an empty value is a row, not an absence", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    commit_one(store, put_of("key", ""));
    CHECK(value_of(store, "key") == "");
    CHECK(rows_of(store, {}) == Rows{{"key", ""}});

    Transaction absent;
    absent.require_absent("key");
    CHECK(commit_one(store, absent) == refused);
    Transaction equals;
    equals.require_equals("key", "");
    CHECK(commit_one(store, equals) == committed);
    Transaction missing;
    missing.require_equals("other", "");
    CHECK(commit_one(store, missing) == refused);
  });
}

TEST_CASE("keys and values are any bytes and keys are ordered as unsigned bytes", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    const Rows ordered = {{"\x00"s, "zero"},       {"\x00\x00"s, "two zeros"}, {"\x00\xFF"s, "\x00\xFF\x00"s},
                          {"a", "letter"},         {"a\x00"s, "longer"},       {"\x7F"s, "last ascii"},
                          {"\x80"s, "first high"}, {"\xFF"s, "high"},          {"\xFF\x00"s, "higher"},
                          {"\xFF\xFF"s, "highest"}};
    Transaction transaction;
    for (auto row = ordered.rbegin(); row != ordered.rend(); ++row) transaction.put(row->first, row->second);
    commit_one(store, transaction);
    CHECK(rows_of(store, {}) == ordered);
    CHECK(rows_of(store, {.reverse = true}) == Rows(ordered.rbegin(), ordered.rend()));
    for (const auto& [key, value] : ordered) CHECK(value_of(store, key) == value);
    CHECK(rows_of(store, {.begin = "\x80"s, .end = "\xFF\x00"s}) == Rows(ordered.begin() + 6, ordered.begin() + 8));
  });
}

TEST_CASE("a scan holds its begin, leaves out its end, and runs either way", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    Transaction transaction;
    for (const char* key : {"a", "b", "c", "d"}) transaction.put(key, key);
    commit_one(store, transaction);

    CHECK(rows_of(store, {.begin = "b", .end = "d"}) == Rows{{"b", "b"}, {"c", "c"}});
    CHECK(rows_of(store, {.begin = "b", .end = "d", .reverse = true}) == Rows{{"c", "c"}, {"b", "b"}});
    CHECK(rows_of(store, {.begin = "bb", .end = "cc"}) == Rows{{"c", "c"}});
    CHECK(rows_of(store, {.begin = "bb", .end = "cc", .reverse = true}) == Rows{{"c", "c"}});
    CHECK(rows_of(store, {.begin = "c"}) == Rows{{"c", "c"}, {"d", "d"}});
    CHECK(rows_of(store, {.begin = "c", .reverse = true}) == Rows{{"d", "d"}, {"c", "c"}});
    CHECK(rows_of(store, {.end = "b"}) == Rows{{"a", "a"}});
    CHECK(rows_of(store, {.end = "c", .reverse = true}) == Rows{{"b", "b"}, {"a", "a"}});
  });
}

TEST_CASE("a range that is empty, inverted or between rows visits nothing", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    commit_one(store, put_of("b", "value"));
    for (const bool reverse : {false, true}) {
      CHECK(rows_of(store, {.begin = "b", .end = "b", .reverse = reverse}).empty());
      CHECK(rows_of(store, {.begin = "c", .end = "a", .reverse = reverse}).empty());
      CHECK(rows_of(store, {.begin = "c", .end = "d", .reverse = reverse}).empty());
      CHECK(rows_of(store, {.begin = "a", .end = "b", .reverse = reverse}).empty());
      CHECK(rows_of(store, {.begin = "c", .reverse = reverse}).empty());
    }
  });
}

TEST_CASE("a visitor that returns false sees no further row", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    Transaction transaction;
    for (const char* key : {"a", "b", "c", "d"}) transaction.put(key, key);
    commit_one(store, transaction);
    for (const bool reverse : {false, true}) {
      std::string seen;
      REQUIRE(store.scan({.reverse = reverse}, [&](std::string_view key, std::string_view) {
        seen += key;
        return seen.size() < 2;
      }));
      CHECK(seen == (reverse ? "dc" : "ab"));
    }
  });
}

TEST_CASE("the end of a prefix bounds exactly the keys that begin with it", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    const std::vector<std::string> keys = {"a", "a\xFF"s, "a\xFF\x00"s, "a\xFF\xFF"s,
                                           "b", "\xFE"s,  "\xFF"s,      "\xFF\xFF"s};
    Transaction transaction;
    for (const auto& key : keys) transaction.put(key, "");
    commit_one(store, transaction);
    for (const auto& prefix : {"a"s, "a\xFF"s, "b"s, "\xFF"s, "\xFF\xFF"s, "c"s}) {
      Rows expected;
      for (const auto& key : keys) {
        if (key.starts_with(prefix)) expected.emplace_back(key, "");
      }
      CHECK(rows_of(store, {.begin = prefix, .end = prefix_end(prefix)}) == expected);
    }
  });
}

TEST_CASE("an erased row is gone, and erasing an absent row is no error", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    commit_one(store, put_of("key", "value"));
    Transaction erase;
    erase.erase("key");
    erase.erase("never there");
    CHECK(commit_one(store, erase) == committed);
    CHECK_FALSE(value_of(store, "key").has_value());
    CHECK(rows_of(store, {}).empty());
  });
}

TEST_CASE("of two writes of one key in a transaction the later holds", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    Transaction transaction;
    transaction.put("twice", "first");
    transaction.put("twice", "second");
    transaction.put("gone", "value");
    transaction.erase("gone");
    transaction.erase("back");
    transaction.put("back", "value");
    CHECK(commit_one(store, transaction) == committed);
    CHECK(rows_of(store, {}) == Rows{{"back", "value"}, {"twice", "second"}});
  });
}

TEST_CASE("a transaction is refused unless every precondition holds, and then writes nothing", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    commit_one(store, put_of("held", "value"));
    const auto attempt = [&](auto require) {
      Transaction transaction;
      transaction.put("written", "value");
      require(transaction);
      const auto outcome = commit_one(store, transaction);
      CHECK(value_of(store, "written").has_value() == (outcome == committed));
      Transaction undo;
      undo.erase("written");
      commit_one(store, undo);
      return outcome;
    };
    CHECK(attempt([](Transaction& t) { t.require_equals("held", "value"); }) == committed);
    CHECK(attempt([](Transaction& t) { t.require_equals("held", "other"); }) == refused);
    CHECK(attempt([](Transaction& t) { t.require_equals("held", "valu"); }) == refused);
    CHECK(attempt([](Transaction& t) { t.require_equals("held", "value "); }) == refused);
    CHECK(attempt([](Transaction& t) { t.require_equals("absent", "value"); }) == refused);
    CHECK(attempt([](Transaction& t) { t.require_absent("absent"); }) == committed);
    CHECK(attempt([](Transaction& t) { t.require_absent("held"); }) == refused);
    CHECK(attempt([](Transaction& t) {
            t.require_equals("held", "value");
            t.require_absent("held");
          }) == refused);
  });
}

TEST_CASE("preconditions look at the state before their own transaction, wherever they stand in it", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    Transaction create;
    create.put("key", "1");
    create.require_absent("key");
    CHECK(commit_one(store, create) == committed);
    CHECK(commit_one(store, create) == refused);
    Transaction update;
    update.put("key", "2");
    update.require_equals("key", "1");
    CHECK(commit_one(store, update) == committed);
    CHECK(value_of(store, "key") == "2");
  });
}

TEST_CASE("a precondition repeated on one key is checked each time", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    commit_one(store, put_of("key", "1"));
    Transaction same;
    same.require_equals("key", "1");
    same.require_equals("key", "1");
    same.put("key", "2");
    CHECK(commit_one(store, same) == committed);
    Transaction contradiction;
    contradiction.require_equals("key", "2");
    contradiction.require_equals("key", "3");
    contradiction.put("key", "4");
    CHECK(commit_one(store, contradiction) == refused);
    CHECK(value_of(store, "key") == "2");
  });
}

TEST_CASE("a chain of compare-and-set on one row follows every way the row can change", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    const auto step = [&](std::optional<std::string> from, std::optional<std::string> to) {
      Transaction transaction;
      if (from) transaction.require_equals("head", *from);
      if (!from) transaction.require_absent("head");
      if (to) transaction.put("head", *to);
      if (!to) transaction.erase("head");
      return commit_one(store, transaction);
    };
    const std::string large(100'000, 'x');
    CHECK(step(std::nullopt, "1") == committed);
    CHECK(step("1", "2") == committed);
    CHECK(step("1", "3") == refused);
    commit_one(store, put_of("head", "unconditional"));
    CHECK(step("2", "3") == refused);
    CHECK(step("unconditional", large) == committed);
    CHECK(step("unconditional", "4") == refused);
    CHECK(step(large, std::nullopt) == committed);
    CHECK(step(large, "5") == refused);
    CHECK(step(std::nullopt, "") == committed);
    CHECK(step(std::nullopt, "6") == refused);
    fixture.reopen();
  });
}

TEST_CASE("a later transaction of a group sees the earlier ones and only those that were committed", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    commit_one(store, put_of("other", "old"));
    std::vector<Transaction> group(6);
    group[0].require_absent("key");
    group[0].put("key", "1");
    group[0].erase("other");
    group[1].require_equals("key", "1");
    group[1].require_absent("other");
    group[1].put("key", "2");
    // Refused: it saw what the second one wrote. Its own write must not be seen by the next.
    group[2].require_equals("key", "1");
    group[2].put("key", "wrong");
    group[2].put("trace", "wrong");
    group[3].require_equals("key", "2");
    group[3].require_absent("trace");
    group[3].erase("key");
    group[4].require_absent("key");
    group[4].put("key", "3");
    group[5].require_absent("key");
    group[5].put("trace", "wrong");
    CHECK(commit_group(store, group, Durability::sync) ==
          std::vector{committed, committed, refused, committed, committed, refused});
    CHECK(rows_of(store, {}) == Rows{{"key", "3"}});
  });
}

TEST_CASE("a group has one outcome for each transaction, in order", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    CHECK(commit_group(store, {}).empty());
    CHECK(commit_one(store, Transaction{}) == committed);
    std::vector<Transaction> group(64);
    std::vector<CommitOutcome> expected;
    for (std::size_t i = 0; i < group.size(); ++i) {
      const auto key = "key" + std::to_string(i / 2);
      group[i].require_absent(key);
      group[i].put(key, std::to_string(i));
      expected.push_back(i % 2 == 0 ? committed : refused);
    }
    CHECK(commit_group(store, group) == expected);
    CHECK(rows_of(store, {}).size() == 32);
  });
}

TEST_CASE("a key or value outside its limits fails the whole group before anything is written", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    const auto refuses = [&](const Transaction& bad) {
      const auto good = put_of("good", "value");
      const Transaction* const group[] = {&good, &bad};
      const auto outcome = store.commit(group, Durability::async);
      REQUIRE_FALSE(outcome);
      CHECK(outcome.error().code == ErrorCode::validation_error);
      CHECK(rows_of(store, {}).empty());
    };
    const std::string long_key(kMaxKeyBytes + 1, 'k');
    refuses(put_of("", "value"));
    refuses(put_of(long_key, "value"));
    refuses(put_of("key", std::string(kMaxValueBytes + 1, 'v')));
    Transaction require_long;
    require_long.require_absent(long_key);
    refuses(require_long);
    Transaction erase_empty;
    erase_empty.erase("");
    refuses(erase_empty);
  });
}

TEST_CASE("the longest key and the largest value are kept whole", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    const std::string key(kMaxKeyBytes, '\xFF');
    const std::string value(kMaxValueBytes, 'v');
    Transaction transaction;
    transaction.require_absent(key);
    transaction.put(key, value);
    CHECK(commit_one(store, transaction) == committed);
    fixture.reopen();
    CHECK((value_of(fixture.store(), key) == value));
    Transaction again;
    again.require_equals(key, value);
    CHECK(commit_one(fixture.store(), again) == committed);
  });
}

TEST_CASE("a transaction may be cleared and used again", "[store]") {
  on_every_backend([](StoreUnderTest& fixture) {
    Store& store = fixture.store();
    auto transaction = put_of("a", "1");
    commit_one(store, transaction);
    transaction.clear();
    CHECK(transaction.empty());
    transaction.put("b", "2");
    commit_one(store, transaction);
    CHECK(rows_of(store, {}) == Rows{{"a", "1"}, {"b", "2"}});
  });
}

}  // namespace
}  // namespace openwop::test
