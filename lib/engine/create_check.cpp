#include "engine/create_check.h"

#include <algorithm>

#include "engine/configurable_check.h"
#include "openwop/trace_context.h"

namespace openwop::runtime {

namespace {

constexpr std::size_t kMaxTags = 100;
constexpr std::size_t kMaxTagCharacters = 256;
constexpr std::size_t kMaxMetadataBytes = 8192;
constexpr std::size_t kMaxMetadataDepth = 4;
constexpr std::size_t kMaxIdBytes = 256;

Error invalid(std::string_view field, std::string message) {
  std::string details;
  json::ObjectWriter(details).string("field", field);
  return Error{ErrorCode::validation_error, std::move(message), std::move(details)};
}

/// A checked JSON object of bounded size; empty text counts as absent.
Status check_object(std::string_view field, std::string_view text, const json::Limits& limits) {
  if (text.empty()) return {};
  if (auto checked = json::check(text, limits); !checked) {
    Error error = checked.error();
    error.message = std::string(field) + ": " + error.message;
    json::ObjectWriter(error.details).string("field", field);
    return error;
  }
  if (json::kind(text) != json::Kind::object) return invalid(field, std::string(field) + " must be an object");
  return {};
}

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

Status check_tags(const std::vector<std::string>& tags) {
  if (tags.size() > kMaxTags) return invalid("tags", "a run has at most 100 tags");
  for (const std::string& tag : tags) {
    if (tag.empty() || characters(tag) > kMaxTagCharacters) return invalid("tags", "a tag has 1 to 256 characters");
    if (!simdjson::validate_utf8(tag)) return invalid("tags", "a tag is UTF-8 text");
  }
  return {};
}

/// Defaults overlaid by inputs; inputs that no variable names are ignored (protocol 01 §3.2 rule 3).
Result<std::string> initial_variables(const Workflow& workflow, std::string_view inputs) {
  std::string out;
  {
    json::ObjectWriter object(out);
    for (const WorkflowVariable& variable : workflow.variables) {
      const auto given = json::member(inputs, variable.name);
      if (given && !has_type(variable.type, *given)) {
        return invalid("inputs." + variable.name, "input '" + variable.name + "' must be of type " +
                                                      std::string(variable_type_name(variable.type)));
      }
      if (given) {
        object.raw_member(variable.name, *given);
      } else if (!variable.default_value.empty()) {
        object.raw_member(variable.name, variable.default_value);
      } else if (variable.required) {
        return invalid("inputs." + variable.name, "input '" + variable.name + "' is required");
      }
    }
  }
  return out;
}

/// min(configurable.recursionLimit, the engine's ceiling). Errors: validation_error unless it is an integer ≥ 1.
Result<std::uint32_t> node_execution_limit(std::string_view configurable, std::uint32_t ceiling) {
  const auto raw = json::member(configurable, "recursionLimit");
  if (!raw) return ceiling;
  // Above the ceiling it is clamped, however large (trap T-7): digits alone are an integer.
  const bool digits = !raw->empty() && raw->find_first_not_of("0123456789") == std::string_view::npos;
  const auto limit = digits && raw->size() > 18 ? std::optional<std::int64_t>(ceiling) : json::as_int(*raw);
  if (!limit || *limit < 1) {
    return Error{ErrorCode::validation_error, "configurable.recursionLimit must be an integer of at least 1",
                 R"({"field":"configurable.recursionLimit","key":"recursionLimit","value":)" + std::string(*raw) +
                     R"(,"min":1})"};
  }
  return static_cast<std::uint32_t>(std::min<std::int64_t>(*limit, ceiling));
}

Status check_texts(const CreateRun& request) {
  const std::pair<std::string_view, const std::string&> texts[] = {
      {"tenantId", request.tenant}, {"scopeId", request.scope_id}, {"callbackUrl", request.callback_url}};
  for (const auto& [field, text] : texts) {
    const std::size_t limit = field == "callbackUrl" ? 8 * kMaxIdBytes : kMaxIdBytes;
    if (text.size() > limit)
      return invalid(field, std::string(field) + " is longer than " + std::to_string(limit) + " bytes");
    if (text.find('\0') != std::string::npos) return invalid(field, std::string(field) + " holds a NUL character");
  }
  if (request.tenant.empty()) return invalid("tenantId", "tenantId must not be empty");
  if (request.exclusive_scope && request.scope_id.empty()) {
    return invalid("scopeId", "an exclusive scope needs a scopeId");
  }
  return {};
}

}  // namespace

Result<RunHeader> check_create(const CreateRun& request, const Workflow& workflow, const EngineOptions& options,
                               std::int64_t now_ms) {
  const json::Limits limits{options.max_inputs_bytes, options.max_json_depth};
  if (auto ok = check_texts(request); !ok) return std::move(ok).error();
  if (auto ok = check_object("inputs", request.inputs, limits); !ok) return std::move(ok).error();
  if (auto ok = check_object("configurable", request.configurable, limits); !ok) return std::move(ok).error();
  if (request.metadata.size() > kMaxMetadataBytes) return invalid("metadata", "metadata is larger than 8192 bytes");
  if (auto ok = check_object("metadata", request.metadata, {kMaxMetadataBytes, kMaxMetadataDepth}); !ok) {
    return std::move(ok).error();
  }
  if (auto ok = check_tags(request.tags); !ok) return std::move(ok).error();
  const std::string inputs = request.inputs.empty() ? "{}" : json::minified(request.inputs);
  auto variables = initial_variables(workflow, inputs);
  if (!variables) return std::move(variables).error();
  auto node_limit = node_execution_limit(request.configurable, options.max_node_executions);
  if (!node_limit) return std::move(node_limit).error();
  if (workflow.configurable_schema.empty()) {
    if (auto ok = check_options(request.configurable, options.configurable_options); !ok) return std::move(ok).error();
  }

  RunHeader header;
  header.tenant = request.tenant;
  header.workflow_id = workflow.id;
  header.workflow_digest = workflow.digest;
  header.workflow_version = workflow.version;
  header.scope_id = request.scope_id;
  header.exclusive_scope = request.exclusive_scope;
  header.callback_url = request.callback_url;
  header.inputs = inputs;
  header.variables = std::move(*variables);
  header.configurable = request.configurable;
  header.metadata = request.metadata;
  header.transport = request.transport;
  if (const auto context = parse_traceparent(request.traceparent, request.tracestate)) {
    header.traceparent = format_traceparent(*context);
    header.tracestate = context->tracestate;
  }
  header.tags = request.tags;
  header.created_ms = now_ms;
  header.max_node_executions = *node_limit;
  header.engine_version = request.forced_engine_version.value_or(options.engine_version);
  header.forced_engine_version = request.forced_engine_version.has_value();
  header.masking = workflow.masking.value_or(options.default_masking);
  return header;
}

}  // namespace openwop::runtime
