// Interrupt tokens: nothing is taken but what a key of ours made, to the byte. An input is a token, in which
// `{resolve}`,
// `{inspect}`, `{old}` (signed by the key before), `{expired}` and `{foreign}` (signed by somebody else) stand for one
// that has been made, and `{payload}`, `{mac}` for the halves of the first. It is also tried as a payload.
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/fuzz.h"
#include "openwop/interrupt_token.h"

using namespace openwop;
using openwop::fuzz::expect;

namespace {

constexpr std::int64_t kNowMs = 1'700'000'000'000;
const TokenKey kNewKey{"k2", "the secret that signs now"};
const TokenKey kOldKey{"k1", "the secret that signed before"};
const TokenKey kForeignKey{"k2", "a secret of somebody else"};

struct Keys {
  InterruptTokens ours{{kNewKey, kOldKey}};
  InterruptTokens before{{kOldKey}};
  InterruptTokens foreign{{kForeignKey}};
  std::vector<std::pair<std::string, std::string>> made;

  Keys() {
    InterruptClaims claims{.run_id = RunId::from_bytes("0123456789abcdef"),
                           .node_id = "gate \"7\"",
                           .interrupt_id = "int-1",
                           .expires_ms = kNowMs + 60'000};
    const std::string resolve = ours.mint(claims);
    made = {{"{resolve}", resolve},
            {"{old}", before.mint(claims)},
            {"{foreign}", foreign.mint(claims)},
            {"{payload}", resolve.substr(0, resolve.find('.'))},
            {"{mac}", resolve.substr(resolve.find('.') + 1)}};
    claims.intent = TokenIntent::inspect;
    made.emplace_back("{inspect}", ours.mint(claims));
    claims.expires_ms = kNowMs - 1;
    made.emplace_back("{expired}", ours.mint(claims));
  }
};

const Keys& keys() {
  static const Keys kMade;
  return kMade;
}

std::string with_made_tokens(std::string text) {
  for (const auto& [name, token] : keys().made) {
    const auto at = text.find(name);
    if (at != std::string::npos) text.replace(at, name.size(), token);
  }
  return text;
}

std::string mac_of(const TokenKey& key, std::string_view payload) {
  const Sha256 mac = hmac_sha256(key.secret, payload);
  return {reinterpret_cast<const char*>(mac.data()), mac.size()};  // NOLINT(*-reinterpret-cast)
}

std::string signed_by(const TokenKey& key, std::string_view payload) {
  return detail::base64url(payload) + "." + detail::base64url(mac_of(key, payload));
}

void check_token(const std::string& token) {
  const auto claims = keys().ours.verify(token, kNowMs);
  if (!claims) {
    const ErrorCode code = claims.error().code;
    expect(code == ErrorCode::interrupt_not_found || code == ErrorCode::interrupt_expired, "one of two answers", token);
    // Whoever learns that a token has expired has had a real one.
    if (code == ErrorCode::interrupt_not_found) return;
    expect(keys().ours.verify(token, kNowMs - 3'600'000).ok(), "an expired token was good before", token);
    return;
  }
  expect(claims->expires_ms > kNowMs, "a token that is taken has not expired", token);
  expect(token == keys().ours.mint(*claims) || token == keys().before.mint(*claims),
         "nothing is taken but what we made", token);
  expect(!keys().foreign.verify(token, kNowMs).ok(), "what is ours is nobody else's", token);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(fuzz::text_of(data, size));
  check_token(with_made_tokens(input));
  expect(detail::from_base64url(detail::base64url(input)) == input, "base64url reads what it writes", input);
  if (const auto bytes = detail::from_base64url(input)) {
    expect(detail::base64url(*bytes) == input, "bytes have one spelling", input);
  }
  expect(!keys().ours.verify(signed_by(kForeignKey, input), kNowMs).ok(), "a foreign signature is worth nothing",
         input);
  // Our signature under a payload that mint() would not write: read without harm.
  static_cast<void>(keys().ours.verify(signed_by(kNewKey, input), kNowMs));
  return 0;
}
