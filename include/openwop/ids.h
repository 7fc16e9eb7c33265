// Ids: 128 bits, 48 of them the creation time in milliseconds, so that ids sort by age both as bytes and as text.
//
// The text form is 26 characters of lower-case Crockford base32: safe in URLs, keys and file names, never `:` or `/`
// (OpenWOP rest-endpoints glues verbs to run ids with `:`).
//
// IdSource is injected wherever the library needs an id; nothing takes randomness from elsewhere.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace openwop {

struct Id {
  static constexpr std::size_t kBytes = 16;
  static constexpr std::size_t kTextLength = 26;

  std::array<std::uint8_t, kBytes> bytes{};

  auto operator<=>(const Id&) const = default;

  /// The 16 bytes in key order.
  [[nodiscard]] std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), kBytes}; }

  [[nodiscard]] std::string text() const {
    constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
    // 26 digits of 5 bits hold 130 bits: the first digit carries only three.
    std::string out(kTextLength, '0');
    std::uint32_t buffer = 0;
    int bits = 0;
    std::size_t at = kTextLength;
    for (std::size_t i = kBytes; i-- > 0;) {
      buffer |= static_cast<std::uint32_t>(bytes[i]) << bits;
      bits += 8;
      while (bits >= 5) {
        out[--at] = kAlphabet[buffer & 31U];
        buffer >>= 5;
        bits -= 5;
      }
    }
    out[--at] = kAlphabet[buffer & 31U];
    return out;
  }

  /// The id a text stands for; nothing if it is not the exact form that text() writes.
  [[nodiscard]] static std::optional<Id> parse(std::string_view text) {
    if (text.size() != kTextLength || text[0] > '7') return std::nullopt;
    Id id;
    std::uint32_t buffer = 0;
    int bits = 0;
    std::size_t byte = kBytes;
    for (std::size_t i = kTextLength; i-- > 0;) {
      const int digit = digit_value(text[i]);
      if (digit < 0) return std::nullopt;
      buffer |= static_cast<std::uint32_t>(digit) << bits;
      bits += 5;
      if (bits >= 8 && byte > 0) {
        id.bytes[--byte] = static_cast<std::uint8_t>(buffer & 0xFFU);
        buffer >>= 8;
        bits -= 8;
      }
    }
    return id;
  }

  [[nodiscard]] static Id from_bytes(std::string_view raw) {
    Id id;
    // Of nothing there is no address to copy from.
    if (!raw.empty()) std::memcpy(id.bytes.data(), raw.data(), raw.size() < kBytes ? raw.size() : kBytes);
    return id;
  }

 private:
  static int digit_value(char c) {
    constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
    const auto at = kAlphabet.find(c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
  }
};

using RunId = Id;

class IdSource {
 public:
  virtual ~IdSource() = default;
  /// A new id, larger than every id this source gave before. Safe from any thread.
  [[nodiscard]] virtual Id next(std::int64_t now_ms) = 0;
};

/// Time, then 80 random bits; within one millisecond (or when the clock goes back) the previous id plus a random step.
/// Seeded from the system's entropy, or from a given seed for a repeatable sequence.
class RandomIdSource final : public IdSource {
 public:
  RandomIdSource() {
    std::random_device entropy;
    std::seed_seq seed{entropy(), entropy(), entropy(), entropy(), entropy(), entropy()};
    random_.seed(seed);
    draw();
  }
  explicit RandomIdSource(std::uint64_t seed) : random_(seed) { draw(); }

  [[nodiscard]] Id next(std::int64_t now_ms) override {
    const std::lock_guard lock(mutex_);
    const auto time = static_cast<std::uint64_t>(now_ms < 0 ? 0 : now_ms) & kTimeMask;
    if (time > last_time_) {
      last_time_ = time;
      draw();
    } else {
      const std::uint64_t before = low_;
      low_ += 1 + (random_() >> 32);
      if (low_ < before && ++high_ == 0) ++last_time_;
    }
    Id id;
    for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(last_time_ >> (40 - 8 * i));
    id.bytes[6] = static_cast<std::uint8_t>(high_ >> 8);
    id.bytes[7] = static_cast<std::uint8_t>(high_ & 0xFFU);
    for (std::size_t i = 0; i < 8; ++i) id.bytes[8 + i] = static_cast<std::uint8_t>(low_ >> (56 - 8 * i));
    return id;
  }

 private:
  static constexpr std::uint64_t kTimeMask = (std::uint64_t{1} << 48) - 1;
  void draw() {
    high_ = static_cast<std::uint16_t>(random_());
    low_ = random_();
  }
  std::mutex mutex_;
  std::mt19937_64 random_;
  std::uint64_t last_time_ = 0;
  std::uint16_t high_ = 0;
  std::uint64_t low_ = 0;
};

}  // namespace openwop

template <>
struct std::hash<openwop::Id> {
  std::size_t operator()(const openwop::Id& id) const noexcept {
    // The last eight bytes are random; they spread well as they are.
    std::uint64_t value = 0;
    std::memcpy(&value, id.bytes.data() + 8, sizeof value);
    return static_cast<std::size_t>(value * 0x9E3779B97F4A7C15ULL);
  }
};
