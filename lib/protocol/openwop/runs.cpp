// Reading runs: GET /v1/runs/{runId} (protocol 01 §3.3), and two routes of this host's own:
//
//   GET /v1/runs?status=&workflowId=&tag=&createdFrom=&createdBefore=&cursor=&limit=
//     {"runs":[{runId, workflowId, status, createdAt, changedAt}], "nextCursor"?}   newest first
//   GET /v1/runs/{runId}/explain
//     what the run waits for, since when, until when, and who may act
#include <optional>

#include "openwop/json.h"
#include "openwop/time.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/cursor.h"
#include "protocol/openwop/interrupt_link.h"
#include "protocol/openwop/routes.h"
#include "protocol/openwop/run_snapshot.h"

namespace openwop::wire {

namespace {

constexpr std::int64_t kDefaultPage = 100;
constexpr std::int64_t kMaxPage = 1000;

Status read_time(const Call& call, std::string_view name, std::optional<std::int64_t>& time_ms) {
  const auto text = call.target.parameter(name);
  if (!text) return {};
  time_ms = parse_rfc3339(*text);
  if (!time_ms) return invalid_field(name, "has to be an RFC 3339 time");
  return {};
}

Result<RunFilter> read_filter(const Call& call) {
  RunFilter filter;
  filter.tenant = call.tenant();
  if (const auto status = call.target.parameter("status")) {
    filter.status = status_of(*status);
    if (!filter.status) return invalid_field("status", "is not the status of a run");
  }
  filter.workflow_id = call.target.parameter("workflowId").value_or("");
  filter.tag = call.target.parameter("tag").value_or("");
  if (auto read = read_time(call, "createdFrom", filter.created_from_ms); !read) return std::move(read).error();
  if (auto read = read_time(call, "createdBefore", filter.created_before_ms); !read) return std::move(read).error();
  return filter;
}

void append_summary(std::string& out, const RunSummary& run) {
  json::ObjectWriter(out)
      .string("runId", run.run_id.text())
      .string("workflowId", run.workflow_id)
      .string("status", status_name(run.status))
      .string("createdAt", format_rfc3339(run.created_ms))
      .string("changedAt", format_rfc3339(run.changed_ms));
}

}  // namespace

Result<http::Reply> get_run(SurfaceParts& surface, const Call& call) {
  const auto id = run_id_of(call);
  if (!id) return id.error();
  const auto run = surface.engine.run(call.tenant(), *id);
  if (!run) return run.error();
  std::string body;
  const auto link = interrupt_link(surface, call, *run);
  append_run_snapshot(body, *run, link ? &*link : nullptr);
  return http::Reply(json_response(200, std::move(body)));
}

Result<http::Reply> list_runs(SurfaceParts& surface, const Call& call) {
  const auto filter = read_filter(call);
  if (!filter) return filter.error();
  const auto limit = whole_number(call.target.parameter("limit").value_or(std::to_string(kDefaultPage)));
  if (!limit || *limit < 1 || *limit > kMaxPage) return invalid_field("limit", "has to be a number from 1 to 1000");
  const auto cursor = cursor_from_hex(call.target.parameter("cursor").value_or(""));
  if (!cursor) return invalid_field("cursor", "is not one that this host gave");
  const auto page = surface.engine.list_runs(*filter, *cursor, static_cast<std::size_t>(*limit));
  if (!page) return page.error();
  std::string body;
  {
    json::ObjectWriter object(body);
    std::string& list = object.value_of("runs");
    list += '[';
    for (std::size_t i = 0; i < page->runs.size(); ++i) {
      if (i > 0) list += ',';
      append_summary(list, page->runs[i]);
    }
    list += ']';
    if (!page->cursor.empty()) object.string("nextCursor", cursor_to_hex(page->cursor));
  }
  return http::Reply(json_response(200, std::move(body)));
}

Result<http::Reply> explain_run(SurfaceParts& surface, const Call& call) {
  const auto id = run_id_of(call);
  if (!id) return id.error();
  const auto explanation = surface.engine.explain(call.tenant(), *id);
  if (!explanation) return explanation.error();
  return http::Reply(json_response(200, explanation->to_json()));
}

}  // namespace openwop::wire
