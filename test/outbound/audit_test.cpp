#include "openwop/audit_log.h"

#include "audit/audit_rows.h"
#include "openwop/canonical_json.h"
#include "outbound/audit_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

/// A store whose commits can fail.
struct RefusingStore final : Store {
  explicit RefusingStore(std::shared_ptr<Store> below) : below_(std::move(below)) {}
  using Store::commit;
  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override { return below_->get(key); }
  [[nodiscard]] Status scan(const ScanRange& range, const RowVisitor& visit) const override {
    return below_->scan(range, visit);
  }
  [[nodiscard]] Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                          Durability durability) override {
    ++commits;
    if (fails) return Error{ErrorCode::store_io_error, "refused"};
    return below_->commit(group, durability);
  }
  bool fails = false;
  int commits = 0;

 private:
  std::shared_ptr<Store> below_;
};

}  // namespace

TEST_CASE("canonical JSON is that of RFC 8785") {
  CHECK(canonical_json(R"({"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
      "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]})") ==
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
        "\"string\":\"\xE2\x82\xAC$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
  // By UTF-16 units: the surrogates of U+1F600 come before U+FB33.
  CHECK(
      canonical_json(
          "{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,\"\\ud83d\\ude00\":5,\"\\u0080\":6,\"\\u00f6\":7}") ==
      "{\"\\r\":2,\"1\":4,\"\xC2\x80\":6,\"\xC3\xB6\":7,\"\xE2\x82\xAC\":1,\"\xF0\x9F\x98\x80\":5,\"\xEF\xAC\xB3\":3}");
  CHECK(canonical_json(" { \"a\" : { } , \"b\" : [ ] } ") == R"({"a":{},"b":[]})");
}

TEST_CASE("numbers are written as ECMAScript does") {
  const std::vector<std::pair<double, std::string>> table = {{0, "0"},
                                                             {-0.0, "0"},
                                                             {1, "1"},
                                                             {-1.5, "-1.5"},
                                                             {1e20, "100000000000000000000"},
                                                             {1e21, "1e+21"},
                                                             {1e-6, "0.000001"},
                                                             {1e-7, "1e-7"},
                                                             {123456.789, "123456.789"},
                                                             {5e-324, "5e-324"},
                                                             {1.7976931348623157e308, "1.7976931348623157e+308"},
                                                             {9007199254740993.0, "9007199254740992"},
                                                             {295147905179352830000.0, "295147905179352830000"},
                                                             {1.5e-9, "1.5e-9"},
                                                             {10, "10"}};
  for (const auto& [value, text] : table) CHECK(canonical_number(value) == text);
}

TEST_CASE("what is done to runs is in the audit log, with who did it, in a chain") {
  AuditRig rig;
  rig.open_all();
  rig.note("host.started");
  const RunId run = rig.create(CreateRun{.workflow_id = "slow", .tenant = "acme", .created_by = "api-key:1"});
  REQUIRE(rig.engine->cancel_run({.tenant = "acme", .run_id = run, .cancelled_by = "api-key:2"}).ok());
  rig.create("noop");  // completes by itself: one action, one entry
  const auto verified = rig.verify();
  CHECK(verified.chain_valid);
  CHECK(verified.from_sequence == 1);
  CHECK(verified.to_sequence == 4);
  const auto entries = rig.entries();
  REQUIRE(entries.size() == 4);
  CHECK(entries[0] == R"({"action":"host.started","actor":"host","details":{},"occurredAt":"2023-11-14T22:13:20.000Z",)"
                      R"("prevHash":null,"sequence":1,"target":"t"})");
  CHECK(text_of(entries[1], "action") == "run.create");
  CHECK(text_of(entries[1], "actor") == "api-key:1");
  CHECK(text_of(entries[1], "target") == "run:" + run.text());
  CHECK(json::member(entries[1], "details") == R"({"tenantId":"acme","workflowId":"slow"})");
  CHECK(text_of(entries[2], "action") == "run.cancel");
  CHECK(text_of(entries[2], "actor") == "api-key:2");
  CHECK(text_of(entries[3], "actor") == "host");
  for (std::size_t i = 1; i < entries.size(); ++i) CHECK(text_of(entries[i], "prevHash") == sha256_hex(entries[i - 1]));
}

TEST_CASE("pauses, resumes, answers and forks are in the audit log too, each with who asked") {
  AuditRig rig;
  rig.open_all();
  rig.add(WorkflowText("gate").node("g", "core.approvalGate"));
  const RunId slow = rig.create(CreateRun{.workflow_id = "slow", .created_by = "a"});
  REQUIRE(rig.engine->pause_run({.run_id = slow, .drain_policy = DrainPolicy::immediate, .paused_by = "b"}).ok());
  REQUIRE(rig.engine->resume_run({.run_id = slow, .resumed_by = "c"}).ok());
  const RunId asks = rig.create(CreateRun{.workflow_id = "gate", .created_by = "d"});
  const auto accept = [&](const RunId& run, const std::string& who) {
    return ResolveInterrupt{.run_id = run, .node_id = "g", .resume_value = R"({"action":"accept"})", .principal = who};
  };
  REQUIRE(rig.engine->resolve_interrupt(accept(asks, "e")).ok());
  // Answered before it has begun.
  rig.engine->fork_run({.source_run = asks, .from_sequence = 2, .forked_by = "f"}, [&](Result<CreatedRun> forked) {
    REQUIRE(forked.ok());
    rig.engine->resolve_interrupt(accept(forked->run_id, "g"), [](const Result<RunStatus>& done) { CHECK(done.ok()); });
  });
  rig.tick();
  CHECK(rig.verify().chain_valid);
  std::vector<std::string> told;
  for (const std::string& entry : rig.entries())
    told.push_back(text_of(entry, "action") + " " + text_of(entry, "actor"));
  CHECK(told == Lines{"run.create a", "run.pause b", "run.resume c", "run.create d", "interrupt.resolve e",
                      "run.fork f", "interrupt.resolve g"});
}

TEST_CASE("an entry is staged in the commit of its action, and a crash before it is chained loses nothing") {
  AuditRig rig;
  rig.open_all();
  rig.create("noop");
  CHECK(rig.entries().empty());
  rig.open_all();
  rig.audit->tick();
  CHECK(rig.entries().size() == 1);
  CHECK(rig.verify().chain_valid);
}

TEST_CASE("a create that is refused leaves no audit entry") {
  AuditRig rig;
  rig.open_all();
  const auto claimed = [&] {
    CreateRun request{.workflow_id = "noop"};
    request.claim = LedgerClaim{.row_key = Ledger::row_key("t", "key"), .request_digest = "d"};
    request.claim->outcome = [](const RunId&, RunStatus) { return std::string("answer"); };
    return rig.engine->create_run(std::move(request));
  };
  REQUIRE(claimed().ok());
  REQUIRE_FALSE(claimed().ok());
  CHECK(rig.verify().to_sequence == 1);
}

TEST_CASE("every altered byte of a stored entry is found, at the entry behind it") {
  AuditRig rig;
  rig.audit_options.checkpoint_entries = 1'000'000;
  rig.audit_options.checkpoint_interval_ms = std::int64_t{1} << 60;
  rig.open_all();
  for (int i = 0; i < 5; ++i) rig.note("a");
  CHECK(rig.verify().chain_valid);
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) {
    const std::string entry = rig.entries().at(sequence - 1);
    for (std::size_t at = 0; at < entry.size(); ++at) {
      std::string altered = entry;
      altered[at] = static_cast<char>(altered[at] ^ 1);
      rig.overwrite(audit::row_key('e', sequence), altered);
      const auto verified = rig.verify();
      CHECK_FALSE(verified.chain_valid);
      REQUIRE_FALSE(verified.anomalies.empty());
      CHECK(verified.anomalies.back().at_sequence == sequence + 1);
      CHECK(verified.anomalies.back().expected_prev_hash == sha256_hex(altered));
      CHECK(verified.anomalies.back().actual_prev_hash == sha256_hex(entry));
      CHECK(verified.anomalies.size() <= 2);
    }
    rig.overwrite(audit::row_key('e', sequence), entry);
  }
  CHECK(rig.verify().chain_valid);
}

