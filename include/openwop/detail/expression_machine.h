// Runs a program against a scope.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "openwop/detail/expression_functions.h"

namespace openwop::detail::expression {

inline std::size_t depth_of(std::string_view raw) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '"') {
      i = json::detail::skip_string(raw, i) - 1;
    } else if (raw[i] == '[' || raw[i] == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (raw[i] == ']' || raw[i] == '}') {
      --depth;
    }
  }
  return deepest;
}

/// `Scope` has `std::optional<std::string> find(std::string_view root, std::string_view name) const`.
template <class Scope>
class Machine {
 public:
  Machine(const Program& program, const Scope& scope) : program_(program), scope_(scope) {}

  Result<Value> run() {
    std::size_t at = 0;
    while (at < program_.code.size()) {
      const Instruction& instruction = program_.code[at];
      if (is_jump(instruction.op)) {
        at = jump(instruction, at);
        continue;
      }
      auto value = step(instruction);
      if (!value) return std::move(value).error();
      stack_.push_back(std::move(value).value());
      ++at;
    }
    return stack_.empty() ? Value{} : pop();
  }

 private:
  Value pop() {
    Value top = std::move(stack_.back());
    stack_.pop_back();
    return top;
  }

  static bool is_jump(Op op) {
    return op == Op::jump || op == Op::jump_if_false || op == Op::and_then || op == Op::or_else;
  }

  // The next address.
  std::size_t jump(const Instruction& instruction, std::size_t at) {
    if (instruction.op == Op::jump) return instruction.a;
    const bool holds = truthy(stack_.back());
    const bool taken = instruction.op == Op::or_else ? holds : !holds;
    const bool keeps = taken && instruction.op != Op::jump_if_false;
    if (!keeps) stack_.pop_back();
    return taken ? instruction.a : at + 1;
  }

  // The value that the instruction pushes, its operands popped.
  Result<Value> step(const Instruction& instruction) {
    switch (instruction.op) {
      case Op::literal: return program_.literals[instruction.a];
      case Op::load: return load(instruction, std::get<std::string>(program_.literals[instruction.b]));
      case Op::load_named: {
        const Value name = pop();
        const auto* text = std::get_if<std::string>(&name);
        return text != nullptr ? load(instruction, *text) : Value{};
      }
      case Op::member: return at(pop(), program_.literals[instruction.a]);
      case Op::index: {
        const Value key = pop();
        return at(pop(), key);
      }
      case Op::negate: return negated(pop(), instruction.offset);
      case Op::logical_not: return Value{!truthy(pop())};
      case Op::array: return array(instruction);
      case Op::call: return call_function(instruction);
      default: return binary(instruction);
    }
  }

  Result<Value> load(const Instruction& instruction, const std::string& name) {
    const auto found = scope_.find(kRoots[instruction.a], name);
    if (!found) return Value{};
    read_bytes_ += found->size();
    if (read_bytes_ > kMaxExpressionReadBytes) return failed("reads too much data", instruction.offset);
    return value_from(*found);
  }

  Result<Value> binary(const Instruction& instruction) {
    const Value right = pop();
    const Value left = pop();
    switch (instruction.op) {
      case Op::equals: return Value{equal(left, right)};
      case Op::not_equals: return Value{!equal(left, right)};
      case Op::in: return member_test(right, left, instruction.offset);
      case Op::less:
      case Op::less_equal:
      case Op::greater:
      case Op::greater_equal: return ordered(instruction, left, right);
      default: return arithmetic(instruction.op, left, right, instruction.offset);
    }
  }

  static Result<Value> ordered(const Instruction& instruction, const Value& left, const Value& right) {
    const auto order = compare(left, right, instruction.offset);
    if (!order) return order.error();
    if (instruction.op == Op::less) return Value{*order < 0};
    if (instruction.op == Op::less_equal) return Value{*order <= 0};
    if (instruction.op == Op::greater) return Value{*order > 0};
    return Value{*order >= 0};
  }

  [[nodiscard]] std::span<Value> top(std::size_t count) { return std::span(stack_).subspan(stack_.size() - count); }

  Result<Value> array(const Instruction& instruction) {
    std::string text = "[";
    for (const Value& element : top(instruction.a)) {
      if (text.size() > 1) text += ',';
      append_json(text, element);
      if (text.size() > kMaxExpressionResultBytes) return failed("result is too large", instruction.offset);
    }
    text += ']';
    stack_.resize(stack_.size() - instruction.a);
    if (depth_of(text) > kMaxExpressionResultDepth) return failed("result is nested too deeply", instruction.offset);
    return Value{Composite{std::move(text)}};
  }

  Result<Value> call_function(const Instruction& instruction) {
    auto value = call(static_cast<Function>(instruction.a), top(instruction.b), instruction.offset);
    stack_.resize(stack_.size() - instruction.b);
    return value;
  }

  const Program& program_;
  const Scope& scope_;
  std::vector<Value> stack_;
  std::size_t read_bytes_ = 0;
};

}  // namespace openwop::detail::expression
