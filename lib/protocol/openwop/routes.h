// The routes of the surface: one table. A pattern's `{name}` stands for one path segment; `{name}:verb` for one that
// ends in that verb. A raw ':' in a segment begins a verb, so an id with a colon has to be percent-encoded.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/openwop/surface_parts.h"

namespace openwop::wire {

using Handler = Result<http::Reply> (*)(SurfaceParts& surface, const Call& call);

/// Whether a request counts among those in flight (SurfaceOptions::max_in_flight).
enum class Load : std::uint8_t {
  counted,
  free,   // cheap and always there: discovery
  waits,  // mostly asleep; has a limit of its own
};

struct Route {
  std::string_view method;
  std::string_view pattern;
  /// The scopes that the key must carry, all of them, with a space between; empty: public.
  std::string_view scope;
  Handler handler;
  Load load = Load::counted;
};

/// Every route, in the order of matching.
[[nodiscard]] std::span<const Route> routes();

struct RouteMatch {
  /// Null when no route has the path and the method.
  const Route* route = nullptr;
  std::vector<std::string_view> raw_values = {};
  /// Methods of the path, comma-separated; empty when no route has the path.
  std::string allowed = {};
};

[[nodiscard]] RouteMatch match_route(std::string_view method, const RequestTarget& target);

// Handlers, one file a resource.
Result<http::Reply> get_capabilities(SurfaceParts& surface, const Call& call);
Result<http::Reply> get_openapi(SurfaceParts& surface, const Call& call);
Result<http::Reply> get_workflow(SurfaceParts& surface, const Call& call);
Result<http::Reply> create_run(SurfaceParts& surface, const Call& call);
Result<http::Reply> get_run(SurfaceParts& surface, const Call& call);
Result<http::Reply> list_runs(SurfaceParts& surface, const Call& call);
Result<http::Reply> explain_run(SurfaceParts& surface, const Call& call);
Result<http::Reply> fork_run(SurfaceParts& surface, const Call& call);
Result<http::Reply> cancel_run(SurfaceParts& surface, const Call& call);
Result<http::Reply> pause_run(SurfaceParts& surface, const Call& call);
Result<http::Reply> resume_run(SurfaceParts& surface, const Call& call);
Result<http::Reply> resolve_interrupt(SurfaceParts& surface, const Call& call);
Result<http::Reply> resolve_approval(SurfaceParts& surface, const Call& call);
Result<http::Reply> list_interrupts(SurfaceParts& surface, const Call& call);
Result<http::Reply> inspect_interrupt(SurfaceParts& surface, const Call& call);
Result<http::Reply> resolve_by_token(SurfaceParts& surface, const Call& call);
Result<http::Reply> stream_run_events(SurfaceParts& surface, const Call& call);
Result<http::Reply> get_artifact(SurfaceParts& surface, const Call& call);
Result<http::Reply> get_debug_bundle(SurfaceParts& surface, const Call& call);
Result<http::Reply> register_webhook(SurfaceParts& surface, const Call& call);
Result<http::Reply> list_dead_letters(SurfaceParts& surface, const Call& call);
Result<http::Reply> unregister_webhook(SurfaceParts& surface, const Call& call);
Result<http::Reply> verify_audit(SurfaceParts& surface, const Call& call);
Result<http::Reply> export_audit_checkpoints(SurfaceParts& surface, const Call& call);
Result<http::Reply> exchange_claims(SurfaceParts& surface, const Call& call);
Result<http::Reply> poll_run_events(SurfaceParts& surface, const Call& call);

}  // namespace openwop::wire
