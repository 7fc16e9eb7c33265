#include "protocol/openwop/routes.h"

#include <array>
#include <optional>

namespace openwop::wire {

namespace {

constexpr std::array kRoutes = {
    Route{"GET", "/.well-known/openwop", "", get_capabilities, Load::free},
    Route{"GET", "/v1/openapi.json", "", get_openapi, Load::free},
    Route{"GET", "/v1/workflows/{workflowId}", "manifest:read", get_workflow},
    Route{"POST", "/v1/runs", "runs:create", create_run},
    Route{"GET", "/v1/runs", "runs:read", list_runs},
    Route{"GET", "/v1/runs/{runId}", "runs:read", get_run},
    Route{"GET", "/v1/runs/{runId}/explain", "runs:read", explain_run},
    Route{"GET", "/v1/runs/{runId}/artifacts/{artifactId}", "artifacts:read", get_artifact},
    Route{"POST", "/v1/runs/{runId}/cancel", "runs:cancel", cancel_run},
    Route{"POST", "/v1/runs/{runId}:fork", "runs:create runs:read", fork_run},
    Route{"POST", "/v1/runs/{runId}:pause", "runs:cancel", pause_run},
    Route{"POST", "/v1/runs/{runId}:resume", "runs:cancel", resume_run},
    Route{"POST", "/v1/runs/{runId}/interrupts/{nodeId}", "approvals:respond", resolve_interrupt},
    Route{"POST", "/v1/runs/{runId}/approvals/{nodeId}", "approvals:respond", resolve_approval},
    Route{"GET", "/v1/interrupts", "approvals:respond", list_interrupts},
    Route{"GET", "/v1/interrupts/{token}", "", inspect_interrupt},
    Route{"POST", "/v1/interrupts/{token}", "", resolve_by_token},
    Route{"GET", "/v1/runs/{runId}/events", "runs:read", stream_run_events},
    Route{"GET", "/v1/runs/{runId}/events/poll", "runs:read", poll_run_events, Load::waits},
    Route{"GET", "/v1/runs/{runId}/debug-bundle", "runs:read", get_debug_bundle},
    Route{"POST", "/v1/webhooks", "webhooks:manage", register_webhook},
    Route{"GET", "/v1/webhooks/dead-letters", "webhooks:manage", list_dead_letters},
    Route{"DELETE", "/v1/webhooks/{webhookId}", "webhooks:manage", unregister_webhook},
    Route{"GET", "/v1/audit/verify", "audit:read", verify_audit},
    Route{"GET", "/v1/audit/checkpoints", "audit:read", export_audit_checkpoints},
    Route{"POST", "/v1/regions/claims", kRegionScope, exchange_claims},
};

// The raw value that a segment gives for a `{name}` or `{name}:verb`, or nothing.
std::optional<std::string_view> placeholder_value(std::string_view pattern, std::string_view segment) {
  const std::string_view verb = pattern.substr(pattern.find('}') + 1);  // with its colon, or empty
  // Clients that escape a whole segment escape the colon too; ids that have a verb have no colons (protocol 03 trap
  // 40).
  if (!verb.empty() && segment.ends_with(verb.substr(1))) {
    const std::string_view before = segment.substr(0, segment.size() - (verb.size() - 1));
    const bool escaped = before.size() > 3 && (before.ends_with("%3A") || before.ends_with("%3a"));
    if (escaped) return before.substr(0, before.size() - 3);
  }
  const auto colon = segment.rfind(':');
  const std::string_view given = colon == std::string_view::npos ? std::string_view{} : segment.substr(colon);
  if (given != verb) return std::nullopt;
  const std::string_view value = segment.substr(0, segment.size() - given.size());
  if (value.empty()) return std::nullopt;
  return value;
}

bool matches(std::string_view pattern, const RequestTarget& target, std::vector<std::string_view>& values) {
  values.clear();
  pattern.remove_prefix(1);
  for (std::size_t i = 0; i < target.segments.size(); ++i) {
    const auto slash = pattern.find('/');
    const std::string_view expected = pattern.substr(0, slash);
    if (expected.starts_with('{')) {
      const auto value = placeholder_value(expected, target.segments[i]);
      if (!value) return false;
      values.push_back(*value);
    } else if (expected != target.segments[i]) {
      return false;
    }
    const bool is_last = i + 1 == target.segments.size();
    if (slash == std::string_view::npos) return is_last;
    pattern = pattern.substr(slash + 1);
  }
  return false;
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

RouteMatch match_route(std::string_view method, const RequestTarget& target) {
  RouteMatch match;
  std::vector<std::string_view> values;
  for (const Route& route : kRoutes) {
    if (!matches(route.pattern, target, values)) continue;
    if (route.method == method) {
      match.route = &route;
      match.raw_values = std::move(values);
      return match;
    }
    if (!match.allowed.empty()) match.allowed += ", ";
    match.allowed += route.method;
  }
  return match;
}

}  // namespace openwop::wire
