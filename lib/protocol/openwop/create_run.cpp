// POST /v1/runs (protocol 01 §3.2).
#include <algorithm>

#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/idempotency.h"
#include "protocol/openwop/request_body.h"
#include "protocol/openwop/routes.h"
#include "protocol/openwop/run_options.h"
#include "protocol/openwop/text_checks.h"

namespace openwop::wire {

namespace {

constexpr std::size_t kMaxWorkflowIdCharacters = 128;
constexpr std::size_t kMaxTenantCharacters = 256;
constexpr std::size_t kMaxScopeIdCharacters = 256;
constexpr std::size_t kMaxCallbackUrlCharacters = 2048;

Result<std::string> read_text(std::string_view raw, std::string_view field, std::size_t max_characters) {
  auto text = json::as_string(raw);
  if (!text) return invalid_field(field, "has to be a string");
  if (text->empty() || count_characters(*text) > max_characters) {
    return invalid_field(field, "has to have 1 to " + std::to_string(max_characters) + " characters");
  }
  return *std::move(text);
}

Status read_callback_url(std::string_view raw, CreateRun& run) {
  auto url = read_text(raw, "callbackUrl", kMaxCallbackUrlCharacters);
  if (!url) return std::move(url).error();
  const bool is_uri = (url->starts_with("https://") || url->starts_with("http://")) && is_plain_text(*url) &&
                      url->find(' ') == std::string::npos && url->find("://") + 3 < url->size();
  if (!is_uri) return invalid_field("callbackUrl", "has to be an http or https URL");
  run.callback_url = *std::move(url);
  return {};
}

// One member of the body. The document composes two closed schemas; read as one closed object (trap T-3).
Status read_member(std::string_view name, std::string_view raw, const ApiKey& key,
                   const std::vector<std::string>& mock_providers, CreateRun& run) {
  if (name == "workflowId") {
    auto id = read_text(raw, "workflowId", kMaxWorkflowIdCharacters);
    if (!id) return std::move(id).error();
    run.workflow_id = *std::move(id);
  } else if (name == "inputs") {
    if (json::kind(raw) != json::Kind::object) return invalid_field("inputs", "has to be an object");
    run.inputs = raw;
  } else if (name == "tenantId") {
    auto tenant = read_text(raw, "tenantId", kMaxTenantCharacters);
    if (!tenant) return std::move(tenant).error();
    if (*tenant != key.tenant) return Error{ErrorCode::forbidden, "the key is not bound to that tenant"};
  } else if (name == "scopeId") {
    auto scope = read_text(raw, "scopeId", kMaxScopeIdCharacters);
    if (!scope) return std::move(scope).error();
    run.scope_id = *std::move(scope);
  } else if (name == "callbackUrl") {
    return read_callback_url(raw, run);
  } else if (name == "configurable") {
    if (auto checked = check_configurable(raw, key, mock_providers); !checked) return checked;
    run.configurable = raw;
  } else if (name == "tags") {
    auto tags = read_tags(raw);
    if (!tags) return std::move(tags).error();
    run.tags = *std::move(tags);
  } else if (name == "metadata") {
    if (auto checked = check_metadata(raw); !checked) return checked;
    run.metadata = raw;
  } else {
    return invalid_field(name.substr(0, 64), "is not a member of this request");
  }
  return {};
}

Result<CreateRun> read_run(std::string_view body, const ApiKey& key, const std::vector<std::string>& mock_providers) {
  CreateRun run;
  run.tenant = key.tenant;
  Status status;
  json::for_each_member(body, [&](std::string_view raw_key, std::string_view value) {
    status = read_member(json::unescape(raw_key), value, key, mock_providers, run);
    return status.ok();
  });
  if (!status) return std::move(status).error();
  if (run.workflow_id.empty()) return invalid_field("workflowId", "is missing");
  return run;
}

// Protocol 01 §8.4.
Result<std::optional<std::uint32_t>> forced_engine_version(const SurfaceParts& surface, const Call& call) {
  const auto header = http::header(call.request.headers, "X-Force-Engine-Version");
  if (!header) return std::optional<std::uint32_t>{};
  if (!call.key->test) {
    return Error{ErrorCode::force_engine_version_forbidden, "X-Force-Engine-Version is for test keys"};
  }
  const std::int64_t current = surface.engine.options().engine_version;
  const std::int64_t min = std::max<std::int64_t>(current - 1, 0);
  const auto version = whole_number(*header);
  if (!version || *version < min || *version > current + 1) {
    Error error{ErrorCode::unsupported_force_engine_version, "X-Force-Engine-Version is out of range"};
    json::ObjectWriter(error.details).integer("min", min).integer("max", current + 1);
    return error;
  }
  return std::optional<std::uint32_t>{static_cast<std::uint32_t>(*version)};
}

Status check_dedup(const Call& call) {
  const auto header = http::header(call.request.headers, "X-Dedup");
  if (!header) return {};
  if (*header != "enforce") return invalid_field("X-Dedup", "has to be 'enforce'");
  // The claim on (tenantId, scopeId) is not there yet. To ignore the header would start the second run that the caller
  // asked to be protected from.
  return Error{ErrorCode::not_implemented, "X-Dedup is not implemented by this host"};
}

// The state at acceptance: a run that is already over when this is written was running when it was accepted (T-22).
std::string created_body(const std::string& public_url, std::string_view workflow_id, const RunId& id,
                         RunStatus status) {
  const std::string run = id.text();
  const std::string url = public_url + "/v1/runs/" + run;
  std::string body;
  json::ObjectWriter(body)
      .string("runId", run)
      .string("status", status_name(is_terminal(status) ? RunStatus::running : status))
      .string("eventsUrl", url + "/events")
      .string("statusUrl", url)
      .string("workflowId", workflow_id);
  return body;
}

Result<http::Response> execute(SurfaceParts& surface, const Call& call, const KeyedRequest::MakeBody& make_body,
                               std::string& workflow_id, std::optional<LedgerClaim> claim) {
  auto body = object_body(surface, call);
  if (!body) return std::move(body).error();
  auto version = forced_engine_version(surface, call);
  if (!version) return std::move(version).error();
  auto read = read_run(*body, *call.key, surface.options.mock_providers);
  if (!read) return std::move(read).error();
  if (auto dedup = check_dedup(call); !dedup) return std::move(dedup).error();
  workflow_id = read->workflow_id;
  read->forced_engine_version = *version;
  read->claim = std::move(claim);
  if (call.trace) {
    read->traceparent = format_traceparent(*call.trace);
    read->tracestate = call.trace->tracestate;
  }
  auto created = surface.engine.create_run(*std::move(read));
  if (!created) {
    // OpenAPI 1.0 gives this operation no 404, and the text asks for 400 (§3.2 rule 2).
    if (created.error().code == ErrorCode::workflow_not_found) {
      return invalid_field("workflowId", "names no workflow of this host");
    }
    return std::move(created).error();
  }
  http::Response response = json_response(201, make_body(created->run_id, created->status));
  TraceContext trace = call.trace.value_or(TraceContext{.trace_id = trace_id_of(created->run_id)});
  trace.span_id = run_span_id(created->run_id);
  response.headers.emplace("traceparent", format_traceparent(trace));
  response.headers.emplace("Location", surface.options.public_url + "/v1/runs/" + created->run_id.text());
  return response;
}

}  // namespace

Result<http::Reply> create_run(SurfaceParts& surface, const Call& call) {
  const auto keyed = KeyedRequest::read(surface, call);
  if (!keyed) return keyed.error();
  // Shared with the body maker, which the engine may still hold when this call has returned.
  const auto workflow_id = std::make_shared<std::string>();
  const KeyedRequest::MakeBody make_body = [workflow_id, &url = surface.options.public_url](const RunId& id,
                                                                                            RunStatus status) {
    return created_body(url, *workflow_id, id, status);
  };
  auto response = keyed->answer(201, make_body, [&](std::optional<LedgerClaim> claim) {
    return execute(surface, call, make_body, *workflow_id, std::move(claim));
  });
  if (!response) return std::move(response).error();
  return http::Reply(*std::move(response));
}

}  // namespace openwop::wire
