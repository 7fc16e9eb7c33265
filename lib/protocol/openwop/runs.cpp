// Reading runs: GET /v1/runs/{runId} (protocol 01 §3.3), and two routes of this host's own:
//
//   GET /v1/runs?status=&workflowId=&tag=&createdFrom=&createdBefore=&cursor=&limit=
//     {"runs":[{runId, workflowId, status, createdAt, changedAt, testRun?}], "nextCursor"?}   newest first
//   GET /v1/runs/{runId}/explain
//     what the run waits for, since when, until when, and who may act
#include <optional>
#include <vector>

#include "openwop/json.h"
#include "openwop/time.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/interrupt_link.h"
#include "protocol/openwop/listing.h"
#include "protocol/openwop/routes.h"
#include "protocol/openwop/run_snapshot.h"

namespace openwop::wire {

namespace {

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

struct ListedRun {
  RunSummary summary;
  RunKind kind = RunKind::production;
};

void append_summary(std::string& out, const ListedRun& run) {
  json::ObjectWriter object(out);
  object.string("runId", run.summary.run_id.text())
      .string("workflowId", run.summary.workflow_id)
      .string("status", status_name(run.summary.status))
      .string("createdAt", format_rfc3339(run.summary.created_ms))
      .string("changedAt", format_rfc3339(run.summary.changed_ms));
  if (run.kind == RunKind::test) object.boolean("testRun", true);
}

}  // namespace

Result<http::Reply> get_run(SurfaceParts& surface, const Call& call) {
  const auto id = run_id_of(call);
  if (!id) return id.error();
  const auto run = surface.engine.run(call.tenant(), *id);
  if (!run) return run.error();
  const auto kind = run_kind(surface, *id);
  if (!kind) return kind.error();
  std::string body;
  const auto link = interrupt_link(surface, call, *run);
  append_run_snapshot(body, *run, *kind, link ? &*link : nullptr);
  return http::Reply(json_response(200, std::move(body)));
}

Result<http::Reply> list_runs(SurfaceParts& surface, const Call& call) {
  const auto filter = read_filter(call);
  if (!filter) return filter.error();
  const auto asked = read_page(call);
  if (!asked) return asked.error();
  const auto page = surface.engine.list_runs(*filter, asked->cursor, asked->limit);
  if (!page) return page.error();
  std::vector<ListedRun> runs;
  runs.reserve(page->runs.size());
  for (const RunSummary& summary : page->runs) {
    const auto kind = run_kind(surface, summary.run_id);
    if (!kind) return kind.error();
    runs.push_back({summary, *kind});
  }
  return http::Reply(page_response("runs", runs, cursor_to_hex(page->cursor), append_summary));
}

Result<http::Reply> explain_run(SurfaceParts& surface, const Call& call) {
  const auto id = run_id_of(call);
  if (!id) return id.error();
  const auto explanation = surface.engine.explain(call.tenant(), *id);
  if (!explanation) return explanation.error();
  return http::Reply(json_response(200, explanation->to_json()));
}

}  // namespace openwop::wire
