// Several driven engines on one store, each with a clock of its own, so that a host can be stopped, woken late, or
// wrong about the time.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/engine_rig.h"

namespace openwop::test {

/// A store in memory that can be made to fail.
class FailingStore final : public Store {
 public:
  explicit FailingStore(std::shared_ptr<Store> store) : store_(std::move(store)) {}
  bool fails = false;

  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override {
    if (fails) return broken();
    return store_->get(key);
  }
  [[nodiscard]] Status scan(const ScanRange& range, const RowVisitor& visit) const override {
    if (fails) return broken();
    return store_->scan(range, visit);
  }
  using Store::commit;
  [[nodiscard]] Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                          Durability durability) override {
    if (fails) return broken();
    return store_->commit(group, durability);
  }

 private:
  static Error broken() { return {ErrorCode::store_io_error, "the test says so"}; }
  std::shared_ptr<Store> store_;
};

/// One host. Its "test.held" nodes wait until the test answers them; "test.stepping" ones do a recorded step first.
struct ClusterHostRig {
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>(kStartMs);
  std::shared_ptr<FailingStore> store;
  struct Held {
    std::shared_ptr<NodeContext> context;
    std::function<void(NodeOutcome)> done;
  };
  std::vector<Held> held;
  int effects = 0;
  std::vector<ClusterView> changes;
  std::unique_ptr<Engine> engine;  // closes before the others go

  void tick() { engine->tick(clock->now_ms()); }
  [[nodiscard]] std::size_t claimed() const { return engine->cluster()->claimed.size(); }
  [[nodiscard]] bool has(const RunId& run) const {
    const auto view = *engine->cluster();
    return std::find(view.claimed.begin(), view.claimed.end(), partition_of(run, view.partitions)) !=
           view.claimed.end();
  }
  Result<CreatedRun> create(const std::string& workflow) {
    CreateRun request;
    request.workflow_id = workflow;
    return engine->create_run(std::move(request));
  }
  [[nodiscard]] RunStatus status(const RunId& run) const {
    auto view = engine->run("default", run);
    REQUIRE(view.ok());
    return view->state.status;
  }
  [[nodiscard]] std::vector<std::string> history(const RunId& run) const {
    std::vector<std::string> types;
    REQUIRE(engine
                ->read_events("default", run, 0,
                              [&](const EventView& event) {
                                CHECK(event.sequence == types.size());
                                types.emplace_back(event.type_name);
                                return true;
                              })
                .ok());
    return types;
  }
  [[nodiscard]] std::size_t count(const RunId& run, std::string_view type) const {
    const auto types = history(run);
    return static_cast<std::size_t>(std::count(types.begin(), types.end(), type));
  }
};

struct ClusterRig {
  static constexpr std::int64_t kTtlMs = 30'000;
  static constexpr std::int64_t kHeartbeatMs = 10'000;

  std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>();
  std::vector<std::unique_ptr<ClusterHostRig>> hosts;

  ClusterHostRig& operator[](std::size_t i) { return *hosts[i]; }

  /// Opens one more host; it starts at the time of the first.
  ClusterHostRig& add_host(const std::function<void(EngineOptions&)>& adjust = {}) {
    auto& host = *hosts.emplace_back(std::make_unique<ClusterHostRig>());
    host.clock->set(hosts.front()->clock->now_ms());
    host.store = std::make_shared<FailingStore>(store);
    EngineOptions options;
    options.store = host.store;
    options.clock = host.clock;
    options.threads = 0;
    options.ids = std::make_shared<RandomIdSource>(1000 + hosts.size());
    options.cluster = ClusterOptions{.host_id = "host-" + std::to_string(hosts.size()),
                                     .address = "http://host-" + std::to_string(hosts.size()) + ":8080",
                                     .claim_ttl_ms = kTtlMs,
                                     .heartbeat_ms = kHeartbeatMs};
    options.cluster->on_change = [&host](const ClusterView& view) { host.changes.push_back(view); };
    add_builtin_nodes(options.nodes);
    options.nodes.add({"test.held", AsyncHandler([&host](const std::shared_ptr<NodeContext>& context, auto done) {
                         host.held.push_back({context, std::move(done)});
                       })});
    options.nodes.add({"test.stepping", AsyncHandler([&host](const std::shared_ptr<NodeContext>& context, auto done) {
                         const auto outcome = context->step(
                             "effect", [&host]() -> Result<std::string> { return std::to_string(++host.effects); });
                         host.held.push_back({context, std::move(done)});
                         static_cast<void>(outcome);
                       })});
    if (adjust) adjust(options);
    auto opened = Engine::open(std::move(options));
    INFO((opened.ok() ? std::string() : opened.error().message));
    REQUIRE(opened.ok());
    host.engine = std::move(*opened);
    return host;
  }

  void add_workflow(const WorkflowText& text) {
    for (auto& host : hosts) REQUIRE(host->engine->register_workflow(text.json()).ok());
  }

  /// Lets time pass on the given hosts (all: none given), in steps that no heartbeat falls through.
  void advance(std::int64_t ms, const std::vector<std::size_t>& which = {}) {
    constexpr std::int64_t kStepMs = 500;
    for (std::int64_t left = ms; left > 0; left -= kStepMs) {
      for (std::size_t i = 0; i < hosts.size(); ++i) {
        const bool runs = which.empty() || std::find(which.begin(), which.end(), i) != which.end();
        if (!runs || !hosts[i]->engine) continue;
        hosts[i]->clock->advance(std::min(left, kStepMs));
        hosts[i]->tick();
      }
    }
  }
  /// Until hosts share evenly.
  void settle(const std::vector<std::size_t>& which = {}) { advance(2 * kHeartbeatMs, which); }

  /// A run that a host has, by creating on it.
  RunId create_on(std::size_t host, const std::string& workflow) {
    auto created = hosts[host]->create(workflow);
    INFO((created.ok() ? std::string() : created.error().message));
    REQUIRE(created.ok());
    hosts[host]->tick();
    return created->run_id;
  }
};

}  // namespace openwop::test
