// Headers that may be there once: of two values nobody could say which one was meant.
//
// Thread-safety: a free function, safe from any thread.
#pragma once

#include <optional>
#include <string_view>

#include "openwop/protocol/http.h"
#include "protocol/openwop/answer.h"

namespace openwop::wire {

/// The value of a header, or nothing. Errors: validation_error when it is there more than once.
inline Result<std::optional<std::string_view>> single_header(const http::Headers& headers, std::string_view name) {
  const auto [first, last] = headers.equal_range(name);
  if (first == last) return std::optional<std::string_view>{};
  if (std::next(first) != last) return invalid_field(name, "is there more than once");
  return std::optional<std::string_view>(first->second);
}

}  // namespace openwop::wire
