// What secrets look like (protocol 02 §11.5): prefixes of providers' keys, JSON web tokens, bearer tokens, key blocks
// in PEM, passwords in URLs. One pass over a text finds them; each byte is looked at a bounded number of times.
//
// Shapes ask for a minimum of random-looking characters behind their prefix, so that words such as `sk-learn` or
// `secret_name` stay as they are.
//
// Thread-safety: free functions without state.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace openwop::detail {

enum CharClass : std::uint8_t {
  kUpper = 1,
  kLower = 2,
  kDigit = 4,
  kDash = 8,
  kUnderscore = 16,
  kDot = 32,
  kToken68 = 64
};

constexpr std::uint8_t char_class(char c) {
  if (c >= 'A' && c <= 'Z') return kUpper;
  if (c >= 'a' && c <= 'z') return kLower;
  if (c >= '0' && c <= '9') return kDigit;
  if (c == '-') return kDash;
  if (c == '_') return kUnderscore;
  if (c == '.') return kDot;
  return c == '~' || c == '+' || c == '/' || c == '=' ? kToken68 : 0;
}
constexpr std::uint8_t kAlnum = kUpper | kLower | kDigit;
constexpr std::uint8_t kBase64Url = kAlnum | kDash | kUnderscore;
constexpr std::uint8_t kBearerToken = kBase64Url | kDot | kToken68;
constexpr bool is_in(char c, std::uint8_t set) { return (char_class(c) & set) != 0; }

/// A prefix and the run of characters behind it.
struct SecretShape {
  std::string_view prefix;
  std::uint8_t set = kBase64Url;
  /// Length of a run that holds a digit or a capital, and of any run.
  std::size_t min_mixed = 8;
  std::size_t min_any = 16;
  /// `_` and `-` before the prefix make it the end of a longer word.
  bool whole_word = false;
};

inline constexpr std::array kSecretShapes = {
    SecretShape{"AIza", kBase64Url, 16, 16},
    SecretShape{"AKIA", kUpper | kDigit, 12, 12},
    SecretShape{"ASIA", kUpper | kDigit, 12, 12},
    SecretShape{"SG.", kBase64Url | kDot, 20, 40},
    SecretShape{"cred_", kBase64Url, 8, 16, true},
    SecretShape{"github_pat_", kAlnum | kUnderscore, 8, 16},
    SecretShape{"ghp_", kAlnum | kUnderscore, 8, 16},
    SecretShape{"gho_", kAlnum | kUnderscore, 8, 16},
    SecretShape{"ghu_", kAlnum | kUnderscore, 8, 16},
    SecretShape{"ghs_", kAlnum | kUnderscore, 8, 16},
    SecretShape{"ghr_", kAlnum | kUnderscore, 8, 16},
    SecretShape{"glpat-", kBase64Url, 12, 16},
    SecretShape{"hf_", kAlnum, 20, 30},
    SecretShape{"npm_", kAlnum, 20, 30},
    SecretShape{"rk_live_", kAlnum | kUnderscore, 8, 16},
    SecretShape{"secret_", kBase64Url, 8, 16, true},
    SecretShape{"sk-", kBase64Url, 8, 16},
    SecretShape{"sk_live_", kAlnum | kUnderscore, 8, 16},
    SecretShape{"sk_test_", kAlnum | kUnderscore, 8, 16},
    SecretShape{"whsec_", kBase64Url | kToken68, 8, 16},
    SecretShape{"xapp-", kBase64Url, 8, 16},
    SecretShape{"xoxa-", kBase64Url, 8, 16},
    SecretShape{"xoxb-", kBase64Url, 8, 16},
    SecretShape{"xoxp-", kBase64Url, 8, 16},
    SecretShape{"xoxr-", kBase64Url, 8, 16},
    SecretShape{"xoxs-", kBase64Url, 8, 16},
    SecretShape{"ya29.", kBase64Url, 12, 16},
};

/// The first two characters of everything that is looked for, as a set: nearly every position of a text is settled by
/// one look at it.
class FirstPairs {
 public:
  constexpr FirstPairs() {
    for (const SecretShape& shape : kSecretShapes) add(shape.prefix[0], shape.prefix[1]);
    for (const char first : {'b', 'B'}) {
      for (const char second : {'e', 'E'}) add(first, second);
    }
    add('e', 'y');
    add('-', '-');
    add(':', '/');
  }
  [[nodiscard]] constexpr bool contains(char first, char second) const {
    const std::size_t at = index(first, second);
    return at < kPairs && (bits_[at / 64] >> (at % 64) & 1U) != 0;
  }

