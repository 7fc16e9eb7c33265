// A host's test as a stranger writes it: one scenario, its process dying at every commit.
#include <openwop/testing.h>

#include <cstdio>

using namespace openwop::testing;

constexpr const char* kWorkflow =
    R"({"id":"hello","name":"Hello","version":"1.0","metadata":{},"settings":{},"variables":[],
  "triggers":[{"id":"manual","type":"manual"}],"edges":[],
  "nodes":[{"id":"n","typeId":"core.delay","name":"N","position":{"x":0,"y":0},"config":{"ms":1000},"inputs":{}}]})";

int main() {
  const Report report = crash_at_every_commit({.workflows = {kWorkflow}, .act = [](Host& host) {
                                                 const auto run = host.create({.workflow_id = "hello"});
                                                 host.expect(host.run_to_end(run) == openwop::RunStatus::completed,
                                                             "the run is completed");
                                               }});
  std::printf("%s", report.text().c_str());
  return report.ok() && report.crashes > 0 ? 0 : 1;
}
