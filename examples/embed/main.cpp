// Durable workflow runs inside your own process: open a store, register a node, run a workflow, print its events.
#include <fmt/core.h>
#include <openwop/engine.h>
#include <openwop/rocksdb_store.h>

using namespace openwop;

constexpr std::string_view kWorkflow = R"({
  "id": "greeting", "name": "Greeting", "version": "1.0", "metadata": {}, "settings": {"maxRetries": 3},
  "variables": [{"name": "who", "type": "string", "required": true}],
  "triggers": [{"id": "manual", "type": "manual"}],
  "nodes": [
    {"id": "greet", "typeId": "vendor.acme.greet", "name": "Greet", "position": {"x": 0, "y": 0}, "config": {},
     "inputs": {"name": {"type": "variable", "variableName": "who"}}},
    {"id": "rest", "typeId": "core.delay", "name": "Rest", "position": {"x": 1, "y": 0}, "config": {"ms": 50}, "inputs": {}}],
  "edges": [{"id": "e1", "sourceNodeId": "greet", "targetNodeId": "rest"}]
})";

NodeOutcome greet(NodeContext& node) {
  const auto name = node.input_as<std::string>("name");
  if (!name) return Failure{"bad_input", name.error().message};
  // A step runs once: after a crash the stored outcome comes back instead of a second call.
  const auto sent = node.step("send", [&]() -> Result<std::string> { return json::quoted("hello " + *name); });
  if (!sent) return Failure{"send_failed", sent.error().message, {}, /*retryable=*/true};
  return NodeCompleted{.outputs = R"({"text":)" + *sent + "}"};
}

int main(int argc, char** argv) {
  auto store = open_rocksdb_store({.path = argc > 1 ? argv[1] : "./embed-data"});
  if (!store) return fmt::print(stderr, "{}\n", store.error().message), 1;
  EngineOptions options{.store = std::move(*store)};
  add_builtin_nodes(options.nodes);
  options.nodes.add({"vendor.acme.greet", SyncHandler(greet)});

  auto engine = Engine::open(std::move(options));
  if (!engine) return fmt::print(stderr, "{}\n", engine.error().message), 1;
  if (auto added = (*engine)->register_workflow(kWorkflow); !added)
    return fmt::print(stderr, "{}\n", added.error().message), 1;
  auto run = (*engine)->create_run({.workflow_id = "greeting", .inputs = R"({"who":"world"})"});
  if (!run) return fmt::print(stderr, "{}\n", run.error().message), 1;  // from here on the run survives a crash

  auto events = (*engine)->subscribe("default", run->run_id, 0);
  while (events.ok() && !(*events)->complete()) {
    const auto read = (*events)->read(64, [](const EventView& event) {
      fmt::print("{:>2} {:<15} {}\n", event.sequence, event.type_name, event.payload);
      return true;
    });
    if (!read) return 1;
    (*events)->wait(1000);
  }
}
