#include "openwop/workflow_parse.h"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.h"
#include "workflow/definitions.h"

namespace openwop::test {
namespace {

using Lines = std::vector<std::string>;

bool is_core(std::string_view type_id) { return type_id.starts_with("core."); }

Definition with_input(std::string_view port) {
  return {.nodes = "[" + Definition::node("a", "core.noop", R"({"in":)" + std::string(port) + "}") + "]"};
}
Definition with_config(std::string_view type, std::string_view config) {
  return {.nodes = "[" + Definition::node("a", type, "{}", config) + "]"};
}
Definition with_edge(std::string_view members) {
  return {.nodes = "[" + Definition::node("a") + "," + Definition::node("b") + "]",
          .edges = R"([{"id":"e",)" + std::string(members) + "}]"};
}
Definition with_channel(std::string_view declaration) {
  return {.extra = R"("channels":{"c":)" + std::string(declaration) + "}"};
}

struct Case {
  Definition definition;
  Lines problems;
};

const Case kProblems[] = {
    // root
    {{.id = ""}, {": 'id' is missing"}},
    {{.id = "5"}, {"/id: has to be a string"}},
    {{.id = R"("")"}, {"/id: is empty"}},
    {{.nodes = "{}"}, {"/nodes: has to be an array"}},
    {{.nodes = "[]"}, {"/nodes: is empty"}},
    {{.nodes = "[7]"}, {"/nodes/0: has to be an object"}},
    {{.edges = ""}, {": 'edges' is missing"}},
    {{.triggers = "null"}, {"/triggers: has to be an array"}},
    {{.metadata = "[]"}, {"/metadata: has to be an object"}},
    {{.extra = R"("configurableSchema":true)"}, {"/configurableSchema: has to be an object"}},
    {{.name = "", .version = "", .edges = "", .triggers = "", .variables = "", .metadata = "", .settings = ""},
     {": 'name' is missing", ": 'version' is missing", ": 'metadata' is missing", ": 'settings' is missing",
      ": 'variables' is missing", ": 'edges' is missing", ": 'triggers' is missing"}},
    // settings
    {{.settings = R"({"timeout":-1,"maxRetries":1.5,"maxLoopbackIterations":0})"},
     {"/settings/timeout: has to be an integer of at least 0",
      "/settings/maxRetries: has to be an integer of at least 0",
      "/settings/maxLoopbackIterations: has to be an integer of at least 1"}},
    // nodes
    {{.nodes = "[{}]"},
     {"/nodes/0: 'id' is missing", "/nodes/0: 'typeId' is missing", "/nodes/0: 'name' is missing",
      "/nodes/0: 'position' is missing", "/nodes/0: 'config' is missing", "/nodes/0: 'inputs' is missing"}},
    {{.nodes = "[" + Definition::node("a") + "," + Definition::node("a") + "]"}, {"/nodes/1/id: 'a' is used twice"}},
    {{.nodes = "[" + Definition::node("a", "vendor.x.y") + "]"}, {"/nodes/0/typeId: unknown node type 'vendor.x.y'"}},
    {{.nodes = R"([{"id":"a","typeId":"core.noop","name":"n","position":1,"config":[],"inputs":null,"disabled":0,
                   "settings":1,"agent":"x","outputSensitivity":{"p":1}}])"},
     {"/nodes/0/position: has to be an object", "/nodes/0/config: has to be an object",
      "/nodes/0/settings: has to be an object", "/nodes/0/agent: has to be an object",
      "/nodes/0/disabled: has to be a boolean", "/nodes/0/inputs: has to be an object",
      "/nodes/0/outputSensitivity: has to hold booleans"}},
    // ports
    {with_input("1"), {"/nodes/0/inputs/in: has to be an object"}},
    {with_input("{}"), {"/nodes/0/inputs/in: 'type' is missing"}},
    {with_input(R"({"type":"magic"})"), {"/nodes/0/inputs/in/type: has no known value"}},
    {with_input(R"({"type":"static"})"), {"/nodes/0/inputs/in: 'value' is missing"}},
    {with_input(R"({"type":"expression"})"), {"/nodes/0/inputs/in: 'expression' is missing"}},
    {with_input(R"({"type":"expression","expression":"1 +"})"),
     {"/nodes/0/inputs/in/expression: expression: unexpected end at byte 3"}},
    {with_input(R"({"type":"connection","nodeId":"zz","outputKey":""})"),
     {"/nodes/0/inputs/in/outputKey: is empty", "/nodes/0/inputs/in/nodeId: names no node"}},
    {with_input(R"({"type":"variable","variableName":1,"optional":2})"),
     {"/nodes/0/inputs/in/variableName: has to be a string", "/nodes/0/inputs/in/optional: has to be a boolean"}},
    {{.nodes = "[" + Definition::node("a", "core.noop", R"({"a/b~c":3})") + "]"},
     {"/nodes/0/inputs/a~1b~0c: has to be an object"}},
    // conditions in the configuration of built-in nodes
    {with_config("core.conditional", R"({"expression":"("})"),
     {"/nodes/0/config/expression: expression: unexpected end at byte 1"}},
    {with_config("core.conditional", R"({"condition":{"type":"regex","left":"x","right":"("}})"),
     {"/nodes/0/config/condition: regular expression: missing ): ("}},
    {with_config("core.loop", R"({"condition":"foo"})"),
     {"/nodes/0/config/condition: expression: unknown name 'foo' at byte 0"}},
    {with_config("core.loop", R"({"condition":7})"), {"/nodes/0/config/condition: condition has to be an object"}},
    // edges
    {with_edge(R"("sourceNodeId":"x","targetNodeId":"y")"),
     {"/edges/0/sourceNodeId: names no node", "/edges/0/targetNodeId: names no node"}},
    {with_edge(R"("sourceNodeId":"a")"), {"/edges/0: 'targetNodeId' is missing"}},
    {with_edge(R"("sourceNodeId":"a","targetNodeId":"b","triggerRule":"maybe")"),
     {"/edges/0/triggerRule: has no known value"}},
    {with_edge(R"("sourceNodeId":"a","targetNodeId":"b","condition":{"expression":"?"})"),
     {"/edges/0/condition: expression: unexpected '?' at byte 0"}},
    {with_edge(R"("sourceNodeId":"a","targetNodeId":"b","condition":"x","sourceOutput":1,"targetInput":2)"),
     {"/edges/0/sourceOutput: has to be a string", "/edges/0/targetInput: has to be a string",
      "/edges/0/condition: has to be an object"}},
    {{.nodes = "[" + Definition::node("a") + "," + Definition::node("b") + "]",
      .edges = "[" + Definition::edge("e", "a", "b") + "," + Definition::edge("e", "a", "b") + "]"},
     {"/edges/1/id: 'e' is used twice"}},
    // variables
    {{.variables = R"([{"name":"v","type":"string"},{"name":"v","type":"number"}])"},
     {"/variables/1/name: 'v' is used twice"}},
    {{.variables = R"([{"type":"date"},{"name":"v"}])"},
     {"/variables/0: 'name' is missing", "/variables/0/type: has no known value", "/variables/1: 'type' is missing"}},
    {{.variables = R"([{"name":"s","type":"string","defaultValue":1},{"name":"n","type":"number","defaultValue":"1"},
                       {"name":"b","type":"boolean","defaultValue":0},{"name":"o","type":"object","defaultValue":[]},
                       {"name":"a","type":"array","defaultValue":null}])"},
     {"/variables/0/defaultValue: has to be a string", "/variables/1/defaultValue: has to be a number",
      "/variables/2/defaultValue: has to be a boolean", "/variables/3/defaultValue: has to be an object",
      "/variables/4/defaultValue: has to be an array"}},
    {{.variables = R"([{"name":"c","type":"string"}])", .extra = R"("channels":{"c":{"reducer":"replace"}})"},
     {"/variables/0/name: 'c' is also a channel"}},
    // channels
    {with_channel("1"), {"/channels/c: has to be an object"}},
    {with_channel("{}"), {"/channels/c: 'reducer' is missing"}},
    {with_channel(R"({"reducer":"sum"})"), {"/channels/c/reducer: has no known value"}},
    {with_channel(R"({"reducer":"vendor.acme"})"), {"/channels/c/reducer: has no known value"}},
    {with_channel(R"({"reducer":"vendor.Acme.x"})"), {"/channels/c/reducer: has no known value"}},
    {with_channel(R"({"reducer":"append","maxSize":0,"ttlMs":31536000001,"schemaVersion":"1","sensitive":1})"),
     {"/channels/c/maxSize: has to be an integer of at least 1",
      "/channels/c/ttlMs: has to be an integer of at least 1 and at most 31536000000",
      "/channels/c/schemaVersion: has to be an integer of at least 1", "/channels/c/sensitive: has to be a boolean"}},
    // triggers
    {{.triggers = R"([{"id":"t","type":"manual"},{"id":"t","type":"manual","nodeId":"zz"},{}])"},
     {"/triggers/1/nodeId: names no node", "/triggers/1/id: 't' is used twice", "/triggers/2: 'id' is missing",
      "/triggers/2: 'type' is missing"}},
    {{.triggers = R"([{"id":"t","type":"channel-write"},{"id":"u","type":"channel-write","config":{"channel":"c"}},
                      {"id":"v","type":"channel-write","config":{"channel":"d","onlyFrom":"me","debounceMs":60001}}])",
      .extra = R"("channels":{"d":{"reducer":"append"}})"},
     {"/triggers/0: 'config' is missing", "/triggers/1/config/channel: names no declared channel",
      "/triggers/2/config/onlyFrom: has no known value",
      "/triggers/2/config/debounceMs: has to be an integer of at least 0 and at most 60000"}},
    // groups
    {{.extra = R"("groups":[{"id":"g","nodeIds":["a","zz",1]},{"id":"g"}])"},
     {"/groups/0/nodeIds/1: names no node", "/groups/0/nodeIds/2: names no node", "/groups/1: 'nodeIds' is missing",
      "/groups/1/id: 'g' is used twice"}},
};

