#include "telemetry/telemetry_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kParent = "00f067aa0ba902b7";

CreateRun traced(const std::string& workflow, const std::string& flags = "01") {
  CreateRun request{.workflow_id = workflow};
  request.traceparent = "00-" + kTrace + "-" + kParent + "-" + flags;
  request.tracestate = "acme=1";
  return request;
}

}  // namespace

TEST_CASE("a run gives a span of its own, one for each node and one for each append", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("w").node("n", "core.noop"));
  const RunId run = rig.create("w");
  const SpanRecord whole = rig.one("openwop.run");
  CHECK(whole.trace_id == trace_id_of(run));
  CHECK_FALSE(whole.parent);
  CHECK(text_attribute(whole, "openwop.run_id") == run.text());
  CHECK(text_attribute(whole, "openwop.workflow_id") == "w");
  CHECK(text_attribute(whole, "openwop.protocol_version") == "1.0");
  CHECK(text_attribute(whole, "openwop.run_status") == "completed");
  CHECK_FALSE(whole.failed);
  const SpanRecord node = rig.one("openwop.node.core.noop");
  CHECK(node.parent == whole.span_id);
  CHECK(text_attribute(node, "openwop.node_id") == "n");
  CHECK(text_attribute(node, "openwop.node_type") == "core.noop");
  CHECK(number_attribute(node, "openwop.node_attempt") == 0);
  const auto appends = rig.named("openwop.event.append");
  REQUIRE(appends.size() == 4);
  for (std::size_t i = 0; i < appends.size(); ++i) {
    CHECK(number_attribute(appends[i], "openwop.event_seq") == static_cast<std::int64_t>(i));
  }
  CHECK(appends[0].parent == whole.span_id);
  CHECK(appends[1].parent == node.span_id);
  CHECK(appends[2].parent == node.span_id);
  CHECK(text_attribute(appends[2], "openwop.event_type") == "node.completed");
}

TEST_CASE("a run joins the trace of its caller, before and after a restart", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("w").node("a", "core.noop").node("d", "core.delay", R"({"ms":1000})").edge("a", "d"));
  (void)rig.create(traced("w"));
  CHECK(rig.named("openwop.run").empty());
  rig.follow();
  rig.open();
  rig.advance(1000);
  const SpanRecord whole = rig.one("openwop.run");
  CHECK(to_hex(*whole.parent) == kParent);
  CHECK(whole.tracestate == "acme=1");
  for (const SpanRecord& span : rig.kept->spans) CHECK(to_hex(span.trace_id) == kTrace);
  // The node began before the restart: its span does, too.
  const SpanRecord delay = rig.one("openwop.node.core.delay");
  CHECK(delay.end_ms - delay.start_ms == 1000);
  CHECK(rig.named("openwop.node.core.noop").size() == 1);
  CHECK(rig.named("openwop.event.append").size() == 6);
}

TEST_CASE("sampling follows the caller's flag, else the ratio; always_on keeps all", "[telemetry]") {
  TelemetryRig rig;
  rig.telemetry.sampler = Sampler::parent_based_ratio;
  rig.telemetry.sample_ratio = 0;
  rig.follow();
  rig.add(WorkflowText("w").node("n", "core.noop"));
  (void)rig.create("w");
  (void)rig.create(traced("w", "00"));
  CHECK(rig.kept->spans.empty());
  (void)rig.create(traced("w", "01"));
  CHECK(rig.named("openwop.run").size() == 1);
  rig.telemetry.sample_ratio = 0.5;
  rig.follow();
  rig.open();
  for (int i = 0; i < 200; ++i) (void)rig.create("w");
  const auto sampled = rig.named("openwop.run").size() - 1;
  CHECK(sampled > 60);
  CHECK(sampled < 140);
  CHECK(rig.sum(Metric::run_completed, "completed") == 203);
}

