// GET /v1/runs/{runId}/artifacts/{artifactId} (protocol 01 §3.10, 02 §9). A run that is not there, or is another
// tenant's, gives the same answer as an artifact that is not.
#include "protocol/openwop/answer.h"
#include "protocol/openwop/routes.h"

namespace openwop::wire {

Result<http::Reply> get_artifact(SurfaceParts& surface, const Call& call) {
  const auto id = RunId::parse(call.path_values.at(0));
  if (!id) return Error{ErrorCode::artifact_not_found, "no such artifact"};
  auto artifact = surface.engine.artifact(call.tenant(), *id, call.path_values.at(1));
  if (!artifact) return std::move(artifact).error();
  return http::Reply(json_response(200, *std::move(artifact)));
}

}  // namespace openwop::wire
