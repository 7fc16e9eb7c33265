// What the routes of the OpenWOP surface work with: the surface's parts, and one call on its way through a route.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/engine.h"
#include "openwop/protocol/openwop_surface.h"
#include "protocol/openwop/open_waits.h"
#include "protocol/openwop/request_target.h"

namespace openwop::wire {

struct SurfaceParts {
  SurfaceParts(Engine& engine_in, SurfaceOptions options_in)
      : engine(engine_in), options(std::move(options_in)), waits(options.max_long_polls, options.max_streams) {
    if (!options.token_keys.empty()) tokens.emplace(options.token_keys);
  }

  Engine& engine;
  SurfaceOptions options;
  OpenWaits waits;
  /// Nothing when the host gave no secret.
  std::optional<InterruptTokens> tokens = {};
};

/// One authenticated request. Everything in it lives as long as the handler runs.
struct Call {
  const http::Request& request;
  const RequestTarget& target;
  /// Null on public routes.
  const ApiKey* key = nullptr;
  /// Decoded values of the pattern's `{…}`, in order.
  std::vector<std::string> path_values = {};

  [[nodiscard]] std::string_view tenant() const { return key->tenant; }
};

/// Why a request cannot be answered now: service_unavailable with details.retryAfter.
[[nodiscard]] Error overloaded(const SurfaceParts& surface, std::string_view message);

/// The run that a path names. Errors: run_not_found, also for text that is no run id.
[[nodiscard]] Result<RunId> run_id_of(const Call& call);

}  // namespace openwop::wire
