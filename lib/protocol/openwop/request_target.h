// The target of a request: raw path segments and decoded query parameters.
//
// Thread-safety: plain values and free functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openwop/result.h"

namespace openwop::wire {

struct RequestTarget {
  std::string_view path;                   // raw, without the query
  std::vector<std::string_view> segments;  // raw: "/v1/runs" is {"v1", "runs"}
  std::vector<std::pair<std::string, std::string>> query;

  /// The value of a query parameter, or nothing.
  [[nodiscard]] std::optional<std::string_view> parameter(std::string_view name) const;
};

/// Views point into `raw`. Errors: validation_error for a path that is none, broken percent-encoding, text that decodes
/// to control characters or to invalid UTF-8, and query parameters that are there twice or are too many (64).
[[nodiscard]] Result<RequestTarget> parse_target(std::string_view raw);

/// Decodes one path segment. Errors as above.
[[nodiscard]] Result<std::string> decode_segment(std::string_view raw);

/// Whatever of the text is percent-encoded, decoded; for those who look for something in it.
[[nodiscard]] std::string percent_decoded(std::string_view raw);

/// A whole number, optionally negative, without sign tricks, space or overflow.
[[nodiscard]] std::optional<std::int64_t> whole_number(std::string_view text);

/// The same for a place in a log: one beyond every number that fits is the largest.
[[nodiscard]] std::optional<std::int64_t> place_in_log(std::string_view text);

}  // namespace openwop::wire
