// LogOrigin: where the inherited events of a fork's log lie. A fork copies nothing: for each stretch of its history it
// names the run that wrote it. A fork of a fork names the writers themselves, so that reading follows no chain.
//
// Thread-safety: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/bytes.h"
#include "openwop/ids.h"
#include "openwop/result.h"

namespace openwop {

inline constexpr std::uint8_t kLogOriginFormat = 1;

/// The events below `end` that the segment before does not have; `run` wrote them.
struct LogSegment {
  RunId run;
  std::uint64_t end = 0;

  bool operator==(const LogSegment&) const = default;
};

struct LogOrigin {
  /// By `end`, growing.
  std::vector<LogSegment> segments = {};

  /// The first sequence that is not inherited.
  [[nodiscard]] std::uint64_t end() const { return segments.empty() ? 0 : segments.back().end; }

  /// Of a fork at `sequence` of the run that has this origin.
  [[nodiscard]] LogOrigin fork_at(const RunId& run, std::uint64_t sequence) const {
    LogOrigin origin;
    for (const LogSegment& segment : segments) {
      if (origin.end() >= sequence) break;
      origin.segments.push_back({segment.run, segment.end < sequence ? segment.end : sequence});
    }
    if (origin.end() < sequence) origin.segments.push_back({run, sequence});
    return origin;
  }

  [[nodiscard]] std::string encode() const {
    std::string out(1, static_cast<char>(kLogOriginFormat));
    bytes::put_varint(out, segments.size());
    for (const LogSegment& segment : segments) {
      out += segment.run.view();
      bytes::put_varint(out, segment.end);
    }
    return out;
  }

  /// Errors: store_corrupt, store_version_unsupported.
  [[nodiscard]] static Result<LogOrigin> decode(std::string_view row) {
    bytes::Reader reader(row);
    const std::uint8_t format = reader.u8();
    if (format > kLogOriginFormat) {
      return Error{ErrorCode::store_version_unsupported, "log origin row was written by a newer version"};
    }
    const std::uint64_t count = reader.varint();
    LogOrigin origin;
    bool grows = format != 0 && count > 0;
    for (std::uint64_t i = 0; i < count && reader.ok() && grows; ++i) {
      const std::string_view run = reader.take(RunId::kBytes);
      const LogSegment segment{RunId::from_bytes(run), reader.varint()};
      grows = segment.end > origin.end();
      origin.segments.push_back(segment);
    }
    if (!grows || !reader.ok() || !reader.at_end()) {
      return Error{ErrorCode::store_corrupt, "log origin row does not decode"};
    }
    return origin;
  }
};

}  // namespace openwop