TEST_CASE("retries are attempts inside the node's span", "[telemetry]") {
  TelemetryRig rig;
  auto calls = std::make_shared<int>(0);
  rig.options.nodes.add({"vendor.t.flaky", SyncHandler([calls](NodeContext&) -> NodeOutcome {
                           if ((*calls)++ == 0) return Failure{"down", "the key sk-secret is bad", {}, true};
                           return NodeCompleted{};
                         })});
  rig.add(WorkflowText("w").settings(R"({"maxRetries":1})").node("n", "vendor.t.flaky"));
  (void)rig.create("w");
  rig.advance(100);
  const SpanRecord node = rig.one("openwop.node.vendor.t.flaky");
  CHECK(number_attribute(node, "openwop.node_attempt") == 1);
  const auto attempts = rig.named("openwop.node.vendor.t.flaky.attempt");
  REQUIRE(attempts.size() == 2);
  CHECK(attempts[0].failed);
  CHECK_FALSE(attempts[1].failed);
  CHECK(attempts[0].span_id != attempts[1].span_id);
  for (const SpanRecord& attempt : attempts) CHECK(attempt.parent == node.span_id);
  CHECK(rig.sum(Metric::node_attempts) == 1);
  CHECK(rig.sum(Metric::node_completed, "vendor.t.flaky") == 1);
}

TEST_CASE("a failed run says so with its code and not with its message", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("w").node("n", "core.fail", R"({"message":"the key sk-secret is bad"})"));
  (void)rig.create("w");
  const SpanRecord whole = rig.one("openwop.run");
  CHECK(whole.failed);
  CHECK_FALSE(whole.failure.empty());
  for (const SpanRecord& span : rig.kept->spans) {
    CHECK(span.failure.find("sk-secret") == std::string::npos);
    for (const auto& [key, value] : span.attributes) {
      if (const auto* text = std::get_if<std::string>(&value)) CHECK(text->find("sk-secret") == std::string::npos);
    }
  }
  CHECK(rig.sum(Metric::run_completed, "failed") == 1);
  CHECK(rig.sum(Metric::node_completed, "failed") == 1);
}

TEST_CASE("a limit that a run ran into is on its span and counted", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("w").node("a", "core.noop").node("b", "core.noop").edge("a", "b"));
  CreateRun request{.workflow_id = "w"};
  request.configurable = R"({"recursionLimit":1})";
  (void)rig.create(request);
  const SpanRecord whole = rig.one("openwop.run");
  CHECK(text_attribute(whole, "openwop.cap_kind") == "node-executions");
  CHECK(number_attribute(whole, "openwop.cap_limit") == 1);
  CHECK(number_attribute(whole, "openwop.cap_observed") == 2);
  CHECK(rig.sum(Metric::cap_exceeded, "node-executions") == 1);
}

TEST_CASE("runs are counted as they begin and end, those of earlier processes included", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("w").node("d", "core.delay", R"({"ms":2000})"));
  (void)rig.create("w");
  (void)rig.create("w");
  CHECK(rig.sum(Metric::run_created, "w") == 2);
  CHECK(rig.sum(Metric::run_active) == 2);
  CHECK(rig.sum(Metric::run_duration) == 0);
  rig.registry = std::make_shared<MetricRegistry>();
  rig.telemetry.metrics = rig.registry;
  rig.follow();
  CHECK(rig.sum(Metric::run_active, "default") == 2);
  rig.open();
  rig.advance(2000);
  CHECK(rig.sum(Metric::run_active) == 0);
  CHECK(rig.sum(Metric::run_completed, "completed") == 2);
  CHECK(rig.sum(Metric::run_duration, "w") == 4);
  CHECK(rig.sum(Metric::node_duration, "core.delay") == 4);
}

TEST_CASE("the queue's depth counts runs that could go on, those of earlier processes included", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("delayed").node("d", "core.delay", R"({"ms":2000})"));
  rig.add(WorkflowText("asks").node("g", "core.approvalGate"));
  rig.add(WorkflowText("short").node("n", "core.noop"));
  const auto depth = [&] { return rig.sum(Metric::queue_depth, "default"); };
  const RunId delayed = rig.create("delayed");
  (void)rig.create("delayed");
  const RunId asks = rig.create("asks");
  (void)rig.create("short");
  CHECK(depth() == 2);
  REQUIRE(rig.engine->pause_run({.run_id = delayed, .drain_policy = DrainPolicy::immediate}).ok());
  CHECK(depth() == 1);
  rig.registry = std::make_shared<MetricRegistry>();
  rig.telemetry.metrics = rig.registry;
  rig.follow();
  rig.open();
  CHECK(depth() == 1);
  REQUIRE(rig.engine->resume_run({.run_id = delayed}).ok());
  CHECK(depth() == 2);
  REQUIRE(rig.answer(asks, "g", R"({"action":"accept"})").ok());
  CHECK(depth() == 2);
  REQUIRE(rig.engine->cancel_run({.run_id = delayed}).ok());
  CHECK(depth() == 1);
  rig.advance(2000);
  CHECK(depth() == 0);
}

