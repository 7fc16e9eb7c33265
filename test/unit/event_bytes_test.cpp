// The stored format, frozen. A change that fails here breaks data folders of older builds: add a format version.
#include <limits>
#include <string>
#include <vector>

#include "openwop/log.h"
#include "support/catch.h"

using namespace openwop;

namespace {

std::string hex(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kHex[static_cast<unsigned char>(c) >> 4U];
    out += kHex[static_cast<unsigned char>(c) & 15U];
  }
  return out;
}

}  // namespace

TEST_CASE("the bytes of a batch are frozen") {
  const std::vector<Event> events = {
      {.type = EventType::run_started, .time_ms = 1'700'000'000'000, .payload = R"({"workflowId":"w"})"},
      {.type = EventType::node_started, .time_ms = 1'700'000'000'001, .node_id = "a", .payload = "{}"},
      {.type = EventType::variable_changed, .time_ms = 1'700'000'000'000, .payload = "{}", .hidden = R"({"next":1})"},
      {.type = EventType::conversation_closed, .time_ms = 1'700'000'000'300, .caused_by = 300, .schema_version = 2},
      {.type = EventType::unknown, .time_ms = 0, .payload = "null", .unknown_name = "x.y"},
  };
  const std::string expected =
      "01"  // format
      "05"  // events
      "07"  // engine version
      // code + 1, flags, zigzag of the time's difference, then what the flags say, payload, hidden
      "01"
      "00"
      "80a0abfef962"
      "12"
      "7b22776f726b666c6f774964223a2277227d"
      "09"
      "01"
      "02"
      "01"
      "61"
      "02"
      "7b7d"
      "1b"
      "02"
      "01"
      "02"
      "7b7d"
      "0a"
      "7b226e657874223a317d"
      "2f"
      "0c"
      "d804"
      "ac02"
      "02"
      "02"
      "7b7d"
      "00"
      "03"
      "782e79"
      "00"
      "d7a4abfef962"
      "04"
      "6e756c6c";
  CHECK(hex(Log::encode_batch(events, 7)) == expected);
}

TEST_CASE("the bytes of a log head are frozen") {
  const LogHead head{.next_sequence = 258, .epoch = 3, .sealed = true, .summary = "{}"};
  CHECK(hex(head.encode()) ==
        "01"
        "0000000000000102"
        "0000000000000003"
        "01"
        "7b7d");
  CHECK(hex(LogHead{}.encode()) ==
        "01"
        "0000000000000000"
        "0000000000000000"
        "00");
}

TEST_CASE("the keys of a log are frozen and one run's rows are one range") {
  const Id run = Id::from_bytes("0123456789abcdef");
  const std::string prefix = "4c30313233343536373839616263646566";
  CHECK(hex(Log::run_prefix(run)) == prefix);
  CHECK(hex(Log::header_key(run)) == prefix + "00");
  CHECK(hex(Log::head_key(run)) == prefix + "01");
  CHECK(hex(Log::batch_key(run, 0x0102)) == prefix +
                                                "02"
                                                "0000000000000102");
}

TEST_CASE("a log head survives the way through its bytes") {
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()}) {
    for (const std::string& summary : {std::string(), std::string("{}"), std::string("\0\xFF", 2)}) {
      const LogHead head{.next_sequence = number, .epoch = number / 2, .sealed = number == 1, .summary = summary};
      const auto decoded = LogHead::decode(head.encode());
      REQUIRE(decoded.ok());
      CHECK(decoded->next_sequence == head.next_sequence);
      CHECK(decoded->epoch == head.epoch);
      CHECK(decoded->sealed == head.sealed);
      CHECK(decoded->summary == head.summary);
    }
  }
}

TEST_CASE("a log head that is cut short or of no known format is refused") {
  const std::string whole = LogHead{.next_sequence = 9}.encode();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto decoded = LogHead::decode(whole.substr(0, size));
    REQUIRE_FALSE(decoded.ok());
    CHECK(decoded.error().code == ErrorCode::store_corrupt);
  }
  CHECK(LogHead::decode('\0' + whole.substr(1)).error().code == ErrorCode::store_corrupt);
  CHECK(LogHead::decode('\2' + whole.substr(1)).error().code == ErrorCode::store_version_unsupported);
  CHECK(LogHead::decode("\x02short").error().code == ErrorCode::store_version_unsupported);
}
