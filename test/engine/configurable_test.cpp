// `configurable` of a run against its workflow's configurableSchema, and against the host's list of options.
#include "openwop/json.h"
#include "openwop/workflow_problems.h"
#include "support/engine_rig.h"

namespace openwop::test {
namespace {

WorkflowText with_schema(const std::string& schema) {
  return WorkflowText("w").node("a", "core.noop").root(R"(,"configurableSchema":)" + schema);
}

Status create_with(EngineRig& rig, const std::string& configurable) {
  auto run = rig.engine->create_run({.workflow_id = "w", .configurable = configurable});
  return run ? Status{} : Status(std::move(run).error());
}

std::string problems_of(const Error& error) {
  std::string text;
  for (const auto& problem : workflow_problems(error)) text += problem.pointer + ": " + problem.message + "\n";
  return text;
}

}  // namespace

TEST_CASE("a configurable that the workflow's schema refuses creates no run") {
  EngineRig rig;
  rig.add(with_schema(R"({"type":"object","required":["mode"],"additionalProperties":false,"properties":{
    "mode":{"enum":["fast","slow"]},"format":{"$ref":"#/$defs/short"},
    "list":{"type":"array","uniqueItems":true}},"$defs":{"short":{"type":"string","pattern":"^[a-z]+$"}}})"));
  CHECK(create_with(rig, R"({"mode":"fast","format":"abc","list":[1,2]})").ok());
  struct Refused {
    std::string configurable;
    std::string pointer;
  };
  const std::vector<Refused> refused = {
      {"", ""},
      {"{}", ""},
      {R"({"mode":"odd"})", "/mode"},
      {R"({"mode":"fast","other":1})", "/other"},
      {R"({"mode":"fast","format":"ABC"})", "/format"},
      {R"({"mode":"fast","format":")" + std::string(5000, 'a') + "\"}", "/format"},
      {R"({"mode":"fast","list":[1,1]})", "/list"},
  };
  for (const Refused& one : refused) {
    INFO(one.configurable);
    const auto status = create_with(rig, one.configurable);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().code == ErrorCode::validation_error);
    CHECK(json::member(status.error().details, "field") == R"("configurable")");
    CHECK_THAT(problems_of(status.error()), Catch::Contains(one.pointer));
  }
  CHECK(rig.engine->list_runs({}, "", 10)->runs.size() == 1);
}

TEST_CASE("a schema that cannot be enforced in full is refused at registration") {
  EngineRig rig;
  rig.open();
  for (const std::string schema : {R"({"unevaluatedProperties":false})", R"({"properties":{"a":{"$dynamicRef":"#x"}}})",
                                   R"({"$ref":"#"})", R"({"$ref":"https://example.com/s.json"})",
                                   R"({"$ref":"#/$defs/a","$defs":{"a":{"items":{"$ref":"#/$defs/a"}}}})",
                                   R"({"$ref":"#/$defs/none"})", R"({"properties":{"a":{"pattern":"("}}})"}) {
    INFO(schema);
    const auto added = rig.engine->register_workflow(with_schema(schema).json());
    REQUIRE_FALSE(added.ok());
    CHECK_THAT(problems_of(added.error()), Catch::Contains("/configurableSchema"));
  }
  // Names of properties are no keywords.
  CHECK(rig.engine->register_workflow(with_schema(R"({"properties":{"prefixItems":{"type":"string"}}})").json()).ok());
}

TEST_CASE("with a list of options, others and values out of bounds are refused, and schemas may name no others") {
  EngineRig rig;
  rig.options.configurable_options =
      R"({"acme.depth":{"type":"integer","min":1,"max":9},"acme.note":{"type":"string"}})";
  rig.add(WorkflowText("w").node("a", "core.noop"));
  CHECK(create_with(rig, R"({"acme.depth":9,"acme.note":"x","recursionLimit":5,"ai":{}})").ok());
  const auto out = create_with(rig, R"({"acme.depth":10})");
  REQUIRE_FALSE(out.ok());
  CHECK(out.error().details == R"({"key":"acme.depth","value":10,"min":1,"max":9})");
  CHECK_FALSE(create_with(rig, R"({"acme.depth":"5"})").ok());
  CHECK_FALSE(create_with(rig, R"({"acme.note":5})").ok());
  const auto unknown = create_with(rig, R"({"acme.other":"secret"})");
  REQUIRE_FALSE(unknown.ok());
  CHECK(unknown.error().details == R"({"key":"acme.other"})");
  CHECK(rig.engine->register_workflow(with_schema(R"({"properties":{"acme.depth":{},"model":{}}})").json()).ok());
  const auto added = rig.engine->register_workflow(with_schema(R"({"properties":{"acme.else":{}}})").json());
  REQUIRE_FALSE(added.ok());
  CHECK_THAT(problems_of(added.error()), Catch::Contains("/configurableSchema/properties/acme.else"));
}

TEST_CASE("a list of options that is none does not open an engine") {
  for (const char* list : {"[]", "{", R"({"a":1})"}) {
    EngineOptions options{.store = std::make_shared<MemoryStore>(), .threads = 0, .configurable_options = list};
    CHECK_FALSE(Engine::open(std::move(options)).ok());
  }
}

}  // namespace openwop::test
