// RFC 3339 times: UTC, millisecond precision, `Z` suffix (OpenWOP run-event.schema `timestamp`).
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace openwop {

inline constexpr std::size_t kRfc3339Length = 24;  // 2026-01-02T03:04:05.678Z

/// Writes `epoch_ms` as `2026-01-02T03:04:05.678Z`. Years outside 0..9999 are clamped to that range.
inline std::array<char, kRfc3339Length> rfc3339_chars(std::int64_t epoch_ms) {
  constexpr std::int64_t kMinMs = -62'167'219'200'000;  // 0000-01-01
  constexpr std::int64_t kMaxMs = 253'402'300'799'999;  // 9999-12-31
  if (epoch_ms < kMinMs) epoch_ms = kMinMs;
  if (epoch_ms > kMaxMs) epoch_ms = kMaxMs;
  using namespace std::chrono;
  const sys_time<milliseconds> point{milliseconds{epoch_ms}};
  const auto day = floor<days>(point);
  const year_month_day date{day};
  const hh_mm_ss clock{point - day};
  std::array<char, kRfc3339Length> out{};
  const auto digits = [&out](std::size_t at, std::size_t width, std::int64_t value) {
    for (std::size_t i = width; i-- > 0; value /= 10) out[at + i] = static_cast<char>('0' + value % 10);
  };
  digits(0, 4, static_cast<int>(date.year()));
  out[4] = '-';
  digits(5, 2, static_cast<unsigned>(date.month()));
  out[7] = '-';
  digits(8, 2, static_cast<unsigned>(date.day()));
  out[10] = 'T';
  digits(11, 2, clock.hours().count());
  out[13] = ':';
  digits(14, 2, clock.minutes().count());
  out[16] = ':';
  digits(17, 2, clock.seconds().count());
  out[19] = '.';
  digits(20, 3, clock.subseconds().count());
  out[23] = 'Z';
  return out;
}

inline std::string format_rfc3339(std::int64_t epoch_ms) {
  const auto chars = rfc3339_chars(epoch_ms);
  return {chars.data(), chars.size()};
}

/// Milliseconds since the epoch, or nothing if `text` is not an RFC 3339 date-time. Fractions beyond milliseconds are
/// cut off; a leap second counts as the second before it.
inline std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  const auto number = [&text](std::size_t at, std::size_t width) -> int {
    int value = 0;
    for (std::size_t i = at; i < at + width; ++i) {
      if (i >= text.size() || text[i] < '0' || text[i] > '9') return -1;
      value = value * 10 + (text[i] - '0');
    }
    return value;
  };
  const auto is = [&text](std::size_t at, char expected) { return at < text.size() && text[at] == expected; };
  const int year_number = number(0, 4);
  const int month_number = number(5, 2);
  const int day_number = number(8, 2);
  const int hour = number(11, 2);
  const int minute = number(14, 2);
  int second = number(17, 2);
  const bool separators = is(4, '-') && is(7, '-') && (is(10, 'T') || is(10, 't')) && is(13, ':') && is(16, ':');
  if (!separators || year_number < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 60 || month_number < 0 || day_number < 0) {
    return std::nullopt;
  }
  if (second == 60) second = 59;
  const year_month_day date{year{year_number}, month{static_cast<unsigned>(month_number)},
                            day{static_cast<unsigned>(day_number)}};
  if (!date.ok()) return std::nullopt;

  std::size_t at = 19;
  int millis = 0;
  if (is(at, '.')) {
    ++at;
    int digits = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++digits) {
      if (digits < 3) millis = millis * 10 + (text[at] - '0');
    }
    if (digits == 0) return std::nullopt;
    for (; digits < 3; ++digits) millis *= 10;
  }
  int offset_minutes = 0;
  if (is(at, 'Z') || is(at, 'z')) {
    ++at;
  } else if (is(at, '+') || is(at, '-')) {
    const int offset_hour = number(at + 1, 2);
    const int offset_minute = number(at + 4, 2);
    if (!is(at + 3, ':') || offset_hour < 0 || offset_hour > 23 || offset_minute < 0 || offset_minute > 59) {
      return std::nullopt;
    }
    offset_minutes = (offset_hour * 60 + offset_minute) * (text[at] == '-' ? -1 : 1);
    at += 6;
  } else {
    return std::nullopt;
  }
  if (at != text.size()) return std::nullopt;
  const auto point = sys_days{date} + hours{hour} + minutes{minute - offset_minutes} + seconds{second};
  return duration_cast<milliseconds>(point.time_since_epoch()).count() + millis;
}

}  // namespace openwop
