// Damaged logs, definitions and audit chains: reported with their place, never repaired, never a crash.
#include <random>

#include "audit/audit_rows.h"
#include "maintenance/maintenance_rig.h"
#include "openwop/audit_log.h"
#include "openwop/log.h"

namespace openwop::test {

namespace {

/// The rows of one run's log.
AllRows log_of(const AllRows& rows, const RunId& run) {
  AllRows log;
  for (const auto& [key, value] : rows) {
    if (key.starts_with(Log::run_prefix(run))) log.emplace(key, value);
  }
  return log;
}

Event event_of(EventType type, std::int64_t time_ms, std::string payload) {
  Event event;
  event.type = type;
  event.time_ms = time_ms;
  event.payload = std::move(payload);
  return event;
}

}  // namespace

TEST_CASE("damage in a log is reported with its run, and a rebuild leaves all rows of that run alone") {
  ManyRuns rig;
  const AllRows sound = rig.rows();
  const RunId run = rig.branch_of_branch;
  const RunId plain = rig.finished;
  struct Damage {
    std::string what;
    RunId run;
    std::string key;
    std::optional<std::string> value;
  };
  const std::uint64_t end = rig.view(plain).state.next_sequence;
  const std::string first = sound.at(Log::batch_key(plain, 0));
  const auto batch = [](std::vector<Event> events) { return Log::encode_batch(events, 1); };
  const std::vector<Damage> damages = {
      {"header_missing", plain, Log::header_key(plain), std::nullopt},
      {"header_damaged", plain, Log::header_key(plain), "{\"workflowId\":"},
      {"header_damaged", plain, Log::header_key(plain), "{}"},
      {"log_damaged", plain, Log::batch_key(plain, 0), std::nullopt},
      {"log_damaged", plain, Log::batch_key(plain, 0), first.substr(0, first.size() / 2)},
      {"log_damaged", plain, Log::batch_key(plain, 0), ""},
      {"log_damaged", plain, Log::batch_key(plain, end + 3), first},
      {"log_damaged", plain, Log::batch_key(plain, end), batch({event_of(EventType::log_appended, kStartMs, "{}")})},
      {"log_damaged", plain, Log::batch_key(plain, end), batch({event_of(EventType::run_failed, kStartMs, "{}")})},
      {"log_damaged", rig.delay, Log::batch_key(rig.delay, 2),
       batch({event_of(EventType::log_appended, kStartMs, "{")})},
      {"log_damaged", rig.delay, Log::batch_key(rig.delay, 2),
       batch({event_of(EventType::log_appended, kStartMs, "7")})},
      {"log_damaged", rig.delay, Log::batch_key(rig.delay, 2), batch({event_of(EventType::log_appended, -5, "{}")})},
      {"log_damaged", run, Log::origin_key(run), "\1\7"},
      {"log_damaged", run, Log::origin_key(run), std::nullopt},
      {"log_row_unknown", plain, Log::run_prefix(plain) + "\x09", "x"},
  };
  for (const Damage& damage : damages) {
    const auto store = store_of(sound);
    put_row(*store, damage.key, damage.value);
    const AllRows before = log_of(rows_under(*store), damage.run);
    INFO(damage.what << " by a row of " << (damage.value ? damage.value->size() : 0) << " bytes");
    const Checked checked = check(store);
    REQUIRE_FALSE(checked.whats.empty());
    CHECK(checked.whats.front() == damage.what);
    CHECK_THAT(checked.lines.front(), Catch::Contains(damage.run.text()));
    rebuild(store);
    CHECK(log_of(rows_under(*store), damage.run) == before);
    // What lists the run stays too: an operator has to find it.
    const AllRows left = rows_under(*store, "I");
    for (const auto& [key, value] : rows_under(*store_of(sound), "I")) {
      if (key.find(damage.run.view()) != std::string::npos) CHECK(left.contains(key));
    }
  }
}

TEST_CASE("a log without its beginning is damage for each fork that inherits it") {
  ManyRuns rig;
  put_row(*rig.store, Log::batch_key(rig.gate, 0), std::nullopt);
  const Checked checked = check(rig.store);
  CHECK(std::count(checked.whats.begin(), checked.whats.end(), "log_damaged") == 3);
}

TEST_CASE("a definition that is gone or altered is reported with each run that is pinned to it") {
  ManyRuns rig;
  const std::string digest = rig.view(rig.finished).header.workflow_digest;
  const AllRows sound = rig.rows();
  const std::string source = sound.at("Wd" + digest);
  for (const auto& [value, what] : std::vector<std::pair<std::optional<std::string>, std::string>>{
           {std::nullopt, "workflow_missing"}, {"{", "workflow_damaged"}, {source + " ", "workflow_damaged"}}) {
    const auto store = store_of(sound);
    put_row(*store, "Wd" + digest, value);
    // The run and the replay of it, and the row itself.
    CHECK(check(store).whats == (value ? Lines{what, what, what} : Lines{what, what}));
    const AllRows before = rows_under(*store);
    rebuild(store);
    CHECK(rows_under(*store) == before);
  }
}

TEST_CASE("no damage of any row makes a check or a rebuild crash, and what is rebuilt is sound but for logs") {
  ManyRuns rig;
  const AllRows sound = rig.rows();
  std::mt19937 random(7);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  for (int round = 0; round < 500; ++round) {
    AllRows damaged = sound;
    for (std::size_t hits = 1 + below(3); hits > 0; --hits) {
      auto at = std::next(damaged.begin(), static_cast<std::ptrdiff_t>(below(damaged.size())));
      std::string key = at->first;
      std::string value = at->second;
      std::string& text = below(3) == 0 ? key : value;
      switch (below(4)) {
        case 0: text = text.substr(0, below(text.size() + 1)); break;
        case 1: text.insert(below(text.size() + 1), std::string(1 + below(9), static_cast<char>(below(256)))); break;
        default:
          if (!text.empty()) text[below(text.size())] = static_cast<char>(below(256));
      }
      damaged.erase(at);
      if (!key.empty()) damaged[key] = value;
    }
    const auto store = store_of(damaged);
    INFO("round " << round);
    check(store);
    // What one pass has put right may show what a second one has to.
    int passes = 1;
    while (!rebuild(store).changed.empty()) REQUIRE(++passes <= 3);
    const Checked rebuilt = check(store);
    for (std::size_t i = 0; i < rebuilt.whats.size(); ++i) {
      const std::string& what = rebuilt.whats[i];
      INFO(rebuilt.lines[i]);
      CHECK_FALSE((what.starts_with("row_m") || what.starts_with("row_w") || what.starts_with("row_s") ||
                   what == "head_missing" || what == "head_wrong"));
    }
  }
}

TEST_CASE("the audit chain is checked: entries, head, roots, signatures") {
  EngineRig rig;
  rig.damages_rows = true;
  const std::string key(32, 'k');
  AuditOptions audit{.store = rig.store, .signing_key = key, .clock = rig.clock, .threads = 0, .checkpoint_entries = 3};
  auto log = AuditLog::open(audit);
  REQUIRE(log.ok());
  for (int i = 0; i < 23; ++i) {
    REQUIRE((*log)->append({.actor = "host", .action = "a" + std::to_string(i), .target = "t"}).ok());
    (*log)->tick();
  }
  REQUIRE((*log)->checkpoint().ok());
  (*log)->close();
  CHECK(check(rig.store, key).lines == Lines{});
  CHECK(check(rig.store).summary.audit_entries == 23);
  CHECK(rows_under(*rig.store, "Yc").size() >= 7);

  const AllRows sound = rows_under(*rig.store);
  const auto whats = [&](const std::string& row, const std::optional<std::string>& value, const std::string& with_key) {
    const auto store = store_of(sound);
    put_row(*store, row, value);
    Lines all = check(store, with_key).whats;
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  };
  const std::string entry = audit::row_key('e', 5);
  CHECK(whats(entry, std::nullopt, key) == Lines{"audit_entry_wrong", "audit_checkpoint_wrong"});
  std::string altered = sound.at(entry);
  altered.replace(altered.find("a4"), 2, "zz");
  const Lines entry_wrong = whats(entry, altered, key);
  CHECK(std::count(entry_wrong.begin(), entry_wrong.end(), "audit_entry_wrong") == 1);
  CHECK(std::count(entry_wrong.begin(), entry_wrong.end(), "audit_checkpoint_wrong") == 1);
  CHECK(whats(entry, "\xFF{", key).front() == "audit_entry_wrong");
  CHECK(whats("Yh", std::nullopt, key) == Lines{"audit_head_wrong"});
  CHECK(whats("Yh", "x", key) == Lines{"audit_head_wrong"});
  CHECK(whats(audit::row_key('e', 23), std::nullopt, key).back() == "audit_head_wrong");
  const std::string checkpoint = rows_under(*rig.store, "Yc").begin()->first;
  std::string forged = sound.at(checkpoint);
  const auto signature = forged.find("signature\":\"") + 12;
  forged[signature] = forged[signature] == 'A' ? 'B' : 'A';
  CHECK(whats(checkpoint, forged, key) == Lines{"audit_checkpoint_wrong"});
  CHECK(whats(checkpoint, forged, {}) == Lines{});  // without the key nobody can say
  CHECK(whats(checkpoint, "{}", key) == Lines{"audit_checkpoint_wrong"});
  CHECK(whats(audit::row_key('c', 99), sound.at(checkpoint), key) == Lines{"audit_checkpoint_wrong"});
  const auto bad_key = check_store({.store = rig.store, .audit_signing_key = "short"});
  REQUIRE_FALSE(bad_key.ok());
  CHECK(bad_key.error().code == ErrorCode::validation_error);
}

TEST_CASE("the root of a checkpoint holds for any number of entries") {
  EngineRig rig;
  AuditOptions audit{.store = rig.store, .signing_key = std::string(32, 'k'), .clock = rig.clock, .threads = 0};
  auto log = AuditLog::open(audit);
  REQUIRE(log.ok());
  for (int entries = 1; entries <= 18; ++entries) {
    for (int i = 0; i < entries; ++i) REQUIRE((*log)->append({.actor = "host", .action = "a", .target = "t"}).ok());
    REQUIRE((*log)->checkpoint().ok());
  }
  CHECK(rows_under(*rig.store, "Yc").size() == 18);
  CHECK(check(rig.store, std::string(32, 'k')).lines == Lines{});
}

}  // namespace openwop::test
