// A parsed expression: postfix code for a stack machine. Evaluation is a loop and never recursion, whatever the text.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/detail/expression_value.h"

namespace openwop::detail::expression {

enum class Op : std::uint8_t {
  literal,     // a = index in literals
  load,        // a = root, b = literal with the name
  load_named,  // a = root; pops the name
  member,      // a = literal with the key
  index,       // pops the key
  negate,
  logical_not,
  jump,           // a = address
  jump_if_false,  // a = address; pops
  and_then,       // a = address: keeps a falsy value and jumps, else pops it
  or_else,        // a = address: keeps a truthy value and jumps, else pops it
  equals,
  not_equals,
  less,
  less_equal,
  greater,
  greater_equal,
  in,
  add,
  subtract,
  multiply,
  divide,
  remainder,
  array,  // a = number of elements
  call,   // a = Function, b = number of arguments
};

struct Instruction {
  Op op = Op::literal;
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  std::uint32_t offset = 0;  // in the text, for messages
};

struct Program {
  std::string source;
  std::vector<Instruction> code;
  std::vector<Value> literals;
};

inline constexpr std::array<std::string_view, 6> kRoots = {"variables", "inputs", "output", "nodes", "channels", "run"};
inline constexpr std::uint32_t kOutputRoot = 2;
static_assert(kRoots[kOutputRoot] == "output");

inline std::optional<std::uint32_t> find_root(std::string_view name) {
  for (std::uint32_t i = 0; i < kRoots.size(); ++i) {
    if (kRoots[i] == name) return i;
  }
  return std::nullopt;
}

enum class Function : std::uint8_t {
  len,
  contains,
  starts_with,
  ends_with,
  lower,
  upper,
  number,
  string,
  min,
  max,
  abs,
  floor,
  ceil,
  round,
  coalesce,
};

struct FunctionInfo {
  Function function;
  std::string_view name;
  std::uint32_t min_arguments;
  std::uint32_t max_arguments;
};

inline constexpr std::uint32_t kManyArguments = 1000;

inline constexpr std::array kFunctions = {
    FunctionInfo{Function::len, "len", 1, 1},
    FunctionInfo{Function::contains, "contains", 2, 2},
    FunctionInfo{Function::starts_with, "startsWith", 2, 2},
    FunctionInfo{Function::ends_with, "endsWith", 2, 2},
    FunctionInfo{Function::lower, "lower", 1, 1},
    FunctionInfo{Function::upper, "upper", 1, 1},
    FunctionInfo{Function::number, "number", 1, 1},
    FunctionInfo{Function::string, "string", 1, 1},
    FunctionInfo{Function::min, "min", 1, kManyArguments},
    FunctionInfo{Function::max, "max", 1, kManyArguments},
    FunctionInfo{Function::abs, "abs", 1, 1},
    FunctionInfo{Function::floor, "floor", 1, 1},
    FunctionInfo{Function::ceil, "ceil", 1, 1},
    FunctionInfo{Function::round, "round", 1, 1},
    FunctionInfo{Function::coalesce, "coalesce", 1, kManyArguments},
};

constexpr bool function_table_is_in_enum_order() {
  for (std::size_t i = 0; i < kFunctions.size(); ++i) {
    if (static_cast<std::size_t>(kFunctions[i].function) != i) return false;
  }
  return true;
}
static_assert(function_table_is_in_enum_order());
static_assert(kFunctions.size() == static_cast<std::size_t>(Function::coalesce) + 1);

inline std::string name_of(Function function) {
  return std::string(kFunctions[static_cast<std::size_t>(function)].name);
}

}  // namespace openwop::detail::expression
