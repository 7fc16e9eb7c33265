#include "openwop/interrupt_token.h"

#include "support/catch.h"

using namespace openwop;

namespace {

using Keys = std::vector<TokenKey>;

constexpr std::int64_t kNowMs = 1'700'000'000'000;

InterruptClaims claims() {
  RandomIdSource ids(1);
  return {ids.next(kNowMs), "gate", "int-1", kNowMs + kInterruptTokenTtlMs, TokenIntent::resolve};
}

ErrorCode refusal(const InterruptTokens& tokens, std::string_view token, std::int64_t now_ms = kNowMs) {
  auto verified = tokens.verify(token, now_ms);
  REQUIRE_FALSE(verified.ok());
  return verified.error().code;
}

}  // namespace

TEST_CASE("a minted token verifies and gives its claims back") {
  const InterruptTokens tokens(Keys{{"k1", "secret"}});
  for (const TokenIntent intent : {TokenIntent::resolve, TokenIntent::inspect}) {
    InterruptClaims wanted = claims();
    wanted.intent = intent;
    wanted.node_id = "a \"quoted\" node / ü";
    const std::string token = tokens.mint(wanted);
    CHECK(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
          std::string::npos);
    const auto got = tokens.verify(token, kNowMs);
    REQUIRE(got.ok());
    CHECK(got->run_id == wanted.run_id);
    CHECK(got->node_id == wanted.node_id);
    CHECK(got->interrupt_id == wanted.interrupt_id);
    CHECK(got->expires_ms == wanted.expires_ms);
    CHECK(got->intent == wanted.intent);
  }
}

TEST_CASE("a token expires at its time, not before") {
  const InterruptTokens tokens(Keys{{"k1", "secret"}});
  const std::string token = tokens.mint(claims());
  CHECK(tokens.verify(token, kNowMs + kInterruptTokenTtlMs - 1).ok());
  CHECK(refusal(tokens, token, kNowMs + kInterruptTokenTtlMs) == ErrorCode::interrupt_expired);
}

TEST_CASE("a changed byte anywhere, a cut or a longer token is refused like an unknown one") {
  const InterruptTokens tokens(Keys{{"k1", "secret"}});
  const std::string token = tokens.mint(claims());
  for (std::size_t i = 0; i < token.size(); ++i) {
    for (const char other : {'A', 'b', '_', '.', '=', '\0'}) {
      if (token[i] == other) continue;
      std::string forged = token;
      forged[i] = other;
      CHECK(refusal(tokens, forged) == ErrorCode::interrupt_not_found);
    }
    CHECK(refusal(tokens, token.substr(0, i)) == ErrorCode::interrupt_not_found);
  }
  for (const char* tail : {"A", "=", "==", "."}) CHECK(refusal(tokens, token + tail) == ErrorCode::interrupt_not_found);
  CHECK(refusal(tokens, std::string(kMaxInterruptTokenBytes + 1, 'A')) == ErrorCode::interrupt_not_found);
  CHECK(refusal(tokens, "") == ErrorCode::interrupt_not_found);
}

TEST_CASE("a payload written again with the same meaning does not pass with the old signature") {
  const InterruptTokens tokens(Keys{{"k1", "secret"}});
  const std::string token = tokens.mint(claims());
  const std::size_t dot = token.find('.');
  const std::string payload = *detail::from_base64url(token.substr(0, dot));
  const std::string spaced = detail::base64url(" " + payload) + token.substr(dot);
  CHECK(refusal(tokens, spaced) == ErrorCode::interrupt_not_found);
}

TEST_CASE("a rotated key still verifies, a removed or foreign one does not") {
  const InterruptTokens before(Keys{{"k1", "old"}});
  const InterruptTokens during(Keys{{"k2", "new"}, {"k1", "old"}});
  const InterruptTokens after(Keys{{"k2", "new"}});
  const std::string old_token = before.mint(claims());
  CHECK(during.verify(old_token, kNowMs).ok());
  CHECK(refusal(after, old_token) == ErrorCode::interrupt_not_found);
  CHECK(after.verify(during.mint(claims()), kNowMs).ok());
}

TEST_CASE("base64url has one spelling for each value") {
  std::string bytes;
  for (int length = 0; length < 70; ++length) {
    CHECK(detail::from_base64url(detail::base64url(bytes)) == bytes);
    bytes += static_cast<char>(length * 37);
  }
  for (const char* odd : {"A", "AB", "AAB", "====", "AA==", "A A", "é"}) {
    const auto decoded = detail::from_base64url(odd);
    CHECK((!decoded || detail::base64url(*decoded) == odd));
  }
  CHECK_FALSE(detail::from_base64url("AB"));
}
