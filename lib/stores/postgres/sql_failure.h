// What can go wrong with a statement, sorted by what to do about it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "openwop/result.h"

namespace openwop::pg {

enum class FailureKind : std::uint8_t {
  /// The connection is of no more use; whether the statement took effect is not known.
  connection,
  /// The database rolled back and asks to repeat (serialization failure, deadlock).
  repeat,
  /// A precondition of the group does not hold (see statements.h for how SQL says so).
  refused,
  /// Repeating would not help.
  final,
};

struct SqlFailure {
  FailureKind kind;
  std::string message;
  bool corrupt = false;
};

[[nodiscard]] FailureKind kind_of(std::string_view sqlstate);
[[nodiscard]] SqlFailure failure_of(std::string_view sqlstate, std::string_view message);
[[nodiscard]] Error to_error(const SqlFailure& failure, std::string_view doing);

}  // namespace openwop::pg
