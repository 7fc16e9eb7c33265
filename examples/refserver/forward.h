// Hands a request to another host of the cluster, at the address that it has given (SurfaceOptions::forward).
//
// Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "openwop/http_client.h"
#include "openwop/protocol/http.h"
#include "openwop/result.h"

namespace refserver {

/// The other host's answer. Errors: not_owner when it was not reached, so that nothing was done there;
/// service_unavailable when it did not answer, or not in time.
[[nodiscard]] openwop::Result<openwop::http::Response> forward(openwop::HttpClient& client,
                                                               const openwop::http::Request& request,
                                                               const std::string& address);

}  // namespace refserver
