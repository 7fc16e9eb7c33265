#include "openwop/reducers.h"

#include <string>
#include <vector>

#include "openwop/run_decide.h"
#include "support/catch.h"

using namespace openwop;

namespace {

struct Write {
  std::string value;
  std::int64_t at_ms = 0;
};

/// Folds the writes as a declared channel does; entries expire by the time of their write.
std::string fold_writes(const ChannelWriteRule& rule, const std::vector<Write>& writes) {
  std::string value;
  EntryTimes times;
  for (const Write& write : writes) value = reduce(rule, value, write.value, write.at_ms, &times);
  return value;
}

std::string numbers(int from, int to) {
  std::string out = "[";
  for (int i = from; i <= to; ++i) out += (i > from ? "," : "") + std::to_string(i);
  return out + "]";
}

std::vector<Write> number_writes(int count, std::int64_t step_ms = 0) {
  std::vector<Write> writes;
  for (int i = 1; i <= count; ++i) writes.push_back({std::to_string(i), i * step_ms});
  return writes;
}

std::string vote(const std::string& user, const std::string& action) {
  return R"({"userId":")" + user + R"(","action":")" + action + R"(","timestamp":1})";
}

std::string message(const std::string& id, const std::string& text) {
  return R"({"messageId":")" + id + R"(","role":"user","content":")" + text + R"("})";
}

bool accepted(Reducer reducer, std::string_view value, std::int64_t max_size = 0) {
  const auto checked = check_channel_write(reducer, value, max_size);
  if (!checked.ok()) CHECK(checked.error().code == ErrorCode::validation_error);
  return checked.ok();
}

}  // namespace

TEST_CASE("reducers have their wire names; vendor names fold as replace, others are unknown") {
  CHECK(reducer_of("replace") == Reducer::replace);
  CHECK(reducer_of("append") == Reducer::append);
  CHECK(reducer_of("merge") == Reducer::merge);
  CHECK(reducer_of("counter") == Reducer::counter);
  CHECK(reducer_of("votes") == Reducer::votes);
  CHECK(reducer_of("feedback") == Reducer::feedback);
  CHECK(reducer_of("message") == Reducer::message);
  CHECK(reducer_of("vendor.acme.max") == Reducer::vendor);
  for (const char* name : {"", "Replace", "sum", "vendor", "append "}) CHECK_FALSE(reducer_of(name));
}

TEST_CASE("replace keeps the last write, a vendor's reducer too") {
  for (const Reducer reducer : {Reducer::replace, Reducer::vendor}) {
    CHECK(fold_writes({.reducer = reducer}, {{"1"}, {R"({"a":[1]})"}, {"null"}}) == "null");
    CHECK(fold_writes({.reducer = reducer, .ttl_ms = 1}, {{"1", 0}, {"2", 100}}) == "2");
  }
}

TEST_CASE("append and feedback add at the end, whatever the value is") {
  for (const Reducer reducer : {Reducer::append, Reducer::feedback}) {
    CHECK(fold_writes({.reducer = reducer}, {{"1"}, {R"({"a":1})"}, {"[2]"}, {"null"}}) == R"([1,{"a":1},[2],null])");
  }
}

TEST_CASE("a bounded array drops its oldest entries") {
  for (const Reducer reducer : {Reducer::append, Reducer::feedback}) {
    CHECK(fold_writes({.reducer = reducer, .max_size = 3}, number_writes(3)) == numbers(1, 3));
    CHECK(fold_writes({.reducer = reducer, .max_size = 3}, number_writes(4)) == numbers(2, 4));
    CHECK(fold_writes({.reducer = reducer, .max_size = 1}, number_writes(9)) == numbers(9, 9));
  }
  CHECK(
      fold_writes({.reducer = Reducer::votes, .max_size = 2}, {{vote("a", "x")}, {vote("b", "x")}, {vote("c", "x")}}) ==
      "[" + vote("b", "x") + "," + vote("c", "x") + "]");
}

TEST_CASE("an entry exactly as old as its time to live stays, one millisecond more and it goes") {
  const ChannelWriteRule rule{.reducer = Reducer::append, .ttl_ms = 100};
  CHECK(fold_writes(rule, {{"1", 1000}, {"2", 1100}}) == "[1,2]");
  CHECK(fold_writes(rule, {{"1", 1000}, {"2", 1101}}) == "[2]");
  CHECK(fold_writes(rule, {{"1", 0}, {"2", 50}, {"3", 120}, {"4", 151}}) == "[3,4]");
  CHECK(fold_writes({.reducer = Reducer::feedback, .ttl_ms = 100}, {{"1", 1000}, {"2", 1101}}) == "[2]");
}

