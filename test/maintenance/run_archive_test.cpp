// A run as a file: the same run in another store, whatever it waits for; nothing of it where the file is not whole.
#include "openwop/run_archive.h"

#include "maintenance/maintenance_rig.h"
#include "openwop/log.h"

namespace openwop::test {

namespace {

Lines exported(const Store& store, const RunId& run) {
  Lines lines;
  const auto archive = export_run(store, run, [&](std::string_view line) {
    REQUIRE(line.ends_with('\n'));
    lines.emplace_back(line.substr(0, line.size() - 1));
    return Status{};
  });
  INFO((archive.ok() ? std::string() : archive.error().message));
  REQUIRE(archive.ok());
  return lines;
}

std::string export_error(const Store& store, const RunId& run) {
  const auto archive = export_run(store, run, [](std::string_view) { return Status{}; });
  return archive.ok() ? "ok" : std::string(error_name(archive.error().code));
}

Result<RunArchive> imported(Store& store, const Lines& lines) {
  std::size_t next = 0;
  return import_run(store, [&]() -> Result<std::optional<std::string>> {
    if (next == lines.size()) return std::optional<std::string>{};
    return std::optional<std::string>{lines[next++]};
  });
}

std::string import_error(Store& store, const Lines& lines) {
  const auto archive = imported(store, lines);
  return archive.ok() ? "ok" : std::string(error_name(archive.error().code));
}

/// What readers see of a run.
std::string shown(const EngineRig& rig, const std::string& tenant, const RunId& run) {
  const auto view = rig.engine->run(tenant, run);
  REQUIRE(view.ok());
  std::string out = view->header.inputs + view->header.metadata + std::to_string(view->header.created_ms);
  for (const auto& [name, value] : view->state.variables) out += "\n" + name + "=" + value;
  for (const auto& [id, node] : view->state.nodes) {
    out += "\n" + id + " " + std::to_string(static_cast<int>(node.status)) + " " + node.outputs + node.error + " " +
           std::to_string(node.due_ms);
  }
  for (const auto& [id, interrupt] : view->state.interrupts) out += "\n" + id + " " + interrupt.id + interrupt.data;
  out += "\n" + rig.engine->explain(tenant, run)->to_json();
  REQUIRE(rig.engine
              ->read_events(tenant, run, 0,
                            [&](const EventView& event) {
                              out += '\n';
                              append_event_document(out, run.text(), event);
                              out += event.hidden;
                              return true;
                            })
              .ok());
  return out;
}

struct Elsewhere : EngineRig {
  explicit Elsewhere(std::shared_ptr<MemoryStore> with, std::int64_t now_ms) {
    store = std::move(with);
    clock = std::make_shared<ManualClock>(now_ms);
    open();
    tick();
  }
};

}  // namespace

TEST_CASE("a run is the same where it is imported: state, events, listings, artifacts") {
  ManyRuns rig;
  for (const RunId& run : {rig.finished, rig.failed, rig.cancelled, rig.gate, rig.event, rig.delay, rig.paused,
                           rig.child, rig.grown_up, rig.replay, rig.branch, rig.branch_of_branch, rig.scoped}) {
    const std::string tenant = run == rig.scoped ? "acme" : "default";
    const Lines lines = exported(*rig.store, run);
    const auto other = std::make_shared<MemoryStore>();
    const auto archive = imported(*other, lines);
    INFO((archive.ok() ? lines.front().substr(0, 200) : archive.error().message));
    REQUIRE(archive.ok());
    CHECK_FALSE(archive->unchanged);
    CHECK(archive->run_id == run);
    CHECK(lines.size() == archive->events + archive->artifacts + 2);
    CHECK(check(other).lines == Lines{});
    CHECK(exported(*other, run) == lines);
    const std::string before = shown(rig, tenant, run);
    const Elsewhere elsewhere(other, rig.clock->now_ms());
    CHECK(shown(elsewhere, tenant, run) == before);
    CHECK(check(other).lines == Lines{});
    const auto artifact = rig.engine->artifact(tenant, run, "b");
    CHECK(elsewhere.engine->artifact(tenant, run, "b").ok() == artifact.ok());
    if (artifact.ok()) CHECK(*elsewhere.engine->artifact(tenant, run, "b") == *artifact);
    const auto listed = [&](const EngineRig& in) {
      RunFilter filter{.tenant = tenant};
      const auto page = in.engine->list_runs(filter, "", 100);
      REQUIRE(page.ok());
      for (const RunSummary& each : page->runs) {
        if (each.run_id == run) return std::to_string(each.created_ms) + " " + std::to_string(each.changed_ms);
      }
      return std::string("not listed");
    };
    CHECK(listed(elsewhere) == listed(rig));
  }
}

TEST_CASE("a run that waits goes on where it is imported") {
  ManyRuns rig;
  const auto other = std::make_shared<MemoryStore>();
  for (const RunId& run : {rig.gate, rig.event, rig.delay, rig.paused, rig.branch}) {
    REQUIRE(imported(*other, exported(*rig.store, run)).ok());
  }
  Elsewhere elsewhere(other, rig.clock->now_ms());
  CHECK(elsewhere.engine->list_interrupts({}, "", 10)->interrupts.size() == 3);
  CHECK(elsewhere.engine->list_interrupts({.correlation_key = "order", .correlation_value = "7"}, "", 10)
            ->interrupts.size() == 1);
  REQUIRE(elsewhere.answer(rig.gate, "gate", R"({"action":"accept"})").ok());
  REQUIRE(elsewhere.answer(rig.branch, "gate", R"({"action":"accept"})").ok());
  CHECK(elsewhere.status(rig.gate) == RunStatus::completed);
  CHECK(elsewhere.status(rig.branch) == RunStatus::completed);
  REQUIRE(elsewhere.engine->resume_run({.run_id = rig.paused}).ok());
  elsewhere.advance(60'000);
  CHECK(elsewhere.status(rig.delay) == RunStatus::completed);
  CHECK(elsewhere.status(rig.paused) == RunStatus::completed);
  CHECK(elsewhere.status(rig.event) == RunStatus::failed);  // its time to be answered is over
  CHECK(check(other).lines == Lines{});
  // New runs of its workflow can be made there too.
  CHECK(elsewhere.engine->create_run({.workflow_id = "gate"}).ok());
}

TEST_CASE("what cannot be cut out of a store is not exported") {
  ManyRuns rig;
  CHECK(export_error(*rig.store, rig.flight) == "conflict");
  CHECK(export_error(*rig.store, rig.parent) == "conflict");
  CHECK(export_error(*rig.store, rig.fork(rig.flight, 0, ForkMode::replay)) == "conflict");
  CHECK(export_error(*rig.store, *RunId::parse("01hf7yat00aaaaaaaaaaaaaaaa")) == "run_not_found");
  const auto full = export_run(*rig.store, rig.finished, [](std::string_view) -> Status {
    return Error{ErrorCode::store_io_error, "no space"};
  });
  REQUIRE_FALSE(full.ok());
  CHECK(full.error().message == "no space");
  put_row(*rig.store, Log::batch_key(rig.finished, 0), "x");
  CHECK(export_error(*rig.store, rig.finished) == "store_corrupt");
}

TEST_CASE("an import of what is there already changes nothing, and another run of that id is left alone") {
  ManyRuns rig;
  const Lines lines = exported(*rig.store, rig.gate);
  const AllRows before = rig.rows();
  const auto again = imported(*rig.store, lines);
  REQUIRE(again.ok());
  CHECK(again->unchanged);
  CHECK(rig.rows() == before);
  REQUIRE(rig.answer(rig.gate, "gate", R"({"action":"accept"})").ok());
  const AllRows moved_on = rig.rows();
  CHECK(import_error(*rig.store, lines) == "conflict");
  CHECK(rig.rows() == moved_on);
  // As does the scope that another run holds.
  const Lines scoped = exported(*rig.store, rig.scoped);
  Elsewhere elsewhere(std::make_shared<MemoryStore>(), kStartMs);
  elsewhere.add(WorkflowText("sleeper").node("wait", "core.delay", R"({"ms":60000})"));
  elsewhere.create({.workflow_id = "sleeper", .tenant = "acme", .scope_id = "s", .exclusive_scope = true});
  const AllRows held = rows_under(*elsewhere.store);
  CHECK(import_error(*elsewhere.store, scoped) == "conflict");
  CHECK(rows_under(*elsewhere.store) == held);
}

TEST_CASE("a file that is cut short, altered or of another kind is refused and leaves nothing") {
  ManyRuns rig;
  const Lines lines = exported(*rig.store, rig.finished);
  MemoryStore store;
  const auto refused = [&](const Lines& changed, const std::string& code = "validation_error") {
    CHECK(import_error(store, changed) == code);
    CHECK(rows_under(store).empty());
  };
  for (std::size_t length = 0; length < lines.size(); ++length)
    refused(Lines(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(length)));
  for (std::size_t line = 0; line < lines.size(); ++line) {
    for (std::size_t at = 0; at < lines[line].size(); at += 1 + lines[line].size() / 40) {
      Lines changed = lines;
      changed[line][at] = static_cast<char>(changed[line][at] ^ 2);
      INFO("line " << line << ", byte " << at);
      const auto archive = imported(store, changed);
      CHECK_FALSE(archive.ok());
      CHECK(rows_under(store).empty());
    }
    Lines missing = lines;
    missing.erase(missing.begin() + static_cast<std::ptrdiff_t>(line));
    refused(missing);
  }
  Lines longer = lines;
  longer.push_back(lines[1]);
  refused(longer);
  Lines newer = lines;
  newer.front().replace(newer.front().find(R"("version":1)"), 11, R"("version":2)");
  refused(newer, "store_version_unsupported");
  refused({"{}"});
  refused({"no JSON"});
}

TEST_CASE("an import that dies after any of its commits leaves no run, and the next one makes it") {
  ManyRuns rig;
  const Lines lines = exported(*rig.store, rig.finished);
  for (int allowed = 0;; ++allowed) {
    class Dying final : public Store {
     public:
      Dying(Store& inner, int allowed) : inner_(inner), allowed_(allowed) {}
      Result<std::optional<std::string>> get(std::string_view key) const override { return inner_.get(key); }
      Status scan(const ScanRange& range, const RowVisitor& visit) const override { return inner_.scan(range, visit); }
      Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                Durability durability) override {
        if (allowed_-- <= 0) return Error{ErrorCode::store_io_error, "the process is gone"};
        return inner_.commit(group, durability);
      }

     private:
      Store& inner_;
      int allowed_;
    };
    const auto disk = std::make_shared<MemoryStore>();
    Dying dying(*disk, allowed);
    const bool cut = !imported(dying, lines).ok();
    CHECK(check(disk).lines == Lines{});
    const AllRows left = rows_under(*disk);
    {
      // Whatever is left goes when an engine opens the store.
      const Elsewhere elsewhere(store_of(left), kStartMs);
      CHECK(elsewhere.engine->run("default", rig.finished).ok() == !cut);
      if (cut) CHECK(rows_under(*elsewhere.store).empty());
    }
    CHECK(import_error(*disk, lines) == "ok");
    CHECK(exported(*disk, rig.finished) == lines);
    CHECK(check(disk).lines == Lines{});
    if (!cut) break;
    REQUIRE(allowed < 50);
  }
}

TEST_CASE("JSON of the run's own comes back to the byte, line breaks included") {
  EngineRig rig;
  rig.add(
      WorkflowText("w").variable(R"({"name":"v","type":"object"})").node("g", "core.approvalGate", R"({"title":"t"})"));
  const RunId run = rig.create("w", "{ \"v\" : {\n\t\"a\" : 1.50 } }");
  REQUIRE(rig.answer(run, "g", "{\n\"action\":\"accept\"}").ok());
  const Lines lines = exported(*rig.store, run);
  for (const std::string& line : lines) CHECK(line.find('\n') == std::string::npos);
  const auto other = std::make_shared<MemoryStore>();
  REQUIRE(imported(*other, lines).ok());
  CHECK(*other->get(Log::header_key(run)) == *rig.store->get(Log::header_key(run)));
  const Elsewhere elsewhere(other, rig.clock->now_ms());
  CHECK(shown(elsewhere, "default", run) == shown(rig, "default", run));
}

TEST_CASE("a long log comes in many batches, and an ended run into a store with a retention gets its row there") {
  EngineRig rig;
  WorkflowText text("long");
  for (int i = 0; i < 400; ++i) {
    text.node("n" + std::to_string(i), "core.noop");
    if (i > 0) text.edge("n" + std::to_string(i - 1), "n" + std::to_string(i));
  }
  rig.options.max_node_executions = 1'000;
  rig.add(text);
  const RunId run = rig.create("long");
  rig.tick();
  REQUIRE(rig.status(run) == RunStatus::completed);
  const auto other = std::make_shared<MemoryStore>();
  {
    Elsewhere elsewhere(other, kStartMs);
    elsewhere.options.finished_run_retention_ms = 1'000;
    elsewhere.open();
    elsewhere.tick();
  }
  REQUIRE(imported(*other, exported(*rig.store, run)).ok());
  CHECK(check(other).lines == Lines{});
  CHECK(rows_under(*other, Log::run_prefix(run) + '\x02').size() == 2);
  Elsewhere elsewhere(other, kStartMs);
  elsewhere.options.finished_run_retention_ms = 1'000;
  elsewhere.open();
  CHECK(elsewhere.status(run) == RunStatus::completed);
  elsewhere.advance(1'000);
  CHECK_FALSE(elsewhere.engine->run("default", run).ok());
}

}  // namespace openwop::test
