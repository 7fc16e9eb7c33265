#include <algorithm>

#include "engine/run_reader.h"
#include "openwop/log.h"

namespace openwop::runtime {

namespace {

/// Rows looked at in one call: a filter that matches little gives short pages with a cursor instead of a long wait.
constexpr std::size_t kMaxRowsExamined = 10'000;

/// The ids of one index below `before` and from `not_before` on, newest first.
Status collect(const Store& store, const std::string& prefix, const std::string& not_before, const std::string& before,
               std::size_t limit, std::vector<RunId>& out) {
  const ScanRange range{prefix + not_before, before.empty() ? prefix_end(prefix) : prefix + before, true};
  const std::size_t most = out.size() + limit;
  return store.scan(range, [&](std::string_view key, std::string_view) {
    out.push_back(RunId::from_bytes(key.substr(key.size() - RunId::kBytes)));
    return out.size() < most;
  });
}

/// The most selective index that the filter names; all statuses when it names none.
std::vector<std::string> index_prefixes(const RunFilter& filter) {
  if (!filter.tag.empty()) return {tag_index_prefix(filter.tenant, filter.tag)};
  if (!filter.workflow_id.empty()) return {workflow_index_prefix(filter.tenant, filter.workflow_id)};
  if (filter.status) return {status_index_prefix(filter.tenant, *filter.status)};
  std::vector<std::string> prefixes;
  for (std::size_t i = 0; i < kRunStatusCount; ++i) {
    prefixes.push_back(status_index_prefix(filter.tenant, static_cast<RunStatus>(i)));
  }
  return prefixes;
}

/// The smallest id of a moment: ids begin with their creation time.
std::string id_bound(std::optional<std::int64_t> created_ms) {
  if (!created_ms) return {};
  std::string out;
  bytes::put_u64(out, static_cast<std::uint64_t>(std::max<std::int64_t>(*created_ms, 0)) << 16);
  return out.substr(0, 6);
}

Result<std::optional<RunSummary>> summary_if(const Store& store, const RunFilter& filter, const RunId& run) {
  const Log log(store);
  auto head = log.head(run);
  if (!head) return std::move(head).error();
  if (!head->has_value()) return std::optional<RunSummary>{};
  auto marks = RunMarks::decode((*head)->summary);
  if (!marks) return std::move(marks).error();
  const bool fits = marks->tenant == filter.tenant && (!filter.status || marks->status == *filter.status) &&
                    (filter.workflow_id.empty() || marks->workflow_id == filter.workflow_id);
  if (!fits) return std::optional<RunSummary>{};
  if (!(*head)->sealed) {
    // Events may have come since the head row was written.
    auto end = log.end(run);
    if (!end) return std::move(end).error();
    marks->changed_ms = std::max(marks->changed_ms, end->time_ms);
  }
  return std::optional<RunSummary>{
      RunSummary{run, std::move(marks->workflow_id), marks->status, marks->created_ms, marks->changed_ms}};
}

}  // namespace

Result<RunPage> list_runs(const Store& store, const RunFilter& filter, std::string_view cursor, std::size_t limit) {
  std::string before = id_bound(filter.created_before_ms);
  if (!cursor.empty()) {
    const auto last = RunId::parse(cursor);
    if (!last) return Error{ErrorCode::validation_error, "the cursor is not one that a listing gave"};
    if (before.empty() || last->view() < before) before = last->view();
  }
  const std::string not_before = id_bound(filter.created_from_ms);
  RunPage page;
  std::size_t examined = 0;
  while (page.runs.size() < limit && examined < kMaxRowsExamined) {
    const std::size_t chunk = limit - page.runs.size() + 1;
    std::vector<RunId> ids;
    for (const std::string& prefix : index_prefixes(filter)) {
      if (auto status = collect(store, prefix, not_before, before, chunk, ids); !status)
        return std::move(status).error();
    }
    std::sort(ids.begin(), ids.end(), std::greater<>());
    // A run that changes status during the scans may stand in two indexes.
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    if (ids.size() > chunk) ids.resize(chunk);
    for (const RunId& id : ids) {
      if (page.runs.size() == limit) break;
      auto summary = summary_if(store, filter, id);
      if (!summary) return std::move(summary).error();
      before = id.view();
      ++examined;
      if (*summary) page.runs.push_back(std::move(**summary));
    }
    if (ids.size() < chunk) return page;  // the index ends here
  }
  page.cursor = RunId::from_bytes(before).text();
  return page;
}

}  // namespace openwop::runtime
