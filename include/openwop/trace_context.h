// W3C trace context (protocol 02 §12.1): `traceparent` and `tracestate` in and out, and the ids that a run's own spans
// have. These are derived from the run, not drawn, so whatever process goes on with a run continues its trace.
//
// Thread-safety: plain values and free functions.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "openwop/ids.h"

namespace openwop {

using TraceId = std::array<std::uint8_t, 16>;
using SpanId = std::array<std::uint8_t, 8>;

inline constexpr std::size_t kTraceparentLength = 55;
/// A longer tracestate is dropped; W3C asks for 512 characters at least.
inline constexpr std::size_t kMaxTracestateBytes = 512;

template <std::size_t N>
std::string to_hex(const std::array<std::uint8_t, N>& bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  out.reserve(2 * N);
  for (const std::uint8_t byte : bytes) {
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
  return out;
}

struct TraceContext {
  TraceId trace_id{};
  /// The caller's span: parent of what happens here.
  SpanId span_id{};
  bool sampled = false;
  std::string tracestate = {};
};

namespace detail {

// Lower-case hex of exactly N bytes, not all of them zero.
template <std::size_t N>
std::optional<std::array<std::uint8_t, N>> id_from_hex(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<std::uint8_t, N> id{};
  bool zero = true;
  for (std::size_t i = 0; i < N; ++i) {
    const auto high = kHex.find(text[2 * i]);
    const auto low = kHex.find(text[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    id[i] = static_cast<std::uint8_t>(high * 16 + low);
    zero = zero && id[i] == 0;
  }
  if (zero) return std::nullopt;
  return id;
}

inline std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31U);
}

inline std::uint64_t big_endian(const std::uint8_t* bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = value << 8U | bytes[i];
  return value;
}

}  // namespace detail

/// Nothing for what is malformed. A later version than 00 is read as 00 as far as that goes.
inline std::optional<TraceContext> parse_traceparent(std::string_view traceparent, std::string_view tracestate = {}) {
  const bool later = traceparent.size() > kTraceparentLength && traceparent[kTraceparentLength] == '-';
  if (traceparent.size() < kTraceparentLength || (traceparent.size() > kTraceparentLength && !later)) return {};
  if (traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-') return {};
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto digit = [&](std::size_t at) { return kHex.find(traceparent[at]); };
  for (const std::size_t at : {0, 1, 53, 54}) {
    if (digit(at) == std::string_view::npos) return {};
  }
  const std::string_view version = traceparent.substr(0, 2);
  if (version == "ff" || (version == "00" && later)) return {};
  const auto trace = detail::id_from_hex<16>(traceparent.substr(3, 32));
  const auto span = detail::id_from_hex<8>(traceparent.substr(36, 16));
  if (!trace || !span) return {};
  TraceContext context{.trace_id = *trace, .span_id = *span, .sampled = digit(54) % 2 == 1};
  const bool plain = std::all_of(tracestate.begin(), tracestate.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (plain && tracestate.size() <= kMaxTracestateBytes) context.tracestate = tracestate;
  return context;
}

inline std::string format_traceparent(const TraceContext& context) {
  return "00-" + to_hex(context.trace_id) + "-" + to_hex(context.span_id) + (context.sampled ? "-01" : "-00");
}

/// The trace of a run that was created without a context of its caller's: the run's id.
inline TraceId trace_id_of(const RunId& run) { return run.bytes; }

/// The span of a run that begins with event `sequence`; `part` tells spans that begin with the same event apart
/// ('r' is the run's own, with sequence 0).
inline SpanId span_id_of(const RunId& run, char part, std::uint64_t sequence) {
  std::uint64_t value = detail::big_endian(run.bytes.data()) ^ static_cast<std::uint64_t>(part) << 56U;
  value = detail::mixed(value + 0x9E3779B97F4A7C15U * (sequence + 1));
  value = detail::mixed(value ^ detail::big_endian(run.bytes.data() + 8));
  if (value == 0) value = 1;
  SpanId id{};
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::uint8_t>(value >> (56U - 8U * i));
  return id;
}

/// The span of the execution that began with the node.started, or the node.resumed, of that sequence.
inline SpanId node_span_id(const RunId& run, std::uint64_t sequence) { return span_id_of(run, 'n', sequence); }
inline SpanId run_span_id(const RunId& run) { return span_id_of(run, 'r', 0); }

}  // namespace openwop
