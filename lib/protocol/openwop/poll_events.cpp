// GET /v1/runs/{runId}/events/poll: a page of the log, waited for when there is nothing new (protocol 01 §3.6, 02 §6).
#include <algorithm>
#include <optional>

#include "openwop/event.h"
#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/routes.h"

namespace openwop::wire {

namespace {

constexpr std::int64_t kDefaultTimeoutS = 30;
constexpr std::int64_t kMaxTimeoutS = 60;

struct PollRequest {
  RunId run;
  std::uint64_t from = 0;
  std::int64_t timeout_ms = 0;
};

struct Page {
  std::string events;  // comma-separated documents
  std::size_t count = 0;
  bool terminal = false;  // the last event ends the run
};

Result<PollRequest> read_poll(const Call& call) {
  const auto run = run_id_of(call);
  if (!run) return run.error();
  PollRequest poll{.run = *run};
  // `since` is the older name. Both are exclusive: 0 skips the first event (trap T-17), -1 does not.
  const std::string_view name = call.target.parameter("lastSequence") ? "lastSequence" : "since";
  if (const auto text = call.target.parameter(name)) {
    const auto last = place_in_log(*text);
    if (!last || *last < -1) return invalid_field(name, "has to be a whole number from 0 on");
    poll.from = static_cast<std::uint64_t>(*last) + 1;
  }
  const auto timeout_s = whole_number(call.target.parameter("timeout").value_or(std::to_string(kDefaultTimeoutS)));
  if (!timeout_s || *timeout_s < 1 || *timeout_s > kMaxTimeoutS) {
    return invalid_field("timeout", "has to be a whole number of seconds from 1 to 60");
  }
  poll.timeout_ms = *timeout_s * 1000;
  return poll;
}

Result<Page> read_page(const SurfaceParts& surface, const Call& call, const PollRequest& poll) {
  Page page;
  const std::string run_text = poll.run.text();
  const auto read = surface.engine.read_events(call.tenant(), poll.run, poll.from, [&](const EventView& event) {
    if (page.count++ > 0) page.events += ',';
    append_event_document(page.events, run_text, event);
    page.terminal = is_terminal(event.type);
    return page.count < surface.options.max_poll_events && page.events.size() < surface.options.max_poll_bytes;
  });
  if (!read) return read.error();
  return page;
}

http::Reply poll_response(const Page& page, bool is_complete) {
  std::string body = R"({"events":[)";
  body.append(page.events).append(R"(],"isComplete":)").append(is_complete ? "true}" : "false}");
  return json_response(200, std::move(body));
}

// The page that is there now; nothing when the caller has to wait for one.
Result<std::optional<http::Reply>> answer_now(const SurfaceParts& surface, const Call& call, const PollRequest& poll) {
  // Status first: an ended run has its last event in the log already, so an empty page after it means the end.
  const auto run = surface.engine.progress(call.tenant(), poll.run);
  if (!run) return run.error();
  auto page = read_page(surface, call, poll);
  if (!page) return std::move(page).error();
  const bool beyond_end = page->count == 0 && is_terminal(run->status);
  if (page->count > 0 || beyond_end) return std::optional(poll_response(*page, page->terminal || beyond_end));
  return std::optional<http::Reply>{};
}

Result<http::Reply> wait_for_page(SurfaceParts& surface, const Call& call, const PollRequest& poll) {
  const auto place = surface.waits.enter(OpenWaits::Kind::poll);
  if (!place) return overloaded(surface, "too many polls are waiting (max_long_polls)");
  const auto subscription = surface.engine.subscribe(call.tenant(), poll.run, poll.from);
  if (!subscription) return subscription.error();
  (*subscription)->on_ready([wakeup = place->wakeup()] { wakeup->ring(); });
  const std::int64_t deadline_ms = surface.engine.now_ms() + poll.timeout_ms;
  for (std::int64_t left_ms = poll.timeout_ms;;) {
    // Also between subscription and wait: what came before the callback was set rings nobody.
    auto answer = answer_now(surface, call, poll);
    if (!answer) return std::move(answer).error();
    if (*answer) return **std::move(answer);
    if (left_ms <= 0 || place->wakeup()->wait(left_ms) != Wakeup::Cause::rung) break;
    left_ms = std::min(left_ms, deadline_ms - surface.engine.now_ms());
  }
  return poll_response({}, false);
}

}  // namespace

Result<http::Reply> poll_run_events(SurfaceParts& surface, const Call& call) {
  const auto poll = read_poll(call);
  if (!poll) return poll.error();
  auto answer = answer_now(surface, call, *poll);
  if (!answer) return std::move(answer).error();
  if (*answer) return **std::move(answer);
  return wait_for_page(surface, call, *poll);
}

}  // namespace openwop::wire
