// Text of an expression -> tokens, one at a time.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "openwop/detail/expression_value.h"

namespace openwop::detail::expression {

enum class TokenKind : std::uint8_t { end, number, string, name, symbol };

struct Token {
  TokenKind kind = TokenKind::end;
  std::size_t offset = 0;
  std::string_view text;     // the spelling
  std::string string_value;  // of a string, escapes resolved
};

enum class Names : std::uint8_t {
  plain,
  with_dashes,  // paths have no operators, so `output.is-ready` is one name there
};

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool starts_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$'; }

class Lexer {
 public:
  Lexer(std::string_view text, Names names) : text_(text), names_(names) {}

  Result<Token> next() {
    at_ = json::detail::skip_space(text_, at_);
    if (at_ >= text_.size()) return Token{TokenKind::end, text_.size(), {}, {}};
    const char c = text_[at_];
    if (is_digit(c)) return number();
    if (c == '"' || c == '\'') return string(c);
    if (starts_name(c)) return name();
    return symbol();
  }

 private:
  Token token(TokenKind kind, std::size_t size) {
    Token made{kind, at_, text_.substr(at_, size), {}};
    at_ += size;
    return made;
  }

  [[nodiscard]] std::size_t digits_from(std::size_t at) const {
    while (at < text_.size() && is_digit(text_[at])) ++at;
    return at;
  }

  // The number grammar of JSON.
  Result<Token> number() {
    std::size_t end = digits_from(at_);
    if (text_[at_] == '0' && end > at_ + 1) return failed("number with a leading zero", at_);
    if (end < text_.size() && text_[end] == '.') {
      const std::size_t fraction = end + 1;
      end = digits_from(fraction);
      if (end == fraction) return failed("number without digits behind its point", at_);
    }
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      std::size_t exponent = end + 1;
      if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) ++exponent;
      end = digits_from(exponent);
      if (end == exponent) return failed("number without digits in its exponent", at_);
    }
    if (end < text_.size() && starts_name(text_[end])) return failed("malformed number", at_);
    return token(TokenKind::number, end - at_);
  }

  Token name() {
    std::size_t end = at_;
    while (end < text_.size() &&
           (starts_name(text_[end]) || is_digit(text_[end]) || (names_ == Names::with_dashes && text_[end] == '-'))) {
      ++end;
    }
    return token(TokenKind::name, end - at_);
  }

  Result<Token> symbol() {
    for (const std::string_view two : {"||", "&&", "==", "!=", "<=", ">="}) {
      if (text_.substr(at_, 2) == two) return token(TokenKind::symbol, 2);
    }
    constexpr std::string_view kSingle = "!<>+-*/%?:()[].,";
    if (kSingle.find(text_[at_]) == std::string_view::npos) return failed("unexpected character", at_);
    return token(TokenKind::symbol, 1);
  }

  Result<Token> string(char quote) {
    const std::size_t start = at_;
    std::string value;
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] != '\\') {
        value += text_[at_];
      } else if (!escape(value)) {
        return failed("invalid escape in a string", at_ < text_.size() ? at_ : start);
      }
    }
    if (at_ >= text_.size()) return failed("string is not closed", start);
    ++at_;
    return Token{TokenKind::string, start, text_.substr(start, at_ - start), std::move(value)};
  }

  // On the backslash; leaves at_ on the last character of the escape.
  bool escape(std::string& value) {
    if (++at_ >= text_.size()) return false;
    constexpr std::string_view kNames = "\"'\\/bfnrt";
    constexpr std::string_view kMeanings = "\"'\\/\b\f\n\r\t";
    const std::size_t known = kNames.find(text_[at_]);
    if (known != std::string_view::npos) {
      value += kMeanings[known];
      return true;
    }
    return text_[at_] == 'u' && unicode_escape(value);
  }

  // On the 'u'.
  bool unicode_escape(std::string& value) {
    std::uint32_t code_point = 0;
    if (!hex4(at_ + 1, code_point)) return false;
    at_ += 4;
    if (code_point >= 0xDC00 && code_point < 0xE000) return false;
    if (code_point >= 0xD800 && code_point < 0xDC00) {
      std::uint32_t low = 0;
      if (text_.substr(std::min(at_ + 1, text_.size()), 2) != "\\u" || !hex4(at_ + 3, low)) return false;
      if (low < 0xDC00 || low >= 0xE000) return false;
      code_point = 0x10000 + ((code_point - 0xD800) << 10U) + (low - 0xDC00);
      at_ += 6;
    }
    json::detail::append_utf8(value, code_point);
    return true;
  }

  [[nodiscard]] bool hex4(std::size_t from, std::uint32_t& out) const {
    if (from + 4 > text_.size()) return false;
    const char* const begin = text_.data() + from;
    const auto parsed = std::from_chars(begin, begin + 4, out, 16);
    return parsed.ec == std::errc{} && parsed.ptr == begin + 4;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Names names_;
};

}  // namespace openwop::detail::expression
