// A regular expression of linear running time (RE2), for conditions. Its library stays out of public headers.
//
// Immutable; may be shared between threads.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "openwop/result.h"

namespace openwop::detail {

inline constexpr std::size_t kMaxRegexBytes = 512;

class Regex {
 public:
  /// Errors: validation_error for a pattern that RE2 refuses or that is longer than kMaxRegexBytes.
  [[nodiscard]] static Result<Regex> compile(std::string_view pattern);

  /// True if the pattern matches anywhere in `text`.
  [[nodiscard]] bool found_in(std::string_view text) const;

 private:
  explicit Regex(std::shared_ptr<const void> compiled) : compiled_(std::move(compiled)) {}

  std::shared_ptr<const void> compiled_;  // a re2::RE2
};

}  // namespace openwop::detail