TEST_CASE("a missing entry is found where it was") {
  AuditRig rig;
  rig.open_all();
  for (int i = 0; i < 4; ++i) rig.note("a");
  REQUIRE(rig.verify().chain_valid);
  Transaction transaction;
  transaction.erase(audit::row_key('e', 3));
  REQUIRE(rig.store->commit(transaction, Durability::sync).ok());
  const auto verified = rig.verify();
  CHECK_FALSE(verified.chain_valid);
  REQUIRE_FALSE(verified.anomalies.empty());
  CHECK(verified.anomalies.front().at_sequence == 3);
}

TEST_CASE("a chain that was written anew as a whole does not fit the signed roots") {
  AuditRig rig;
  rig.open_all();
  for (int i = 0; i < 3; ++i) rig.note("a");
  REQUIRE(rig.audit->checkpoint().ok());
  const auto entries = rig.entries();
  std::string hash;
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence) {
    std::string staged = audit::encode_staged({.actor = "nobody", .action = "a", .target = "t"}, kStartMs, 4096);
    const std::string entry = audit::encode_entry(staged, sequence, hash);
    hash = sha256_hex(entry);
    rig.overwrite(audit::row_key('e', sequence), entry);
  }
  auto head = audit::ChainHead::decode(rig.store->get("Yh")->value());
  REQUIRE(head.ok());
  head->last_hash = hash;
  rig.overwrite("Yh", head->encode());
  rig.open_all();
  const auto verified = rig.verify();
  CHECK(verified.anomalies.empty());
  CHECK_FALSE(verified.checkpoints_valid);
  CHECK_FALSE(verified.chain_valid);
}

