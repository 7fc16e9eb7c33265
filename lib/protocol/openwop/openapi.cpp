// GET /v1/openapi.json: the OpenAPI 3.1 document of this surface, as it lies in schemas/openapi.json.
#include "openwop/embedded_schemas.h"
#include "openwop/hash.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/routes.h"

namespace openwop::wire {

Result<http::Reply> get_openapi(SurfaceParts&, const Call& call) {
  static const std::string tag = '"' + sha256_hex(schemas::openapi).substr(0, 16) + '"';
  const bool unchanged = http::header(call.request.headers, "If-None-Match") == tag;
  http::Response response =
      unchanged ? http::Response{.status = 304} : json_response(200, std::string(schemas::openapi));
  response.headers.emplace("Cache-Control", "public, max-age=300");
  response.headers.emplace("ETag", tag);
  return http::Reply(std::move(response));
}

}  // namespace openwop::wire
