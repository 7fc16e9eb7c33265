#include "openwop/workflow_check.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "openwop/embedded_schemas.h"
#include "support/catch.h"
#include "workflow/definitions.h"
#include "workflow/schema_check.h"

namespace openwop::test {
namespace {

using Lines = std::vector<std::string>;

Lines schema_lines(const std::string& source) {
  const auto problems = workflow::check_schema(source);
  if (!problems) return {problems.error().message};
  Lines out;
  for (const auto& problem : *problems) out.push_back(problem.pointer + ": " + problem.message);
  return out;
}

Definition with_node(std::string_view members) {
  return {.nodes = R"([{"id":"a","typeId":"core.noop","name":"n","position":{"x":0,"y":0},"config":{},)" +
                   std::string(members) + "}]"};
}
Definition with_access(std::string_view access) {
  return {.extra = R"("channels":{"c":{"reducer":"append","access":)" + std::string(access) + "}}"};
}

struct Case {
  Definition definition;
  Lines problems;
};

const Case kCases[] = {
    {{}, {}},
    {{.id = ""}, {": 'id' is missing"}},
    {{.id = R"("Upper")"}, {"/id: does not match its pattern"}},
    {{.id = "7"}, {"/id: has the wrong type"}},
    {{.name = R"("")"}, {"/name: String should be no fewer than 1 characters in length."}},
    {{.extra = R"("colour":1)"}, {"/colour: is not a member of this object"}},
    {{.extra = R"("it's":1)"}, {"/it's: is not a member of this object"}},
    {{.extra = R"("status":"off")"}, {"/status: has no known value"}},
    {{.extra = R"("createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05+02:00")"}, {}},
    {{.extra = R"("createdAt":"yesterday","updatedAt":5)"},
     {"/createdAt: does not match its pattern", "/updatedAt: has the wrong type"}},
    {{.nodes = "[]"}, {"/nodes: Array should contain no fewer than 1 elements."}},
    {with_node(R"("inputs":{"p":{"type":"static","value":null}})"), {}},
    {with_node(R"("inputs":{"p":{"type":"magic"}})"), {"/nodes/0/inputs/p/type: has no known value"}},
    {with_node(R"("inputs":{"p":{}})"), {"/nodes/0/inputs/p: 'type' is missing"}},
    {with_node(R"("inputs":{"p":7})"), {"/nodes/0/inputs/p: has the wrong type"}},
    {with_node(R"("inputs":{"p":{"type":"static"}})"), {"/nodes/0/inputs/p: 'value' is missing"}},
    {with_node(R"("inputs":{"p":{"type":"variable","variableName":"v","value":1}})"),
     {"/nodes/0/inputs/p/value: is not a member of this object"}},
    {with_node(R"("inputs":{"p":{"type":"connection","nodeId":1,"outputKey":"k"}})"),
     {"/nodes/0/inputs/p/nodeId: has the wrong type"}},
    {with_node(R"("inputs":{},"agent":{"agentId":"ab"})"),
     {"/nodes/0/agent/agentId: String should be no fewer than 3 characters in length."}},
    {with_node(R"("inputs":{},"agent":{"agentId":"abc","modelClass":"chat"})"), {}},
    {with_node(
         R"("inputs":{},"agent":{"agentId":"abc","name":"n","version":"1","memoryRef":"m","sourceManifestId":"s"})"),
     {}},
    {with_node(R"("inputs":{},"agent":{"agentId":"abc","iterationCap":3})"),
     {"/nodes/0/agent/iterationCap: is not a member of this object"}},
    {with_node(R"("inputs":{},"outputSensitivity":{"x":1})"), {"/nodes/0/outputSensitivity/x: has the wrong type"}},
    {{.settings = R"({"logLevel":"loud","timeout":1.5,"own":true})"},
     {"/settings/logLevel: has no known value", "/settings/timeout: has the wrong type"}},
    {{.metadata = R"({"tags":[""],"complianceClass":"secret","own":{}})"},
     {"/metadata/complianceClass: has no known value",
      "/metadata/tags/0: String should be no fewer than 1 characters in length."}},
    {with_access(R"("public")"), {}},
    {with_access(R"("secret")"), {"/channels/c/access: has no known value"}},
    {with_access(R"({"readers":["a","core.ai.*","*"],"writers":[]})"), {}},
    {with_access(R"({"readers":["Upper"],"admins":[]})"),
     {"/channels/c/access/readers/0: does not match its pattern",
      "/channels/c/access/admins: is not a member of this object"}},
    {with_access(R"({"readers":["a","a"]})"), {"/channels/c/access/readers: repeats an element"}},
    {with_access("7"), {"/channels/c/access: has the wrong type"}},
    {{.extra = R"("channels":{"c":{"reducer":"vendor.acme.sum"},"d":{"reducer":"sum","compatibleWith":[1,2]}})"},
     {"/channels/d/reducer: does not match its pattern"}},
};

TEST_CASE("the schema points at what it refuses") {
  for (const auto& entry : kCases) {
    INFO(entry.definition.text());
    auto found = schema_lines(entry.definition.text());
    auto expected = entry.problems;
    std::sort(found.begin(), found.end());
    std::sort(expected.begin(), expected.end());
    CHECK(found == expected);
  }
}

TEST_CASE("a node's agent is of a class that runs know, not of one that only manifests know") {
  for (const char* known : {"reasoning", "tool-using", "chat", "code", "vision", "multimodal", "embedding",
                            "classification", "retrieval"}) {
    INFO(known);
    const auto agent = R"("inputs":{},"agent":{"agentId":"abc","modelClass":")" + std::string(known) + "\"}";
    CHECK(schema_lines(with_node(agent).text()).empty());
  }
  for (const char* other : {"writing", "coding", "research", "general", "Chat", ""}) {
    INFO(other);
    const auto agent = R"("inputs":{},"agent":{"agentId":"abc","modelClass":")" + std::string(other) + "\"}";
    CHECK(schema_lines(with_node(agent).text()) == Lines{"/nodes/0/agent/modelClass: has no known value"});
  }
}

TEST_CASE("loading merges the problems of the schema and of the model, schema first, each place once") {
  const auto loaded =
      load_workflow(Definition{.id = R"("Upper")",
                               .nodes = "[" + Definition::node("a", "core.noop", R"({"p":{"type":1}})") + "]",
                               .edges = "[" + Definition::edge("e", "a", "zz", R"(,"size":1)") + "]",
                               .extra = R"("colour":1)"}
                        .text(),
                    {});
  CHECK(lines(loaded) == Lines{"/edges/0/size: is not a member of this object", "/id: does not match its pattern",
                               "/nodes/0/inputs/p/type: has no known value", "/colour: is not a member of this object",
                               "/edges/0/targetNodeId: names no node"});
}

TEST_CASE("loading a definition gives the same model as parsing it") {
  const std::string source = graph("a l:core.loop b c ; a>l l>b b>l l>c");
  const auto loaded = load_workflow(source, {});
  REQUIRE(loaded);
  CHECK(loaded->source == source);
  CHECK(loaded->digest == parse_workflow(source, {})->digest);
  CHECK(loaded->edges[2].loopback);
}

TEST_CASE("long strings and lists never reach the validator") {
  const std::string text = json::quoted(std::string(100000, 'a'));
  CHECK(schema_lines(Definition{.id = text}.text()) == Lines{"/id: is longer than 1024 bytes"});
  CHECK(schema_lines(Definition{.extra = "\"slug\":" + text + ",\"createdAt\":" + text}.text()) ==
        Lines{"/slug: is longer than 1024 bytes", "/createdAt: is longer than 1024 bytes"});
  CHECK(schema_lines(Definition{.metadata = "{\"clonedAt\":" + text + "}"}.text()) ==
        Lines{"/metadata/clonedAt: is longer than 1024 bytes"});
  CHECK(schema_lines(Definition{.nodes = "[" + Definition::node("a", std::string(5000, 'a')) + "]"}.text()) ==
        Lines{"/nodes/0/typeId: is longer than 1024 bytes"});
  CHECK(schema_lines(Definition{.extra = R"("channels":{"c":{"reducer":)" + text + "}}"}.text()) ==
        Lines{"/channels/c/reducer: is longer than 1024 bytes"});
  CHECK(schema_lines(with_access("{\"writers\":[" + text + "]}").text()) ==
        Lines{"/channels/c/access/writers/0: is longer than 1024 bytes"});
  CHECK(schema_lines(with_access(text).text()) == Lines{"/channels/c/access: is longer than 1024 bytes"});

  std::string numbers = "1";
  for (int i = 2; i < 1000; ++i) numbers += "," + std::to_string(i);
  CHECK(schema_lines(Definition{.extra = R"("channels":{"c":{"reducer":"append","compatibleWith":[)" + numbers + "]}}"}
                         .text()) == Lines{"/channels/c/compatibleWith: has more than 256 elements"});

  // Strings without a pattern may be as long as the document.
  CHECK(schema_lines(Definition{.name = R"("n")", .extra = "\"description\":" + text}.text()) == Lines{});
}

TEST_CASE("the schema is compiled once, whoever asks first") {
  std::vector<std::thread> threads;
  std::vector<std::size_t> found(8);
  for (std::size_t i = 0; i < found.size(); ++i) {
    threads.emplace_back([&found, i] { found[i] = schema_lines(Definition{.id = "1", .name = "2"}.text()).size(); });
  }
  for (auto& thread : threads) thread.join();
  CHECK(found == std::vector<std::size_t>(8, 2));
}

TEST_CASE("no prefix of a definition, and no part of one in another's place, does harm") {
  const std::string source = graph("a l:core.loop b c ; a>l l>b b>l? l>c");
  for (std::size_t i = 0; i < source.size(); ++i) CHECK_FALSE(load_workflow(source.substr(0, i), {}).ok());

  // Each value of the document replaced by each of some others.
  for (std::size_t at = 0; at < source.size(); ++at) {
    if (source[at] != ':' && source[at] != '[' && source[at] != ',') continue;
    const std::size_t end = json::detail::skip_value(source, at + 1);
    for (const std::string_view other : {"null", "1", "\"x\"", "[]", "{}", "[[{}]]", "{\"id\":1}", "-1.5e300"}) {
      (void)load_workflow(source.substr(0, at + 1) + std::string(other) + source.substr(end), {});
    }
  }
}

TEST_CASE("the example workflows load") {
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(OPENWOP_SOURCE_DIR "/examples/workflows")) {
    if (file.path().extension() != ".json") continue;
    INFO(file.path());
    std::ifstream stream(file.path(), std::ios::binary);
    const std::string source{std::istreambuf_iterator<char>(stream), {}};
    const auto workflow = load_workflow(source, [](std::string_view type) { return type.starts_with("core."); });
    CHECK(lines(workflow) == Lines{});
    REQUIRE(workflow);
    CHECK(workflow->source == source);
    CHECK(workflow->id == file.path().stem().string());
    ++count;
  }
  CHECK(count >= 4);
}

TEST_CASE("the schema is embedded as it is in its file") {
  std::ifstream stream(OPENWOP_SOURCE_DIR "/schemas/workflow-definition.schema.json", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  CHECK(schemas::workflow_definition == text);
}

}  // namespace
}  // namespace openwop::test