TEST_CASE("every problem of a definition is reported with its pointer") {
  for (const auto& entry : kProblems) {
    INFO(entry.definition.text());
    CHECK(lines(parse_workflow(entry.definition.text(), is_core)) == entry.problems);
  }
}

TEST_CASE("problems of different places come in one answer") {
  const auto parsed = parse_workflow(Definition{.id = "",
                                                .nodes = "[" + Definition::node("a", "x.y") + "]",
                                                .edges = "[" + Definition::edge("e", "a", "b") + "]",
                                                .variables = R"([{"name":"v","type":"v"}])"}
                                         .text(),
                                     is_core);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code == ErrorCode::validation_error);
  CHECK(parsed.error().message == "workflow definition is invalid: document: 'id' is missing (and 3 more)");
  CHECK(json::check(parsed.error().details).ok());
  CHECK(lines(parsed) == Lines{": 'id' is missing", "/variables/0/type: has no known value",
                               "/nodes/0/typeId: unknown node type 'x.y'", "/edges/0/targetNodeId: names no node"});
}

TEST_CASE("text that is not JSON or is too large is refused") {
  CHECK(lines(parse_workflow("", {})) == Lines{": JSON text is empty"});
  CHECK(lines(parse_workflow("{", {})).size() == 1);
  CHECK(lines(parse_workflow("[]", {})) == Lines{": has to be an object"});
  CHECK(lines(parse_workflow(R"({"id":1,"id":2})", {})) == Lines{": JSON object repeats a key"});
  const std::string source = Definition{}.text();
  CHECK(parse_workflow(source, {}, {.max_workflow_bytes = source.size()}).ok());
  CHECK(parse_workflow(source, {}, {.max_workflow_bytes = source.size() - 1}).error().code ==
        ErrorCode::payload_too_large);
  CHECK(parse_workflow(std::string(kMaxWorkflowBytes + 1, ' '), {}).error().code == ErrorCode::payload_too_large);
}

