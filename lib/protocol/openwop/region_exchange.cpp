// POST /v1/regions/claims: this host's own route, with which regions tell one another of keys (region_claims.h).
#include <algorithm>

#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/region_merge.h"
#include "protocol/openwop/request_body.h"
#include "protocol/openwop/routes.h"

namespace openwop::wire {

Result<http::Reply> exchange_claims(SurfaceParts& surface, const Call& call) {
  if (!surface.options.regions) return Error{ErrorCode::not_found, "this host is the only region"};
  const auto body = object_body(surface, call);
  if (!body) return body.error();
  const auto message = read_region_message(*body);
  if (!message) return message.error();
  const RegionOptions& options = surface.options.regions->options();
  const bool known = std::any_of(options.peers.begin(), options.peers.end(),
                                 [&](const RegionPeer& peer) { return peer.name == message->region; });
  // A key speaks for one region, and one for tests for none: what is told is about everybody's runs.
  if (!known || call.key->test || call.tenant() != message->region) {
    return Error{ErrorCode::forbidden, "the key is not that of a region which this one knows by the name"};
  }
  const auto left = merge_message(surface, *message);
  if (!left) return left.error();
  std::string indices;
  for (const std::size_t i : *left) indices += (indices.empty() ? "" : ",") + std::to_string(i);
  std::string answer;
  json::ObjectWriter(answer).string("region", options.region).raw("left", "[" + indices + "]");
  return http::Reply(json_response(200, std::move(answer)));
}

}  // namespace openwop::wire
