// Answers to interrupts (protocol 03 §2.5, §2.6; 01 §3.9):
//
//   POST /v1/runs/{runId}/interrupts/{nodeId}   {"resumeValue": any}
//   POST /v1/runs/{runId}/approvals/{nodeId}    the older form: the body is the value itself
//   POST /v1/interrupts/{token}                 {"resumeValue": any}; the token is the right to answer
//   GET  /v1/interrupts/{token}                 the question
#include <functional>

#include "openwop/json.h"
#include "openwop/redaction.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/idempotency.h"
#include "protocol/openwop/request_body.h"
#include "protocol/openwop/routes.h"
#include "protocol/openwop/run_snapshot.h"

namespace openwop::wire {

namespace {

constexpr std::size_t kMaxNodeIdBytes = 1024;

Result<std::string> resume_value_of(const SurfaceParts& surface, const Call& call) {
  const auto body = object_body(surface, call);
  if (!body) return body.error();
  if (auto members = require_members(*body, {"resumeValue"}); !members) return std::move(members).error();
  const auto value = json::member(*body, "resumeValue");
  if (!value) return invalid_field("resumeValue", "is missing");
  return std::string(*value);
}

Result<std::string> bare_value_of(const SurfaceParts& surface, const Call& call) {
  const auto body = object_body(surface, call);
  if (!body) return body.error();
  return std::string(*body);
}

std::string resolved_body(const RunId& run, std::string_view node_id, RunStatus status) {
  std::string body;
  json::ObjectWriter(body).string("runId", run.text()).string("nodeId", node_id).string("status", status_name(status));
  return body;
}

using ReadValue = Result<std::string> (*)(const SurfaceParts&, const Call&);

/// What is wrong with the interrupt is told before what is wrong with the body.
Result<std::string> value_for(const SurfaceParts& surface, const Call& call, const ResolveInterrupt& request,
                              ReadValue read) {
  auto value = read(surface, call);
  if (value) return value;
  const auto pending = surface.engine.pending_interrupt(request.tenant, request.run_id, request.node_id);
  if (!pending) return pending.error();
  if (!request.interrupt_id.empty() && pending->interrupt.id != request.interrupt_id) {
    return Error{ErrorCode::interrupt_already_resolved, "the interrupt does not wait any more"};
  }
  return value;
}

Result<http::Reply> resolve(SurfaceParts& surface, const Call& call, const KeyedRequest& keyed,
                            const std::function<Result<ResolveInterrupt>()>& address, ReadValue read,
                            std::string_view node_id) {
  const auto make_body = [node = std::string(node_id)](const RunId& run, RunStatus status) {
    return resolved_body(run, node, status);
  };
  auto response = keyed.answer(200, make_body, [&](std::optional<LedgerClaim> claim) -> Result<http::Response> {
    auto request = address();
    if (!request) return std::move(request).error();
    auto value = value_for(surface, call, *request, read);
    if (!value) return std::move(value).error();
    request->resume_value = *std::move(value);
    request->claim = std::move(claim);
    const RunId run = request->run_id;
    const auto status = surface.engine.resolve_interrupt(*std::move(request));
    if (!status) return status.error();
    return json_response(200, make_body(run, *status));
  });
  if (!response) return std::move(response).error();
  return http::Reply(*std::move(response));
}

Result<http::Reply> resolve_by_run(SurfaceParts& surface, const Call& call, ReadValue read) {
  const auto keyed = KeyedRequest::read(surface, call);
  if (!keyed) return keyed.error();
  const std::string& node_id = call.path_values.at(1);
  const auto address = [&]() -> Result<ResolveInterrupt> {
    const auto run = run_id_of(call);
    if (!run) return run.error();
    ResolveInterrupt request{.tenant = std::string(call.tenant()),
                             .run_id = *run,
                             .node_id = node_id.substr(0, kMaxNodeIdBytes),
                             .principal = "api-key:" + call.key->id};
    if (const auto& may_act_as = surface.options.may_act_as) {
      request.may_act_as = [&may_act_as, key = call.key](std::string_view voter) { return may_act_as(*key, voter); };
    }
    return request;
  };
  return resolve(surface, call, *keyed, address, read, node_id);
}

// ---- tokens ----

struct TokenHolder {
  InterruptClaims claims;
  std::string tenant;
};

/// Errors: interrupt_not_found for whatever is no token of this host's, or of a run that is gone; interrupt_expired.
Result<TokenHolder> token_holder(const SurfaceParts& surface, const Call& call) {
  const Error unknown{ErrorCode::interrupt_not_found, "no interrupt belongs to this token"};
  if (!surface.tokens) return unknown;
  auto claims = surface.tokens->verify(call.path_values.at(0), surface.engine.now_ms());
  if (!claims) return std::move(claims).error();
  auto tenant = surface.engine.tenant_of(claims->run_id);
  if (!tenant && tenant.error().code == ErrorCode::run_not_found) return unknown;
  if (!tenant) return std::move(tenant).error();
  return TokenHolder{*std::move(claims), *std::move(tenant)};
}

}  // namespace

Result<http::Reply> resolve_interrupt(SurfaceParts& surface, const Call& call) {
  return resolve_by_run(surface, call, resume_value_of);
}

Result<http::Reply> resolve_approval(SurfaceParts& surface, const Call& call) {
  return resolve_by_run(surface, call, bare_value_of);
}

Result<http::Reply> resolve_by_token(SurfaceParts& surface, const Call& call) {
  const auto holder = token_holder(surface, call);
  if (!holder) return holder.error();
  if (holder->claims.intent != TokenIntent::resolve) {
    return Error{ErrorCode::forbidden, "this token shows the interrupt, it does not resolve it"};
  }
  const auto keyed = KeyedRequest::read(surface, call, holder->tenant);
  if (!keyed) return keyed.error();
  const auto address = [&]() -> Result<ResolveInterrupt> {
    return ResolveInterrupt{.tenant = holder->tenant,
                            .run_id = holder->claims.run_id,
                            .node_id = holder->claims.node_id,
                            .interrupt_id = holder->claims.interrupt_id,
                            .by_token = true};
  };
  return resolve(surface, call, *keyed, address, resume_value_of, holder->claims.node_id);
}

Result<http::Reply> inspect_interrupt(SurfaceParts& surface, const Call& call) {
  const auto holder = token_holder(surface, call);
  if (!holder) return holder.error();
  const InterruptClaims& claims = holder->claims;
  const auto pending = surface.engine.pending_interrupt(holder->tenant, claims.run_id, claims.node_id);
  const Error gone{ErrorCode::interrupt_not_found, "the interrupt does not wait any more"};
  if (!pending && pending.error().code == ErrorCode::interrupt_already_resolved) return gone;
  if (!pending) return pending.error();
  if (pending->interrupt.id != claims.interrupt_id) return gone;
  if (pending->interrupt.bearer_only) {
    return Error{ErrorCode::auth_elevation_required, "this interrupt takes a bearer key, not a token"};
  }
  std::string body;
  append_interrupt_payload(body, pending->interrupt);
  if (auto clean = scrub_json(body)) body = *std::move(clean);
  return http::Reply(json_response(200, std::move(body)));
}

}  // namespace openwop::wire
