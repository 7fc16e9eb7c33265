// POST /v1/runs/{runId}:fork (protocol 03 §5.1). This host makes no forks and does not claim to: a request that is
// sound and names a run of the caller's is answered 501, everything else as the protocol says.
#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/idempotency.h"
#include "protocol/openwop/request_body.h"
#include "protocol/openwop/routes.h"
#include "protocol/openwop/text_checks.h"

namespace openwop::wire {

namespace {

struct ForkRequest {
  std::string mode;
  bool has_sequence = false;
  bool has_overlay = false;
};

Status read_member(std::string_view name, std::string_view raw, ForkRequest& fork) {
  if (name == "mode") {
    fork.mode = json::as_string(raw).value_or("");
    if (fork.mode != "replay" && fork.mode != "branch") return invalid_field("mode", "has to be replay or branch");
  } else if (name == "fromSeq") {
    const bool is_sequence = !raw.empty() && raw.find_first_not_of("0123456789") == std::string_view::npos;
    if (!is_sequence) return invalid_field("fromSeq", "has to be an integer of at least 0");
    fork.has_sequence = true;
  } else if (name == "runOptionsOverlay") {
    if (json::kind(raw) != json::Kind::object) return invalid_field("runOptionsOverlay", "has to be an object");
    json::for_each_member(raw, [&](std::string_view, std::string_view) { return !(fork.has_overlay = true); });
  } else {
    return invalid_field(clipped(name, 64), "is not a member of this request");
  }
  return {};
}

Status check_fork(std::string_view body) {
  ForkRequest fork;
  Status status;
  json::for_each_member(body, [&](std::string_view raw_key, std::string_view raw) {
    status = read_member(json::unescape(raw_key), raw, fork);
    return status.ok();
  });
  if (!status) return status;
  if (fork.mode.empty()) return invalid_field("mode", "is missing");
  // OpenAPI asks for it in every case; clients leave it out of full replays.
  if (!fork.has_sequence && fork.mode == "branch") return invalid_field("fromSeq", "is missing");
  if (fork.has_overlay && fork.mode == "replay") return invalid_field("runOptionsOverlay", "is for branches only");
  return {};
}

}  // namespace

Result<http::Reply> fork_run(SurfaceParts& surface, const Call& call) {
  const auto keyed = KeyedRequest::read(surface, call);
  if (!keyed) return keyed.error();
  auto response = keyed->answer([&](const std::optional<LedgerClaim>&) -> Result<http::Response> {
    const auto source = run_id_of(call);
    if (!source) return source.error();
    if (const auto progress = surface.engine.progress(call.tenant(), *source); !progress) return progress.error();
    auto body = object_body(surface, call);
    if (!body) return std::move(body).error();
    if (auto checked = check_fork(*body); !checked) return std::move(checked).error();
    return Error{ErrorCode::not_implemented, "this host does not fork runs"};
  });
  if (!response) return std::move(response).error();
  return http::Reply(*std::move(response));
}

}  // namespace openwop::wire
