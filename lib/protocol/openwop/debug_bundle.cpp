// GET /v1/runs/{runId}/debug-bundle (protocol 02 §13, 01 §20): one run for a person who looks for a fault.
//
// The spans are made from the events. Of what does not fit, spans go first, then events from the end.
//
// What callers put in and what nodes keep stays out (inputs and variables are empty), whatever it is. The events are
// those of the log, masked when they were written, by the mode that the bundle names.
#include <algorithm>
#include <limits>
#include <set>

#include "openwop/event.h"
#include "openwop/json.h"
#include "openwop/time.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/bundle_spans.h"
#include "protocol/openwop/routes.h"

namespace openwop::wire {

namespace {

constexpr std::string_view kBundleVersion = "1.0";
/// Room for what is written behind the events.
constexpr std::size_t kTailBytes = 1024;

// The bundle's vocabulary is older than the run's: what it lacks becomes what is nearest.
std::string_view bundle_status(RunStatus status) {
  const std::string_view name = status_name(status);
  if (name == "waiting-approval" || name == "waiting-clarification") return name;
  if (is_waiting(status)) return "waiting-clarification";
  if (is_terminal(status) || status == RunStatus::pending) return name;
  return "running";  // also paused, and on the way to it
}

void add_time_or_null(json::ObjectWriter& object, std::string_view name, std::int64_t time_ms) {
  if (time_ms == 0) {
    object.raw(name, "null");
  } else {
    object.string(name, format_rfc3339(time_ms));
  }
}

void append_error(std::string& out, std::string_view error) {
  const auto text = [&](std::string_view name, std::string_view fallback) {
    const auto raw = json::member(error, name);
    const auto value = raw ? json::as_string(*raw) : std::nullopt;
    return value && !value->empty() ? *value : std::string(fallback);
  };
  json::ObjectWriter(out)
      .string("code", text("code", "internal_error"))
      .string("message", text("message", "the run failed"));
}

void append_run(std::string& out, const RunView& run) {
  const RunState& state = run.state;
  json::ObjectWriter object(out);
  object.string("runId", run.run_id.text());
  object.string("workflowId", run.header.workflow_id);
  object.string("status", bundle_status(state.status));
  if (state.started_ms != 0) object.string("startedAt", format_rfc3339(state.started_ms));
  add_time_or_null(object, "endedAt", is_terminal(state.status) ? state.ended_ms : 0);
  if (state.status == RunStatus::failed) {
    append_error(object.value_of("error"), state.error);
  } else {
    object.raw("error", "null");
  }
  object.raw("inputs", "{}");
  object.raw("variables", "{}");
  const auto suspended = std::find_if(state.nodes.begin(), state.nodes.end(),
                                      [](const auto& node) { return node.second.status == NodeStatus::suspended; });
  if (suspended == state.nodes.end()) {
    object.raw("currentNodeId", "null");
  } else {
    object.string("currentNodeId", suspended->first);
  }
  json::ObjectWriter nodes(object.value_of("nodeStates"));
  for (const auto& [id, node] : state.nodes) {
    json::ObjectWriter(nodes.value_of_member(id))
        .string("status", node_status_name(node.status))
        .integer("attempt", node.attempt);
  }
}

struct Events {
  std::size_t count = 0;
  std::set<std::string, std::less<>> nodes;
  /// Why the rest is left out; empty when nothing is.
  std::string_view truncated = {};
};

/// The log up to where the run was read, as far as it fits: a prefix remains.
Result<Events> append_events(std::string& out, SurfaceParts& surface, const Call& call, const RunView& run,
                             std::size_t max_events, BundleSpans& spans) {
  Events events;
  const std::string run_text = run.run_id.text();
  out += '[';
  const auto read = surface.engine.read_events(call.tenant(), run.run_id, 0, [&](const EventView& event) {
    if (event.sequence >= run.state.next_sequence) return false;
    if (events.count >= max_events) {
      events.truncated = "events_truncated_to_max_events";
      return false;
    }
    const std::size_t before = out.size();
    if (events.count > 0) out += ',';
    append_event_document(out, run_text, event);
    if (out.size() + kTailBytes > surface.options.max_debug_bundle_bytes) {
      out.resize(before);
      events.truncated = "events_truncated_to_size_cap";
      return false;
    }
    ++events.count;
    spans.follow(event);
    if (!event.node_id.empty()) events.nodes.emplace(event.node_id);
    return true;
  });
  out += ']';
  if (!read) return read.error();
  return events;
}

std::string host_block(const SurfaceOptions& options) {
  std::string out;
  {
    json::ObjectWriter host(out);
    host.string("name", options.implementation_name).string("version", options.implementation_version);
    if (!options.implementation_vendor.empty()) host.string("vendor", options.implementation_vendor);
  }
  return out;
}

}  // namespace

Result<http::Reply> get_debug_bundle(SurfaceParts& surface, const Call& call) {
  if (!surface.options.debug_bundle) return Error{ErrorCode::not_found, "this host makes no debug bundles"};
  const auto id = run_id_of(call);
  if (!id) return id.error();
  std::size_t max_events = std::numeric_limits<std::size_t>::max();
  if (const auto text = call.target.parameter("maxEvents")) {
    const auto value = whole_number(*text);
    if (!value || *value < 0) return invalid_field("maxEvents", "has to be a whole number, 0 or more");
    max_events = static_cast<std::size_t>(*value);
  }
  const auto run = surface.engine.run(call.tenant(), *id);
  if (!run) return run.error();
  const auto explanation = surface.engine.explain(call.tenant(), *id);
  if (!explanation) return explanation.error();
  std::string body;
  {
    json::ObjectWriter bundle(body);
    bundle.string("bundleVersion", kBundleVersion);
    bundle.string("generatedAt", format_rfc3339(surface.engine.now_ms()));
    bundle.raw("host", host_block(surface.options));
    append_run(bundle.value_of("run"), *run);
    bundle.raw("explanation", explanation->to_json());
    const MaskingMode masking = run->header.masking;
    bundle.boolean("redactionApplied", masking != MaskingMode::passthrough);
    bundle.string("redactionMode", masking_mode_name(masking));
    BundleSpans spans(*run);
    auto events = append_events(bundle.value_of("events"), surface, call, *run, max_events, spans);
    if (!events) return std::move(events).error();
    const std::size_t room =
        surface.options.max_debug_bundle_bytes - std::min(surface.options.max_debug_bundle_bytes, kTailBytes);
    const bool all_spans = spans.append(bundle.value_of("spans"), room);
    if (!all_spans && events->truncated.empty()) events->truncated = "spans_truncated_to_size_cap";
    {
      json::ObjectWriter metrics(bundle.value_of("metrics"));
      metrics.integer("nodeCount", static_cast<std::int64_t>(events->nodes.size()));
      metrics.integer("eventCount", static_cast<std::int64_t>(events->count));
      if (!run->state.cost.empty()) metrics.raw("openwopCost", run->state.cost.total().to_json());
    }
    bundle.boolean("truncated", !events->truncated.empty());
    if (!events->truncated.empty()) bundle.string("truncatedReason", events->truncated);
  }
  http::Response response = json_response(200, std::move(body));
  response.headers.emplace("Cache-Control", "no-store");
  return http::Reply(std::move(response));
}

}  // namespace openwop::wire
