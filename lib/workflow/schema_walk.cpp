#include "workflow/schema_walk.h"

#include <algorithm>
#include <array>
#include <regex>

#include "openwop/workflow_problems.h"

namespace openwop::workflow {

namespace {

// Keywords whose value is a map of schemas, one schema (or a list of them), and those that the validator would ignore.
constexpr std::array<std::string_view, 4> kMaps = {"properties", "patternProperties", "$defs", "definitions"};
constexpr std::array<std::string_view, 12> kSchemas = {"additionalProperties",
                                                       "items",
                                                       "additionalItems",
                                                       "contains",
                                                       "not",
                                                       "if",
                                                       "then",
                                                       "else",
                                                       "allOf",
                                                       "anyOf",
                                                       "oneOf",
                                                       "propertyNames"};
constexpr std::array<std::string_view, 12> kNotEnforced = {
    "unevaluatedProperties", "unevaluatedItems", "prefixItems", "dependentRequired", "dependentSchemas", "minContains",
    "maxContains",           "$dynamicRef",      "$anchor",     "$recursiveRef",     "dependencies",     "extends"};

template <class List>
bool holds(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// The validator compiles a pattern when it first meets a value for it; what it refuses then would be our error.
bool is_pattern(std::string_view text) {
  constexpr std::size_t kMaxBytes = 512;
  if (text.size() > kMaxBytes) return false;
  try {
    const std::regex compiled{std::string(text)};
    return true;
  } catch (const std::regex_error&) {
    return false;
  }
}

std::string_view text_of(const json::Value& value) { return {value.GetString(), value.GetStringLength()}; }

}  // namespace

void SchemaWalk::refuse(const std::string& pointer, std::string_view message) {
  if (problem_.empty()) problem_ = (pointer.empty() ? std::string("the schema") : pointer) + " " + std::string(message);
}

Status SchemaWalk::prepare(json::Value& schema) {
  for (const char* const name : {"$schema", "$id"}) {
    if (schema.IsObject()) schema.RemoveMember(name);
  }
  walk(schema, "", "");
  if (keywords_ == Keywords::enforceable) {
    for (const auto& [definition, targets] : references_) {
      for (const std::string& target : targets) {
        if (!definitions_.contains(target)) refuse("", "refers to " + target + ", which is not there");
      }
      std::set<std::string> path;
      if (recurses(definition, path)) refuse("", "recurses, which options and answers cannot");
    }
  }
  if (problem_.empty()) return {};
  return Error{ErrorCode::validation_error, problem_};
}

bool SchemaWalk::recurses(const std::string& definition, std::set<std::string>& path) const {
  if (!path.insert(definition).second) return true;
  if (const auto at = references_.find(definition); at != references_.end()) {
    for (const std::string& target : at->second) {
      if (recurses(target, path)) return true;
    }
  }
  path.erase(definition);
  return false;
}

void SchemaWalk::walk(json::Value& schema, const std::string& pointer, const std::string& definition) {
  if (schema.IsArray()) return walk_all(schema, pointer, definition);
  if (!schema.IsObject() || !problem_.empty()) return;
  schema.RemoveMember("format");
  if (schema.HasMember("uniqueItems")) {
    has_unique_lists_ = true;
    if (keywords_ == Keywords::any) schema.RemoveMember("uniqueItems");
  }
  // RapidJSON's member iterators do not compare without ambiguity in C++20, so no range loop.
  for (auto member = schema.MemberBegin(); member < schema.MemberEnd(); ++member) {
    const std::string_view keyword = text_of(member->name);
    walk_keyword(keyword, member->value, pointer_to(pointer, keyword), definition);
  }
}

void SchemaWalk::walk_all(json::Value& container, const std::string& pointer, const std::string& definition) {
  std::size_t index = 0;
  for (auto& item : container.GetArray()) walk(item, pointer_to(pointer, index++), definition);
}

void SchemaWalk::walk_keyword(std::string_view keyword, json::Value& value, const std::string& pointer,
                              const std::string& definition) {
  if (keyword == "pattern" || keyword == "patternProperties") has_patterns_ = true;
  const bool checked = keywords_ == Keywords::enforceable;
  if (checked && keyword == "pattern" && value.IsString() && !is_pattern(text_of(value))) {
    return refuse(pointer, "is no regular expression of at most 512 bytes");
  }
  if (keyword == "$ref") return note_reference(value, pointer, definition);
  if (checked && (holds(kNotEnforced, keyword) || keyword == "$id")) {
    return refuse(pointer, "is a keyword that this host cannot enforce");
  }
  if (holds(kSchemas, keyword)) return walk(value, pointer, definition);
  if (!holds(kMaps, keyword) || !value.IsObject()) return;
  const bool defines = definition.empty() && (pointer == "/$defs" || pointer == "/definitions");
  for (auto member = value.MemberBegin(); member < value.MemberEnd(); ++member) {
    const std::string_view name = text_of(member->name);
    const std::string inner = pointer_to(pointer, name);
    if (checked && keyword == "patternProperties" && !is_pattern(name)) {
      return refuse(pointer, "names what is no regular expression of at most 512 bytes");
    }
    if (defines) definitions_.insert("#" + inner);
    walk(member->value, inner, defines ? "#" + inner : definition);
  }
}

void SchemaWalk::note_reference(const json::Value& value, const std::string& pointer, const std::string& definition) {
  if (keywords_ == Keywords::any) return;
  const std::string_view target = value.IsString() ? text_of(value) : std::string_view();
  const bool local = target.starts_with("#/$defs/") || target.starts_with("#/definitions/");
  if (!local || target.find('%') != std::string_view::npos) {
    return refuse(pointer, "has to refer to #/$defs/<name> or #/definitions/<name>");
  }
  references_[definition].insert(std::string(target));
}

}  // namespace openwop::workflow
