#include "engine/configurable_check.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "openwop/json.h"
#include "workflow/json_schema.h"

namespace openwop::runtime {

namespace {

// Protocol 01 §10.2: these every host knows; `ai` is a namespace.
constexpr std::array<std::string_view, 9> kReservedOptions = {
    "recursionLimit", "model", "temperature",         "maxTokens",         "promptOverrides",
    "mockProvider",   "ai",    "escalationThreshold", "reasoningVerbosity"};

bool is_reserved(std::string_view name) {
  return std::find(kReservedOptions.begin(), kReservedOptions.end(), name) != kReservedOptions.end();
}

bool has_type(std::string_view type, std::string_view raw) {
  const json::Kind kind = json::kind(raw);
  if (type == "string") return kind == json::Kind::string;
  if (type == "boolean") return kind == json::Kind::boolean;
  if (type == "object") return kind == json::Kind::object;
  if (type == "array") return kind == json::Kind::array;
  if (type == "integer") return json::as_int(raw).has_value();
  return type != "number" || kind == json::Kind::number;
}

Error invalid_option(std::string_view key, std::string_view raw, std::string_view message) {
  Error error{ErrorCode::validation_error, "configurable." + std::string(key) + " " + std::string(message)};
  json::ObjectWriter details(error.details);
  details.string("key", key);
  // Numbers are safe to repeat; text may be anything, secrets included.
  constexpr std::size_t kMaxNumberBytes = 32;
  if (json::kind(raw) == json::Kind::number && raw.size() <= kMaxNumberBytes) details.raw("value", raw);
  return error;
}

/// At most 64 bytes, without half a character at the end.
std::string clipped(std::string text) {
  constexpr std::size_t kMaxShownBytes = 64;
  if (text.size() <= kMaxShownBytes) return text;
  std::size_t size = kMaxShownBytes;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  text.resize(size);
  return text;
}

std::optional<double> bound(std::string_view constraints, std::string_view name) {
  const auto raw = json::member(constraints, name);
  return raw ? json::as_number(*raw) : std::nullopt;
}

Status check_option(std::string_view key, std::string_view raw, std::string_view constraints) {
  const auto type = json::member(constraints, "type");
  const std::string type_name = type ? json::as_string(*type).value_or("") : "";
  if (!has_type(type_name, raw)) return invalid_option(key, raw, "has to be of type " + type_name);
  const auto value = json::as_number(raw);
  const auto min = bound(constraints, "min");
  const auto max = bound(constraints, "max");
  if (!value || ((!min || *value >= *min) && (!max || *value <= *max))) return {};
  Error error = invalid_option(key, raw, "is out of bounds");
  error.details.pop_back();  // the closing brace
  if (min) error.details.append(R"(,"min":)").append(*json::member(constraints, "min"));
  if (max) error.details.append(R"(,"max":)").append(*json::member(constraints, "max"));
  error.details += '}';
  return error;
}

}  // namespace

Status check_configurable_schema(const Workflow& workflow, std::string_view options) {
  if (workflow.configurable_schema.empty()) return {};
  std::vector<WorkflowProblem> problems;
  if (auto compiled = workflow::JsonSchema::compile(workflow.configurable_schema); !compiled) {
    problems.push_back({"/configurableSchema", compiled.error().message});
  }
  const auto properties = json::member(workflow.configurable_schema, "properties");
  if (properties && !options.empty()) {
    json::for_each_member(*properties, [&](std::string_view raw_key, std::string_view) {
      const std::string name = json::unescape(raw_key);
      if (!is_reserved(name) && !json::member(options, name)) {
        problems.push_back({pointer_to("/configurableSchema/properties", name), "is no option of this host"});
      }
      return problems.size() < kMaxReportedProblems;
    });
  }
  return problems.empty() ? Status{} : Status(workflow_error(problems));
}

Status check_options(std::string_view configurable, std::string_view options) {
  if (configurable.empty() || options.empty()) return {};
  Status status;
  json::for_each_member(configurable, [&](std::string_view raw_key, std::string_view value) {
    const std::string name = json::unescape(raw_key);
    const auto constraints = json::member(options, name);
    if (constraints) {
      status = check_option(name, value, *constraints);
    } else if (!is_reserved(name)) {
      status = invalid_option(clipped(name), value, "is no option of this host");
    }
    return status.ok();
  });
  return status;
}

Status check_option_list(std::string_view options) {
  if (options.empty()) return {};
  const Error wrong{ErrorCode::validation_error, "configurable_options has to be an object of objects"};
  if (!json::check(options) || json::kind(options) != json::Kind::object) return wrong;
  bool sound = true;
  json::for_each_member(options, [&](std::string_view, std::string_view constraints) {
    sound = json::kind(constraints) == json::Kind::object;
    return sound;
  });
  return sound ? Status{} : Status(wrong);
}

Error configurable_error(const std::vector<WorkflowProblem>& problems) {
  const WorkflowProblem& first = problems.front();
  Error error = workflow_error(problems);
  error.message = "configurable" + first.pointer + " " + first.message;
  error.details.insert(1, R"("field":"configurable",)");
  return error;
}

}  // namespace openwop::runtime
