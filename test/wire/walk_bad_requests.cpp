#include "support/catch.h"
#include "wire/walk.h"

namespace openwop::test {

namespace {

std::string text_of(const json::Value& node) { return std::string(json::string_of(node)); }

bool has(const json::Value& node, const char* name) { return node.HasMember(name); }

/// Values that the schema of a query parameter refuses.
std::vector<std::string> refused_values(const json::Value& schema) {
  std::vector<std::string> values;
  const std::string type = has(schema, "type") ? text_of(schema["type"]) : "";
  if (type == "integer") {
    values = {"x", "1.5", ""};
    if (has(schema, "minimum")) values.push_back(std::to_string(schema["minimum"].GetInt64() - 1));
    if (has(schema, "maximum")) {
      values.push_back(std::to_string(schema["maximum"].GetInt64() + 1));
      values.emplace_back("99999999999999999999");
    }
  }
  if (has(schema, "enum") || has(schema, "pattern")) values.emplace_back("no-such-value");
  return values;
}

std::string with_parameter(const std::string& target, const std::string& name, const std::string& value) {
  return target + (target.find('?') == std::string::npos ? "?" : "&") + name + "=" + value;
}

/// JSON that is of none of the schema's types; empty when everything is.
std::string of_another_type(const json::Value& schema) {
  if (!has(schema, "type") && !has(schema, "enum") && !has(schema, "const")) return {};
  const bool takes_objects = has(schema, "type") && schema["type"].IsString() && text_of(schema["type"]) == "object";
  return takes_objects ? "[]" : "{}";
}

std::string with_member(const std::string& body, const std::string& name, const std::string& value) {
  std::string out;
  {
    json::ObjectWriter object(out);
    json::for_each_member(body, [&](std::string_view key, std::string_view old) {
      if (!json::key_is(key, name)) object.raw_member(json::unescape(key), old);
      return true;
    });
    if (!value.empty()) object.raw_member(name, value);
  }
  return out;
}

void add_bodies(const json::Value& schema, const GoodRequest& good, std::vector<BadRequest>& out) {
  const std::string base = good.body.empty() ? "{}" : good.body;
  const auto add = [&](std::string name, std::string body) {
    out.push_back({std::move(name), good.target, std::move(body)});
  };
  add("no JSON", "nonsense");
  add("cut off", base.substr(0, base.size() - 1));
  add("an array", "[]");
  add("a text", "\"x\"");
  add("a repeated member", R"({"reason":"a","reason":"b"})");
  if (has(schema, "additionalProperties") && schema["additionalProperties"].IsFalse()) {
    add("an unknown member", with_member(base, "noSuchMember", "1"));
  }
  if (has(schema, "required")) {
    for (const auto& name : schema["required"].GetArray()) {
      add("without " + text_of(name), with_member(base, text_of(name), ""));
    }
  }
  const json::Value& members = schema["properties"];
  for (auto member = members.MemberBegin(); member < members.MemberEnd(); ++member) {
    const std::string value = of_another_type(resolve(member->value));
    const std::string name = text_of(member->name);
    if (!value.empty()) add(name + " of another type", with_member(base, name, value));
  }
}

}  // namespace

std::vector<BadRequest> bad_requests(const Operation& operation, const GoodRequest& good) {
  std::vector<BadRequest> bad;
  const json::Value& node = *operation.node;
  if (has(node, "parameters")) {
    for (const auto& given : node["parameters"].GetArray()) {
      const json::Value& parameter = resolve(given);
      if (text_of(parameter["in"]) != "query") continue;
      const std::string name = text_of(parameter["name"]);
      for (const std::string& value : refused_values(resolve(parameter["schema"]))) {
        bad.push_back({name + "=" + value, with_parameter(good.target, name, value), good.body});
      }
      bad.push_back({name + " broken", with_parameter(good.target, name, "%zz"), good.body});
    }
  }
  if (has(node, "requestBody")) {
    add_bodies(resolve(node["requestBody"]["content"]["application/json"]["schema"]), good, bad);
  }
  return bad;
}

}  // namespace openwop::test
