// What the routes of the OpenWOP surface work with: the surface's parts, and one call on its way through a route.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/engine.h"
#include "openwop/protocol/openwop_surface.h"
#include "openwop/trace_context.h"
#include "protocol/openwop/admission.h"
#include "protocol/openwop/bearer_keys.h"
#include "protocol/openwop/failed_requests.h"
#include "protocol/openwop/keys_in_flight.h"
#include "protocol/openwop/open_waits.h"
#include "protocol/openwop/rate_limit.h"
#include "protocol/openwop/request_target.h"
#include "protocol/openwop/run_snapshot.h"

namespace openwop::wire {

struct SurfaceParts {
  SurfaceParts(Engine& engine_in, SurfaceOptions options_in)
      : engine(engine_in),
        options(std::move(options_in)),
        keys(std::move(options.keys), options.separate_test_data ? TestKeys::apart : TestKeys::in_their_tenant),
        rates({options.rate_limit_per_s, options.rate_limit_burst}),
        discovery_rate({kForcedRatePerSecond, kForcedRateBurst}),
        admission({options.max_in_flight, options.max_waiting_requests, options.admission_wait_ms}),
        failed_requests(options.max_remembered_failures),
        waits(options.max_long_polls, options.max_streams) {
    options.keys.clear();
    if (!options.token_keys.empty()) tokens.emplace(options.token_keys);
  }

  Engine& engine;
  SurfaceOptions options;
  KeyRing keys;
  RateLimiter rates;
  RateLimiter discovery_rate;
  Admission admission;
  KeysInFlight keys_in_flight;
  FailedRequests failed_requests;
  OpenWaits waits;
  /// Nothing when the host gave no secret.
  std::optional<InterruptTokens> tokens = {};

  // SurfaceOptions::force_rate_limit.
  static constexpr std::int64_t kForcedRatePerSecond = 20;
  static constexpr std::int64_t kForcedRateBurst = 100;
};

/// One authenticated request. Everything in it lives as long as the handler runs.
struct Call {
  const http::Request& request;
  const RequestTarget& target;
  /// Null on public routes unless a valid key came along.
  const ApiKey* key = nullptr;
  /// Decoded values of the pattern's `{…}`, in order.
  std::vector<std::string> path_values = {};
  /// What the caller sent, if it is well-formed (protocol 02 §12.1).
  std::optional<TraceContext> trace = {};
  /// The `traceparent` of the answer, unless the handler sets one of its own.
  std::string traceparent = {};

  [[nodiscard]] std::string_view tenant() const { return key->tenant; }
};

/// Why a request cannot be answered now: service_unavailable with details.retryAfter.
[[nodiscard]] Error overloaded(const SurfaceParts& surface, std::string_view message);

/// The error as a caller may see it: without internals, with a correlation id where something went wrong in here.
[[nodiscard]] Error shown_on_the_wire(const SurfaceParts& surface, Error error);

/// The run that a path names. Errors: run_not_found, also for text that is no run id.
[[nodiscard]] Result<RunId> run_id_of(const Call& call);

/// What kind of key the run was made with, as far as this host marks runs. Errors: store errors.
[[nodiscard]] Result<RunKind> run_kind(const SurfaceParts& surface, const RunId& run);

}  // namespace openwop::wire
