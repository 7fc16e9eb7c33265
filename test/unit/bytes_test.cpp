#include "openwop/bytes.h"

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "support/catch.h"

using namespace openwop;

namespace {

const std::vector<std::uint64_t>& edge_numbers() {
  static const std::vector<std::uint64_t> numbers = [] {
    std::vector<std::uint64_t> all = {0, 1, std::numeric_limits<std::uint64_t>::max()};
    for (unsigned shift = 1; shift < 64; ++shift) {
      const std::uint64_t power = std::uint64_t{1} << shift;
      all.insert(all.end(), {power - 1, power, power + 1});
    }
    return all;
  }();
  return numbers;
}

std::string varint(std::uint64_t value) {
  std::string out;
  bytes::put_varint(out, value);
  return out;
}

std::string u64(std::uint64_t value) {
  std::string out;
  bytes::put_u64(out, value);
  return out;
}

}  // namespace

TEST_CASE("codecs write golden bytes") {
  CHECK(u64(0x0102030405060708) == std::string("\x01\x02\x03\x04\x05\x06\x07\x08", 8));
  CHECK(varint(0) == std::string(1, '\0'));
  CHECK(varint(127) == "\x7F");
  CHECK(varint(128) == "\x80\x01");
  CHECK(varint(300) == "\xAC\x02");
  CHECK(varint(std::numeric_limits<std::uint64_t>::max()) == "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01");
  std::string text;
  bytes::put_string(text, "abc");
  CHECK(text ==
        "\x03"
        "abc");
}

TEST_CASE("numbers survive the way through their bytes") {
  for (const std::uint64_t value : edge_numbers()) {
    const std::string short_form = varint(value);
    bytes::Reader varints(short_form);
    CHECK(varints.varint() == value);
    CHECK((varints.ok() && varints.at_end()));
    const std::string long_form = u64(value);
    bytes::Reader fixed(long_form);
    CHECK(fixed.u64() == value);
    CHECK((fixed.ok() && fixed.at_end()));
    const auto as_signed = static_cast<std::int64_t>(value);
    CHECK(bytes::unzigzag(bytes::zigzag(as_signed)) == as_signed);
  }
}

TEST_CASE("big-endian numbers order as their bytes do") {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t a = random() >> (random() % 64);
    const std::uint64_t b = random() >> (random() % 64);
    REQUIRE((a < b) == (u64(a) < u64(b)));
  }
}

TEST_CASE("zigzag keeps numbers near zero short") {
  CHECK(bytes::zigzag(0) == 0);
  CHECK(bytes::zigzag(-1) == 1);
  CHECK(bytes::zigzag(1) == 2);
  CHECK(bytes::zigzag(-64) == 127);
  CHECK(bytes::zigzag(std::numeric_limits<std::int64_t>::max()) == std::numeric_limits<std::uint64_t>::max() - 1);
  CHECK(bytes::zigzag(std::numeric_limits<std::int64_t>::min()) == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("every cut of a valid buffer fails cleanly") {
  std::string whole;
  whole += '\x07';
  bytes::put_u64(whole, 1'000'000);
  bytes::put_varint(whole, 1'000'000);
  bytes::put_string(whole, "some text");
  bytes::put_varint(whole, std::numeric_limits<std::uint64_t>::max());
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    // A copy of exactly this size, so that a sanitizer sees a read past its end.
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    bytes::Reader reader(std::string_view(cut.data(), cut.size()));
    reader.u8();
    reader.u64();
    reader.varint();
    const std::string_view text = reader.string();
    const std::uint64_t last = reader.varint();
    INFO(size);
    CHECK(reader.ok() == (size == whole.size()));
    if (!reader.ok()) CHECK(last == 0);
    if (size < 13) CHECK(text.empty());
  }
}

TEST_CASE("after the first failure every read gives nothing") {
  bytes::Reader reader(
      "\x05"
      "ab");
  CHECK(reader.string().empty());
  CHECK_FALSE(reader.ok());
  CHECK(reader.u8() == 0);
  CHECK(reader.u64() == 0);
  CHECK(reader.varint() == 0);
  CHECK(reader.take(0).empty());
  CHECK(reader.rest().empty());
  CHECK_FALSE(reader.ok());
}

TEST_CASE("a length beyond the buffer, however large, is refused") {
  for (const std::uint64_t size : edge_numbers()) {
    if (size <= 3) continue;
    const std::string buffer = varint(size) + "abc";
    bytes::Reader reader(buffer);
    INFO(size);
    CHECK(reader.string().empty());
    CHECK_FALSE(reader.ok());
  }
}

TEST_CASE("a varint of more than 64 bits is refused") {
  for (const std::string& buffer :
       {std::string(10, '\xFF'), std::string(9, '\xFF') + '\x02', std::string(9, '\x80') + '\x7F',
        std::string(10, '\x80') + '\x01', std::string(20, '\x80')}) {
    bytes::Reader reader(buffer);
    CHECK(reader.varint() == 0);
    CHECK_FALSE(reader.ok());
  }
}

TEST_CASE("a reader that is told to reject what it read has failed") {
  bytes::Reader reader("abc");
  CHECK(reader.u8() == 'a');
  reader.reject();
  CHECK_FALSE(reader.ok());
  CHECK(reader.u8() == 0);
}

TEST_CASE("no random buffer makes a reader run past its end") {
  std::mt19937 random(2);
  for (int i = 0; i < 5000; ++i) {
    std::vector<char> buffer(random() % 40);
    for (char& c : buffer) c = static_cast<char>(random());
    bytes::Reader reader(std::string_view(buffer.data(), buffer.size()));
    while (reader.ok() && !reader.at_end()) {
      switch (random() % 4) {
        case 0: reader.u8(); break;
        case 1: reader.u64(); break;
        case 2: reader.varint(); break;
        default: reader.string(); break;
      }
    }
    REQUIRE(reader.at_end());
  }
}
