#include "support/component_schemas.h"

#include <exception>

// See lib/workflow/schema_check.cpp: RapidJSON keeps its own assertion.
#undef RAPIDJSON_ASSERT
#include <valijson/adapters/rapidjson_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

namespace openwop::test {

namespace {

using valijson::adapters::RapidJsonAdapter;

// The validator throws for a `format` beside a value that is no text; patterns stand where the form matters.
void remove_formats(json::Value& node) {
  if (node.IsArray()) {
    for (auto& item : node.GetArray()) remove_formats(item);
  }
  if (!node.IsObject()) return;
  if (const auto format = node.FindMember("format"); format < node.MemberEnd() && format->value.IsString()) {
    node.RemoveMember("format");
  }
  for (auto member = node.MemberBegin(); member < node.MemberEnd(); ++member) remove_formats(member->value);
}

std::string joined(const std::vector<std::string>& context) {
  std::string out;
  for (const std::string& part : context) out += part;
  return out;
}

}  // namespace

ComponentSchemas::ComponentSchemas(const json::Value& document) : document_(document) {}
ComponentSchemas::~ComponentSchemas() = default;

const valijson::Schema& ComponentSchemas::compiled(const json::Value& node) {
  auto& schema = compiled_[json::write(node)];
  if (schema) return *schema;
  // References are resolved from the root, so the components come along.
  json::Document root;
  root.SetObject();
  json::Value all(rapidjson::kArrayType);
  all.PushBack(json::Value(node, root.GetAllocator()), root.GetAllocator());
  root.AddMember("allOf", all, root.GetAllocator());
  root.AddMember("components", json::Value(document_["components"], root.GetAllocator()), root.GetAllocator());
  remove_formats(root);
  schema = std::make_unique<valijson::Schema>();
  valijson::SchemaParser(valijson::SchemaParser::kDraft7).populateSchema(RapidJsonAdapter(root), *schema);
  return *schema;
}

std::vector<std::string> ComponentSchemas::problems(const json::Value& node, std::string_view text) try {
  const auto document = json::parse(text);
  if (!document) return {"is not JSON: " + document.error().message};
  const RapidJsonAdapter target(*document);
  const valijson::Schema& schema = compiled(node);
  valijson::Validator validator;
  if (validator.validate(schema, target, nullptr)) return {};
  valijson::ValidationResults results;
  validator.validate(schema, target, &results);
  std::vector<std::string> found;
  for (const auto& error : results) {
    if (!error.description.starts_with("Failed to validate")) {
      found.push_back(joined(error.context) + ": " + error.description);
    }
  }
  if (found.empty()) found.emplace_back("does not match its schema");
  return found;
} catch (const std::exception& error) {
  return {std::string("the schema cannot be applied: ") + error.what()};
}

}  // namespace openwop::test
