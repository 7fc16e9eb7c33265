// Workflow definitions: every refusal names its problems, and what is taken is taken again, as the same, from its own
// source.
#include <string>

#include "fuzz/fuzz.h"
#include "openwop/workflow_check.h"

using namespace openwop;
using openwop::fuzz::expect;

namespace {

const KnownNodeTypes& known() {
  static const KnownNodeTypes kTypes = [](std::string_view type) {
    return type.starts_with("core.") || type.starts_with("vendor.");
  };
  return kTypes;
}

void check_refusal(const Error& error) {
  expect(error.code == ErrorCode::validation_error, "a refusal is a validation_error", error.message);
  expect(json::check(error.details).ok(), "details are JSON", error.details);
  const auto problems = workflow_problems(error);
  expect(!problems.empty(), "a refusal names its problems", error.details);
  for (const WorkflowProblem& problem : problems) {
    expect(!problem.message.empty(), "a problem says what is wrong", error.details);
    expect(problem.pointer.empty() || problem.pointer.starts_with('/'), "a problem says where", error.details);
  }
}

void expect_same(const Workflow& one, const Workflow& other) {
  expect(one.id == other.id && one.name == other.name && one.version == other.version, "names are the same", one.id);
  expect(one.digest == other.digest && one.source == other.source, "the source is the same", one.id);
  expect(one.nodes.size() == other.nodes.size() && one.edges.size() == other.edges.size(), "the graph is the same",
         one.id);
  expect(one.variables.size() == other.variables.size() && one.channels.size() == other.channels.size(),
         "variables and channels are the same", one.id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string source(fuzz::text_of(data, size));
  const auto parsed = parse_workflow(source, known());
  const auto loaded = load_workflow(source, known());
  if (!parsed) check_refusal(parsed.error());
  if (!loaded) {
    check_refusal(loaded.error());
    expect(loaded.error().message == load_workflow(source, known()).error().message, "refused for the same reason");
    return 0;
  }
  expect(parsed.ok(), "what the schema and the model take, the model takes", source);
  expect(loaded->source == source, "the source is kept as it came", source);
  expect_same(*loaded, *parsed);
  const auto again = load_workflow(loaded->source, known());
  expect(again.ok(), "a workflow is taken again from its own source", source);
  expect_same(*loaded, *again);
  return 0;
}