TEST_CASE("only the first problems are listed, all are counted") {
  std::string variables;
  for (int i = 0; i < 200; ++i) variables += i == 0 ? "{}" : ",{}";
  const auto parsed = parse_workflow(Definition{.variables = "[" + variables + "]"}.text(), {});
  CHECK(workflow_problems(parsed.error()).size() == kMaxReportedProblems);
  CHECK_THAT(parsed.error().message, Catch::Matchers::Contains("(and 399 more)"));
}

TEST_CASE("lists are limited") {
  const auto repeated = [](std::size_t times, auto&& element) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += (i == 0 ? "" : ",") + element(i);
    return out;
  };
  const auto node = [](std::size_t i) { return Definition::node("n" + std::to_string(i)); };
  const auto edge = [](std::size_t i) { return Definition::edge(std::to_string(i), "a", "b"); };
  const auto variable = [](std::size_t i) { return R"({"name":"v)" + std::to_string(i) + R"(","type":"string"})"; };
  const auto port = [](std::size_t i) { return "\"p" + std::to_string(i) + R"(":{"type":"static","value":1})"; };
  const std::string two = "[" + Definition::node("a") + "," + Definition::node("b") + "]";

  CHECK(parse_workflow(Definition{.nodes = "[" + repeated(kMaxWorkflowNodes, node) + "]"}.text(), {}).ok());
  CHECK(lines(parse_workflow(Definition{.nodes = "[" + repeated(kMaxWorkflowNodes + 1, node) + "]"}.text(), {})) ==
        Lines{"/nodes: has more than 2000 elements"});
  CHECK(
      parse_workflow(Definition{.nodes = two, .edges = "[" + repeated(kMaxWorkflowEdges, edge) + "]"}.text(), {}).ok());
  CHECK(lines(parse_workflow(
            Definition{.nodes = two, .edges = "[" + repeated(kMaxWorkflowEdges + 1, edge) + "]"}.text(), {})) ==
        Lines{"/edges: has more than 10000 elements"});
  CHECK(parse_workflow(Definition{.variables = "[" + repeated(kMaxWorkflowVariables, variable) + "]"}.text(), {}).ok());
  CHECK(lines(parse_workflow(Definition{.variables = "[" + repeated(kMaxWorkflowVariables + 1, variable) + "]"}.text(),
                             {})) == Lines{"/variables: has more than 1000 elements"});
  const auto with_ports = [&](std::size_t count) {
    return Definition{.nodes = "[" + Definition::node("a", "core.noop", "{" + repeated(count, port) + "}") + "]"}
        .text();
  };
  CHECK(parse_workflow(with_ports(kMaxNodePorts), {}).ok());
  CHECK(lines(parse_workflow(with_ports(kMaxNodePorts + 1), {})) ==
        Lines{"/nodes/0/inputs: has more than 256 members"});
}

