// Tokens -> program, by precedence climbing. Chains of operators are loops; only brackets, unary operators and the
// branches of `?:` recurse, and kMaxExpressionDepth bounds them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openwop/detail/expression_lexer.h"
#include "openwop/detail/expression_program.h"

namespace openwop {

inline constexpr std::size_t kMaxExpressionBytes = 4096;
inline constexpr std::size_t kMaxExpressionDepth = 32;

}  // namespace openwop

namespace openwop::detail::expression {

struct Operator {
  std::string_view text;
  int precedence;  // higher binds tighter; all are left-associative
  Op op;
};

inline constexpr std::array kOperators = {
    Operator{"||", 1, Op::or_else},    Operator{"&&", 2, Op::and_then},      Operator{"==", 3, Op::equals},
    Operator{"!=", 3, Op::not_equals}, Operator{"<", 4, Op::less},           Operator{"<=", 4, Op::less_equal},
    Operator{">", 4, Op::greater},     Operator{">=", 4, Op::greater_equal}, Operator{"in", 4, Op::in},
    Operator{"+", 5, Op::add},         Operator{"-", 5, Op::subtract},       Operator{"*", 6, Op::multiply},
    Operator{"/", 6, Op::divide},      Operator{"%", 6, Op::remainder},
};

class Parser {
 public:
  Parser(std::string_view text, Names names) : lexer_(text, names) { program_.source = text; }

  Result<Program> parse_expression() { return finish(advance() && ternary()); }

  /// A path and nothing else. A path that begins with no root is one into the output: `approved` is `output.approved`.
  Result<Program> parse_path() { return finish(advance() && path()); }

 private:
  // Every parsing function returns false once error_ is set.

  Result<Program> finish(bool ok) {
    if (ok && token_.kind != TokenKind::end) ok = fail("unexpected '" + std::string(token_.text) + "'");
    if (!ok) return std::move(error_);
    return std::move(program_);
  }

  bool fail(const std::string& what) { return fail_at(what, token_.offset); }
  bool fail_at(const std::string& what, std::size_t offset) {
    error_ = failed(what, offset);
    return false;
  }

  bool advance() {
    auto next = lexer_.next();
    if (!next) {
      error_ = std::move(next).error();
      return false;
    }
    token_ = std::move(next).value();
    return true;
  }

  [[nodiscard]] bool is_symbol(std::string_view text) const {
    return token_.kind == TokenKind::symbol && token_.text == text;
  }
  [[nodiscard]] bool is_name(std::string_view text) const {
    return token_.kind == TokenKind::name && token_.text == text;
  }
  bool expect(std::string_view text) {
    if (is_symbol(text)) return advance();
    return fail("expected '" + std::string(text) + "'");
  }

  struct Nested {
    explicit Nested(std::size_t& depth) : depth_(depth) { ++depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;
    ~Nested() { --depth_; }
    std::size_t& depth_;
  };
  bool too_deep() {
    if (depth_ <= kMaxExpressionDepth) return false;
    fail("nested more than " + std::to_string(kMaxExpressionDepth) + " levels deep");
    return true;
  }

  std::size_t emit(Op op, std::size_t offset, std::uint32_t a = 0, std::uint32_t b = 0) {
    program_.code.push_back({op, a, b, static_cast<std::uint32_t>(offset)});
    return program_.code.size() - 1;
  }
  std::uint32_t literal(Value value) {
    program_.literals.push_back(std::move(value));
    return static_cast<std::uint32_t>(program_.literals.size() - 1);
  }
  void land(std::size_t jump) { program_.code[jump].a = static_cast<std::uint32_t>(program_.code.size()); }

  bool ternary() {
    const Nested nested(depth_);
    if (too_deep()) return false;
    std::vector<std::size_t> ends;
    while (true) {
      if (!binary(1)) return false;
      if (!is_symbol("?")) break;
      const std::size_t otherwise = emit(Op::jump_if_false, token_.offset);
      if (!advance() || !ternary()) return false;
      ends.push_back(emit(Op::jump, token_.offset));
      if (!expect(":")) return false;
      land(otherwise);
    }
    for (const std::size_t end : ends) land(end);
    return true;
  }

  [[nodiscard]] const Operator* binary_operator() const {
    if (token_.kind != TokenKind::symbol && token_.kind != TokenKind::name) return nullptr;
    for (const auto& candidate : kOperators) {
      if (candidate.text == token_.text) return &candidate;
    }
    return nullptr;
  }

  // Recursion ends after six levels: each inner call asks for a higher precedence.
  bool binary(int min_precedence) {
    if (!unary()) return false;
    for (const Operator* found = binary_operator(); found != nullptr && found->precedence >= min_precedence;
         found = binary_operator()) {
      const std::size_t offset = token_.offset;
      const bool lazy = found->op == Op::and_then || found->op == Op::or_else;
      const std::size_t jump = lazy ? emit(found->op, offset) : 0;
      if (!advance() || !binary(found->precedence + 1)) return false;
      if (lazy) {
        land(jump);
      } else {
        emit(found->op, offset);
      }
    }
    return true;
  }

