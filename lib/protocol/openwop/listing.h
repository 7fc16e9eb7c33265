// Listings: `limit`, `cursor` and times of a request, and the body {"<name>": […], "nextCursor"?}.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "openwop/json.h"
#include "openwop/time.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/cursor.h"
#include "protocol/openwop/surface_parts.h"

namespace openwop::wire {

inline constexpr std::int64_t kDefaultPage = 100;
inline constexpr std::int64_t kMaxPage = 1000;

/// A time that bounds a listing; left alone when the request has none. Errors: validation_error.
[[nodiscard]] inline Status read_time(const Call& call, std::string_view name, std::optional<std::int64_t>& time_ms) {
  const auto text = call.target.parameter(name);
  if (!text) return {};
  time_ms = parse_rfc3339(*text);
  if (!time_ms) return invalid_field(name, "has to be an RFC 3339 time");
  return {};
}

/// How many entries a page may have. Errors: validation_error.
[[nodiscard]] inline Result<std::size_t> page_limit(const Call& call) {
  const auto limit = whole_number(call.target.parameter("limit").value_or(std::to_string(kDefaultPage)));
  if (!limit || *limit < 1 || *limit > kMaxPage) {
    return invalid_field("limit", "has to be a number from 1 to " + std::to_string(kMaxPage));
  }
  return static_cast<std::size_t>(*limit);
}

struct PageRequest {
  std::size_t limit = 0;
  /// As the engine gave it; empty for the first page.
  std::string cursor;
};

/// Errors: validation_error.
[[nodiscard]] inline Result<PageRequest> read_page(const Call& call) {
  const auto limit = page_limit(call);
  if (!limit) return limit.error();
  auto cursor = cursor_from_hex(call.target.parameter("cursor").value_or(""));
  if (!cursor) return invalid_field("cursor", "is not one that this host gave");
  return PageRequest{*limit, *std::move(cursor)};
}

/// `append(list, entry)` adds one entry as JSON; `next_cursor` is text for the wire, empty at the end.
template <class Entries, class Append>
[[nodiscard]] http::Response page_response(std::string_view name, const Entries& entries, std::string_view next_cursor,
                                           Append&& append) {
  std::string body;
  {
    json::ObjectWriter object(body);
    std::string& list = object.value_of(name);
    list += '[';
    bool first = true;
    for (const auto& entry : entries) {
      if (!first) list += ',';
      first = false;
      append(list, entry);
    }
    list += ']';
    if (!next_cursor.empty()) object.string("nextCursor", next_cursor);
  }
  return json_response(200, std::move(body));
}

}  // namespace openwop::wire