TEST_CASE("the model holds what the definition says") {
  const std::string source = R"( {"id":"w","name":"W","version":"1.2","tenantId":"t",
    "nodes":[
      {"id":"a","typeId":"core.noop","name":"A","position":{"x":1,"y":2},"config":{"k": 1.0},"inputs":{
         "s":{"type":"static","value":{"x": 1.50}},
         "e":{"type":"expression","expression":"variables.v + 1"},
         "c":{"type":"connection","nodeId":"b","outputKey":"out","optional":true},
         "v":{"type":"variable","variableName":"v"}},
       "settings":{"retries":2},"agent":{"agentId":"core.x"},"disabled":true,
       "outputSensitivity":{"secret":true,"open":false}},
      {"id":"b","typeId":"core.end","name":"B","position":{"x":1,"y":2},"config":{},"inputs":{}}],
    "edges":[{"id":"e","sourceNodeId":"a","targetNodeId":"b","sourceOutput":"true","targetInput":"in",
              "condition":{"left":"ok"},"triggerRule":"none_failed"},
             {"id":"f","sourceNodeId":"a","targetNodeId":"b"}],
    "triggers":[{"id":"m","type":"manual"}],
    "variables":[{"name":"v","type":"number","required":true,"sensitive":true,"defaultValue":1.0}],
    "channels":{"log":{"reducer":"append","default":[1],"maxSize":3,"ttlMs":1000,"schemaVersion":2,"sensitive":true},
                "own":{"reducer":"vendor.acme.sum-up"}},
    "configurableSchema":{"type":"object"},
    "metadata":{},"settings":{"timeout":10,"maxRetries":2,"maxLoopbackIterations":9}} )";
  const auto parsed = parse_workflow(source, {});
  REQUIRE(lines(parsed) == Lines{});
  const Workflow& workflow = *parsed;
  CHECK(workflow.source == source);
  CHECK(workflow.digest == sha256_hex(source));
  CHECK(workflow.id == "w");
  CHECK(workflow.name == "W");
  CHECK(workflow.version == "1.2");
  CHECK(workflow.configurable_schema == R"({"type":"object"})");
  CHECK(workflow.settings.timeout_ms == 10);
  CHECK(workflow.settings.max_retries == 2);
  CHECK(workflow.settings.max_loopback_iterations == 9);

  const WorkflowNode& node = workflow.nodes[0];
  CHECK(node.id == "a");
  CHECK(node.type_id == "core.noop");
  CHECK(node.config == R"({"k":1.0})");
  CHECK(node.settings == R"({"retries":2})");
  CHECK(node.agent == R"({"agentId":"core.x"})");
  CHECK(node.disabled);
  CHECK(node.sensitive_outputs == Lines{"secret"});
  REQUIRE(node.inputs.size() == 4);
  CHECK(std::get<StaticPort>(node.inputs[0].second).value == R"({"x":1.50})");
  CHECK(std::get<ExpressionPort>(node.inputs[1].second).expression.source() == "variables.v + 1");
  CHECK(std::get<ConnectionPort>(node.inputs[2].second).node == 1);
  CHECK(std::get<ConnectionPort>(node.inputs[2].second).output_key == "out");
  CHECK(std::get<ConnectionPort>(node.inputs[2].second).optional);
  CHECK(std::get<VariablePort>(node.inputs[3].second).name == "v");
  CHECK_FALSE(std::get<VariablePort>(node.inputs[3].second).optional);

  CHECK(workflow.edges[0].source_output == "true");
  CHECK(workflow.edges[0].target_input == "in");
  CHECK(workflow.edges[0].condition.has_value());
  CHECK(workflow.edges[0].trigger_rule == TriggerRule::none_failed);
  CHECK(workflow.edges[1].source_output == "output");
  CHECK(workflow.edges[1].target_input == "input");
  CHECK_FALSE(workflow.edges[1].condition.has_value());
  CHECK(workflow.edges[1].trigger_rule == TriggerRule::all_success);

  CHECK(workflow.variables[0].type == VariableType::number);
  CHECK(workflow.variables[0].required);
  CHECK(workflow.variables[0].sensitive);
  CHECK(workflow.variables[0].default_value == "1.0");

  CHECK(workflow.declares_channels);
  CHECK(workflow.channels[0].reducer == Reducer::append);
  CHECK(workflow.channels[0].default_value == "[1]");
  CHECK(workflow.channels[0].max_size == 3);
  CHECK(workflow.channels[0].ttl_ms == 1000);
  CHECK(workflow.channels[0].schema_version == 2);
  CHECK(workflow.channels[0].sensitive);
  CHECK(workflow.channels[1].reducer == Reducer::vendor);
  CHECK(workflow.channels[1].reducer_name == "vendor.acme.sum-up");
  CHECK(workflow.channels[1].source == R"({"reducer":"vendor.acme.sum-up"})");
}

