// Interrupt tokens: a signed, stateless right to inspect or resolve one interrupt (protocol 03 §2.6). They belong to
// none of the primitives: nothing is stored for a token, and a restart invalidates none.
//
//   token = base64url(payload) "." base64url(HMAC-SHA-256(secret, payload))
//   payload = {"runId","nodeId","interruptId","expiresAt","intent","kid"}
//
// The MAC covers the exact bytes of the payload, so a re-encoded payload is a forged one. base64url has no padding and
// one spelling for each value: a token is one URL path segment, and no second text stands for the same token.
// Whether the interrupt is still pending is the caller's to check; a token says nothing about that.
//
// Thread-safety: InterruptTokens is immutable after construction and may be shared.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/hash.h"
#include "openwop/ids.h"
#include "openwop/json.h"
#include "openwop/time.h"

namespace openwop {

inline constexpr std::int64_t kInterruptTokenTtlMs = std::int64_t{30} * 60 * 1000;
inline constexpr std::size_t kMaxInterruptTokenBytes = 4096;

enum class TokenIntent : std::uint8_t { resolve, inspect };

struct InterruptClaims {
  RunId run_id;
  std::string node_id;
  std::string interrupt_id;
  std::int64_t expires_ms = 0;
  TokenIntent intent = TokenIntent::resolve;
};

/// One secret of a rotation. `id` travels in the token, the secret never does.
struct TokenKey {
  std::string id;
  std::string secret;
};

namespace detail {

inline constexpr std::string_view kBase64UrlDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

inline std::string base64url(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 4 / 3 + 3);
  std::uint32_t buffer = 0;
  int bits = 0;
  for (const char c : bytes) {
    buffer = (buffer << 8) | static_cast<unsigned char>(c);
    bits += 8;
    for (; bits >= 6; bits -= 6) out += kBase64UrlDigits[(buffer >> (bits - 6)) & 63U];
  }
  if (bits > 0) out += kBase64UrlDigits[(buffer << (6 - bits)) & 63U];
  return out;
}

/// Nothing unless `text` is exactly what base64url() writes for some bytes.
inline std::optional<std::string> from_base64url(std::string_view text) {
  std::string out;
  std::uint32_t buffer = 0;
  int bits = 0;
  for (const char c : text) {
    const auto digit = kBase64UrlDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    buffer = (buffer << 6) | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>((buffer >> bits) & 0xFFU);
    }
  }
  if (base64url(out) != text) return std::nullopt;
  return out;
}

}  // namespace detail

class InterruptTokens {
 public:
  /// The first key signs; all of them verify, so that tokens outlive a rotation.
  explicit InterruptTokens(std::vector<TokenKey> keys) : keys_(std::move(keys)) { assert(!keys_.empty()); }

  [[nodiscard]] std::string mint(const InterruptClaims& claims) const {
    std::string payload;
    json::ObjectWriter(payload)
        .string("runId", claims.run_id.text())
        .string("nodeId", claims.node_id)
        .string("interruptId", claims.interrupt_id)
        .string("expiresAt", format_rfc3339(claims.expires_ms))
        .string("intent", claims.intent == TokenIntent::resolve ? "resolve" : "inspect")
        .string("kid", keys_.front().id);
    return detail::base64url(payload) + "." + detail::base64url(mac_of(keys_.front(), payload));
  }

  /// The claims of a token that this host signed. Errors: interrupt_not_found for anything malformed, forged or signed
  /// with a key that is gone (one answer for all: a forger learns nothing); interrupt_expired past its expiry.
  [[nodiscard]] Result<InterruptClaims> verify(std::string_view token, std::int64_t now_ms) const {
    const Error unknown{ErrorCode::interrupt_not_found, "no interrupt belongs to this token"};
    const std::size_t dot = token.find('.');
    if (token.size() > kMaxInterruptTokenBytes || dot == std::string_view::npos) return unknown;
    const auto payload = detail::from_base64url(token.substr(0, dot));
    const auto mac = detail::from_base64url(token.substr(dot + 1));
    // The MAC first: nothing of the payload is looked at before it is known to be ours.
    if (!payload || !mac || !signed_by_us(*payload, *mac)) return unknown;
    auto claims = read_claims(*payload);
    if (!claims) return unknown;
    if (claims->expires_ms <= now_ms) return Error{ErrorCode::interrupt_expired, "the token has expired"};
    return std::move(*claims);
  }

 private:
  static std::string mac_of(const TokenKey& key, std::string_view payload) {
    const Sha256 mac = hmac_sha256(key.secret, payload);
    return {reinterpret_cast<const char*>(mac.data()), mac.size()};
  }

  /// Tries every key, so that the time taken does not tell which one matched.
  [[nodiscard]] bool signed_by_us(std::string_view payload, std::string_view mac) const {
    bool matched = false;
    for (const TokenKey& key : keys_) matched = equal_constant_time(mac_of(key, payload), mac) || matched;
    return matched;
  }

  static std::optional<InterruptClaims> read_claims(std::string_view payload) {
    const auto text = [&](std::string_view name) {
      const auto raw = json::member(payload, name);
      return raw ? json::as_string(*raw) : std::nullopt;
    };
    const auto run = text("runId");
    const auto node = text("nodeId");
    const auto interrupt = text("interruptId");
    const auto expires = text("expiresAt");
    const auto intent = text("intent");
    if (!run || !node || !interrupt || !expires || (intent != "resolve" && intent != "inspect")) return std::nullopt;
    const auto run_id = RunId::parse(*run);
    const auto expires_ms = parse_rfc3339(*expires);
    if (!run_id || !expires_ms) return std::nullopt;
    return InterruptClaims{*run_id, *node, *interrupt, *expires_ms,
                           *intent == "resolve" ? TokenIntent::resolve : TokenIntent::inspect};
  }

  std::vector<TokenKey> keys_;
};

}  // namespace openwop
