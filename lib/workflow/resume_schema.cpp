// Resume values against the JSON Schema that a node gave. The schema comes from a workflow or a handler, the value from
// anybody, so both are bounded before the validator sees them:
//
//  - references are put in place first: the validator would follow a cycle of them for ever;
//  - a `pattern` is matched with std::regex, which recurses once for each character;
//  - `uniqueItems` compares each pair of elements.
#include <rapidjson/pointer.h>

#include <exception>
#include <string>

#include "openwop/json.h"
#include "workflow/interrupt_data.h"

// See schema_check.cpp.
#undef RAPIDJSON_ASSERT
#include <valijson/adapters/rapidjson_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

namespace openwop::workflow {

namespace {

using valijson::adapters::RapidJsonAdapter;

constexpr std::size_t kMaxSchemaBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxSchemaNodes = 20'000;
constexpr std::size_t kMaxSchemaDepth = 64;
constexpr std::size_t kMaxPatternTextBytes = 1024;
constexpr std::size_t kMaxUniqueArrayElements = 1'000;

Error invalid(std::string message) { return Error{ErrorCode::validation_error, std::move(message)}; }

/// The fragment of a reference as the JSON Pointer that it stands for.
std::string percent_decoded(std::string_view fragment) {
  const auto digit = [](char c) {
    constexpr std::string_view kHex = "0123456789abcdef";
    const auto at = kHex.find(c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
  };
  std::string out;
  for (std::size_t i = 0; i < fragment.size(); ++i) {
    const bool escape = fragment[i] == '%' && i + 2 < fragment.size();
    const int high = escape ? digit(fragment[i + 1]) : -1;
    const int low = escape ? digit(fragment[i + 2]) : -1;
    if (high < 0 || low < 0) {
      out += fragment[i];
      continue;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

struct Bounds {
  bool has_pattern = false;
  bool has_unique = false;
};

/// The schema with its references in place.
class Expansion {
 public:
  explicit Expansion(const json::Document& source) : source_(source) {}

  Result<json::Document> expand() {
    json::Document out;
    out.CopyFrom(source_, out.GetAllocator());
    if (auto done = walk(out, out.GetAllocator(), 0); !done) return std::move(done).error();
    return out;
  }
  [[nodiscard]] const Bounds& bounds() const { return bounds_; }

 private:
  Status walk(json::Value& schema, json::Document::AllocatorType& allocator, std::size_t depth) {
    if (depth > kMaxSchemaDepth) return invalid("the schema is recursive, or nested too deeply");
    if (++nodes_ > kMaxSchemaNodes) return invalid("the schema is too large");
    if (schema.IsArray()) {
      for (auto& item : schema.GetArray()) {
        if (auto done = walk(item, allocator, depth + 1); !done) return done;
      }
      return {};
    }
    if (!schema.IsObject()) return {};
    if (const auto ref = schema.FindMember("$ref"); ref < schema.MemberEnd() && ref->value.IsString()) {
      const std::string_view target = json::string_of(ref->value);
      if (!target.starts_with('#')) return invalid("a $ref of the schema leads out of it");
      const std::string path = percent_decoded(target.substr(1));
      const rapidjson::Pointer pointer(path.data(), path.size());
      const json::Value* found = pointer.IsValid() ? pointer.Get(source_) : nullptr;
      if (found == nullptr) return invalid("a $ref of the schema leads nowhere");
      schema.CopyFrom(*found, allocator);
      return walk(schema, allocator, depth + 1);
    }
    for (const char* const unused : {"format", "$schema", "$id", "id"}) {
      const auto member = schema.FindMember(unused);
      // A property of that name is a schema, the keyword a string.
      if (member < schema.MemberEnd() && member->value.IsString()) schema.RemoveMember(member);
    }
    for (auto member = schema.MemberBegin(); member < schema.MemberEnd(); ++member) {
      const std::string_view name = json::string_of(member->name);
      bounds_.has_pattern = bounds_.has_pattern || name == "pattern" || name == "patternProperties";
      bounds_.has_unique = bounds_.has_unique || name == "uniqueItems";
      // These hold values, not schemas; definitions are copied from where they are referred to.
      if (name == "enum" || name == "const" || name == "default" || name == "examples") continue;
      if (name == "$defs" || name == "definitions") continue;
      const bool holds_named = name == "properties" || name == "patternProperties" || name == "dependencies";
      if (auto done =
              holds_named ? walk_named(member->value, allocator, depth + 1) : walk(member->value, allocator, depth + 1);
          !done) {
        return done;
      }
    }
    for (const char* const definitions : {"$defs", "definitions"}) schema.RemoveMember(definitions);
    return {};
  }

  /// An object whose keys are names of properties: none of them is a keyword.
  Status walk_named(json::Value& schemas, json::Document::AllocatorType& allocator, std::size_t depth) {
    if (!schemas.IsObject()) return {};
    for (auto member = schemas.MemberBegin(); member < schemas.MemberEnd(); ++member) {
      if (auto done = walk(member->value, allocator, depth + 1); !done) return done;
    }
    return {};
  }

  const json::Document& source_;
  Bounds bounds_;
  std::size_t nodes_ = 0;
};

Status check_bounds(const Bounds& bounds, const json::Value& value) {
  if (value.IsString()) {
    if (!bounds.has_pattern || value.GetStringLength() <= kMaxPatternTextBytes) return {};
    return invalid("the value holds a text of more than 1024 bytes, to which the schema's patterns are not applied");
  }
  if (value.IsArray()) {
    if (bounds.has_unique && value.Size() > kMaxUniqueArrayElements) {
      return invalid("the value holds an array of more than 1000 elements, whose uniqueness is not checked");
    }
    for (const auto& item : value.GetArray()) {
      if (auto bounded = check_bounds(bounds, item); !bounded) return bounded;
    }
  }
  if (value.IsObject()) {
    for (auto member = value.MemberBegin(); member < value.MemberEnd(); ++member) {
      if (auto bounded = check_bounds(bounds, member->name); !bounded) return bounded;
      if (auto bounded = check_bounds(bounds, member->value); !bounded) return bounded;
    }
  }
  return {};
}

struct Compiled {
  valijson::Schema schema;
  Bounds bounds;
};

Status compile(std::string_view text, Compiled& compiled) try {
  const json::Kind kind = json::kind(text);
  if (kind != json::Kind::object && kind != json::Kind::boolean) return invalid("a schema has to be an object");
  if (text.size() > kMaxSchemaBytes) return invalid("the schema is larger than 64 KiB");
  const auto source = json::parse(text);
  if (!source) return source.error();
  Expansion expansion(*source);
  auto expanded = expansion.expand();
  if (!expanded) return std::move(expanded).error();
  compiled.bounds = expansion.bounds();
  valijson::SchemaParser(valijson::SchemaParser::kDraft7).populateSchema(RapidJsonAdapter(*expanded), compiled.schema);
  return {};
} catch (const std::exception&) {
  return invalid("the schema is not a JSON Schema");
}

/// ["<root>", "[answers]", "[0]"] -> /answers/0
std::string pointer_of(const std::vector<std::string>& context) {
  std::string pointer;
  for (std::size_t i = 1; i < context.size(); ++i) {
    const std::string_view part = context[i];
    pointer += '/';
    pointer += part.size() >= 2 ? part.substr(1, part.size() - 2) : part;
  }
  return pointer;
}

}  // namespace

Status check_resume_schema(std::string_view schema) {
  Compiled compiled;
  return compile(schema, compiled);
}

Status check_against_schema(std::string_view schema, std::string_view value) try {
  Compiled compiled;
  if (auto ok = compile(schema, compiled); !ok) return ok;
  const auto document = json::parse(value);
  if (!document) return document.error();
  if (auto bounded = check_bounds(compiled.bounds, *document); !bounded) return bounded;
  valijson::Validator validator;
  valijson::ValidationResults results;
  if (validator.validate(compiled.schema, RapidJsonAdapter(*document), &results)) return {};
  Error error = invalid("the value does not match the schema");
  // The innermost problem says where; its words are the validator's own and stay out.
  std::string pointer;
  for (const auto& problem : results) {
    std::string at = pointer_of(problem.context);
    if (at.size() > pointer.size()) pointer = std::move(at);
  }
  json::ObjectWriter(error.details).string("pointer", pointer);
  return error;
} catch (const std::exception&) {
  return invalid("the value cannot be held against the schema");
}

}  // namespace openwop::workflow
