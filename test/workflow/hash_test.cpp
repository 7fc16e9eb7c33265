#include "openwop/hash.h"

#include <string>

#include "support/catch.h"

namespace openwop::test {
namespace {

TEST_CASE("SHA-256 gives the digests of FIPS 180-4") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK(sha256("abc")[0] == 0xba);
}

TEST_CASE("HMAC-SHA-256 gives the codes of RFC 4231") {
  const auto same_as_hex = [](const Sha256& code, std::string_view hex) {
    std::string text;
    for (const std::uint8_t byte : code) {
      text += "0123456789abcdef"[byte >> 4U];
      text += "0123456789abcdef"[byte & 15U];
    }
    return text == hex;
  };
  CHECK(same_as_hex(hmac_sha256("Jefe", "what do ya want for nothing?"),
                    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
  CHECK(same_as_hex(hmac_sha256(std::string(20, '\x0b'), "Hi There"),
                    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
  CHECK(same_as_hex(hmac_sha256("", ""), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
}

TEST_CASE("comparison in constant time is comparison") {
  CHECK(equal_constant_time("", ""));
  CHECK(equal_constant_time("abc", "abc"));
  CHECK_FALSE(equal_constant_time("abc", "abd"));
  CHECK_FALSE(equal_constant_time("abc", "ab"));
  CHECK(equal_constant_time(sha256("a"), sha256("a")));
  CHECK_FALSE(equal_constant_time(sha256("a"), sha256("b")));
}

}  // namespace
}  // namespace openwop::test
