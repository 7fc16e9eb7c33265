// A store with runs of every kind in it, and ways to look at its rows, change them and go back.
#pragma once

#include <map>

#include "openwop/store_check.h"
#include "support/fork_rig.h"

namespace openwop::test {

using AllRows = std::map<std::string, std::string>;

inline AllRows rows_under(const Store& store, const std::string& prefix = {}) {
  AllRows rows;
  REQUIRE(store
              .scan({prefix, prefix.empty() ? std::string() : prefix_end(prefix), false},
                    [&](std::string_view key, std::string_view value) {
                      rows.emplace(key, value);
                      return true;
                    })
              .ok());
  return rows;
}

inline void put_row(Store& store, const std::string& key, const std::optional<std::string>& value) {
  Transaction transaction;
  if (value) {
    transaction.put(key, *value);
  } else {
    transaction.erase(key);
  }
  REQUIRE(store.commit(transaction, Durability::sync).ok());
}

inline std::shared_ptr<MemoryStore> store_of(const AllRows& rows) {
  auto store = std::make_shared<MemoryStore>();
  Transaction transaction;
  for (const auto& [key, value] : rows) transaction.put(key, value);
  if (!rows.empty()) REQUIRE(store->commit(transaction, Durability::sync).ok());
  return store;
}

/// Findings as `what key`, a line each.
struct Checked {
  Lines lines;
  Lines whats;
  StoreCheckSummary summary;
};
inline Checked check(const std::shared_ptr<Store>& store, const std::string& signing_key = {}) {
  Checked checked;
  auto summary = check_store({.store = store,
                              .on_finding =
                                  [&](const StoreFinding& finding) {
                                    checked.lines.push_back(finding.to_json());
                                    checked.whats.push_back(finding.what);
                                  },
                              .audit_signing_key = signing_key});
  INFO((summary.ok() ? std::string() : summary.error().message));
  REQUIRE(summary.ok());
  checked.summary = *summary;
  CHECK(checked.summary.findings == checked.lines.size());
  return checked;
}

struct Rebuilt {
  Lines changed;
  Lines left;
  StoreRebuildSummary summary;
};
inline Rebuilt rebuild(const std::shared_ptr<Store>& store, std::size_t max_rows_per_commit = 256) {
  Rebuilt rebuilt;
  auto summary =
      rebuild_store({.store = store,
                     .on_change = [&](const StoreFinding& change) { rebuilt.changed.push_back(change.what); },
                     .on_finding = [&](const StoreFinding& finding) { rebuilt.left.push_back(finding.what); },
                     .max_rows_per_commit = max_rows_per_commit});
  INFO((summary.ok() ? std::string() : summary.error().message));
  REQUIRE(summary.ok());
  rebuilt.summary = *summary;
  CHECK(rebuilt.summary.changes == rebuilt.changed.size());
  CHECK(rebuilt.summary.check.findings == rebuilt.left.size());
  return rebuilt;
}

/// Forgets what it is given: handlers stay in flight.
class NoExecutor final : public Executor {
 public:
  void post(std::function<void()> task) override { tasks_.push_back(std::move(task)); }

 private:
  std::vector<std::function<void()>> tasks_;
};

/// A type of pure nodes whose outputs may be artifacts.
inline void add_maker(NodeRegistry& nodes) {
  nodes.add({"vendor.t.make",
             PureHandler([](const NodeInvocation&) -> NodeOutcome { return NodeCompleted{R"({"made":"by hand"})"}; })});
}

/// Runs that have ended in each way, that wait for each thing, that others have started, and forks of them.
struct ManyRuns : ForkEngineRig {
  RunId finished, failed, cancelled, gate, event, delay, retry, flight, paused, scoped;
  RunId parent, child, grown_up, replay, branch, branch_of_branch;

  ManyRuns() {
    damages_rows = true;
    options.nodes.add({"vendor.t.flight", SyncHandler([](NodeContext&) -> NodeOutcome { return NodeCompleted{}; })});
    add_maker(options.nodes);
    options.executor = std::make_shared<NoExecutor>();
    add_workflows();
    // 256 characters are more bytes than a key has room for.
    std::string long_tag;
    for (int i = 0; i < 256; ++i) long_tag += "\xC3\xA9";
    CreateRun tagged{.workflow_id = "plain", .tags = {"red", std::string("zero\0byte", 9), long_tag}};
    finished = create(tagged);
    failed = create("fails");
    cancelled = create("sleeper");
    REQUIRE(engine->cancel_run({.run_id = cancelled}).ok());
    gate = create("gate");
    event = create("event");
    delay = create("sleeper");
    flight = create("flight");
    paused = create("sleeper");
    REQUIRE(engine->pause_run({.run_id = paused, .drain_policy = DrainPolicy::immediate}).ok());
    scoped = create({.workflow_id = "sleeper", .tenant = "acme", .scope_id = "s", .exclusive_scope = true});
    parent = create("parent");
    tick();
    child = view(parent).state.children.front().run_id;
    grown_up = create("parent");
    tick();
    REQUIRE(answer(view(grown_up).state.children.front().run_id, "gate", R"({"action":"accept"})").ok());
    replay = fork(finished, 0, ForkMode::replay);
    branch = fork(gate, 2, ForkMode::branch);
    branch_of_branch = fork(branch, 2, ForkMode::branch);
    tick();
    REQUIRE(status(grown_up) == RunStatus::completed);
    REQUIRE(status(replay) == RunStatus::completed);
    REQUIRE(status(branch_of_branch) == RunStatus::waiting_approval);
    REQUIRE(status(flight) == RunStatus::running);
  }

  [[nodiscard]] AllRows rows() const { return rows_under(*store); }

 private:
  void add_workflows() {
    add(WorkflowText("plain")
            .node("a", "core.setVariable", R"({"name":"v"})", R"({"value":{"type":"static","value":"kept"}})")
            .variable(R"({"name":"v","type":"string","defaultValue":"x"})")
            .node("b", "vendor.t.make", "{}", "{}", R"(,"artifactType":"doc")")
            .edge("a", "b"));
    add(WorkflowText("fails").node("f", "core.fail"));
    add(WorkflowText("sleeper").node("wait", "core.delay", R"({"ms":60000})"));
    add(WorkflowText("gate").node("gate", "core.approvalGate", R"({"title":"Ship it?"})"));
    add(WorkflowText("event").node(
        "wait", "core.interrupt",
        R"({"kind":"external-event","data":{"eventType":"paid","correlation":{"order":7,"who":{"a":1}}},"timeoutMs":60000})"));
    add(WorkflowText("flight").node("n", "vendor.t.flight"));
    add(WorkflowText("parent").node("call", "core.subWorkflow", R"({"workflowId":"gate"})"));
  }
};

}  // namespace openwop::test
