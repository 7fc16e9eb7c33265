// Expressions and conditions of workflow definitions. OpenWOP 1.0 leaves the language to the host (protocol 01 §25);
// this is ours, documented in docs/expressions.md. Text that does not parse is refused when a workflow is registered.
//
// Header-only but for the `regex` condition. An Expression or Condition is immutable, cheap to copy, and may be shared
// between threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "openwop/detail/expression_machine.h"
#include "openwop/detail/expression_parser.h"
#include "openwop/detail/regex.h"
#include "openwop/json.h"
#include "openwop/result.h"

namespace openwop {

/// Where names come from: `find("variables", "x")` answers for `variables.x` with serialized JSON, or nothing.
/// Roots: `variables`, `inputs` (of the node), `output` (of the edge's source), `nodes` (node id ->
/// {"status","outputs"}), `channels`, `run`.
class ExpressionScope {
 public:
  virtual ~ExpressionScope() = default;
  [[nodiscard]] virtual std::optional<std::string> find(std::string_view root, std::string_view name) const = 0;
};

/// False for null, false, 0 and "" (and for text that is no JSON); true for everything else, [] and {} included.
inline bool truthy(std::string_view json) { return detail::expression::truthy(detail::expression::value_from(json)); }

/// One that is default-constructed is `null`.
class Expression {
 public:
  Expression() = default;

  /// Errors: validation_error with the position in the text.
  [[nodiscard]] static Result<Expression> parse(std::string_view text) {
    return made_by(text, detail::expression::Names::plain, &detail::expression::Parser::parse_expression);
  }

  /// A path such as `output.order.id`; one without a root begins in `output`. Names may hold dashes.
  /// Errors: validation_error for anything else.
  [[nodiscard]] static Result<Expression> parse_path(std::string_view text) {
    return made_by(text, detail::expression::Names::with_dashes, &detail::expression::Parser::parse_path);
  }

  /// The value as serialized JSON. Missing names are null, not errors. Errors: validation_error (wrong types, overflow,
  /// division by zero, a result larger than kMaxExpressionResultBytes).
  [[nodiscard]] Result<std::string> evaluate(const ExpressionScope& scope) const {
    auto value = value_in(scope);
    if (!value) return std::move(value).error();
    std::string text = detail::expression::to_json(*value);
    if (text.size() > kMaxExpressionResultBytes) {
      return Error{ErrorCode::validation_error, "expression: result is too large"};
    }
    return text;
  }

  /// The text that was parsed.
  [[nodiscard]] std::string_view source() const { return program_ ? std::string_view(program_->source) : "null"; }

 private:
  friend class Condition;
  using Program = detail::expression::Program;

  explicit Expression(Program program) : program_(std::make_shared<const Program>(std::move(program))) {}

  static Result<Expression> made_by(std::string_view text, detail::expression::Names names,
                                    Result<Program> (detail::expression::Parser::*parse)()) {
    if (text.size() > kMaxExpressionBytes) {
      return Error{ErrorCode::validation_error,
                   "expression is longer than " + std::to_string(kMaxExpressionBytes) + " bytes"};
    }
    if (!simdjson::validate_utf8(text.data(), text.size())) {
      return Error{ErrorCode::validation_error, "expression is not valid UTF-8"};
    }
    auto program = (detail::expression::Parser(text, names).*parse)();
    if (!program) return std::move(program).error();
    return Expression(std::move(program).value());
  }

  [[nodiscard]] Result<detail::expression::Value> value_in(const ExpressionScope& scope) const {
    if (!program_) return detail::expression::Value{};
    return detail::expression::Machine(*program_, scope).run();
  }

  std::shared_ptr<const Program> program_;
};

/// An edge condition (protocol 01 §21.3). One that is default-constructed never holds.
class Condition {
 public:
  enum class Type : std::uint8_t { expression, equals, not_equals, contains, regex };

  Condition() = default;

