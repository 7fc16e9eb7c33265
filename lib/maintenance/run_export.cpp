// Export: the run is read twice, once to know that it is sound and how much there is of it, once to write it.
#include <algorithm>
#include <set>

#include "engine/artifacts.h"
#include "engine/fork_artifacts.h"
#include "engine/run_header.h"
#include "maintenance/archive_lines.h"
#include "maintenance/row_pages.h"
#include "maintenance/run_reading.h"
#include "openwop/json.h"
#include "openwop/protocol/test_runs.h"
#include "openwop/run_archive.h"

namespace openwop {

namespace maintenance {
namespace {

/// The first thing that is wrong with the log.
class FirstTrouble final : public Findings {
 public:
  Status found(StoreFinding finding) override { return keep(finding); }
  Status found(StoreFinding finding, RowFix) override { return keep(finding); }
  Status settle() override { return {}; }
  [[nodiscard]] bool repairs() const override { return false; }
  std::string first;

 private:
  Status keep(const StoreFinding& finding) {
    if (first.empty()) first = finding.what + ": " + finding.detail;
    return {};
  }
};

Error cannot_be_cut_out(const RunId& run, const std::string& why) {
  return {ErrorCode::conflict, "run " + run.text() + " cannot be exported: " + why};
}

/// Errors: conflict.
Status can_stand_alone(const RunReading& reading) {
  const RunId& run = reading.run.id;
  if (reading.header().event_log_schema_version < 2) return cannot_be_cut_out(run, "it has no event log");
  if (!reading.has_log) return cannot_be_cut_out(run, "it is a fork that has not begun");
  if (reading.ended) return {};
  if (reading.header().is_replay()) return cannot_be_cut_out(run, "it is a replay that has not ended");
  for (const auto& [id, node] : reading.run.state.nodes) {
    if (node.status == NodeStatus::running) return cannot_be_cut_out(run, "node '" + id + "' is at work");
  }
  for (const ChildRun& child : reading.run.state.children) {
    if (!is_terminal(child.status)) return cannot_be_cut_out(run, "it waits for run " + child.run_id.text());
  }
  return {};
}

/// The ids of the artifacts that readers of the run find: its own, and those that a fork has inherited.
Result<std::set<std::string>> artifacts_of(const Store& store, const RunReading& reading) {
  std::set<std::string> ids;
  const std::string prefix = runtime::artifact_key(reading.run.id, {});
  auto scanned = store.scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view) {
    ids.emplace(key.substr(prefix.size()));
    return true;
  });
  if (!scanned) return std::move(scanned).error();
  if (!reading.header().fork) return ids;
  auto read = Log(store).read(reading.run.id, 0, [&](const EventView& event) {
    if (event.type != EventType::artifact_created) return true;
    const auto id = json::member(event.payload, "artifactId");
    if (id) ids.insert(json::as_string(*id).value_or(""));
    return true;
  });
  if (!read) return std::move(read).error();
  return ids;
}

/// As readers of the run get it; nothing if it is not there, as one that a node only spoke of.
Result<std::optional<std::string>> artifact_row_of(const Store& store, const RunId& run, const std::string& id) {
  auto own = store.get(runtime::artifact_key(run, id));
  if (!own || own->has_value()) return own;
  return runtime::inherited_artifact(store, run, id);
}

class Export {
 public:
  Export(const Store& store, const std::function<Status(std::string_view)>& write) : store_(store), write_(write) {}

  [[nodiscard]] Result<RunArchive> run(const RunId& run) {
    auto header = Log(store_).header(run);
    if (!header) return std::move(header).error();
    if (!header->has_value()) return Error{ErrorCode::run_not_found, "no run has this id"};
    FirstTrouble trouble;
    auto reading = read_run_rows(store_, workflows_, run, trouble);
    if (!reading) return std::move(reading).error();
    if (!*reading) return Error{ErrorCode::store_corrupt, "run " + run.text() + ": " + trouble.first};
    if (auto alone = can_stand_alone(**reading); !alone) return std::move(alone).error();
    RunArchive archive{run, (*reading)->run.state.status, (*reading)->events};
    auto artifacts = rows_of_artifacts(**reading);
    if (!artifacts) return std::move(artifacts).error();
    archive.artifacts = artifacts->size();
    auto done = manifest(**reading, **header, archive);
    if (done) done = events(run);
    if (done) done = artifact_lines(run, *artifacts);
    if (done) done = trailer();
    if (!done) return std::move(done).error();
    return archive;
  }

