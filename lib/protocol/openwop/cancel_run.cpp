// POST /v1/runs/{runId}/cancel (protocol 01 §12.1). An ended run answers with its status and gets no new event (T-19).
#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/idempotency.h"
#include "protocol/openwop/request_body.h"
#include "protocol/openwop/routes.h"

namespace openwop::wire {

namespace {

std::string cancelled_body(const RunId& run, RunStatus status) {
  std::string body;
  json::ObjectWriter(body).string("runId", run.text()).string("status", status_name(status));
  return body;
}

}  // namespace

Result<http::Reply> cancel_run(SurfaceParts& surface, const Call& call) {
  const auto keyed = KeyedRequest::read(surface, call);
  if (!keyed) return keyed.error();
  auto response = keyed->answer(200, cancelled_body, [&](std::optional<LedgerClaim> claim) -> Result<http::Response> {
    const auto run = run_id_of(call);
    if (!run) return run.error();
    const auto body = optional_object_body(surface, call);
    if (!body) return body.error();
    auto reason = reason_of(*body);
    if (!reason) return std::move(reason).error();
    const auto status = surface.engine.cancel_run({.tenant = std::string(call.tenant()),
                                                   .run_id = *run,
                                                   .reason = *std::move(reason),
                                                   .cancelled_by = "api-key:" + call.key->actor(),
                                                   .claim = std::move(claim)});
    if (!status) return status.error();
    return json_response(200, cancelled_body(*run, *status));
  });
  if (!response) return std::move(response).error();
  return http::Reply(*std::move(response));
}

}  // namespace openwop::wire