  /// `object` is checked JSON: {"type","left","right","expression"}. Without `type` it is `expression` where that
  /// member is present, and `equals` otherwise. `left` is a path as of Expression::parse_path(). `right` is true by
  /// default for `equals` and `notEquals`, and required for the others. Errors: validation_error.
  [[nodiscard]] static Result<Condition> parse(std::string_view object);

  /// A condition that holds where the expression is truthy.
  [[nodiscard]] static Condition of(Expression expression) {
    Condition condition;
    condition.left_ = std::move(expression);
    return condition;
  }

  /// Errors: validation_error where the expression fails. The other types have no failures: what is missing or of
  /// another type does not match.
  [[nodiscard]] Result<bool> holds(const ExpressionScope& scope) const;

  [[nodiscard]] Type type() const { return type_; }

 private:
  static Result<Type> type_of(std::string_view object);
  Status read_operands(std::string_view object);

  Type type_ = Type::expression;
  Expression left_;
  detail::expression::Value right_;
  std::optional<detail::Regex> regex_;
};

inline Result<Condition::Type> Condition::type_of(std::string_view object) {
  const auto named = json::member(object, "type");
  if (!named) return json::member(object, "expression") ? Type::expression : Type::equals;
  const std::string name = json::as_string(*named).value_or("");
  if (name == "expression") return Type::expression;
  if (name == "equals") return Type::equals;
  if (name == "notEquals") return Type::not_equals;
  if (name == "contains") return Type::contains;
  if (name == "regex") return Type::regex;
  return Error{ErrorCode::validation_error, "condition: unknown type"};
}

inline Status Condition::read_operands(std::string_view object) {
  const auto left = json::member(object, "left");
  const auto path = left ? json::as_string(*left) : std::nullopt;
  if (!path) return Error{ErrorCode::validation_error, "condition: left has to be a path"};
  auto parsed = Expression::parse_path(*path);
  if (!parsed) return std::move(parsed).error();
  left_ = std::move(parsed).value();

  const auto right = json::member(object, "right");
  const bool has_default = type_ == Type::equals || type_ == Type::not_equals;
  if (!right && !has_default) return Error{ErrorCode::validation_error, "condition: right is missing"};
  right_ = right ? detail::expression::value_from(*right) : detail::expression::Value{true};
  if (type_ != Type::regex) return {};
  const auto* pattern = std::get_if<std::string>(&right_);
  if (pattern == nullptr) return Error{ErrorCode::validation_error, "condition: right has to be a pattern"};
  auto compiled = detail::Regex::compile(*pattern);
  if (!compiled) return std::move(compiled).error();
  regex_ = std::move(compiled).value();
  return {};
}

inline Result<Condition> Condition::parse(std::string_view object) {
  if (json::kind(object) != json::Kind::object) {
    return Error{ErrorCode::validation_error, "condition has to be an object"};
  }
  const auto type = type_of(object);
  if (!type) return type.error();
  Condition condition;
  condition.type_ = *type;
  if (*type != Type::expression) {
    if (auto read = condition.read_operands(object); !read) return std::move(read).error();
    return condition;
  }
  const auto member = json::member(object, "expression");
  const auto text = member ? json::as_string(*member) : std::nullopt;
  if (!text) return Error{ErrorCode::validation_error, "condition: expression has to be a string"};
  auto expression = Expression::parse(*text);
  if (!expression) return std::move(expression).error();
  condition.left_ = std::move(expression).value();
  return condition;
}

inline Result<bool> Condition::holds(const ExpressionScope& scope) const {
  const auto left = left_.value_in(scope);
  if (!left) return left.error();
  switch (type_) {
    case Type::expression: return detail::expression::truthy(*left);
    case Type::equals: return detail::expression::equal(*left, right_);
    case Type::not_equals: return !detail::expression::equal(*left, right_);
    case Type::contains: return detail::expression::contains(*left, right_).value_or(false);
    case Type::regex: {
      const auto* text = std::get_if<std::string>(&*left);
      return text != nullptr && regex_->found_in(*text);
    }
  }
  return false;
}

}  // namespace openwop