 private:
  static constexpr std::size_t kPairs = std::size_t{128} * 128;
  static constexpr std::size_t index(char first, char second) {
    const auto a = static_cast<unsigned char>(first);
    const auto b = static_cast<unsigned char>(second);
    return a < 128 && b < 128 ? std::size_t{a} * 128 + b : kPairs;
  }
  constexpr void add(char first, char second) {
    const std::size_t at = index(first, second);
    bits_[at / 64] |= std::uint64_t{1} << (at % 64);
  }
  std::array<std::uint64_t, kPairs / 64> bits_{};
};
inline constexpr FirstPairs kFirstPairs;

/// A secret found in a text. [begin, end) goes; [begin, secret) is the well-known part of it.
struct SecretHit {
  enum class Kind : std::uint8_t { none, run, jwt, bearer, pem, password };
  Kind kind = Kind::none;
  std::size_t begin = 0;
  std::size_t secret = 0;
  std::size_t end = 0;
  /// The text ends before it is decided what this is, or how long.
  bool open = false;
};

/// Finds secrets from left to right. `more`: the text may go on, so what reaches its end is reported as open.
class SecretScanner {
 public:
  SecretScanner(std::string_view text, bool more) : text_(text), more_(more) {}

  /// The first hit at or after `from`; Kind::none when there is no further one. Calls go from left to right.
  SecretHit next(std::size_t from) {
    for (std::size_t at = from; at + 1 < text_.size(); ++at) {
      if (!kFirstPairs.contains(text_[at], text_[at + 1])) continue;
      const SecretHit hit = at_position(at);
      if (hit.kind != SecretHit::Kind::none) return hit;
    }
    return {};
  }

 private:
  [[nodiscard]] SecretHit at_position(std::size_t at) {
    const char c = text_[at];
    if (c == '-') return key_block(at);
    if (c == ':') return password_in_url(at);
    if (!at_word_start(at, kAlnum)) return {};
    if (c == 'e') return json_web_token(at);
    if (c == 'b' || c == 'B') return bearer(at);
    for (const SecretShape& shape : kSecretShapes) {
      if (shape.prefix[0] == c && text_.substr(at).starts_with(shape.prefix)) return prefixed_run(at, shape);
    }
    return {};
  }

