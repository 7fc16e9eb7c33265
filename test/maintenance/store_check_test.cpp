// A check finds what is missing and what is too much, in every kind of row, and nothing in a sound store.
#include "maintenance/maintenance_rig.h"
#include "openwop/log.h"
#include "openwop/timer.h"

namespace openwop::test {

namespace {

bool is_derived(const std::string& key) {
  return std::string_view("IATFN").find(key.front()) != std::string_view::npos;
}

}  // namespace

TEST_CASE("a sound store has no findings, whatever its runs are at") {
  ManyRuns rig;
  const Checked checked = check(rig.store);
  CHECK(checked.lines == Lines{});
  CHECK(checked.summary.runs == 16);
  CHECK(checked.summary.live_runs == 10);
  CHECK(checked.summary.events > 50);
  CHECK(checked.summary.derived_rows > 80);
  CHECK(check(std::make_shared<MemoryStore>()).lines == Lines{});
  // Nor after a restart, nor when everything has ended.
  rig.open();
  rig.advance(100'000);
  CHECK(check(rig.store).lines == Lines{});
}

TEST_CASE("a check changes nothing") {
  ManyRuns rig;
  put_row(*rig.store, std::string("As") + std::string(rig.gate.view()), "");
  const AllRows before = rig.rows();
  check(rig.store);
  CHECK(rig.rows() == before);
}

TEST_CASE("each derived row that is missing is found and put back as it was") {
  ManyRuns rig;
  const AllRows sound = rig.rows();
  std::size_t tried = 0;
  for (const auto& [key, value] : sound) {
    if (!is_derived(key)) continue;
    ++tried;
    AllRows damaged = sound;
    damaged.erase(key);
    const auto store = store_of(damaged);
    const Checked checked = check(store);
    INFO("row " << tried << " of kind " << key.substr(0, 2));
    CHECK(checked.whats == Lines{"row_missing"});
    CHECK(rebuild(store).changed == Lines{"row_missing"});
    CHECK(rows_under(*store) == sound);
  }
  CHECK(tried > 50);
}

TEST_CASE("each derived row that has another value is found and put right") {
  ManyRuns rig;
  const AllRows sound = rig.rows();
  std::size_t tried = 0;
  for (const auto& [key, value] : sound) {
    if (!is_derived(key) || value.empty()) continue;
    ++tried;
    AllRows damaged = sound;
    damaged[key].back() = static_cast<char>(value.back() ^ 1);
    const auto store = store_of(damaged);
    const Checked checked = check(store);
    INFO("row " << tried << " of kind " << key.substr(0, 2));
    REQUIRE_FALSE(checked.whats.empty());
    CHECK(checked.whats.front() == "row_wrong");
    rebuild(store);
    CHECK(rows_under(*store) == sound);
  }
  CHECK(tried > 10);
}

TEST_CASE("each kind of row that nothing implies is found and taken away") {
  ManyRuns rig;
  const AllRows sound = rig.rows();
  const RunId nobody = *RunId::parse("01hf7yat00aaaaaaaaaaaaaaaa");
  const std::string none(nobody.view());
  const std::string done(rig.finished.view());
  const std::string waits(rig.gate.view());
  const std::string tenant = std::string("default") + '\0';
  const auto status = [](RunStatus each) { return std::string(1, static_cast<char>(each)); };
  std::string time;
  bytes::put_u64(time, kStartMs);
  const std::vector<std::pair<std::string, std::string>> strays = {
      {"Is" + tenant + status(RunStatus::running) + done, ""},
      {"Is" + tenant + status(RunStatus::completed) + none, ""},
      {std::string("Isother") + '\0' + status(RunStatus::completed) + done, ""},
      {"Iw" + tenant + "other" + '\0' + done, ""},
      {"Ig" + tenant + "blue" + '\0' + done, ""},
      {"Ix" + tenant + "s", done},
      {"Ix" + tenant + "s", "short"},
      {"Ip" + tenant + time + waits + "elsewhere", ""},
      {"Ip" + tenant + time + none + "gate", ""},
      {"Ii" + tenant + "id" + '\0' + time + waits + "gate", ""},
      {"Ic" + tenant + std::string(16, 'd') + time + waits + "gate", ""},
      {"I", ""},
      {"Is", ""},
      {"Ipx", ""},
      {"A" + done, ""},
      {"A" + waits, ""},
      {"A" + none, ""},
      {"Ashort", ""},
      {Timers::key(kStartMs + 5, rig.delay), ""},
      {Timers::key(kStartMs, rig.finished), ""},
      {"F" + done + waits, std::string("\1") + time},
      {"F" + none + none, std::string("\1") + time},
      {"N" + waits + none, "\1"},
      {"N" + waits, "\1"},
      {"X" + none + "o", "{}"},
      {"X" + none + "c", "{}"},
      {"X" + waits + "c", "{}"},
      {"X" + waits + "z", "{}"},
      {"R" + none + "doc", "{}"},
      {"V" + done + "secret", "default"},
      {"V" + none + "secret", "default"},
      {"Q" + none, "\1"},
      {"Ee" + time + waits, ""},
      {"Ep" + none + waits, time},
      {"Ed" + done, "\1"},
  };
  for (const auto& [key, value] : strays) {
    AllRows damaged = sound;
    damaged[key] = value;
    const auto store = store_of(damaged);
    const Checked checked = check(store);
    INFO("row of kind " << key.substr(0, 2) << ", " << key.size() << " bytes");
    REQUIRE(checked.whats.size() == 1);
    if (key == "I") {
      CHECK(checked.whats.front() == "row_unknown");  // what is not known is left alone
      continue;
    }
    CHECK(checked.whats.front() == "row_stray");
    CHECK(rebuild(store).changed == Lines{"row_stray"});
    CHECK(rows_under(*store) == sound);
  }
}

TEST_CASE("a row of no known kind is found and left alone") {
  ManyRuns rig;
  for (const std::string key : {"Z", "a row", "\xFF\xFF", "Iz", "Isz"}) {
    const auto store = store_of(rig.rows());
    put_row(*store, key, "value");
    const bool known_index = key == "Isz";
    CHECK(check(store).whats == Lines{known_index ? "row_stray" : "row_unknown"});
    rebuild(store);
    CHECK(store->get(key)->has_value() != known_index);
  }
}

TEST_CASE("a head row that is gone, garbled or says another thing than the events is made again from them") {
  ManyRuns rig;
  const AllRows sound = rig.rows();
  for (const RunId& run : {rig.finished, rig.failed, rig.gate, rig.delay, rig.flight, rig.paused, rig.parent, rig.child,
                           rig.replay, rig.branch, rig.branch_of_branch}) {
    const std::string key = Log::head_key(run);
    const std::string row = sound.at(key);
    const std::string flipped = [&] {
      std::string other = row;
      other[19] = static_cast<char>(other[19] == 6 ? 1 : 6);  // the status in the summary
      return other;
    }();
    const std::optional<std::string> damages[] = {std::nullopt, std::string("\1garbage"), std::string(), flipped};
    for (const auto& damage : damages) {
      const auto store = store_of(sound);
      put_row(*store, key, damage);
      INFO("run " << run.text() << ", " << (damage ? damage->size() : 0) << " bytes in the place of " << row.size());
      CHECK(check(store).whats == Lines{damage ? "head_wrong" : "head_missing"});
      CHECK(rebuild(store).left == Lines{});
      CHECK(check(store).lines == Lines{});
      // It may look once more at a run that has nothing left to do; else it is to the byte what it was.
      const AllRows after = rows_under(*store);
      if (after != sound) {
        const auto marks = LogHead::decode(after.at(key));
        REQUIRE(marks.ok());
        CHECK_FALSE(marks->sealed);
      }
    }
  }
}

TEST_CASE("the head of a replay that has not ended cannot be made again") {
  ManyRuns rig;
  const RunId replay = rig.fork(rig.flight, 0, ForkMode::replay);
  REQUIRE(rig.status(replay) == RunStatus::running);
  CHECK(check(rig.store).lines == Lines{});
  put_row(*rig.store, Log::head_key(replay), std::nullopt);
  CHECK(check(rig.store).whats == Lines{"head_lost"});
  const AllRows before = rig.rows();
  const Rebuilt rebuilt = rebuild(rig.store);
  CHECK(rebuilt.left == Lines{"head_lost"});
  CHECK(rig.rows() == before);
}

TEST_CASE("a child that is neither there nor ordered is found") {
  ManyRuns rig;
  const auto store = store_of(rig.rows());
  for (const auto& [key, value] : rows_under(*store, Log::run_prefix(rig.child))) put_row(*store, key, std::nullopt);
  const Checked checked = check(store);
  CHECK(std::count(checked.whats.begin(), checked.whats.end(), "child_missing") == 1);
  CHECK(rebuild(store).left == Lines{"child_missing"});
  CHECK(check(store).whats == Lines{"child_missing"});
}

TEST_CASE("a notice that a parent has still to act on is put back, and the parent goes on") {
  ManyRuns rig;
  rig.add(WorkflowText("slow-parent").node("call", "core.subWorkflow", R"({"workflowId":"sleeper"})"));
  const RunId parent = rig.create("slow-parent");
  rig.tick();
  // The child is paused with its parent, which will not look at that before it is resumed.
  REQUIRE(rig.engine->pause_run({.run_id = parent, .drain_policy = DrainPolicy::immediate}).ok());
  rig.tick();
  const AllRows notices = rows_under(*rig.store, "N");
  REQUIRE(notices.size() == 1);
  CHECK(check(rig.store).lines == Lines{});
  put_row(*rig.store, notices.begin()->first, std::nullopt);
  CHECK(check(rig.store).whats == Lines{"row_missing"});
  CHECK(rebuild(rig.store).changed == Lines{"row_missing"});
  CHECK(rows_under(*rig.store, "N") == notices);
  REQUIRE(rig.engine->resume_run({.run_id = parent}).ok());
  rig.tick();
  rig.advance(60'000);
  CHECK(rig.status(parent) == RunStatus::completed);
  CHECK(check(rig.store).lines == Lines{});
}

TEST_CASE("runs go on after their rows were lost and rebuilt") {
  ManyRuns rig;
  for (const auto& [key, value] : rig.rows()) {
    if (is_derived(key)) put_row(*rig.store, key, std::nullopt);
  }
  const Rebuilt rebuilt = rebuild(rig.store, 7);
  CHECK(rebuilt.left == Lines{});
  CHECK(rebuilt.summary.commits >= rebuilt.summary.changes / 7);
  CHECK(check(rig.store).lines == Lines{});
  rig.options.executor.reset();
  rig.open();
  rig.advance(60'000);
  CHECK(rig.status(rig.delay) == RunStatus::completed);
  CHECK(rig.status(rig.flight) == RunStatus::completed);
  REQUIRE(rig.answer(rig.child, "gate", R"({"action":"accept"})").ok());
  CHECK(rig.status(rig.parent) == RunStatus::completed);
  CHECK(rig.engine->list_runs({}, "", 100)->runs.size() == 15);
  CHECK(check(rig.store).lines == Lines{});
}

TEST_CASE("a rebuild that is cut off after any of its commits is finished by the next one") {
  ManyRuns rig;
  AllRows damaged = rig.rows();
  const AllRows sound = damaged;
  std::size_t nth = 0;
  std::erase_if(damaged, [&](const auto& row) { return is_derived(row.first) && ++nth % 5 == 0; });
  damaged["A" + std::string(rig.finished.view())] = "";
  for (std::size_t allowed = 0;; ++allowed) {
    class Dying final : public Store {
     public:
      Dying(std::shared_ptr<Store> inner, std::size_t allowed) : inner_(std::move(inner)), allowed_(allowed) {}
      Result<std::optional<std::string>> get(std::string_view key) const override { return inner_->get(key); }
      Status scan(const ScanRange& range, const RowVisitor& visit) const override { return inner_->scan(range, visit); }
      Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                Durability durability) override {
        if (allowed_-- == 0) return Error{ErrorCode::store_io_error, "the process is gone"};
        return inner_->commit(group, durability);
      }

     private:
      std::shared_ptr<Store> inner_;
      std::size_t allowed_;
    };
    const auto disk = store_of(damaged);
    const auto cut = rebuild_store({.store = std::make_shared<Dying>(disk, allowed), .max_rows_per_commit = 1});
    if (!cut.ok()) CHECK(cut.error().code == ErrorCode::store_io_error);
    rebuild(disk);
    CHECK(rows_under(*disk) == sound);
    if (cut.ok()) break;
    REQUIRE(allowed < 200);
  }
}

TEST_CASE("a rebuild beside somebody who changes rows stops with a conflict") {
  ManyRuns rig;
  put_row(*rig.store, "A" + std::string(rig.flight.view()), std::nullopt);
  /// Puts the row while the rebuild is about to.
  class Racing final : public Store {
   public:
    Racing(std::shared_ptr<Store> inner, std::string key) : inner_(std::move(inner)), key_(std::move(key)) {}
    Result<std::optional<std::string>> get(std::string_view key) const override { return inner_->get(key); }
    Status scan(const ScanRange& range, const RowVisitor& visit) const override { return inner_->scan(range, visit); }
    Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                              Durability durability) override {
      put_row(*inner_, key_, "");
      return inner_->commit(group, durability);
    }

   private:
    std::shared_ptr<Store> inner_;
    std::string key_;
  };
  const auto raced =
      rebuild_store({.store = std::make_shared<Racing>(rig.store, "A" + std::string(rig.flight.view()))});
  REQUIRE_FALSE(raced.ok());
  CHECK(raced.error().code == ErrorCode::conflict);
}

TEST_CASE("a check and a rebuild need a store") {
  CHECK_FALSE(check_store({}).ok());
  CHECK_FALSE(rebuild_store({}).ok());
  CHECK_FALSE(rebuild_store({.store = std::make_shared<MemoryStore>(), .max_rows_per_commit = 0}).ok());
}

}  // namespace openwop::test