TEST_CASE("forks are counted from their first turn on, wherever they begin", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("asks").node("g", "core.approvalGate"));
  const RunId source = rig.create("asks");
  REQUIRE(rig.answer(source, "g", R"({"action":"accept"})").ok());
  CHECK(rig.sum(Metric::run_active) == 0);
  std::vector<RunId> branches;
  for (const std::uint64_t from : {0, 2, 4}) {
    ForkRun fork;
    fork.source_run = source;
    fork.from_sequence = from;
    const auto forked = rig.engine->fork_run(std::move(fork));
    REQUIRE(forked.ok());
    rig.tick();
    branches.push_back(forked->run_id);
    CHECK(rig.sum(Metric::run_active) == static_cast<double>(branches.size()));
    CHECK(rig.sum(Metric::queue_depth) == 0);
  }
  for (const RunId& branch : branches) REQUIRE(rig.answer(branch, "g", R"({"action":"accept"})").ok());
  CHECK(rig.sum(Metric::run_active) == 0);
  CHECK(rig.sum(Metric::queue_depth) == 0);
}

TEST_CASE("what is cancelled ends its spans", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("w").node("d", "core.delay", R"({"ms":2000})"));
  const RunId run = rig.create("w");
  rig.clock->advance(500);
  REQUIRE(rig.engine->cancel_run({.run_id = run}).ok());
  CHECK(text_attribute(rig.one("openwop.run"), "openwop.run_status") == "cancelled");
  CHECK(text_attribute(rig.one("openwop.node.core.delay"), "openwop.node_outcome") == "cancelled");
  CHECK(rig.sum(Metric::node_duration) == 0.5);
}

TEST_CASE("what a call to a model cost is on the spans of its node and added up", "[telemetry]") {
  TelemetryRig rig;
  rig.add(
      WorkflowText("w").node("n", "conformance.cost.emit",
                             R"({"attrs":{"openwop.cost.tokens.input":12,"openwop.cost.tokens.output":3,)"
                             R"("openwop.cost.usd":0.25,"openwop.cost.provider":"acme","openwop.cost.secret":"x"}})"));
  (void)rig.create("w");
  const SpanRecord node = rig.one("openwop.node.conformance.cost.emit");
  CHECK(number_attribute(node, "openwop.cost.tokens.input") == 12);
  CHECK(text_attribute(node, "openwop.cost.secret") == "(none)");
  const SpanRecord call = rig.one("openwop.activity.acme");
  CHECK(call.parent == node.span_id);
  CHECK(text_attribute(call, "openwop.cost.provider") == "acme");
  CHECK(number_attribute(call, "openwop.cost.tokens.output") == 3);
  CHECK(rig.sum(Metric::activity_tokens, "input") == 12);
  CHECK(rig.sum(Metric::activity_invocations, "acme") == 1);
  CHECK(rig.sum(Metric::cost_usd) == 0.25);
  CHECK(std::any_of(rig.records->begin(), rig.records->end(), [](const std::string& record) {
    return record.find(R"("metricKind":"openwop.cost.recorded")") != std::string::npos;
  }));
}

TEST_CASE("secrets in tags do not reach a span", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("w").node("n", "core.noop"));
  CreateRun request{.workflow_id = "w"};
  request.tags = {"plain", "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"};
  (void)rig.create(request);
  const SpanRecord whole = rig.one("openwop.run");
  const auto tags = std::find_if(whole.attributes.begin(), whole.attributes.end(),
                                 [](const auto& attribute) { return attribute.first == "openwop.run.tags"; });
  REQUIRE(tags != whole.attributes.end());
  const auto& texts = std::get<std::vector<std::string>>(tags->second);
  CHECK(texts.front() == "plain");
  CHECK(texts.back().find("abcdefghijklmnop") == std::string::npos);
}

