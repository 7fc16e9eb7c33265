// Numbers of JSON text, and the builder of a DOM that holds them as they are read everywhere else.
//
// Thread-safety: free functions and plain values.
#pragma once

#include <rapidjson/document.h>
#include <rapidjson/reader.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace openwop::json::detail {

/// A whole number without fraction and exponent; nothing if it does not fit.
template <class Integer>
std::optional<Integer> read_integer(std::string_view text) {
  Integer value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The nearest double; zero below the smallest, nothing above the largest.
inline std::optional<double> read_double(std::string_view text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (code == std::errc{}) return value;
  // Out of range, and with a negative exponent or as 0.000…: too small, not too large.
  const bool is_zero = text.find_first_of("123456789") == std::string_view::npos;
  const auto exponent = text.find_first_of("eE");
  const bool is_small = exponent == std::string_view::npos ? text.starts_with("0.") || text.starts_with("-0.")
                                                           : text.substr(exponent + 1).starts_with('-');
  if (!is_zero && !is_small) return std::nullopt;
  return text.starts_with('-') ? -0.0 : 0.0;
}

/// Events of RapidJSON's reader into a document. RapidJSON's own reading of numbers is not used: it makes 2e80 of 0e99.
class DomBuilder {
 public:
  using Ch = char;

  explicit DomBuilder(rapidjson::Document& document) : document_(document) {}

  bool RawNumber(const char* text, rapidjson::SizeType size, bool /*copy*/) {
    const std::string_view number(text, size);
    if (const auto whole = read_integer<std::int64_t>(number)) return document_.Int64(*whole);
    if (const auto whole = read_integer<std::uint64_t>(number)) return document_.Uint64(*whole);
    const auto real = read_double(number);
    return real && document_.Double(*real);
  }

  bool Null() { return document_.Null(); }
  bool Bool(bool value) { return document_.Bool(value); }
  bool String(const char* text, rapidjson::SizeType size, bool copy) { return document_.String(text, size, copy); }
  bool StartObject() { return document_.StartObject(); }
  bool Key(const char* text, rapidjson::SizeType size, bool copy) { return document_.Key(text, size, copy); }
  bool EndObject(rapidjson::SizeType members) { return document_.EndObject(members); }
  bool StartArray() { return document_.StartArray(); }
  bool EndArray(rapidjson::SizeType elements) { return document_.EndArray(elements); }

  // Never called, since numbers come as text.
  bool Int(int value) { return document_.Int(value); }
  bool Uint(unsigned value) { return document_.Uint(value); }
  bool Int64(std::int64_t value) { return document_.Int64(value); }
  bool Uint64(std::uint64_t value) { return document_.Uint64(value); }
  bool Double(double value) { return document_.Double(value); }

 private:
  rapidjson::Document& document_;
};

}  // namespace openwop::json::detail
