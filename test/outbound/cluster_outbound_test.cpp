// Webhooks and the audit log where several hosts share a store: what has to be done once is done once.
#include <set>

#include "engine/cluster_rig.h"
#include "openwop/audit_log.h"
#include "outbound/webhook_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

/// Two hosts, each with its webhooks and its part of the audit log.
struct OutboundCluster : ClusterRig {
  struct Outbound {
    std::shared_ptr<FakeClient> client = std::make_shared<FakeClient>();
    std::shared_ptr<Webhooks> webhooks;
    std::shared_ptr<AuditLog> audit;
  };
  std::array<Outbound, 2> outbound;

  explicit OutboundCluster(std::uint32_t max_retries) {
    for (auto& each : outbound) {
      add_host([&](EngineOptions& options) {
        const auto resolver = std::make_shared<FakeResolver>();
        auto webhooks = Webhooks::open({.store = options.store,
                                        .client = each.client,
                                        .resolver = resolver,
                                        .clock = options.clock,
                                        .threads = 0,
                                        .cluster = true,
                                        .max_retries = max_retries});
        REQUIRE(webhooks.ok());
        each.webhooks = *webhooks;
        auto audit = AuditLog::open(
            {.store = options.store, .signing_key = std::string(32, 'k'), .clock = options.clock, .threads = 0});
        REQUIRE(audit.ok());
        each.audit = *audit;
        options.observers = {each.webhooks, each.audit};
      });
    }
    add_workflow(WorkflowText("noop").node("n", "core.noop"));
    settle();
    deliver();
  }

  void deliver() {
    for (auto& each : outbound) each.webhooks->tick();
  }
  RegisteredWebhook hook(std::size_t host) {
    auto registered =
        outbound[host].webhooks->register_webhook({.url = "https://hooks.example/in", .events = {"run.completed"}});
    REQUIRE(registered.ok());
    return *registered;
  }
  [[nodiscard]] std::multiset<std::string> delivered() const {
    std::multiset<std::string> runs;
    for (const auto& each : outbound) {
      for (const HttpCall& call : each.client->sent) runs.insert(openwop::test::run_of(call));
    }
    return runs;
  }
};

}  // namespace

TEST_CASE("each host delivers the events of its own runs, whoever got the subscription", "[cluster][webhooks]") {
  OutboundCluster rig(GENERATE(0U, 3U));
  static_cast<void>(rig.hook(0));
  rig.advance(ClusterRig::kHeartbeatMs + 1'000);  // the others hear of it
  rig.deliver();
  std::multiset<std::string> runs;
  for (int i = 0; i < 10; ++i) runs.insert(rig.create_on(static_cast<std::size_t>(i % 2), "noop").text());
  rig.deliver();
  CHECK(rig.delivered() == runs);
  CHECK(rig.outbound[0].client->sent.size() == 5);
  CHECK(rig.outbound[1].client->sent.size() == 5);
  rig.deliver();
  CHECK(rig.delivered().size() == 10);
}

TEST_CASE("a subscription that one host ends is ended on all", "[cluster][webhooks]") {
  OutboundCluster rig(0);
  const auto registered = rig.hook(0);
  // The other one need not have heard of it.
  REQUIRE(rig.outbound[1].webhooks->unregister_webhook("default", registered.id).ok());
  rig.advance(ClusterRig::kHeartbeatMs + 1'000);
  rig.deliver();
  static_cast<void>(rig.create_on(0, "noop"));
  static_cast<void>(rig.create_on(1, "noop"));
  rig.deliver();
  CHECK(rig.delivered().empty());
}

TEST_CASE("what a host that died had to deliver is delivered by the one that has its runs", "[cluster][webhooks]") {
  OutboundCluster rig(3);
  static_cast<void>(rig.hook(0));
  const RunId run = rig.create_on(0, "noop");
  rig.outbound[1].webhooks->tick();
  CHECK(rig.delivered().empty());  // not its business yet
  rig.advance(2 * ClusterRig::kTtlMs, {1});
  rig.outbound[1].webhooks->tick();
  CHECK(rig.delivered() == std::multiset<std::string>{run.text()});
  // The one before wakes, and believes by its old clock that the row is its own.
  rig.outbound[0].webhooks->tick();
  CHECK(rig.delivered().size() == 1);
}

TEST_CASE("hosts chain one audit log, and each of them verifies it", "[cluster][audit]") {
  OutboundCluster rig(0);
  for (int i = 0; i < 20; ++i) {
    static_cast<void>(rig.create_on(static_cast<std::size_t>(i % 2), "noop"));
    // Sometimes one chains what both have staged, sometimes each its own.
    if (i % 3 != 0) rig.outbound[static_cast<std::size_t>(i % 2)].audit->tick();
    if (i % 7 == 0) REQUIRE(rig.outbound[1].audit->checkpoint().ok());
  }
  for (auto& each : rig.outbound) {
    const auto verified = each.audit->verify({}, {});
    REQUIRE(verified.ok());
    CHECK(verified->chain_valid);
    CHECK(verified->to_sequence == 20);
  }
  // Of hosts that start with the same keys one says so.
  REQUIRE(rig.outbound[0].audit->note_keys({"a", "b"}).ok());
  REQUIRE(rig.outbound[1].audit->note_keys({"a", "b"}).ok());
  const auto verified = rig.outbound[1].audit->verify({}, {});
  REQUIRE(verified.ok());
  CHECK(verified->to_sequence == 22);
}

TEST_CASE("without an engine that says which runs are its own, nothing is delivered in a cluster",
          "[cluster][webhooks]") {
  OutboundCluster rig(3);
  static_cast<void>(rig.hook(0));
  static_cast<void>(rig.create_on(0, "noop"));
  const auto client = std::make_shared<FakeClient>();
  auto webhooks = Webhooks::open({.store = rig.store,
                                  .client = client,
                                  .resolver = std::make_shared<FakeResolver>(),
                                  .threads = 0,
                                  .cluster = true});
  REQUIRE(webhooks.ok());
  (*webhooks)->tick();
  CHECK(client->sent.empty());
}
