// Reads members of checked JSON objects and notes what is wrong with them, each with its pointer.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openwop/json.h"
#include "openwop/workflow_problems.h"

namespace openwop::detail {

enum class Need : std::uint8_t { optional, required };

class ObjectReader {
 public:
  /// `raw` is checked JSON of any kind; what is no object is a problem and has no members.
  ObjectReader(std::vector<WorkflowProblem>& problems, std::string pointer, std::string_view raw)
      : problems_(problems), pointer_(std::move(pointer)) {
    is_object_ = json::kind(raw) == json::Kind::object;
    if (!is_object_) {
      problem("has to be an object");
      return;
    }
    json::for_each_member(raw, [&](std::string_view key, std::string_view value) {
      members_.emplace_back(json::unescape(key), value);
      return true;
    });
  }

  [[nodiscard]] bool is_object() const { return is_object_; }
  [[nodiscard]] const std::string& pointer() const { return pointer_; }
  [[nodiscard]] std::string pointer(std::string_view member) const { return pointer_to(pointer_, member); }
  [[nodiscard]] const std::vector<std::pair<std::string, std::string_view>>& members() const { return members_; }

  void problem(std::string message) { problems_.push_back({pointer_, std::move(message)}); }
  void problem(std::string_view member, std::string message) {
    problems_.push_back({pointer(member), std::move(message)});
  }

  /// The raw value; noted as missing on the object itself when it is required.
  std::optional<std::string_view> raw(std::string_view name, Need need = Need::optional) {
    for (const auto& [key, value] : members_) {
      if (key == name) return value;
    }
    if (need == Need::required && is_object_) problem("'" + std::string(name) + "' is missing");
    return std::nullopt;
  }

  /// A raw value of one kind.
  std::optional<std::string_view> raw(std::string_view name, json::Kind kind, Need need = Need::optional) {
    const auto value = raw(name, need);
    if (!value || json::kind(*value) == kind) return value;
    problem(name, std::string("has to be ") + kind_name(kind));
    return std::nullopt;
  }

  std::optional<std::string> string(std::string_view name, Need need = Need::optional) {
    const auto value = raw(name, json::Kind::string, need);
    return value ? json::as_string(*value) : std::nullopt;
  }

  /// A string of one byte or more; empty when it is missing or wrong, which is then noted.
  std::string text(std::string_view name, Need need = Need::required) {
    const auto value = string(name, need);
    if (value && value->empty()) problem(name, "is empty");
    return value.value_or("");
  }

  bool boolean(std::string_view name, bool fallback) {
    const auto value = raw(name, json::Kind::boolean);
    return value ? json::as_bool(*value).value_or(fallback) : fallback;
  }

  std::int64_t integer(std::string_view name, std::int64_t fallback, std::int64_t min,
                       std::int64_t max = std::numeric_limits<std::int64_t>::max()) {
    const auto value = raw(name);
    if (!value) return fallback;
    const auto number = json::as_int(*value);
    if (number && *number >= min && *number <= max) return *number;
    problem(name, "has to be an integer of at least " + std::to_string(min) +
                      (max < std::numeric_limits<std::int64_t>::max() ? " and at most " + std::to_string(max) : ""));
    return fallback;
  }

  /// The value of one of the names, in the order of an enum class.
  template <class Enum>
  Enum one_of(std::string_view name, std::initializer_list<std::string_view> names, Enum fallback,
              Need need = Need::optional) {
    const auto value = string(name, need);
    if (!value) return fallback;
    std::size_t position = 0;
    for (const std::string_view candidate : names) {
      if (candidate == *value) return static_cast<Enum>(position);
      ++position;
    }
    problem(name, "has no known value");
    return fallback;
  }

  static const char* kind_name(json::Kind kind) {
    switch (kind) {
      case json::Kind::null: return "null";
      case json::Kind::boolean: return "a boolean";
      case json::Kind::number: return "a number";
      case json::Kind::string: return "a string";
      case json::Kind::array: return "an array";
      case json::Kind::object: return "an object";
      case json::Kind::invalid: break;
    }
    return "valid JSON";
  }

 private:
  std::vector<WorkflowProblem>& problems_;
  std::string pointer_;
  bool is_object_ = false;
  std::vector<std::pair<std::string, std::string_view>> members_;
};

/// The raw elements of an array.
inline std::vector<std::string_view> elements_of(std::string_view array) {
  std::vector<std::string_view> elements;
  json::for_each_element(array, [&](std::string_view element) {
    elements.push_back(element);
    return true;
  });
  return elements;
}

}  // namespace openwop::detail
