// Schemas of the OpenAPI document, compiled when first used.
//
// Thread-safety: not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/json.h"

namespace valijson {
class Schema;
}

namespace openwop::test {

class ComponentSchemas {
 public:
  /// `document` outlives the object.
  explicit ComponentSchemas(const json::Value& document);
  ComponentSchemas(const ComponentSchemas&) = delete;
  ComponentSchemas& operator=(const ComponentSchemas&) = delete;
  ~ComponentSchemas();

  /// What `text` breaks in the schema `node` of the document.
  [[nodiscard]] std::vector<std::string> problems(const json::Value& node, std::string_view text);

 private:
  [[nodiscard]] const valijson::Schema& compiled(const json::Value& node);

  const json::Value& document_;
  std::map<std::string, std::unique_ptr<valijson::Schema>> compiled_;
};

}  // namespace openwop::test
