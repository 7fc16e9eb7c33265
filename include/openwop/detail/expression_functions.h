// Arithmetic, ordering and the functions of the expression language.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "openwop/detail/expression_program.h"

namespace openwop {

inline constexpr std::size_t kMaxExpressionResultBytes = std::size_t{1} << 20;
/// The depth that json::check accepts: a result can always be stored and read again.
inline constexpr std::size_t kMaxExpressionResultDepth = 64;
/// All that one evaluation may take from its scope: a short text can name a large variable hundreds of times.
inline constexpr std::size_t kMaxExpressionReadBytes = std::size_t{16} << 20;

}  // namespace openwop

namespace openwop::detail::expression {

inline std::string text_of(const Value& value) {
  const auto* string = std::get_if<std::string>(&value);
  return string != nullptr ? *string : to_json(value);
}

inline Result<Value> real(double value, std::size_t offset) {
  if (!std::isfinite(value)) return failed("number out of range", offset);
  return Value{Real{value, {}}};
}

inline Result<Value> integer_arithmetic(Op op, std::int64_t left, std::int64_t right, std::size_t offset) {
  std::int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Op::add: overflow = __builtin_add_overflow(left, right, &result); break;
    case Op::subtract: overflow = __builtin_sub_overflow(left, right, &result); break;
    case Op::multiply: overflow = __builtin_mul_overflow(left, right, &result); break;
    default:
      if (right == 0) return failed("division by zero", offset);
      if (right == -1) {  // the one division that can overflow; a remainder by it is always 0
        overflow = op == Op::divide && __builtin_sub_overflow(std::int64_t{0}, left, &result);
      } else if (op == Op::remainder) {
        result = left % right;
      } else if (left % right == 0) {
        result = left / right;
      } else {
        return real(static_cast<double>(left) / static_cast<double>(right), offset);
      }
  }
  if (overflow) return failed("integer overflow", offset);
  return Value{result};
}

inline Result<Value> real_arithmetic(Op op, double left, double right, std::size_t offset) {
  switch (op) {
    case Op::add: return real(left + right, offset);
    case Op::subtract: return real(left - right, offset);
    case Op::multiply: return real(left * right, offset);
    default:
      if (right == 0) return failed("division by zero", offset);
      return real(op == Op::divide ? left / right : std::fmod(left, right), offset);
  }
}

inline Result<Value> arithmetic(Op op, const Value& left, const Value& right, std::size_t offset) {
  if (op == Op::add && (std::holds_alternative<std::string>(left) || std::holds_alternative<std::string>(right))) {
    std::string joined = text_of(left) + text_of(right);
    if (joined.size() > kMaxExpressionResultBytes) return failed("result is too large", offset);
    return Value{std::move(joined)};
  }
  if (!is_number(left) || !is_number(right)) return failed("arithmetic needs numbers", offset);
  const auto* left_integer = std::get_if<std::int64_t>(&left);
  const auto* right_integer = std::get_if<std::int64_t>(&right);
  if (left_integer != nullptr && right_integer != nullptr) {
    return integer_arithmetic(op, *left_integer, *right_integer, offset);
  }
  return real_arithmetic(op, to_double(left), to_double(right), offset);
}

/// Negative, zero or positive, for two numbers or two strings (by bytes, which is by code points).
inline Result<int> compare(const Value& left, const Value& right, std::size_t offset) {
  const auto sign = [](const auto& a, const auto& b) { return a < b ? -1 : (b < a ? 1 : 0); };
  if (const auto* a = std::get_if<std::int64_t>(&left)) {
    if (const auto* b = std::get_if<std::int64_t>(&right)) return sign(*a, *b);
  }
  if (is_number(left) && is_number(right)) return sign(to_double(left), to_double(right));
  const auto* a = std::get_if<std::string>(&left);
  const auto* b = std::get_if<std::string>(&right);
  if (a != nullptr && b != nullptr) return sign(*a, *b);
  return failed("only two numbers or two strings have an order", offset);
}

inline Result<Value> negated(const Value& value, std::size_t offset) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return integer_arithmetic(Op::subtract, 0, *integer, offset);
  }
  if (const auto* number = std::get_if<Real>(&value)) return Value{Real{-number->value, {}}};
  return failed("arithmetic needs numbers", offset);
}

// ---- functions ----

inline Result<Value> len(const Value& value, std::size_t offset) {
  std::int64_t count = 0;
  if (is_null(value)) return Value{count};
  if (const auto* string = std::get_if<std::string>(&value)) {
    // UTF-8: every byte that continues no character begins one.
    for (const char c : *string) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
    return Value{count};
  }
  const auto* composite = std::get_if<Composite>(&value);
  if (composite == nullptr) return failed("len() needs a string, array or object", offset);
  json::for_each_element(composite->text, [&](std::string_view) { return ++count > 0; });
  json::for_each_member(composite->text, [&](std::string_view, std::string_view) { return ++count > 0; });
  return Value{count};
}