TEST_CASE("sensitive workflows and their class are marked", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("w")
              .node("n", "core.noop")
              .variable(R"({"name":"s","type":"string","sensitive":true,"defaultValue":"x"})"));
  (void)rig.create("w");
  const SpanRecord whole = rig.one("openwop.run");
  CHECK(std::any_of(whole.attributes.begin(), whole.attributes.end(), [](const auto& attribute) {
    return attribute.first == "openwop.pii_present" && attribute.second == AttributeValue(true);
  }));
}

TEST_CASE("log records name what happened and how it ended", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("w").node("n", "core.noop"));
  const RunId run = rig.create("w");
  REQUIRE(rig.records->size() == 3);
  CHECK((*rig.records)[0] == R"({"metricKind":"openwop.run.created","runId":")" + run.text() +
                                 R"(","workflowId":"w","tenantId":"default"})");
  CHECK_THAT((*rig.records)[1], Catch::Contains(R"("metricKind":"openwop.node.completed")") &&
                                    Catch::Contains(R"("nodeType":"core.noop","status":"completed")"));
  CHECK_THAT((*rig.records)[2], Catch::Contains(R"("metricKind":"openwop.run.completed")"));
}

TEST_CASE("a supervisor's decisions are counted by kind, and how many a run took when it ends, also across a restart",
          "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("worker").node("d", "core.delay", R"({"ms":1000})"));
  rig.add(WorkflowText("team")
              .node("supervisor", "core.orchestrator.supervisor",
                    R"({"mockDecisions":[{"kind":"next-worker","nextWorkerIds":["worker"]},{"kind":"terminate"}]})")
              .node("dispatch", "core.dispatch")
              .edge("supervisor", "dispatch")
              .edge("dispatch", "supervisor"));
  const RunId run = rig.create("team");
  rig.tick();
  CHECK(rig.sum(Metric::orchestrator_decisions) == 1);
  CHECK(rig.sum(Metric::orchestrator_iterations) == 0);
  rig.follow();
  rig.open();
  rig.advance(1'000);
  REQUIRE(rig.status(run) == RunStatus::completed);
  CHECK(rig.sum(Metric::orchestrator_decisions, "next-worker") == 1);
  CHECK(rig.sum(Metric::orchestrator_decisions, "terminate") == 1);
  for (const MetricSeries& series : rig.registry->series()) {
    if (series.metric != Metric::orchestrator_iterations) continue;
    CHECK(series.count == 1);
    CHECK(series.value == 2);
    CHECK(series.labels == std::vector<std::pair<std::string, std::string>>{{"openwop.tenant_id", "default"},
                                                                            {"openwop.workflow_id", "team"}});
  }
  CHECK(rig.sum(Metric::orchestrator_iterations) == 2);
}

TEST_CASE("no metric has a run id, and every label is of the protocol's vocabulary", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("w").node("n", "core.noop"));
  const RunId run = rig.create("w");
  const auto all = rig.registry->series();
  CHECK_FALSE(all.empty());
  for (const MetricSeries& series : all) {
    for (const auto& [key, value] : series.labels) {
      CHECK(value != run.text());
      CHECK(key.starts_with("openwop."));
      CHECK(key != "openwop.run_id");
    }
  }
}

TEST_CASE("runs beyond max_tracked_runs lose nothing but time", "[telemetry]") {
  TelemetryRig rig;
  rig.telemetry.max_tracked_runs = 1;
  rig.follow();
  rig.add(WorkflowText("w").node("d", "core.delay", R"({"ms":2000})"));
  for (int i = 0; i < 5; ++i) (void)rig.create("w");
  rig.advance(2000);
  const auto delays = rig.named("openwop.node.core.delay");
  REQUIRE(delays.size() == 5);
  for (const SpanRecord& delay : delays) CHECK(delay.end_ms - delay.start_ms == 2000);
}

TEST_CASE("a handler is given the trace and the span of its execution", "[telemetry]") {
  TelemetryRig rig;
  std::string given;
  rig.options.nodes.add({"vendor.t.call", SyncHandler([&given](NodeContext& node) -> NodeOutcome {
                           given = node.invocation().traceparent;
                           return NodeCompleted{};
                         })});
  rig.add(WorkflowText("w").node("n", "vendor.t.call"));
  (void)rig.create(traced("w"));
  const SpanRecord node = rig.one("openwop.node.vendor.t.call");
  CHECK(given == "00-" + kTrace + "-" + to_hex(node.span_id) + "-01");
}

