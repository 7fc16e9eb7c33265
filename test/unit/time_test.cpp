#include "openwop/time.h"

#include <limits>
#include <random>
#include <string>

#include "openwop/clock.h"
#include "support/catch.h"

using namespace openwop;

TEST_CASE("golden times are written and read") {
  struct Row {
    std::int64_t ms;
    const char* text;
  };
  // From `date -u -d @SECONDS`.
  const Row rows[] = {
      {0, "1970-01-01T00:00:00.000Z"},
      {-1, "1969-12-31T23:59:59.999Z"},
      {1'700'000'000'123, "2023-11-14T22:13:20.123Z"},
      {951'782'400'000, "2000-02-29T00:00:00.000Z"},
      {1'709'164'800'000, "2024-02-29T00:00:00.000Z"},
      {4'107'542'399'999, "2100-02-28T23:59:59.999Z"},
      {4'107'542'400'000, "2100-03-01T00:00:00.000Z"},
      {-62'167'219'200'000, "0000-01-01T00:00:00.000Z"},
      {253'402'300'799'999, "9999-12-31T23:59:59.999Z"},
  };
  for (const Row& row : rows) {
    CHECK(format_rfc3339(row.ms) == row.text);
    CHECK(parse_rfc3339(row.text) == row.ms);
  }
}

TEST_CASE("times outside the years 0 to 9999 are written as the nearest end") {
  CHECK(format_rfc3339(std::numeric_limits<std::int64_t>::max()) == "9999-12-31T23:59:59.999Z");
  CHECK(format_rfc3339(253'402'300'800'000) == "9999-12-31T23:59:59.999Z");
  CHECK(format_rfc3339(std::numeric_limits<std::int64_t>::min()) == "0000-01-01T00:00:00.000Z");
  CHECK(format_rfc3339(-62'167'219'200'001) == "0000-01-01T00:00:00.000Z");
}

TEST_CASE("every time in range survives the way through its text") {
  std::mt19937_64 random(1);
  std::uniform_int_distribution<std::int64_t> any(-62'167'219'200'000, 253'402'300'799'999);
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t ms = any(random);
    REQUIRE(parse_rfc3339(format_rfc3339(ms)) == ms);
  }
}

TEST_CASE("texts order as their times do") {
  std::mt19937_64 random(2);
  std::uniform_int_distribution<std::int64_t> any(-62'167'219'200'000, 253'402'300'799'999);
  for (int i = 0; i < 2'000; ++i) {
    const std::int64_t a = any(random);
    const std::int64_t b = any(random);
    REQUIRE((a < b) == (format_rfc3339(a) < format_rfc3339(b)));
  }
}

TEST_CASE("fractions, offsets, lower case and leap seconds are read") {
  const std::int64_t base = 1'700'000'000'000;
  CHECK(parse_rfc3339("2023-11-14T22:13:20Z") == base);
  CHECK(parse_rfc3339("2023-11-14t22:13:20z") == base);
  CHECK(parse_rfc3339("2023-11-14T22:13:20.5Z") == base + 500);
  CHECK(parse_rfc3339("2023-11-14T22:13:20.05Z") == base + 50);
  CHECK(parse_rfc3339("2023-11-14T22:13:20.123999999999999999999Z") == base + 123);
  CHECK(parse_rfc3339("2023-11-14T23:13:20+01:00") == base);
  CHECK(parse_rfc3339("2023-11-14T16:43:20.000-05:30") == base);
  CHECK(parse_rfc3339("2023-11-15T22:12:20+23:59") == base);
  CHECK(parse_rfc3339("2023-11-14T22:13:20-00:00") == base);
  CHECK(parse_rfc3339("2016-12-31T23:59:60Z") == parse_rfc3339("2016-12-31T23:59:59Z"));
}

TEST_CASE("leap years follow the calendar") {
  for (const char* year : {"2000", "2004", "2024", "2400", "0000"}) {
    CHECK(parse_rfc3339(std::string(year) + "-02-29T00:00:00Z"));
  }
  for (const char* year : {"1900", "2100", "2023", "0100"}) {
    CHECK_FALSE(parse_rfc3339(std::string(year) + "-02-29T00:00:00Z"));
  }
}

TEST_CASE("what is not a date-time is refused") {
  for (const char* text : {"",
                           "2023",
                           "2023-11-14",
                           "2023-11-14T22:13:20",
                           "2023-11-14 22:13:20Z",
                           "2023-11-14T22:13Z",
                           "2023-13-14T22:13:20Z",
                           "2023-00-14T22:13:20Z",
                           "2023-11-31T22:13:20Z",
                           "2023-11-00T22:13:20Z",
                           "2023-11-14T24:00:00Z",
                           "2023-11-14T22:60:20Z",
                           "2023-11-14T22:13:61Z",
                           "2023-11-14T22:13:20.Z",
                           "2023-11-14T22:13:20,5Z",
                           "2023-11-14T22:13:20+1:00",
                           "2023-11-14T22:13:20+0100",
                           "2023-11-14T22:13:20+24:00",
                           "2023-11-14T22:13:20+01:60",
                           "2023-11-14T22:13:20+01",
                           "2023-11-14T22:13:20ZZ",
                           "2023-11-14T22:13:20Z ",
                           " 2023-11-14T22:13:20Z",
                           "+023-11-14T22:13:20Z",
                           "-023-11-14T22:13:20Z",
                           "2023-1a-14T22:13:20Z",
                           "20231114T221320Z",
                           "12023-11-14T22:13:20Z",
                           "2023-11-14T22:13:20.1.2Z",
                           "2023-11-14T-1:13:20Z"}) {
    INFO(text);
    CHECK_FALSE(parse_rfc3339(text));
  }
}

TEST_CASE("no cut of a date-time but the whole is one") {
  const std::string text = "2023-11-14T22:13:20.123+01:30";
  for (std::size_t size = 0; size < text.size(); ++size) {
    INFO(size);
    CHECK_FALSE(parse_rfc3339(text.substr(0, size)));
  }
  CHECK(parse_rfc3339(text));
}

TEST_CASE("a manual clock stands still until it is told otherwise") {
  ManualClock clock(100);
  CHECK(clock.now_ms() == 100);
  clock.advance(5);
  CHECK(clock.now_ms() == 105);
  clock.advance(-10);
  CHECK(clock.now_ms() == 95);
  clock.set(7);
  CHECK(clock.now_ms() == 7);
}