inline Result<Value> has_affix(Function function, const Value& subject, const Value& affix, std::size_t offset) {
  if (is_null(subject)) return Value{false};
  const auto* text = std::get_if<std::string>(&subject);
  const auto* part = std::get_if<std::string>(&affix);
  if (text == nullptr || part == nullptr) return failed(name_of(function) + "() needs strings", offset);
  return Value{function == Function::starts_with ? text->starts_with(*part) : text->ends_with(*part)};
}

// ASCII only: case of other letters depends on the language of the text, which nobody names here.
inline Result<Value> change_case(Function function, Value value, std::size_t offset) {
  if (is_null(value)) return value;
  auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return failed(name_of(function) + "() needs a string", offset);
  for (char& c : *text) {
    if (function == Function::lower && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (function == Function::upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return value;
}

/// The number that a text spells by the grammar of JSON.
inline std::optional<Value> parse_number(std::string_view text) {
  text = trimmed(text);
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits[0] < '0' || digits[0] > '9') return std::nullopt;
  if (text.size() > 400 || !json::check(text)) return std::nullopt;
  return number_from(text);
}

inline Result<Value> to_number(Value value, std::size_t offset) {
  if (is_null(value) || is_number(value)) return value;
  if (const auto* boolean = std::get_if<bool>(&value)) return Value{std::int64_t{*boolean ? 1 : 0}};
  if (const auto* text = std::get_if<std::string>(&value)) {
    if (auto parsed = parse_number(*text)) return std::move(*parsed);
  }
  return failed("number() cannot read this value", offset);
}

inline Result<Value> extreme(Function function, std::span<Value> values, std::size_t offset) {
  std::vector<Value> elements;
  if (const auto* array = std::get_if<Composite>(&values[0]); array != nullptr && values.size() == 1) {
    json::for_each_element(array->text, [&](std::string_view element) {
      elements.push_back(value_from(element));
      return true;
    });
    if (elements.empty()) return Value{};
    values = elements;
  }
  const Value* best = nullptr;
  for (const Value& value : values) {
    if (!is_number(value)) return failed(name_of(function) + "() needs numbers", offset);
    const auto order = best == nullptr ? Result<int>(0) : compare(value, *best, offset);
    if (!order) return order.error();
    if (best == nullptr || (function == Function::min ? *order < 0 : *order > 0)) best = &value;
  }
  return *best;
}

inline Result<Value> absolute(const Value& value, std::size_t offset) {
  if (!is_number(value)) return failed("abs() needs a number", offset);
  return to_double(value) < 0 ? negated(value, offset) : Result<Value>(value);
}

inline Result<Value> rounded(Function function, const Value& value, std::size_t offset) {
  if (std::holds_alternative<std::int64_t>(value)) return value;
  const auto* number = std::get_if<Real>(&value);
  if (number == nullptr) return failed(name_of(function) + "() needs a number", offset);
  const double whole = function == Function::floor  ? std::floor(number->value)
                       : function == Function::ceil ? std::ceil(number->value)
                                                    : std::round(number->value);
  if (const auto integer = exact_integer(whole)) return Value{*integer};
  return Value{Real{whole, {}}};
}

inline Result<Value> member_test(const Value& container, const Value& item, std::size_t offset) {
  const auto found = contains(container, item);
  if (!found) return failed("only strings, arrays and objects contain something", offset);
  return Value{*found};
}

/// `arguments` are as many as the table of functions allows.
inline Result<Value> call(Function function, std::span<Value> arguments, std::size_t offset) {
  switch (function) {
    case Function::len: return len(arguments[0], offset);
    case Function::contains: return member_test(arguments[0], arguments[1], offset);
    case Function::starts_with:
    case Function::ends_with: return has_affix(function, arguments[0], arguments[1], offset);
    case Function::lower:
    case Function::upper: return change_case(function, std::move(arguments[0]), offset);
    case Function::number: return to_number(std::move(arguments[0]), offset);
    case Function::string: return Value{text_of(arguments[0])};
    case Function::min:
    case Function::max: return extreme(function, arguments, offset);
    case Function::abs: return absolute(arguments[0], offset);
    case Function::floor:
    case Function::ceil:
    case Function::round: return rounded(function, arguments[0], offset);
    case Function::coalesce:
      for (Value& argument : arguments) {
        if (!is_null(argument)) return std::move(argument);
      }
      return Value{};
  }
  return failed("unknown function", offset);
}

}  // namespace openwop::detail::expression