  bool unary() {
    if (!is_symbol("!") && !is_symbol("-")) return postfix();
    const Nested nested(depth_);
    if (too_deep()) return false;
    const bool minus = is_symbol("-");
    const std::size_t offset = token_.offset;
    if (!advance()) return false;
    // The sign is part of a literal: the smallest integer has no positive counterpart.
    if (minus && token_.kind == TokenKind::number) return number("-" + std::string(token_.text), offset);
    if (!unary()) return false;
    emit(minus ? Op::negate : Op::logical_not, offset);
    return true;
  }

  bool number(const std::string& text, std::size_t offset) {
    Value value = number_from(text);
    if (const auto* real = std::get_if<Real>(&value)) {
      if (text != "-0" && text.find_first_of(".eE") == std::string::npos)
        return fail_at("integer beyond 64 bits", offset);
      if (!json::as_number(text) || !std::isfinite(real->value)) return fail_at("number out of range", offset);
    }
    emit(Op::literal, offset, literal(std::move(value)));
    return advance();
  }

  bool postfix() { return primary() && members(); }

  bool members() {
    while (true) {
      const std::size_t offset = token_.offset;
      if (is_symbol(".")) {
        if (!advance()) return false;
        if (token_.kind != TokenKind::name) return fail("expected a name behind '.'");
        emit(Op::member, offset, literal(std::string(token_.text)));
        if (!advance()) return false;
      } else if (is_symbol("[")) {
        if (!advance() || !ternary()) return false;
        emit(Op::index, offset);
        if (!expect("]")) return false;
      } else {
        return true;
      }
    }
  }

  bool primary() {
    const std::size_t offset = token_.offset;
    if (token_.kind == TokenKind::number) return number(std::string(token_.text), offset);
    if (token_.kind == TokenKind::string) {
      emit(Op::literal, offset, literal(std::move(token_.string_value)));
      return advance();
    }
    if (is_symbol("(")) return advance() && ternary() && expect(")");
    if (is_symbol("[")) {
      std::uint32_t count = 0;
      if (!advance() || !list("]", count)) return false;
      emit(Op::array, offset, count);
      return true;
    }
    if (token_.kind == TokenKind::name) return name();
    return fail(token_.kind == TokenKind::end ? "unexpected end" : "unexpected '" + std::string(token_.text) + "'");
  }

  // Expressions separated by commas, and the bracket that closes them.
  bool list(std::string_view close, std::uint32_t& count) {
    if (is_symbol(close)) return advance();
    while (true) {
      if (!ternary()) return false;
      ++count;
      if (is_symbol(close)) return advance();
      if (!expect(",")) return false;
    }
  }

  bool name() {
    const std::size_t offset = token_.offset;
    const std::string text(token_.text);
    if (text == "in") return fail("unexpected 'in'");
    if (!advance()) return false;
    if (text == "null" || text == "true" || text == "false") {
      emit(Op::literal, offset, literal(value_from(text)));
      return true;
    }
    if (is_symbol("(")) return call(text, offset);
    const auto root = find_root(text);
    if (!root) return fail_at("unknown name '" + text + "'", offset);
    return load(*root, offset);
  }

  // Behind the name of a root.
  bool load(std::uint32_t root, std::size_t offset) {
    if (is_symbol(".")) {
      if (!advance()) return false;
      if (token_.kind != TokenKind::name) return fail("expected a name behind '.'");
      emit(Op::load, offset, root, literal(std::string(token_.text)));
      return advance();
    }
    if (!is_symbol("[")) return fail_at("'" + std::string(kRoots[root]) + "' needs a member", offset);
    if (!advance() || !ternary()) return false;
    emit(Op::load_named, offset, root);
    return expect("]");
  }

  bool call(const std::string& name, std::size_t offset) {
    for (const auto& info : kFunctions) {
      if (info.name != name) continue;
      std::uint32_t count = 0;
      if (!advance() || !list(")", count)) return false;
      if (count < info.min_arguments || count > info.max_arguments) {
        return fail_at("wrong number of arguments for " + name + "()", offset);
      }
      emit(Op::call, offset, static_cast<std::uint32_t>(info.function), count);
      return true;
    }
    return fail_at("unknown function '" + name + "'", offset);
  }

  bool path() {
    if (token_.kind != TokenKind::name) return fail("expected a path");
    const std::size_t offset = token_.offset;
    const std::string first(token_.text);
    if (!advance()) return false;
    const auto root = find_root(first);
    if (root && (is_symbol(".") || is_symbol("["))) {
      if (!load(*root, offset)) return false;
    } else {
      emit(Op::load, offset, kOutputRoot, literal(first));
    }
    if (!members()) return false;
    // Indexes are the one place where operators could hide in a path.
    for (const auto& instruction : program_.code) {
      if (instruction.op > Op::index) return fail_at("a path cannot compute", instruction.offset);
    }
    return true;
  }

  Lexer lexer_;
  Token token_;
  Program program_;
  Error error_;
  std::size_t depth_ = 0;
};

}  // namespace openwop::detail::expression