TEST_CASE("a child run is a span of its parent's node, in one trace, with its caller's or without", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("leaf").node("l", "core.noop"));
  rig.add(WorkflowText("middle").node("m", "core.subWorkflow", R"({"workflowId":"leaf"})"));
  rig.add(WorkflowText("top").node("t", "core.subWorkflow", R"({"workflowId":"middle"})"));
  for (const CreateRun& request : {CreateRun{.workflow_id = "top"}, traced("top")}) {
    rig.kept->spans.clear();
    CreateRun copy = request;
    const RunId top = rig.create(std::move(copy));
    const auto runs = rig.named("openwop.run");
    REQUIRE(runs.size() == 3);
    std::map<std::string, SpanRecord> by_workflow;
    for (const SpanRecord& run : runs) by_workflow.emplace(text_attribute(run, "openwop.workflow_id"), run);
    const auto nodes = rig.named("openwop.node.core.subWorkflow");
    REQUIRE(nodes.size() == 2);
    const auto node_of = [&](const char* workflow) {
      return *std::find_if(nodes.begin(), nodes.end(), [&](const SpanRecord& node) {
        return text_attribute(node, "openwop.workflow_id") == workflow;
      });
    };
    CHECK(by_workflow["middle"].parent == node_of("top").span_id);
    CHECK(by_workflow["leaf"].parent == node_of("middle").span_id);
    CHECK(text_attribute(by_workflow["middle"], "openwop.parent.run_id") == top.text());
    CHECK(text_attribute(by_workflow["middle"], "openwop.parent.workflow_id") == "top");
    CHECK(text_attribute(by_workflow["middle"], "openwop.parent.node_id") == "t");
    const bool has_caller = !request.traceparent.empty();
    for (const SpanRecord& span : rig.kept->spans) {
      CHECK(to_hex(span.trace_id) == (has_caller ? kTrace : to_hex(trace_id_of(top))));
    }
    CHECK(by_workflow["leaf"].tracestate == (has_caller ? "acme=1" : ""));
  }
}

TEST_CASE("a child run is sampled as the run at the top is", "[telemetry]") {
  TelemetryRig rig;
  rig.telemetry.sampler = Sampler::parent_based_ratio;
  rig.telemetry.sample_ratio = 0.5;
  rig.follow();
  rig.add(WorkflowText("leaf").node("l", "core.noop"));
  rig.add(WorkflowText("top").node("t", "core.subWorkflow", R"({"workflowId":"leaf"})"));
  for (int i = 0; i < 100; ++i) (void)rig.create("top");
  const auto runs = rig.named("openwop.run");
  CHECK(runs.size() > 40);
  CHECK(runs.size() < 160);
  std::map<std::string, int> traces;
  for (const SpanRecord& run : runs) ++traces[to_hex(run.trace_id)];
  for (const auto& [trace, count] : traces) CHECK(count == 2);
  rig.kept->spans.clear();
  (void)rig.create(traced("top", "00"));
  CHECK(rig.kept->spans.empty());
}

TEST_CASE("a fork's span links to its source's and is no part of that trace", "[telemetry]") {
  TelemetryRig rig;
  rig.add(WorkflowText("w").node("n", "core.noop"));
  const auto check = [&](const RunId& source, const TraceId& source_trace) {
    rig.kept->spans.clear();
    ForkRun request{.source_run = source, .from_sequence = 1};
    const auto forked = rig.engine->fork_run(std::move(request));
    REQUIRE(forked.ok());
    rig.tick();
    const SpanRecord fork = rig.one("openwop.run");
    REQUIRE(fork.links.size() == 1);
    CHECK(fork.links[0] == std::pair(source_trace, run_span_id(source)));
    CHECK_FALSE(fork.parent.has_value());
    CHECK(fork.trace_id == trace_id_of(forked->run_id));
    CHECK(text_attribute(fork, "openwop.replay.source_run_id") == source.text());
    CHECK(text_attribute(fork, "openwop.replay.mode") == "branch");
    CHECK(number_attribute(fork, "openwop.replay.from_seq") == 1);
  };
  const RunId alone = rig.create("w");
  check(alone, trace_id_of(alone));
  TraceId caller{};
  caller = parse_traceparent("00-" + kTrace + "-" + kParent + "-01")->trace_id;
  check(rig.create(traced("w")), caller);
}
