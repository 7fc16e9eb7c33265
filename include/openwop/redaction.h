// Redaction (protocol 02 §11): secrets and sensitive values never leave in clear.
//
//  - Shapes: text that looks like a key, a token or a key block is replaced by `[REDACTED]` wherever it stands. Only
//  the
//    match goes: ordinary values, numbers and white space around it stay byte for byte.
//  - Known secrets: texts that the process has resolved itself are replaced in the same way, whatever they look like.
//  - Marked values (sensitive variables, outputs, channels): the whole value is shown by the run's MaskingMode. The
//  mode
//    says nothing about shapes: a key is replaced even in `passthrough`.
//
// Linear in the length of the text. Thread-safety: free functions and plain values.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/detail/secret_shapes.h"
#include "openwop/hash.h"
#include "openwop/json.h"

namespace openwop {

inline constexpr std::string_view kRedacted = "[REDACTED]";
inline constexpr std::string_view kMaskedJson = "\"[REDACTED]\"";

/// How marked values are shown (`compliance.defaultMode`, `metadata.complianceConfig.maskingMode`).
enum class MaskingMode : std::uint8_t { mask, omit, hash, passthrough };
inline constexpr std::array<std::string_view, 4> kMaskingModeNames = {"mask", "omit", "hash", "passthrough"};

constexpr std::string_view masking_mode_name(MaskingMode mode) {
  return kMaskingModeNames[static_cast<std::size_t>(mode)];
}
constexpr std::optional<MaskingMode> masking_mode_of(std::string_view name) {
  for (std::size_t i = 0; i < kMaskingModeNames.size(); ++i) {
    if (kMaskingModeNames[i] == name) return static_cast<MaskingMode>(i);
  }
  return std::nullopt;
}

/// What stands for a marked value, serialized; nothing when its key is left out.
inline std::optional<std::string> masked(MaskingMode mode, std::string_view raw) {
  switch (mode) {
    case MaskingMode::mask: return std::string(kMaskedJson);
    case MaskingMode::omit: return std::nullopt;
    case MaskingMode::hash: return "\"sha256:" + sha256_hex(raw) + "\"";
    case MaskingMode::passthrough: return std::string(raw);
  }
  return std::string(kMaskedJson);
}

/// The same where the key has to stay: `omit` then shows what `mask` does.
inline std::string masked_in_place(MaskingMode mode, std::string_view raw) {
  return masked(mode, raw).value_or(std::string(kMaskedJson));
}

/// `text` without secrets; nothing when there are none, so that the common case costs no copy.
inline std::optional<std::string> scrub_text(std::string_view text) {
  detail::SecretScanner scanner(text, false);
  detail::SecretHit hit = scanner.next(0);
  if (hit.kind == detail::SecretHit::Kind::none) return std::nullopt;
  std::string out;
  std::size_t kept = 0;
  while (hit.kind != detail::SecretHit::Kind::none) {
    out.append(text.substr(kept, hit.begin - kept)).append(kRedacted);
    kept = hit.end;
    hit = scanner.next(hit.end);
  }
  out.append(text.substr(kept));
  return out;
}

/// The same for texts that the process knows to be secret. Those shorter than kMinKnownSecretBytes are ordinary words.
inline constexpr std::size_t kMinKnownSecretBytes = 4;

inline std::optional<std::string> scrub_known(std::string_view text, const std::vector<std::string>& secrets) {
  std::optional<std::string> out;
  for (const std::string& secret : secrets) {
    if (secret.size() < kMinKnownSecretBytes) continue;
    std::size_t at = (out ? std::string_view(*out) : text).find(secret);
    if (at == std::string_view::npos) continue;
    const std::string from = out ? std::move(*out) : std::string(text);
    std::string cleaned;
    std::size_t kept = 0;
    for (; at != std::string::npos; at = from.find(secret, kept)) {
      cleaned.append(from, kept, at - kept).append(kRedacted);
      kept = at + secret.size();
    }
    cleaned.append(from, kept);
    out = std::move(cleaned);
  }
  return out;
}

namespace detail {

/// Applies `scrub` to each string of a JSON text, keys included; nothing when it changes none of them.
template <class Scrub>
std::optional<std::string> scrub_strings(std::string_view text, Scrub&& scrub) {
  std::optional<std::string> out;
  std::size_t kept = 0;
  for (std::size_t at = text.find('"'); at != std::string_view::npos; at = text.find('"', at)) {
    const std::size_t end = json::detail::skip_string(text, at);
    if (end - at < 2) break;
    const std::string_view raw = text.substr(at, end - at);
    const std::string_view body = raw.substr(1, raw.size() - 2);
    // Escapes could hide a secret from the scanner.
    const bool escaped = body.find('\\') != std::string_view::npos;
    const auto clean = escaped ? scrub(std::string_view(json::unescape(raw))) : scrub(body);
    if (clean) {
      if (!out) out.emplace();
      out->append(text.substr(kept, at - kept));
      json::append_quoted(*out, *clean);
      kept = end;
    }
    at = end;
  }
  if (out) out->append(text.substr(kept));
  return out;
}

}  // namespace detail

/// A serialized JSON value without secrets in its strings and keys; nothing when there are none.
inline std::optional<std::string> scrub_json(std::string_view text) {
  // What holds no escape and, taken as one text, no secret has none in its strings either.
  const bool is_plain = text.find('\\') == std::string_view::npos;
  if (is_plain && detail::SecretScanner(text, false).next(0).kind == detail::SecretHit::Kind::none) return std::nullopt;
  return detail::scrub_strings(text, [](std::string_view string) { return scrub_text(string); });
}

inline std::optional<std::string> scrub_known_json(std::string_view text, const std::vector<std::string>& secrets) {
  if (secrets.empty()) return std::nullopt;
  return detail::scrub_strings(text, [&](std::string_view string) { return scrub_known(string, secrets); });
}

/// In place.
inline void redact_text(std::string& text) {
  if (auto clean = scrub_text(text)) text = std::move(*clean);
}
inline void redact_json(std::string& text) {
  if (auto clean = scrub_json(text)) text = std::move(*clean);
}

/// Redaction of a text that comes in pieces (protocol 02 §11.5): a secret that is split over pieces is caught, because
/// whatever may be part of one is held back until it is decided. Text without such beginnings passes at once. At most
/// the well-known prefix of a secret (`sk-`) gets out before it. One stream, one thread.
class StreamScrubber {
 public:
  /// What may be held back; key blocks and tokens beyond it are cut short, which changes nothing in the output.
  static constexpr std::size_t kMaxHeldBytes = 16'384;

