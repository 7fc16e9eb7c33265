// GET /v1/interrupts: what waits for somebody's answer, oldest first: an approvals inbox. A route of this host's own.
//
//   ?kind=&workflowId=&interruptId=&correlation=KEY:JSON&requestedFrom=&requestedBefore=&cursor=&limit=
//     {"interrupts":[{runId, workflowId, nodeId, interruptId, kind, title?, requestedAt, ageMs, expiresAt?, link}],
//      "nextCursor"?}
#include <algorithm>
#include <optional>

#include "openwop/json.h"
#include "openwop/time.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/listing.h"
#include "protocol/openwop/routes.h"

namespace openwop::wire {

namespace {

constexpr std::size_t kMaxCorrelationBytes = 4096;

/// `KEY:VALUE`; a value that is no JSON is taken for a text.
Status read_correlation(const Call& call, InterruptFilter& filter) {
  const auto text = call.target.parameter("correlation");
  if (!text) return {};
  const auto colon = text->find(':');
  if (colon == std::string::npos || colon == 0 || text->size() > kMaxCorrelationBytes) {
    return invalid_field("correlation", "has to be KEY:VALUE");
  }
  filter.correlation_key = text->substr(0, colon);
  const std::string value(text->substr(colon + 1));
  filter.correlation_value = json::check(value).ok() ? json::minified(value) : json::quoted(value);
  return {};
}

Result<InterruptFilter> read_filter(const Call& call) {
  InterruptFilter filter;
  filter.tenant = call.tenant();
  filter.kind = call.target.parameter("kind").value_or("");
  if (!filter.kind.empty() && find_interrupt_kind(filter.kind) == nullptr) {
    return invalid_field("kind", "is no kind of interrupt");
  }
  filter.workflow_id = call.target.parameter("workflowId").value_or("");
  filter.interrupt_id = call.target.parameter("interruptId").value_or("");
  if (auto read = read_correlation(call, filter); !read) return std::move(read).error();
  if (auto read = read_time(call, "requestedFrom", filter.requested_from_ms); !read) return std::move(read).error();
  if (auto read = read_time(call, "requestedBefore", filter.requested_before_ms); !read) return std::move(read).error();
  return filter;
}

void append_summary(std::string& out, const InterruptSummary& entry, std::int64_t now_ms) {
  json::ObjectWriter object(out);
  object.string("runId", entry.run_id.text())
      .string("workflowId", entry.workflow_id)
      .string("nodeId", entry.node_id)
      .string("interruptId", entry.interrupt_id)
      .string("kind", entry.kind);
  if (!entry.title.empty()) object.string("title", entry.title);
  object.string("requestedAt", format_rfc3339(entry.requested_ms));
  object.integer("ageMs", std::max<std::int64_t>(now_ms - entry.requested_ms, 0));
  if (entry.due_ms != 0) object.string("expiresAt", format_rfc3339(entry.due_ms));
  object.string("link", "/v1/runs/" + entry.run_id.text());
}

}  // namespace

Result<http::Reply> list_interrupts(SurfaceParts& surface, const Call& call) {
  const auto filter = read_filter(call);
  if (!filter) return filter.error();
  const auto asked = read_page(call);
  if (!asked) return asked.error();
  const auto page = surface.engine.list_interrupts(*filter, asked->cursor, asked->limit);
  if (!page) return page.error();
  return http::Reply(page_response(
      "interrupts", page->interrupts, cursor_to_hex(page->cursor),
      [&](std::string& list, const InterruptSummary& entry) { append_summary(list, entry, surface.engine.now_ms()); }));
}

}  // namespace openwop::wire