 private:
  [[nodiscard]] Status put(std::string_view line) {
    hash_.add(line);
    return write_(line);
  }

  [[nodiscard]] Result<std::vector<std::string>> rows_of_artifacts(const RunReading& reading) {
    auto ids = artifacts_of(store_, reading);
    if (!ids) return std::move(ids).error();
    std::vector<std::string> found;
    for (const std::string& id : *ids) {
      auto row = artifact_row_of(store_, reading.run.id, id);
      if (!row) return std::move(row).error();
      if (row->has_value()) found.push_back(id);
    }
    return found;
  }

  [[nodiscard]] Status manifest(const RunReading& reading, const std::string& header_row, const RunArchive& archive) {
    const RunHeader& header = reading.header();
    auto test = store_.get(std::string(1, kTestRunPrefix).append(archive.run_id.view()));
    if (!test) return std::move(test).error();
    std::string line;
    {
      json::ObjectWriter outer(line);
      json::ObjectWriter object(outer.value_of("archive"));
      object.string("format", kArchiveFormat).integer("version", kRunArchiveVersion);
      object.string("runId", archive.run_id.text()).string("tenant", header.tenant);
      object.string("status", status_name(archive.status));
      object.integer("events", static_cast<std::int64_t>(archive.events));
      object.integer("artifacts", static_cast<std::int64_t>(archive.artifacts));
      if (reading.marks && reading.marks->unsettled && !reading.ended) object.boolean("unsettled", true);
      if (test->has_value()) object.boolean("test", true);
      write_exactly(object, "header", header_row);
      object.string("workflow", reading.run.workflow->source);
      if (header.fork && header.fork->source_workflow_digest != header.workflow_digest) {
        auto source = workflows_.by_digest(header.fork->source_workflow_digest);
        if (!source) return std::move(source).error();
        object.string("sourceWorkflow", (*source)->source);
      }
    }
    return put(line += '\n');
  }

  [[nodiscard]] Status events(const RunId& run) {
    Status status;
    auto read = Log(store_).read(run, 0, [&](const EventView& event) {
      status = put(event_line(event));
      return status.ok();
    });
    return status ? std::move(read) : std::move(status);
  }

  [[nodiscard]] Status artifact_lines(const RunId& run, const std::vector<std::string>& ids) {
    for (const std::string& id : ids) {
      auto row = artifact_row_of(store_, run, id);
      if (!row) return std::move(row).error();
      if (auto done = put(artifact_line(id, row->value_or("null"))); !done) return done;
    }
    return {};
  }

  [[nodiscard]] Status trailer() {
    std::string line;
    json::ObjectWriter(line).string("sha256", hash_.hex());
    return write_(line += '\n');
  }

  const Store& store_;
  const std::function<Status(std::string_view)>& write_;
  WorkflowCache workflows_{store_};
  RunningHash hash_;
};

}  // namespace
}  // namespace maintenance

std::string RunArchive::to_json() const {
  std::string out;
  {
    json::ObjectWriter object(out);
    object.string("runId", run_id.text()).string("status", status_name(status));
    object.integer("events", static_cast<std::int64_t>(events));
    object.integer("artifacts", static_cast<std::int64_t>(artifacts));
    if (unchanged) object.boolean("unchanged", true);
  }
  return out;
}

Result<RunArchive> export_run(const Store& store, const RunId& run,
                              const std::function<Status(std::string_view line)>& write) {
  return maintenance::Export(store, write).run(run);
}

}  // namespace openwop
