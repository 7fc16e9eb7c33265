// One walk over a JSON Schema before it is compiled: takes out what the validator cannot be trusted with, finds what it
// would silently pass over, and proves that references end.
//
// Used by one thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "openwop/json.h"
#include "openwop/result.h"

namespace openwop::workflow {

class SchemaWalk {
 public:
  enum class Keywords : std::uint8_t {
    enforceable,  // refuse schemas with assertions that the validator does not know
    any,          // the schema is our own; `uniqueItems` is taken out as well
  };
  explicit SchemaWalk(Keywords keywords) : keywords_(keywords) {}

  /// Changes the document. Errors: validation_error that names the place.
  [[nodiscard]] Status prepare(json::Value& schema);

  [[nodiscard]] bool has_patterns() const { return has_patterns_; }
  [[nodiscard]] bool has_unique_lists() const { return has_unique_lists_; }

 private:
  void walk(json::Value& schema, const std::string& pointer, const std::string& definition);
  void walk_keyword(std::string_view keyword, json::Value& value, const std::string& pointer,
                    const std::string& definition);
  void walk_all(json::Value& container, const std::string& pointer, const std::string& definition);
  void note_reference(const json::Value& value, const std::string& pointer, const std::string& definition);
  [[nodiscard]] bool recurses(const std::string& definition, std::set<std::string>& path) const;
  void refuse(const std::string& pointer, std::string_view message);

  Keywords keywords_;
  bool has_patterns_ = false;
  bool has_unique_lists_ = false;
  std::string problem_;
  /// Definition ("" is the root) -> the definitions that it refers to.
  std::map<std::string, std::set<std::string>> references_;
  std::set<std::string> definitions_;
};

}  // namespace openwop::workflow