TEST_CASE("an entry expires by the time of its write, whatever timestamp it claims") {
  const ChannelWriteRule rule{.reducer = Reducer::append, .ttl_ms = 100};
  CHECK(fold_writes(rule, {{R"({"timestamp":99999})", 1000}, {"2", 1101}}) == "[2]");
  CHECK(fold_writes(rule, {{R"({"timestamp":0})", 1000}, {"2", 1050}}) == R"([{"timestamp":0},2])");
  const ChannelWriteRule votes{.reducer = Reducer::votes, .ttl_ms = 100};
  CHECK(fold_writes(votes, {{vote("a", "x"), 1000}, {vote("b", "x"), 1101}}) == "[" + vote("b", "x") + "]");
}

TEST_CASE("expired entries go before the size is bounded, and times follow the entries that stay") {
  const ChannelWriteRule rule{.reducer = Reducer::append, .ttl_ms = 100, .max_size = 2};
  CHECK(fold_writes(rule, {{"1", 0}, {"2", 10}, {"3", 20}, {"4", 115}}) == "[3,4]");
  CHECK(fold_writes(rule, {{"1", 0}, {"2", 10}, {"3", 20}, {"4", 115}, {"5", 216}}) == "[5]");
  // A vote that moves to the end takes its new time with it.
  const ChannelWriteRule votes{.reducer = Reducer::votes, .ttl_ms = 100};
  const std::vector<Write> writes = {
      {vote("a", "x"), 0}, {vote("b", "x"), 50}, {vote("a", "y"), 90}, {vote("c", "x"), 151}};
  CHECK(fold_writes(votes, writes) == "[" + vote("a", "y") + "," + vote("c", "x") + "]");
}

TEST_CASE("a clock that goes back drops nothing early") {
  CHECK(fold_writes({.reducer = Reducer::append, .ttl_ms = 100}, {{"1", 1000}, {"2", 500}, {"3", 600}}) == "[1,2,3]");
}

TEST_CASE("without a time to live nothing expires") {
  CHECK(fold_writes({.reducer = Reducer::append}, {{"1", 0}, {"2", std::int64_t{1} << 50}}) == "[1,2]");
}

TEST_CASE("stamped entries carry the time of their write and expire by it") {
  const ChannelWriteRule rule{.reducer = Reducer::append, .ttl_ms = 100, .stamped = true};
  std::string value = reduce(rule, "", "\"a\"", 1000);
  CHECK(value == R"([{"value":"a","_ts":1000}])");
  value = reduce(rule, value, "\"b\"", 1100);
  CHECK(value == R"([{"value":"a","_ts":1000},{"value":"b","_ts":1100}])");
  CHECK(reduce(rule, value, "\"c\"", 1201) == R"([{"value":"c","_ts":1201}])");
}

