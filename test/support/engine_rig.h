// A driven engine on virtual time, and short ways to write the workflows that tests need.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "openwop/ai_provider.h"
#include "openwop/engine.h"
#include "openwop/memory_store.h"
#include "openwop/store_check.h"
#include "support/catch.h"

namespace openwop::test {

inline constexpr std::int64_t kStartMs = 1'700'000'000'000;

/// Builds workflow definitions: `WorkflowText("w").node("a", "core.noop").node("b", "core.noop").edge("a",
/// "b").json()`.
class WorkflowText {
 public:
  explicit WorkflowText(std::string id) : id_(std::move(id)) {}

  WorkflowText& node(const std::string& id, const std::string& type, const std::string& config = "{}",
                     const std::string& inputs = "{}", const std::string& extra = "") {
    append(nodes_, R"({"id":")" + id + R"(","typeId":")" + type + R"(","name":")" + id +
                       R"(","position":{"x":0,"y":0},"config":)" + config + R"(,"inputs":)" + inputs + extra + "}");
    return *this;
  }
  /// `extra` holds further members, each with a leading comma.
  WorkflowText& edge(const std::string& from, const std::string& to, const std::string& extra = "") {
    append(edges_, R"({"id":"e)" + std::to_string(++edge_count_) + R"(","sourceNodeId":")" + from +
                       R"(","targetNodeId":")" + to + "\"" + extra + "}");
    return *this;
  }
  WorkflowText& variable(const std::string& json) {
    append(variables_, json);
    return *this;
  }
  WorkflowText& settings(std::string json) {
    settings_ = std::move(json);
    return *this;
  }
  /// Further members of the root, each with a leading comma.
  WorkflowText& root(const std::string& members) {
    root_ += members;
    return *this;
  }
  [[nodiscard]] std::string json() const {
    return R"({"id":")" + id_ +
           R"(","name":"Test","version":"1.0","metadata":{},"triggers":[{"id":"manual","type":"manual"}],)" +
           R"("settings":)" + settings_ + R"(,"variables":[)" + variables_ + R"(],"nodes":[)" + nodes_ +
           R"(],"edges":[)" + edges_ + "]" + root_ + "}";
  }

 private:
  static void append(std::string& list, const std::string& item) {
    if (!list.empty()) list += ',';
    list += item;
  }
  std::string id_, nodes_, edges_, variables_, settings_ = "{}", root_;
  int edge_count_ = 0;
};

struct EngineRig {
  std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>();
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>(kStartMs);
  EngineOptions options;
  std::unique_ptr<Engine> engine;
  /// The test changes rows behind the engine's back.
  bool damages_rows = false;

  EngineRig() {
    options.threads = 0;
    options.retry_initial_ms = 100;
    add_builtin_nodes(options.nodes);
    add_fixture_nodes(options.nodes);
    add_ai_nodes(options.nodes);
  }

  EngineRig(const EngineRig&) = delete;
  EngineRig& operator=(const EngineRig&) = delete;
  /// Whatever a test does, the rows of its store say in the end what the logs say.
  ~EngineRig() {
    engine.reset();
    if (damages_rows) return;
    const auto checked = check_store(
        {.store = store, .on_finding = [](const StoreFinding& finding) { UNSCOPED_INFO(finding.to_json()); }});
    CHECK((checked.ok() && checked->findings == 0));
  }

  /// Opens the engine, or opens it again on the same store as after a restart.
  void open() {
    engine.reset();
    EngineOptions copy = options;
    copy.store = store;
    copy.clock = clock;
    if (!copy.ids) copy.ids = std::make_shared<RandomIdSource>(42);
    options.ids = copy.ids;
    auto opened = Engine::open(std::move(copy));
    REQUIRE(opened.ok());
    engine = std::move(*opened);
  }
  void add(const WorkflowText& text) {
    if (!engine) open();
    auto added = engine->register_workflow(text.json());
    INFO((added.ok() ? std::string() : added.error().message));
    REQUIRE(added.ok());
  }
  RunId create(CreateRun request) {
    auto created = engine->create_run(std::move(request));
    INFO((created.ok() ? std::string() : created.error().message));
    REQUIRE(created.ok());
    return created->run_id;
  }
  RunId create(const std::string& workflow_id, const std::string& inputs = "{}") {
    CreateRun request;
    request.workflow_id = workflow_id;
    request.inputs = inputs;
    return create(std::move(request));
  }
  /// Answers the interrupt that the node waits with.
  Status answer(const RunId& run, const std::string& node, const std::string& value) {
    ResolveInterrupt request;
    request.run_id = run;
    request.node_id = node;
    request.resume_value = value;
    auto resolved = engine->resolve_interrupt(std::move(request));
    tick();
    if (!resolved) return std::move(resolved).error();
    return {};
  }
  void tick() { engine->tick(clock->now_ms()); }
  void advance(std::int64_t ms) {
    clock->advance(ms);
    tick();
  }
  RunView view(const RunId& run) const {
    auto found = engine->run("default", run);
    REQUIRE(found.ok());
    return std::move(*found);
  }
  RunStatus status(const RunId& run) const { return view(run).state.status; }

  struct Seen {
    std::uint64_t sequence;
    std::string type;
    std::string node;
    std::string payload;
  };
  std::vector<Seen> events(const RunId& run) const {
    std::vector<Seen> seen;
    auto read = engine->read_events("default", run, 0, [&](const EventView& event) {
      seen.push_back(
          {event.sequence, std::string(event.type_name), std::string(event.node_id), std::string(event.payload)});
      return true;
    });
    REQUIRE(read.ok());
    return seen;
  }
  /// `type` or `type(node)` of each event.
  std::vector<std::string> history(const RunId& run) const {
    std::vector<std::string> lines;
    for (const Seen& event : events(run))
      lines.push_back(event.node.empty() ? event.type : event.type + "(" + event.node + ")");
    return lines;
  }
  std::size_t count(const RunId& run, std::string_view type) const {
    std::size_t n = 0;
    for (const Seen& event : events(run)) n += event.type == type ? 1 : 0;
    return n;
  }
};

using Lines = std::vector<std::string>;

}  // namespace openwop::test
