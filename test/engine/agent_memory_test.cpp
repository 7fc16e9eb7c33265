// Memory of agents: round trip, expiry, tenants, redaction of secrets, the view as of a run's start (protocol 03 §11).
#include "openwop/agents.h"
#include "support/engine_rig.h"

namespace openwop::test {

namespace {

/// Runs `body` inside a node of a run of `tenant`.
class MemoryRig {
 public:
  using Body = std::function<NodeOutcome(NodeContext&)>;

  MemoryRig() {
    rig.options.secrets = fixture_secrets();
    rig.options.nodes.add({"vendor.test.body", SyncHandler([this](NodeContext& node) { return body(node); })});
  }
  RunId run(Body what, const std::string& tenant = "default") {
    if (!registered)
      rig.add(WorkflowText("w").node("a", "vendor.test.body").node("b", "core.delay", R"({"ms":1000})").edge("a", "b"));
    registered = true;
    body = std::move(what);
    CreateRun request;
    request.workflow_id = "w";
    request.tenant = tenant;
    const RunId run = rig.create(std::move(request));
    rig.tick();
    return run;
  }

  EngineRig rig;
  Body body;
  bool registered = false;
};

NodeOutcome put(NodeContext& node, const std::string& ref, MemoryEntry entry) {
  const auto stored = node.memory()->put(ref, std::move(entry));
  if (!stored) return Failure{std::string(error_name(stored.error().code)), stored.error().message};
  return NodeCompleted{};
}

std::vector<std::string> ids(const Result<std::vector<MemoryEntry>>& entries) {
  REQUIRE(entries.ok());
  std::vector<std::string> out;
  for (const MemoryEntry& entry : *entries) out.push_back(entry.id);
  return out;
}

}  // namespace

TEST_CASE("memory lists newest first, by tag, up to a limit; 0 is no limit") {
  MemoryRig memory;
  std::vector<Lines> seen;
  memory.run([&](NodeContext& node) -> NodeOutcome {
    put(node, "ref", {"old", "1", {"x"}, kStartMs - 2'000});
    put(node, "ref", {"new", "2", {"y"}, kStartMs - 1'000});
    seen = {ids(node.memory()->list("ref")), ids(node.memory()->list("ref", {.tag = "x"})),
            ids(node.memory()->list("ref", {.limit = 1})), ids(node.memory()->list("other"))};
    return NodeCompleted{};
  });
  CHECK(seen == std::vector<Lines>{{"new", "old"}, {"old"}, {"new"}, {}});
}

TEST_CASE("an entry is invisible from its expiry on, to the millisecond") {
  MemoryRig memory;
  memory.run([&](NodeContext& node) { return put(node, "ref", {"e", "1", {}, 0, kStartMs + 100}); });
  const auto visible = [&] {
    bool found = false;
    memory.run([&](NodeContext& node) -> NodeOutcome {
      found = node.memory()->get("ref", "e")->has_value();
      return NodeCompleted{};
    });
    return found;
  };
  memory.rig.clock->advance(99);
  CHECK(visible());
  memory.rig.clock->advance(1);
  CHECK_FALSE(visible());
}

TEST_CASE("memory belongs to one tenant, whatever the reference says") {
  MemoryRig memory;
  memory.run([&](NodeContext& node) { return put(node, "shared", {"e", "secret of a", {}}); }, "a");
  const Lines references = {"shared", "../a/shared", "a/shared", std::string("sha\0red", 7), std::string(300, 'x')};
  for (const std::string& ref : references) {
    memory.run(
        [&](NodeContext& node) -> NodeOutcome {
          CHECK(ids(node.memory()->list(ref)).empty());
          CHECK_FALSE(node.memory()->get(ref, "e")->has_value());
          return NodeCompleted{};
        },
        "b");
  }
}

TEST_CASE("what a run has resolved as a secret is not remembered in clear") {
  MemoryRig memory;
  std::string content;
  std::string tag;
  memory.run([&](NodeContext& node) -> NodeOutcome {
    const auto secret = node.secret("conformance-test-secret");
    if (!secret) return Failure{"no_secret", secret.error().message};
    put(node, "ref", {"e", "before " + *secret + " after", {*secret}});
    const auto entry = *node.memory()->get("ref", "e");
    content = entry->content;
    tag = entry->tags.front();
    return NodeCompleted{};
  });
  CHECK(content == "before [REDACTED:conformance-test-secret] after");
  CHECK(tag == "[REDACTED:conformance-test-secret]");
}

TEST_CASE("after a restart a run's secrets are still kept out of its memory") {
  MemoryRig memory;
  const RunId run = memory.run([&](NodeContext& node) -> NodeOutcome {
    REQUIRE(node.secret("conformance-test-secret").ok());
    return NodeSuspend{.kind = InterruptKind::custom, .data = R"({"customKind":"wait"})"};
  });
  memory.rig.open();
  std::string content;
  memory.body = [&](NodeContext& node) -> NodeOutcome {
    put(node, "ref", {"e", "conformance-test-plaintext", {}});
    content = (*node.memory()->get("ref", "e"))->content;
    return NodeCompleted{};
  };
  REQUIRE(memory.rig.answer(run, "a", "null").ok());
  CHECK(content == "[REDACTED:conformance-test-secret]");
}

TEST_CASE("a run sees memory as of its start, and what it has written itself") {
  MemoryRig memory;
  memory.run([&](NodeContext& node) { return put(node, "ref", {"before", "1", {}}); });
  memory.rig.clock->advance(10);
  const RunId early = memory.run([&](NodeContext&) -> NodeOutcome {
    return NodeSuspend{.kind = InterruptKind::custom, .data = R"({"customKind":"wait"})"};
  });
  memory.rig.clock->advance(10);
  memory.run([&](NodeContext& node) -> NodeOutcome {
    put(node, "ref", {"later", "2", {}});
    put(node, "ref", {"before", "changed", {}});
    return NodeCompleted{};
  });
  memory.rig.clock->advance(10);
  Lines seen;
  std::string value;
  memory.body = [&](NodeContext& node) -> NodeOutcome {
    put(node, "ref", {"own", "3", {}});
    seen = ids(node.memory()->list("ref"));
    value = (*node.memory()->get("ref", "before"))->content;
    return NodeCompleted{};
  };
  REQUIRE(memory.rig.answer(early, "a", "null").ok());
  std::sort(seen.begin(), seen.end());
  CHECK(seen == Lines{"before", "own"});
  CHECK(value == "1");
}

TEST_CASE("entries that are too large or malformed are refused and change nothing") {
  MemoryRig memory;
  memory.rig.options.max_memory_entry_bytes = 200;
  memory.run([&](NodeContext& node) -> NodeOutcome {
    const auto code = [&](const std::string& ref, MemoryEntry entry) {
      const auto stored = node.memory()->put(ref, std::move(entry));
      return stored.ok() ? std::string("stored") : std::string(error_name(stored.error().code));
    };
    CHECK(code("ref", {"e", std::string(300, 'x'), {}}) == "validation_error");
    CHECK(code("ref", {"", "x", {}}) == "validation_error");
    CHECK(code("ref", {"e", "x", {std::string(257, 't')}}) == "validation_error");
    CHECK(code("a/../b", {"e", "x", {}}) == "validation_error");
    CHECK(ids(node.memory()->list("ref")).empty());
    CHECK(code("ref", {"e", "x", {}}) == "stored");
    CHECK(node.memory()->remove("ref", "e").ok());
    CHECK_FALSE(node.memory()->get("ref", "e")->has_value());
    return NodeCompleted{};
  });
}

TEST_CASE("a host may have no memory, and no secrets") {
  MemoryRig memory;
  memory.rig.options.max_memory_entry_bytes = 0;
  memory.rig.options.secrets = nullptr;
  memory.run([&](NodeContext& node) -> NodeOutcome {
    CHECK(node.memory() == nullptr);
    const auto secret = node.secret("any");
    REQUIRE_FALSE(secret.ok());
    CHECK(json::member(secret.error().details, "reason") == R"("credential_unavailable")");
    return NodeCompleted{};
  });
}

TEST_CASE("memory hooks of fixtures do what their configs say") {
  EngineRig rig;
  rig.options.secrets = fixture_secrets();
  const std::string agent = R"(,"agent":{"agentId":"core.rememberer","memoryRef":"fixture/ref"})";
  const auto add = [&](const std::string& id, const std::string& config) {
    rig.add(WorkflowText(id)
                .variable(R"({"name":"memoryReadback","type":"object"})")
                .variable(R"({"name":"memoryList","type":"array"})")
                .variable(R"({"name":"crossTenantProbe","type":"array"})")
                .node("m", "core.identity", config, "{}", agent));
    const RunId run = rig.create(id);
    rig.tick();
    CHECK(rig.status(run) == RunStatus::completed);
    return rig.view(run).state.variables;
  };
  auto variables = add("w1", R"({"memoryAction":"write-then-read"})");
  CHECK(json::member(variables.at("memoryReadback"), "content").has_value());
  variables = add("w2", R"({"memoryAction":"redaction-probe","byokSecretId":"conformance-test-secret"})");
  const std::string content = *json::as_string(*json::member(variables.at("memoryReadback"), "content"));
  CHECK(content.find("[REDACTED:conformance-test-secret]") != std::string::npos);
  CHECK(content.find("plaintext") == std::string::npos);
  variables = add("w3", R"({"memoryAction":"ttl-probe"})");
  std::size_t entries = 0;
  json::for_each_element(variables.at("memoryList"), [&](std::string_view) { return ++entries != 0; });
  CHECK(entries == 1);
  variables = add("w4", R"({"memoryAction":"cross-tenant-probe","probeMemoryRef":"somebody/else"})");
  CHECK(variables.at("crossTenantProbe") == "[]");
}

}  // namespace openwop::test