TEST_CASE("what is not said has its default") {
  const auto workflow = parse_workflow(Definition{}.text(), {});
  REQUIRE(workflow);
  CHECK(workflow->settings.timeout_ms == 0);
  CHECK(workflow->settings.max_loopback_iterations == 5);
  CHECK_FALSE(workflow->declares_channels);
  CHECK(workflow->nodes[0].config == "{}");
  CHECK(workflow->nodes[0].agent.empty());
  CHECK(workflow->configurable_schema.empty());
  CHECK(parse_workflow(Definition{.extra = R"("channels":{})"}.text(), {})->declares_channels);
}

TEST_CASE("a channel may have a ttl that its reducer does not use") {
  CHECK(parse_workflow(with_channel(R"({"reducer":"replace","ttlMs":5})").text(), {}).ok());
}

TEST_CASE("other errors carry no problems") {
  CHECK(workflow_problems(Error{ErrorCode::internal_error, "x"}).empty());
  CHECK(workflow_problems(Error{ErrorCode::internal_error, "x", R"({"problems":7})"}).empty());
  CHECK(workflow_problems(workflow_error({{"/a\"b", "c\n"}})) == std::vector<WorkflowProblem>{{"/a\"b", "c\n"}});
}

}  // namespace
}  // namespace openwop::test
