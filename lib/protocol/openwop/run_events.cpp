// GET /v1/runs/{runId}/events: SSE, or the whole log as JSON for those who ask for it (protocol 01 §3.4, §3.5; 02 §5).
#include <algorithm>
#include <optional>

#include "openwop/event.h"
#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/event_stream.h"
#include "protocol/openwop/routes.h"

namespace openwop::wire {

namespace {

constexpr std::int64_t kMaxBufferMs = 5000;

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), http::NameLess::lower);
  return out;
}

// Protocol 02 §5.10: JSON for those who accept it and not SSE; SSE for all others, `*/*` and no Accept among them.
bool wants_json(const http::Headers& headers) {
  bool json = false;
  const auto [first, last] = headers.equal_range("Accept");
  for (auto at = first; at != last; ++at) {
    const std::string accept = lower_case(at->second);
    if (accept.find("text/event-stream") != std::string::npos) return false;
    json = json || accept.find("application/json") != std::string::npos;
  }
  return json;
}

Result<std::int64_t> read_buffer_ms(const Call& call) {
  const auto text = call.target.parameter("bufferMs");
  if (!text) return std::int64_t{0};
  const auto value = whole_number(*text);
  if (value && *value >= 0 && *value <= kMaxBufferMs) return *value;
  return invalid_field("bufferMs", "has to be a whole number from 0 to 5000");
}

// The sequence that the client has seen last: a number, or the eventId of an event of this run. What is neither is
// treated as absent (02 §5.8).
std::optional<std::uint64_t> last_event_id(const Call& call, const RunId& run) {
  const auto header = http::header(call.request.headers, "Last-Event-ID");
  // A browser's EventSource cannot set headers on its first request, so a query says the same; the header is newer.
  const auto query = call.target.parameter("lastEventId");
  if (!header && !query) return std::nullopt;
  std::string_view text = header ? *header : *query;
  const std::string prefix = "evt_" + run.text() + "_";
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  const auto sequence = place_in_log(text);
  if (!sequence || *sequence < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*sequence);
}

Result<http::Reply> whole_log(SurfaceParts& surface, const Call& call, const RunId& run) {
  std::string body = R"({"events":[)";
  const std::size_t empty_size = body.size();
  const std::string run_text = run.text();
  bool terminal = false;
  bool too_large = false;
  const auto read = surface.engine.read_events(call.tenant(), run, 0, [&](const EventView& event) {
    if (body.size() > empty_size) body += ',';
    append_event_document(body, run_text, event);
    terminal = is_terminal(event.type);
    too_large = body.size() > surface.options.max_events_response_bytes;
    return !too_large;
  });
  if (!read) return read.error();
  if (too_large) {
    return Error{ErrorCode::payload_too_large, "the log exceeds max_events_response_bytes; page with /events/poll"};
  }
  body.append(R"(],"isComplete":)").append(terminal ? "true}" : "false}");
  return http::Reply(json_response(200, std::move(body)));
}

Result<http::Reply> open_stream(SurfaceParts& surface, const Call& call, const RunId& run_id, const RunProgress& run,
                                StreamModes modes, std::int64_t buffer_ms) {
  const auto kind = run_kind(surface, run_id);
  if (!kind) return kind.error();
  EventStreamPlan plan{.tenant = std::string(call.tenant()),
                       .run_id = run_id,
                       .kind = *kind,
                       .modes = modes,
                       .buffer_ms = buffer_ms,
                       .traceparent = call.traceparent};
  const std::uint64_t end = run.next_sequence;
  const auto seen = last_event_id(call, run_id);
  // An id beyond the end cannot have come from here; the client waits for what is new.
  const std::uint64_t from = seen ? std::min(*seen + 1, end) : 0;
  if (is_terminal(run.status) && from >= end) {
    return http::Reply(make_event_stream(surface, std::move(plan), nullptr, nullptr));
  }
  if (from > 0 && modes.has(StreamMode::values)) plan.resumed_after = from - 1;
  auto place = surface.waits.enter(OpenWaits::Kind::stream);
  if (!place) return overloaded(surface, "too many streams are open (max_streams)");
  auto subscription = surface.engine.subscribe(call.tenant(), run_id, from);
  if (!subscription) return std::move(subscription).error();
  return http::Reply(make_event_stream(surface, std::move(plan), std::move(place), *std::move(subscription)));
}

}  // namespace

Result<http::Reply> stream_run_events(SurfaceParts& surface, const Call& call) {
  const auto id = run_id_of(call);
  if (!id) return id.error();
  const auto run = surface.engine.progress(call.tenant(), *id);
  if (!run) return run.error();
  // Both checks come before the choice of the form, so that every kind of client gets the same 400.
  const auto modes = parse_stream_modes(call.target.parameter("streamMode").value_or("updates"));
  if (!modes) return modes.error();
  const auto buffer_ms = read_buffer_ms(call);
  if (!buffer_ms) return buffer_ms.error();
  if (wants_json(call.request.headers)) return whole_log(surface, call, *id);
  return open_stream(surface, call, *id, *run, *modes, *buffer_ms);
}

}  // namespace openwop::wire
