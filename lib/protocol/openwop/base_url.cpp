#include "protocol/openwop/base_url.h"

namespace openwop::wire {

std::string base_url(const SurfaceParts& surface, const Call& call) {
  const std::string& configured = surface.options.public_url;
  if (configured.find("://") != std::string::npos) return configured;
  const auto host = http::header(call.request.headers, "Host");
  return (surface.options.over_tls ? "https://" : "http://") +
         std::string(host ? *host : std::string_view("localhost")) + configured;
}

}  // namespace openwop::wire
