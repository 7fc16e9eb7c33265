#include <re2/re2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "openwop/detail/regex.h"

namespace openwop::detail {
namespace {

// Bounds what one pattern may compile to (about five thousand instructions), and with that the time it takes: a
// definition can hold a thousand patterns.
constexpr std::int64_t kMaxRegexMemoryBytes = std::int64_t{256} << 10;

}  // namespace

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > kMaxRegexBytes) {
    return Error{ErrorCode::validation_error,
                 "regular expression is longer than " + std::to_string(kMaxRegexBytes) + " bytes"};
  }
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxRegexMemoryBytes);
  auto compiled = std::make_shared<const RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!compiled->ok()) return Error{ErrorCode::validation_error, "regular expression: " + compiled->error()};
  return Regex(std::move(compiled));
}

bool Regex::found_in(std::string_view text) const {
  const auto& compiled = *static_cast<const RE2*>(compiled_.get());
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), compiled);
}

}  // namespace openwop::detail