TEST_CASE("merge overwrites members of the first level and keeps the others") {
  const ChannelWriteRule rule{.reducer = Reducer::merge};
  CHECK(json::equal(fold_writes(rule, {{R"({"a":{"x":1},"b":2})"}, {R"({"a":{"y":2},"c":null})"}}),
                    R"({"a":{"y":2},"b":2,"c":null})"));
  CHECK(fold_writes(rule, {{"{}"}}) == "{}");
  const std::string escaped = fold_writes(rule, {{R"({"a":1,"q\"":1})"}, {R"({"\u0061":2})"}});
  CHECK(json::check(escaped).ok());
  CHECK(json::equal(escaped, R"({"a":2,"q\"":1})"));
}

TEST_CASE("a counter adds integers exactly and turns to doubles where it must") {
  const ChannelWriteRule rule{.reducer = Reducer::counter};
  CHECK(fold_writes(rule, {{"1"}, {"2"}, {"-10"}}) == "-7");
  CHECK(fold_writes(rule, {{"9223372036854775806"}, {"1"}}) == "9223372036854775807");
  CHECK(json::as_number(fold_writes(rule, {{"1.5"}, {"2"}})) == 3.5);
  CHECK(json::as_number(fold_writes(rule, {{"9223372036854775807"}, {"1"}})) == 9223372036854775808.0);
  CHECK(json::as_number(fold_writes(rule, {{"-9223372036854775808"}, {"-1"}})) == -9223372036854775808.0);
  CHECK(json::as_number(fold_writes(rule, {{"18446744073709551615"}, {"0"}})) == 18446744073709551615.0);
}

TEST_CASE("a counter that leaves the range of doubles stays at its end, as valid JSON") {
  const ChannelWriteRule rule{.reducer = Reducer::counter};
  for (const char* step : {"1.7e308", "-1.7e308"}) {
    const std::string value = fold_writes(rule, {{step}, {step}, {step}});
    INFO(value);
    CHECK(json::check(value).ok());
    CHECK(json::as_number(value));
  }
}

TEST_CASE("a second vote of one user takes the first one's place, at the end") {
  const ChannelWriteRule rule{.reducer = Reducer::votes};
  CHECK(fold_writes(rule, {{vote("a", "yes")}, {vote("b", "yes")}, {vote("a", "no")}}) ==
        "[" + vote("b", "yes") + "," + vote("a", "no") + "]");
  const std::string voter = R"({"voter":"a","action":"no"})";
  CHECK(fold_writes(rule, {{vote("a", "yes")}, {voter}}) == "[" + voter + "]");
  const std::string escaped = vote("\\u0061", "no");
  CHECK(fold_writes(rule, {{vote("a", "yes")}, {escaped}}) == "[" + escaped + "]");
}

TEST_CASE("a message whose id is there already changes nothing") {
  const ChannelWriteRule rule{.reducer = Reducer::message};
  CHECK(fold_writes(rule, {{message("1", "a")}, {message("2", "b")}, {message("1", "other")}}) ==
        "[" + message("1", "a") + "," + message("2", "b") + "]");
  CHECK(fold_writes(rule, {{message("a", "x")}, {message("\\u0061", "y")}}) == "[" + message("a", "x") + "]");
}

TEST_CASE("writes of the wrong shape are refused before they become events") {
  CHECK(accepted(Reducer::merge, "{}"));
  for (const char* value : {"1", "[]", "\"a\"", "null"}) CHECK_FALSE(accepted(Reducer::merge, value));
  for (const char* value : {"1", "-1", "1.5e3"}) CHECK(accepted(Reducer::counter, value));
  for (const char* value : {"\"1\"", "null", "[1]", "true"}) CHECK_FALSE(accepted(Reducer::counter, value));
  CHECK(accepted(Reducer::message, message("1", "a")));
  for (const char* value : {"{}", R"({"messageId":1})", "\"a\"", "[]"}) CHECK_FALSE(accepted(Reducer::message, value));
  CHECK(accepted(Reducer::votes, vote("a", "yes")));
  CHECK(accepted(Reducer::votes, R"({"voter":"a"})"));
  for (const char* value : {"{}", "1", R"({"action":"yes"})"}) CHECK_FALSE(accepted(Reducer::votes, value));
  for (const Reducer reducer : {Reducer::replace, Reducer::append, Reducer::feedback, Reducer::vendor}) {
    for (const char* value : {"1", "{}", "null", "\"a\""}) CHECK(accepted(reducer, value));
  }
}

TEST_CASE("a channel that holds one value refuses one beyond its maxSize") {
  for (const Reducer reducer : {Reducer::replace, Reducer::vendor}) {
    CHECK(accepted(reducer, "\"12\"", 4));
    CHECK_FALSE(accepted(reducer, "\"123\"", 4));
  }
  CHECK_FALSE(accepted(Reducer::merge, R"({"a":1})", 3));
  CHECK(accepted(Reducer::append, "\"a long value\"", 1));
}

TEST_CASE("reducers make the best of a current value of another shape") {
  for (const char* garbage : {"1", "\"a\"", "null", "{\"a\":1}"}) {
    CHECK(reduce({.reducer = Reducer::append}, garbage, "1", 0) == "[1]");
  }
  CHECK(reduce({.reducer = Reducer::merge}, "[1]", R"({"a":1})", 0) == R"({"a":1})");
  CHECK(json::check(reduce({.reducer = Reducer::counter}, "\"a\"", "1", 0)).ok());
}
