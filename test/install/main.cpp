// The smallest stranger: only installed headers, only the public interface, one run from create to completed.
#include <openwop/engine.h>
#include <openwop/memory_store.h>

#include <cstdio>

using namespace openwop;

constexpr const char* kWorkflow =
    R"({"id":"hello","name":"Hello","version":"1.0","metadata":{},"settings":{},"variables":[],
  "triggers":[{"id":"manual","type":"manual"}],"edges":[],
  "nodes":[{"id":"n","typeId":"core.noop","name":"N","position":{"x":0,"y":0},"config":{},"inputs":{}}]})";

int main() {
  EngineOptions options;
  options.store = std::make_shared<MemoryStore>();
  options.threads = 0;
  add_builtin_nodes(options.nodes);
  auto engine = Engine::open(std::move(options));
  if (!engine) return 1;
  if (!(*engine)->register_workflow(kWorkflow)) return 2;
  CreateRun request;
  request.workflow_id = "hello";
  const auto run = (*engine)->create_run(request);
  if (!run) return 3;
  const auto view = (*engine)->run("default", run->run_id);
  if (!view || view->state.status != RunStatus::completed) return 4;
  if ((*engine)->create_run({}).ok()) return 5;
  std::printf("%s\n", run->run_id.text().c_str());
  return 0;
}