  // Percent-encoding before a secret (`%20sk-…`) is no part of a word.
  [[nodiscard]] bool at_word_start(std::size_t at, std::uint8_t word) const {
    if (at == 0 || !is_in(text_[at - 1], word)) return true;
    const auto is_hex = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
    };
    return at >= 3 && text_[at - 3] == '%' && is_hex(text_[at - 2]) && is_hex(text_[at - 1]);
  }

  [[nodiscard]] std::size_t run_end(std::size_t at, std::uint8_t set) const {
    while (at < text_.size() && is_in(text_[at], set)) ++at;
    return at;
  }
  [[nodiscard]] bool reaches_end(std::size_t at) const { return more_ && at == text_.size(); }
  [[nodiscard]] bool is_mixed(std::size_t from, std::size_t to) const {
    return std::any_of(text_.begin() + static_cast<std::ptrdiff_t>(from),
                       text_.begin() + static_cast<std::ptrdiff_t>(to),
                       [](char c) { return is_in(c, kDigit | kUpper); });
  }

  [[nodiscard]] SecretHit prefixed_run(std::size_t at, const SecretShape& shape) const {
    if (shape.whole_word && !at_word_start(at, kBase64Url)) return {};
    const std::size_t secret = at + shape.prefix.size();
    const std::size_t end = run_end(secret, shape.set);
    if (reaches_end(end)) return {SecretHit::Kind::run, at, secret, end, true};
    const std::size_t length = end - secret;
    const bool found = length >= shape.min_any || (length >= shape.min_mixed && is_mixed(secret, end));
    return found ? SecretHit{SecretHit::Kind::run, at, secret, end} : SecretHit{};
  }

  // Base64url of a JSON object begins with `ey`. Three parts, or five when encrypted; an unsigned one has two and a
  // dot.
  [[nodiscard]] SecretHit json_web_token(std::size_t at) {
    constexpr std::size_t kMinHeader = 8;
    constexpr std::size_t kMinPart = 4;
    // Every start inside a run that turned out to be none has the same end, so it is none either.
    if (at < no_token_before_) return {};
    if (!text_.substr(at).starts_with("eyJ") && !text_.substr(at).starts_with("eyA")) return {};
    const std::size_t secret = at + 3;
    const std::size_t header_end = run_end(secret, kBase64Url);
    const SecretHit open{SecretHit::Kind::jwt, at, secret, text_.size(), true};
    if (reaches_end(header_end)) return open;
    no_token_before_ = header_end;
    if (header_end - at < kMinHeader || text_[header_end == text_.size() ? at : header_end] != '.') return {};
    const std::size_t body_end = run_end(header_end + 1, kBase64Url);
    if (reaches_end(body_end)) return open;
    const std::size_t body = body_end - header_end - 1;
    if (body < kMinPart) return {};
    std::size_t end = body_end;
    while (end < text_.size() && text_[end] == '.') end = run_end(end + 1, kBase64Url);
    if (reaches_end(end)) return open;
    const bool is_signed = end - body_end > kMinPart;
    const bool is_json = text_.substr(header_end + 1).starts_with("ey");
    return is_signed || is_json ? SecretHit{SecretHit::Kind::jwt, at, secret, end} : SecretHit{};
  }

  [[nodiscard]] SecretHit bearer(std::size_t at) const {
    constexpr std::string_view kWord = "bearer";
    constexpr std::size_t kMaxSpaces = 8;
    constexpr std::size_t kMinMixed = 8;
    constexpr std::size_t kMinAny = 24;
    if (text_.size() - at < kWord.size()) return {};
    for (std::size_t i = 0; i < kWord.size(); ++i) {
      if ((text_[at + i] | 0x20) != kWord[i]) return {};
    }
    std::size_t token = at + kWord.size();
    const std::size_t word_end = token;
    while (token < text_.size() && token - word_end < kMaxSpaces && (text_[token] == ' ' || text_[token] == '\t'))
      ++token;
    if (token == word_end) return {};
    const std::size_t end = run_end(token, kBearerToken);
    if (reaches_end(end)) return {SecretHit::Kind::bearer, token, token, end, true};
    const bool has_digit =
        std::any_of(text_.begin() + static_cast<std::ptrdiff_t>(token),
                    text_.begin() + static_cast<std::ptrdiff_t>(end), [](char c) { return is_in(c, kDigit); });
    const std::size_t length = end - token;
    const bool found = length >= kMinAny || (length >= kMinMixed && has_digit);
    return found ? SecretHit{SecretHit::Kind::bearer, token, token, end} : SecretHit{};
  }

  // From BEGIN to the end of the END line; without one, to the end of the text.
  [[nodiscard]] SecretHit key_block(std::size_t at) const {
    constexpr std::string_view kBegin = "-----BEGIN ";
    constexpr std::string_view kEnd = "-----END ";
    if (!text_.substr(at).starts_with(kBegin)) return {};
    const std::size_t secret = at + kBegin.size();
    const std::size_t last_line = text_.find(kEnd, secret);
    std::size_t end = text_.size();
    bool closed = false;
    if (last_line != std::string_view::npos) {
      const std::size_t dashes = text_.find("-----", last_line + kEnd.size());
      closed = dashes != std::string_view::npos;
      if (closed) end = dashes + 5;
    }
    return {SecretHit::Kind::pem, at, secret, end, more_ && !closed};
  }

  // scheme://user:password@host; only the password goes.
  [[nodiscard]] SecretHit password_in_url(std::size_t at) const {
    constexpr std::size_t kMaxUserInfo = 512;
    if (!text_.substr(at).starts_with("://")) return {};
    std::size_t colon = 0;
    std::size_t i = at + 3;
    for (; i < text_.size() && i - at < kMaxUserInfo; ++i) {
      const char c = text_[i];
      if (c == '@' && colon != 0 && i > colon + 1) return {SecretHit::Kind::password, colon + 1, colon + 1, i};
      if (c == ':' && colon == 0) colon = i;
      if (c == '/' || c == '@' || c == '?' || c == '#' || c == '"' || static_cast<unsigned char>(c) <= ' ') return {};
    }
    if (reaches_end(i) && colon != 0 && i > colon + 1) {
      return {SecretHit::Kind::password, colon + 1, colon + 1, i, true};
    }
    return {};
  }

  std::string_view text_;
  bool more_;
  std::size_t no_token_before_ = 0;
};

}  // namespace openwop::detail