  StreamScrubber() = default;
  explicit StreamScrubber(std::vector<std::string> known_secrets) : known_(std::move(known_secrets)) {}

  /// One more text that is known to be secret.
  void know(std::string secret) { known_.push_back(std::move(secret)); }

  /// The next piece of text; the part that may go out now.
  [[nodiscard]] std::string feed(std::string_view piece) { return advance(piece, true); }
  /// The rest. The next feed() begins a new text.
  [[nodiscard]] std::string finish() {
    std::string rest = advance({}, false);
    text_.clear();
    sent_ = 0;
    return rest;
  }

 private:
  static constexpr std::size_t kContextBytes = 128;
  static constexpr std::size_t kMinKnownPrefix = 1;

  std::string advance(std::string_view piece, bool more) {
    text_.append(piece);
    std::string out;
    std::size_t limit = more ? known_prefix_at_end() : text_.size();
    detail::SecretScanner scanner(text_, more);
    std::size_t at = 0;
    for (detail::SecretHit hit = scanner.next(0); hit.kind != detail::SecretHit::Kind::none; hit = scanner.next(at)) {
      at = std::max(hit.end, at + 1);
      if (hit.open) {
        limit = std::min(limit, std::max(hit.secret, sent_));
        shorten(hit, limit);
        break;
      }
      if (hit.end <= sent_) continue;
      if (hit.begin > limit) break;
      pass(out, std::max(hit.begin, sent_));
      out.append(kRedacted);
      sent_ = hit.end;
    }
    if (limit > sent_) pass(out, limit);
    forget_sent();
    return out;
  }

  void pass(std::string& out, std::size_t to) {
    if (to <= sent_) return;
    const std::string_view part = std::string_view(text_).substr(sent_, to - sent_);
    const auto clean = known_.empty() ? std::nullopt : scrub_known(part, known_);
    out.append(clean ? std::string_view(*clean) : part);
    sent_ = to;
  }

  // Too long to be held: what is certainly secret loses its middle, what is only possibly so is let go.
  void shorten(const detail::SecretHit& hit, std::size_t& limit) {
    constexpr std::size_t kKeptBytes = 64;
    if (text_.size() - limit <= kMaxHeldBytes) return;
    if (hit.kind == detail::SecretHit::Kind::jwt || hit.kind == detail::SecretHit::Kind::password) {
      limit = text_.size();
    } else {
      text_.erase(limit + kKeptBytes, text_.size() - limit - 2 * kKeptBytes);
    }
  }

  // Where a known secret may begin that the text does not hold whole yet.
  [[nodiscard]] std::size_t known_prefix_at_end() const {
    std::size_t first = text_.size();
    for (const std::string& secret : known_) {
      const std::size_t longest = secret.empty() ? 0 : std::min(secret.size() - 1, text_.size());
      for (std::size_t length = longest; length >= kMinKnownPrefix; --length) {
        if (!std::string_view(text_).ends_with(std::string_view(secret).substr(0, length))) continue;
        first = std::min(first, text_.size() - length);
        break;
      }
    }
    return std::max(first, sent_);
  }

  // Some text that is out stays as context: the prefix of a secret may have been its end.
  void forget_sent() {
    if (sent_ <= 2 * kContextBytes) return;
    const std::size_t cut = sent_ - kContextBytes;
    text_.erase(0, cut);
    sent_ -= cut;
  }

  std::vector<std::string> known_;
  std::string text_;
  std::size_t sent_ = 0;  // bytes of text_ that are out
};

}  // namespace openwop
