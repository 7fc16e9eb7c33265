// What the tests of expressions read from.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "openwop/expression.h"

namespace openwop::test {

/// `name` of each root is a member of that root's JSON object.
class FixedScope : public ExpressionScope {
 public:
  using Roots = std::map<std::string, std::string, std::less<>>;

  explicit FixedScope(Roots roots) : roots_(std::move(roots)) {}

  [[nodiscard]] std::optional<std::string> find(std::string_view root, std::string_view name) const override {
    const auto found = roots_.find(root);
    if (found == roots_.end()) return std::nullopt;
    const auto member = json::member(found->second, name);
    return member ? std::optional<std::string>(*member) : std::nullopt;
  }

 private:
  Roots roots_;
};

}  // namespace openwop::test