TEST_CASE("ranges are verified as far as they go, and with what is before them") {
  AuditRig rig;
  rig.open_all();
  const auto nothing = rig.verify(0, 100);
  CHECK(nothing.from_sequence == 0);
  CHECK(nothing.to_sequence == 100);
  CHECK(nothing.chain_valid);
  for (int i = 0; i < 10; ++i) rig.note("a");
  CHECK(rig.verify(0, 100).chain_valid);
  CHECK(rig.verify(4, 7).chain_valid);
  CHECK(rig.verify(7, 4).chain_valid);
  CHECK(rig.verify(50, 60).chain_valid);
  std::string altered = rig.entries().at(4);
  altered[5] = static_cast<char>(altered[5] ^ 1);
  rig.overwrite(audit::row_key('e', 5), altered);
  CHECK(rig.verify(1, 5).anomalies.empty());
  CHECK(rig.verify(1, 6).anomalies.size() == 1);
  CHECK(rig.verify(6, 6).anomalies.size() == 1);
  CHECK(rig.verify(7, 10).anomalies.empty());
}

TEST_CASE("checkpoints come after so many entries, or after so long, and only when there is something to sign") {
  AuditRig rig;
  rig.audit_options.checkpoint_entries = 10;
  rig.open_all();
  rig.note("a");
  rig.audit->tick();  // the first entry of a fresh log is signed at once
  CHECK(rig.verify().checkpoints.size() == 1);
  for (int i = 0; i < 25; ++i) rig.note("a");
  const auto next = rig.audit->tick();
  auto checkpoints = rig.verify().checkpoints;
  REQUIRE(checkpoints.size() == 3);
  CHECK(checkpoints[1].at_sequence == 11);
  CHECK(checkpoints[2].at_sequence == 21);
  CHECK(next == kStartMs + 300'000);
  rig.clock->advance(300'000);
  CHECK_FALSE(rig.audit->tick().has_value());
  checkpoints = rig.verify().checkpoints;
  REQUIRE(checkpoints.size() == 4);
  CHECK(checkpoints[3].at_sequence == 26);
  rig.clock->advance(10'000'000);
  rig.audit->tick();
  CHECK(rig.verify().checkpoints.size() == 4);
  CHECK(rig.verify(12, 25).checkpoints.size() == 1);
  CHECK(rig.verify(12, 25).checkpoints_valid);
}

TEST_CASE("hashes behind the last checkpoint are read again after a restart") {
  AuditRig rig;
  rig.open_all();
  rig.note("a");
  rig.audit->tick();
  rig.note("b");
  rig.note("c");
  rig.audit->tick();
  // As after a crash: nobody signs what is left.
  auto opened =
      AuditLog::open({.store = rig.store, .signing_key = std::string(32, 'k'), .clock = rig.clock, .threads = 0});
  REQUIRE(opened.ok());
  REQUIRE((*opened)->checkpoint().ok());
  const auto verified = *(*opened)->verify({}, {});
  CHECK(verified.checkpoints.back().at_sequence == 3);
  CHECK(verified.checkpoints_valid);
}

TEST_CASE("a root of three: an odd node moves up unchanged") {
  const std::string a = sha256_hex("a");
  const std::string b = sha256_hex("b");
  const std::string c = sha256_hex("c");
  CHECK(audit::merkle_root({a}) == a);
  CHECK(audit::merkle_root({a, b, c}) == sha256_hex(sha256_hex(a + b) + c));
}

TEST_CASE("keys that come and go are recorded by their ids") {
  AuditRig rig;
  rig.open_all();
  REQUIRE(rig.audit->note_keys({"one", "two"}).ok());
  REQUIRE(rig.audit->note_keys({"two", "one"}).ok());
  REQUIRE(rig.audit->note_keys({"two", "three"}).ok());
  rig.audit->tick();
  std::vector<std::string> lines;
  for (const std::string& entry : rig.entries())
    lines.push_back(text_of(entry, "action") + " " + text_of(entry, "target"));
  CHECK(lines == std::vector<std::string>{"key.created key:one", "key.created key:two", "key.created key:three",
                                          "key.revoked key:one"});
}

TEST_CASE("a key's use is recorded once a day and a process, however many requests it carries") {
  AuditRig rig;
  rig.open_all();
  const auto use = [&](const char* id) { rig.audit->key_used({.key_id = id, .principal = "ci", .tenant = "acme"}); };
  const auto uses = [&](const std::string& id) {
    REQUIRE(rig.verify().chain_valid);
    const auto entries = rig.entries();
    return std::count_if(entries.begin(), entries.end(), [&](const std::string& entry) {
      return text_of(entry, "action") == "key.used" && text_of(entry, "target") == "key:" + id;
    });
  };
  for (int i = 0; i < 10'000; ++i) use("one");
  CHECK(uses("one") == 1);
  const auto entry = rig.entries().at(0);
  CHECK(text_of(entry, "actor") == "api-key:ci");
  CHECK(json::member(entry, "details") == R"({"tenantId":"acme"})");
  use("two");
  CHECK(uses("two") == 1);
  rig.clock->advance(6'399'000);  // 23:59:59 UTC
  use("one");
  CHECK(uses("one") == 1);
  rig.clock->advance(1'000);
  use("one");
  use("one");
  CHECK(uses("one") == 2);
  rig.open_all();
  use("one");
  CHECK(uses("one") == 3);
}

TEST_CASE("a use of a key writes nothing on the caller's thread, and a failing store delays its entry only") {
  AuditRig rig;
  const auto faults = std::make_shared<RefusingStore>(rig.store);
  auto opened =
      AuditLog::open({.store = faults, .signing_key = std::string(32, 'k'), .clock = rig.clock, .threads = 0});
  REQUIRE(opened.ok());
  faults->fails = true;
  (*opened)->key_used({.key_id = "one", .principal = "ci", .tenant = "acme"});
  CHECK(faults->commits == 0);
  (*opened)->tick();
  CHECK(faults->commits == 1);
  CHECK(rig.entries().empty());
  faults->fails = false;
  (*opened)->tick();
  REQUIRE(rig.entries().size() == 1);
  CHECK(text_of(rig.entries()[0], "action") == "key.used");
  CHECK((*opened)->verify({}, {})->chain_valid);
}

TEST_CASE("a thread chains behind commits, and close signs the rest") {
  AuditRig rig;
  rig.audit_options.threads = 1;
  rig.open_all();
  for (int i = 0; i < 100; ++i) rig.create("noop");
  CHECK(rig.verify().to_sequence == 100);
  rig.audit->close();
  CHECK(rig.verify().checkpoints.back().at_sequence == 100);
  CHECK(AuditLog::open({.store = rig.store, .signing_key = "short"}).error().code == ErrorCode::validation_error);
}
