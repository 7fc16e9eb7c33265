// POST /v1/runs/{runId}:pause and :resume (protocol 01 §12.2, §12.3; 03 §3).
#include <algorithm>

#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/idempotency.h"
#include "protocol/openwop/request_body.h"
#include "protocol/openwop/routes.h"

namespace openwop::wire {

namespace {

Result<DrainPolicy> drain_policy_of(std::string_view body) {
  const auto raw = json::member(body, "drainPolicy");
  if (!raw) return DrainPolicy::drain_current_node;
  const auto name = json::as_string(*raw);
  const auto found = std::find(kDrainPolicyNames.begin(), kDrainPolicyNames.end(), name.value_or(""));
  if (found == kDrainPolicyNames.end()) {
    return invalid_field("drainPolicy", "has to be immediate or drain-current-node");
  }
  return static_cast<DrainPolicy>(found - kDrainPolicyNames.begin());
}

/// The word that 1.0 fixes for the answer, whatever the run has come to since.
std::string answer_body(const RunId& run, RunStatus told) {
  std::string body;
  json::ObjectWriter(body).string("runId", run.text()).string("status", status_name(told));
  return body;
}
std::string paused_body(const RunId& run, RunStatus) { return answer_body(run, RunStatus::paused); }
std::string resumed_body(const RunId& run, RunStatus) { return answer_body(run, RunStatus::running); }

template <class Execute>
Result<http::Reply> accept(SurfaceParts& surface, const Call& call, const KeyedRequest::MakeBody& make_body,
                           Execute&& execute) {
  const auto keyed = KeyedRequest::read(surface, call);
  if (!keyed) return keyed.error();
  auto response = keyed->answer(202, make_body, [&](std::optional<LedgerClaim> claim) -> Result<http::Response> {
    const auto run = run_id_of(call);
    if (!run) return run.error();
    const Result<RunStatus> status = execute(*run, std::move(claim));
    if (!status) return status.error();
    return json_response(202, make_body(*run, *status));
  });
  if (!response) return std::move(response).error();
  return http::Reply(*std::move(response));
}

}  // namespace

Result<http::Reply> pause_run(SurfaceParts& surface, const Call& call) {
  return accept(surface, call, paused_body,
                [&](const RunId& run, std::optional<LedgerClaim> claim) -> Result<RunStatus> {
                  const auto body = optional_object_body(surface, call);
                  if (!body) return body.error();
                  if (auto members = require_members(*body, {"reason", "drainPolicy"}); !members) {
                    return std::move(members).error();
                  }
                  auto reason = reason_of(*body);
                  if (!reason) return std::move(reason).error();
                  const auto policy = drain_policy_of(*body);
                  if (!policy) return policy.error();
                  return surface.engine.pause_run({.tenant = std::string(call.tenant()),
                                                   .run_id = run,
                                                   .reason = *std::move(reason),
                                                   .drain_policy = *policy,
                                                   .paused_by = "api-key:" + call.key->id,
                                                   .claim = std::move(claim)});
                });
}

Result<http::Reply> resume_run(SurfaceParts& surface, const Call& call) {
  return accept(surface, call, resumed_body,
                [&](const RunId& run, std::optional<LedgerClaim> claim) -> Result<RunStatus> {
                  const auto body = optional_object_body(surface, call);
                  if (!body) return body.error();
                  if (auto members = require_members(*body, {"reason"}); !members) return std::move(members).error();
                  auto reason = reason_of(*body);
                  if (!reason) return std::move(reason).error();
                  return surface.engine.resume_run({.tenant = std::string(call.tenant()),
                                                    .run_id = run,
                                                    .reason = *std::move(reason),
                                                    .resumed_by = "api-key:" + call.key->id,
                                                    .claim = std::move(claim)});
                });
}

}  // namespace openwop::wire
