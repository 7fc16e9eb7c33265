// POST /v1/runs (protocol 01 §3.2).
#include <algorithm>

#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/idempotency.h"
#include "protocol/openwop/request_body.h"
#include "protocol/openwop/request_headers.h"
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
Status read_member(std::string_view name, std::string_view raw, CreateRun& run) {
  if (name == "workflowId") {
    auto id = read_text(raw, "workflowId", kMaxWorkflowIdCharacters);
    if (!id) return std::move(id).error();
    run.workflow_id = *std::move(id);
  } else if (name == "inputs") {
    if (json::kind(raw) != json::Kind::object) return invalid_field("inputs", "has to be an object");
    run.inputs = raw;
  } else if (name == "tenantId" || name == "configurable") {
    return {};  // looked at before the others
  } else if (name == "scopeId") {
    auto scope = read_text(raw, "scopeId", kMaxScopeIdCharacters);
    if (!scope) return std::move(scope).error();
    run.scope_id = *std::move(scope);
  } else if (name == "callbackUrl") {
    return read_callback_url(raw, run);
  } else if (name == "tags") {
    auto tags = read_tags(raw);
    if (!tags) return std::move(tags).error();
    run.tags = *std::move(tags);
  } else if (name == "metadata") {
    if (auto checked = check_metadata(raw); !checked) return checked;
    run.metadata = raw;
  } else {
    return invalid_field(clipped(name, 64), "is not a member of this request");
  }
  return {};
}

/// What the key may not ask for at all is refused as such, whatever else is wrong with the request (protocol 01 §4.4).
Status read_permitted(std::string_view body, const SurfaceParts& surface, const ApiKey& key, CreateRun& run) {
  run.tenant = key.tenant;
  if (const auto raw = json::member(body, "tenantId")) {
    auto tenant = read_text(*raw, "tenantId", kMaxTenantCharacters);
    if (!tenant) return std::move(tenant).error();
    if (!may_name_tenant(surface.options, key, *tenant))
      return Error{ErrorCode::forbidden, "the key is not bound to that tenant"};
  }
  if (const auto raw = json::member(body, "configurable")) {
    if (auto checked = check_configurable(*raw, key, surface.options); !checked) return checked;
    run.configurable = *raw;
  }
  return {};
}

Result<CreateRun> read_run(std::string_view body, const SurfaceParts& surface, const ApiKey& key) {
  CreateRun run;
  Status status = read_permitted(body, surface, key, run);
  if (!status) return std::move(status).error();
  json::for_each_member(body, [&](std::string_view raw_key, std::string_view value) {
    status = read_member(json::unescape(raw_key), value, run);
    return status.ok();
  });
  if (!status) return std::move(status).error();
  if (run.workflow_id.empty()) return invalid_field("workflowId", "is missing");
  return run;
}

// Protocol 01 §8.4.
Result<std::optional<std::uint32_t>> forced_engine_version(const SurfaceParts& surface, const Call& call) {
  const auto header = single_header(call.request.headers, "X-Force-Engine-Version");
  if (!header) return header.error();
  if (!*header) return std::optional<std::uint32_t>{};
  if (!call.key->test) {
    return Error{ErrorCode::force_engine_version_forbidden, "X-Force-Engine-Version is for test keys"};
  }
  const std::int64_t current = surface.engine.options().engine_version;
  const std::int64_t min = std::max<std::int64_t>(current - 1, 0);
  const auto version = whole_number(**header);
  if (!version || *version < min || *version > current + 1) {
    Error error{ErrorCode::unsupported_force_engine_version, "X-Force-Engine-Version is out of range"};
    json::ObjectWriter(error.details).integer("min", min).integer("max", current + 1);
    return error;
  }
  return std::optional<std::uint32_t>{static_cast<std::uint32_t>(*version)};
}

/// `X-Dedup: enforce` (protocol 01 §14.2).
Status read_dedup(const Call& call, CreateRun& run) {
  const auto header = single_header(call.request.headers, "X-Dedup");
  if (!header) return header.error();
  if (!*header) return {};
  if (**header != "enforce") return invalid_field("X-Dedup", "has to be 'enforce'");
  if (run.scope_id.empty()) return invalid_field("scopeId", "is needed where X-Dedup is 'enforce'");
  run.exclusive_scope = true;
  return {};
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

KeyedRequest::MakeResponse make_created(const std::string& public_url, std::string workflow_id) {
  return [public_url, workflow_id = std::move(workflow_id)](const RunId& id, RunStatus status) {
    http::Response response = json_response(201, created_body(public_url, workflow_id, id, status));
    response.headers.emplace("Location", public_url + "/v1/runs/" + id.text());
    return response;
  };
}

Result<http::Response> execute(SurfaceParts& surface, const Call& call, std::optional<LedgerClaim> claim) {
  auto body = object_body(surface, call);
  if (!body) return std::move(body).error();
  auto version = forced_engine_version(surface, call);
  if (!version) return std::move(version).error();
  auto read = read_run(*body, surface, *call.key);
  if (!read) return std::move(read).error();
  if (auto dedup = read_dedup(call, *read); !dedup) return std::move(dedup).error();
  const auto make = make_created(surface.options.public_url, read->workflow_id);
  read->forced_engine_version = *version;
  read->created_by = actor_of(*call.key);
  read->claim = std::move(claim);
  if (call.trace) {
    read->traceparent = format_traceparent(*call.trace);
    read->tracestate = call.trace->tracestate;
  }
  if (read->claim) {
    read->claim->outcome = [make](const RunId& id, RunStatus status) {
      return KeyedRequest::outcome_of(make(id, status));
    };
    if (surface.options.regions) read->claim->beside = surface.options.regions->rows_of(*read->claim);
  }
  auto created = surface.engine.create_run(*std::move(read));
  if (created) {
    http::Response response = make(created->run_id, created->status);
    TraceContext trace = call.trace.value_or(TraceContext{.trace_id = trace_id_of(created->run_id)});
    trace.span_id = run_span_id(created->run_id);
    response.headers.emplace("traceparent", format_traceparent(trace));
    return response;
  }
  Error error = std::move(created).error();
  // OpenAPI 1.0 gives this operation no 404, and the text asks for 400 (§3.2 rule 2).
  if (error.code == ErrorCode::workflow_not_found) return invalid_field("workflowId", "names no workflow of this host");
  if (error.code == ErrorCode::run_already_active) {
    if (surface.options.metrics) {
      surface.options.metrics->record(Metric::claim_conflicts, 1,
                                      {{"transport", "rest"}, {"openwop.tenant_id", call.tenant()}});
    }
    // Nothing tells when the run will end; a claim is free at that moment.
    error.details = with_detail(error.details, "retryAfter", std::to_string(surface.options.retry_after_s));
  }
  return error;
}

}  // namespace

Result<http::Reply> create_run(SurfaceParts& surface, const Call& call) {
  const auto keyed = KeyedRequest::read(surface, call);
  if (!keyed) return keyed.error();
  auto response =
      keyed->answer([&](std::optional<LedgerClaim> claim) { return execute(surface, call, std::move(claim)); });
  if (!response) return std::move(response).error();
  return http::Reply(*std::move(response));
}

}  // namespace openwop::wire
