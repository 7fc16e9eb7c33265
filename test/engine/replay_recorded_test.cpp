// What replays take from the source's record although the code of today would say something else: pinned versions, and
// what models answered (protocol 03 §5.4).
#include "support/fork_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

/// Nodes that ask for the version of a change; the newest one that their code knows grows with time.
struct PinRig : ForkEngineRig {
  std::int64_t newest = 2;
  std::vector<std::int64_t> seen;
  std::vector<Completion> open_calls;

  PinRig() {
    options.nodes.add(
        {"t.asks", SyncHandler([this](NodeContext& node) -> NodeOutcome { return ask(node, NodeCompleted{}); })});
    options.nodes.add({"t.holds", AsyncHandler([this](std::shared_ptr<NodeContext> node, const Completion& done) {
                         (void)ask(*node, NodeCompleted{});
                         open_calls.push_back(done);
                       })});
    add(WorkflowText("w")
            .node("a", "t.asks")
            .node("d", "core.delay", R"({"ms":1000})")
            .node("b", "t.asks")
            .edge("a", "d")
            .edge("d", "b"));
    add(WorkflowText("held").node("h", "t.holds"));
  }
  NodeOutcome ask(NodeContext& node, NodeOutcome then) {
    const auto version = node.version("change", 0, newest);
    if (!version) return Failure{std::string(error_name(version.error().code)), version.error().message};
    seen.push_back(*version);
    return then;
  }
};

using Versions = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("a replay has the source's pins, wherever it begins and whatever the code knows by now", "[engine][replay]") {
  PinRig rig;
  const RunId source = rig.create("w");
  rig.tick();
  const RunId going_on = rig.create("w");
  rig.tick();
  REQUIRE(rig.seen == Versions{2, 2});
  rig.newest = 5;
  // Of a source that has not ended: behind its log the replay goes on alone, and asks as its source did.
  const RunId beside = rig.replay(going_on);
  CHECK(rig.seen.size() == 2);
  rig.advance(1'000);
  CHECK(rig.seen == Versions{2, 2, 2, 2, 2});
  for (const RunId& run : {source, going_on, beside}) {
    REQUIRE(rig.status(run) == RunStatus::completed);
    CHECK(rig.count(run, "version.pinned") == 1);
  }
  CHECK(rig.divergence(beside).empty());

  const Lines whole = rig.story(source);
  for (std::uint64_t from = 0; from < whole.size(); ++from) {
    INFO("from " << from);
    const RunId fork = rig.replay(source, from);
    CHECK(rig.story(fork) == whole);
    CHECK(rig.view(fork).state.pins.at("change") == 2);
  }
  CHECK(rig.seen.size() == 5);

  // A branch keeps what is pinned in its history, and pins anew what is not.
  const RunId behind = rig.branch(source, 4);
  rig.advance(1'000);
  REQUIRE(rig.status(behind) == RunStatus::completed);
  CHECK(rig.view(behind).state.pins.at("change") == 2);
  const RunId before = rig.branch(source, 1);
  rig.tick();
  rig.advance(1'000);
  REQUIRE(rig.status(before) == RunStatus::completed);
  CHECK(rig.view(before).state.pins.at("change") == 5);
}

TEST_CASE("a handler that a replay has to call finds the pin that its source made before it answered",
          "[engine][replay]") {
  PinRig rig;
  const RunId source = rig.create("held");
  rig.tick();
  REQUIRE(rig.seen == Versions{2});
  REQUIRE(rig.count(source, "version.pinned") == 1);
  rig.newest = 5;
  const RunId fork = rig.replay(source);
  rig.tick();
  CHECK(rig.seen == Versions{2, 2});
  CHECK(rig.count(fork, "version.pinned") == 1);
}

TEST_CASE("what a mock provider said is the same in every replay, byte for byte", "[engine][replay][ai]") {
  ForkEngineRig rig;
  rig.add(WorkflowText("w").node("ai", "core.ai.callPrompt", R"({"promptId":"p","expectsStreaming":true})"));
  CreateRun request;
  request.workflow_id = "w";
  request.configurable =
      R"({"mockProvider":{"id":"stream-text","config":{"tokens":["Hello"," ","world"],"delayMsPerToken":50,)"
      R"("usage":{"promptTokens":2,"completionTokens":3,"totalTokens":5}}}})";
  const RunId source = rig.create(std::move(request));
  for (int i = 0; i < 4; ++i) rig.advance(50);
  REQUIRE(rig.status(source) == RunStatus::completed);
  REQUIRE(rig.count(source, "output.chunk") == 3);
  const Lines whole = rig.story(source);
  const auto shown = [&](const RunId& run) {
    std::string documents;
    REQUIRE(rig.engine
                ->read_events("default", run, 0,
                              [&](const EventView& event) {
                                // Under one id, for ids are all that the two may differ in.
                                append_event_document(documents, source.text(), event);
                                return true;
                              })
                .ok());
    return documents;
  };
  rig.advance(1'000'000);
  for (std::uint64_t from = 0; from < whole.size(); ++from) {
    INFO("from " << from);
    const RunId fork = rig.replay(source, from);
    CHECK(rig.status(fork) == RunStatus::completed);
    CHECK(shown(fork) == shown(source));
    CHECK(rig.view(fork).state.cost.total().to_json() == rig.view(source).state.cost.total().to_json());
  }
}
