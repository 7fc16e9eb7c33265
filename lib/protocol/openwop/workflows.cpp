// GET /v1/workflows/{workflowId}: the definition as it was registered, byte for byte (protocol 01 §3.1).
#include "protocol/openwop/answer.h"
#include "protocol/openwop/routes.h"

namespace openwop::wire {

Result<http::Reply> get_workflow(SurfaceParts& surface, const Call& call) {
  auto workflow = surface.engine.workflow(call.path_values.at(0));
  if (!workflow) return std::move(workflow).error();
  return http::Reply(json_response(200, (*workflow)->source));
}

}  // namespace openwop::wire
