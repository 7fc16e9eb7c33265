// What telemetry tells of questions: their spans, how many there are, and how long they took to be answered.
#include "telemetry/telemetry_rig.h"

using namespace openwop;
using namespace openwop::test;

namespace {

struct Questions : TelemetryRig {
  Questions() {
    options.max_interrupt_rounds = 10;
    add(WorkflowText("gate").node("g", "core.approvalGate", R"({"actions":["accept","refine"],"timeoutMs":900000})"));
    add(WorkflowText("event").node("e", "core.interrupt",
                                   R"({"kind":"external-event","data":{"eventType":"paid","correlation":{}}})"));
  }
};

/// The series of a histogram that has both labels.
MetricSeries series_of(const MetricRegistry& registry, Metric metric, std::string_view kind, std::string_view status) {
  for (const MetricSeries& series : registry.series()) {
    const auto has = [&](std::string_view key, std::string_view value) {
      return std::find(series.labels.begin(), series.labels.end(), std::pair(std::string(key), std::string(value))) !=
             series.labels.end();
    };
    if (series.metric == metric && has("openwop.interrupt_kind", kind) && has("openwop.run_status", status))
      return series;
  }
  return {};
}

}  // namespace

TEST_CASE("a question is a span of its node, from asking to answering, with its kind, id and place", "[telemetry]") {
  Questions rig;
  const RunId run = rig.create("gate");
  const std::string first = rig.view(run).state.find_interrupt("g")->id;
  CHECK(rig.named("openwop.interrupt").empty());
  // The node's span is there before anybody has answered.
  const SpanRecord asking = rig.one("openwop.node.core.approvalGate");
  CHECK(text_attribute(asking, "openwop.node_outcome") == "suspended");
  rig.clock->advance(61'000);
  REQUIRE(rig.answer(run, "g", R"({"action":"refine","refineFeedback":{"scope":"whole","text":"again"}})").ok());
  const SpanRecord span = rig.one("openwop.interrupt");
  CHECK(span.parent == asking.span_id);
  CHECK(span.end_ms - span.start_ms == 61'000);
  CHECK(text_attribute(span, "openwop.interrupt_kind") == "approval");
  CHECK(text_attribute(span, "openwop.interrupt_id") == first);
  CHECK(number_attribute(span, "openwop.interrupt_count") == 1);
  CHECK(text_attribute(span, "openwop.node_id") == "g");
  CHECK(text_attribute(span, "openwop.run_id") == run.text());

  // Another process tells the second one.
  const std::string second = rig.view(run).state.find_interrupt("g")->id;
  rig.follow();
  rig.open();
  rig.clock->advance(1'000);
  REQUIRE(rig.answer(run, "g", R"({"action":"accept"})").ok());
  const auto spans = rig.named("openwop.interrupt");
  REQUIRE(spans.size() == 2);
  CHECK(text_attribute(spans[1], "openwop.interrupt_id") == second);
  CHECK(number_attribute(spans[1], "openwop.interrupt_count") == 2);
  CHECK(spans[1].end_ms - spans[1].start_ms == 1'000);
  for (const SpanRecord& each : rig.kept->spans) {
    for (const auto& [name, value] : each.attributes) {
      if (const auto* text = std::get_if<std::string>(&value)) CHECK(text->find("again") == std::string::npos);
    }
  }
}

TEST_CASE("questions are counted by kind, and their durations by how they ended", "[telemetry]") {
  Questions rig;
  const RunId answered = rig.create("gate");
  (void)rig.create("gate");  // times out
  const RunId cancelled = rig.create("event");
  CHECK(rig.sum(Metric::interrupt_requested) == 3);
  CHECK(rig.sum(Metric::interrupt_requested, "approval") == 2);
  CHECK(rig.sum(Metric::interrupt_requested, "external-event") == 1);
  CHECK(rig.sum(Metric::interrupt_duration) == 0);
  rig.clock->advance(90'000);
  REQUIRE(rig.answer(answered, "g", R"({"action":"accept"})").ok());
  REQUIRE(rig.engine->cancel_run({.run_id = cancelled}).ok());
  rig.advance(810'000);
  const auto duration = [&](std::string_view kind, std::string_view status) {
    return series_of(*rig.registry, Metric::interrupt_duration, kind, status);
  };
  CHECK(duration("approval", "resolved").value == 90);
  CHECK(duration("approval", "timeout").value == 900);
  CHECK(duration("external-event", "cancelled").value == 90);
  // 60, 300, 900, ... seconds: a bound belongs to its bucket.
  CHECK(duration("approval", "resolved").buckets.at(1) == 1);
  CHECK(duration("approval", "timeout").buckets.at(2) == 1);
  const auto spans = rig.named("openwop.interrupt");
  REQUIRE(spans.size() == 3);
  std::vector<std::string> ends;
  for (const SpanRecord& span : spans) ends.push_back(text_attribute(span, "openwop.run_status"));
  std::sort(ends.begin(), ends.end());
  CHECK(ends == Lines{"cancelled", "resolved", "timeout"});
}

TEST_CASE("a question ends with its node, not with its run, however the run goes on", "[telemetry]") {
  Questions rig;
  rig.add(WorkflowText("caught")
              .node("g", "core.approvalGate", R"({"timeoutMs":60000})")
              .node("after", "core.delay", R"({"ms":500000})")
              .edge("g", "after", R"(,"triggerRule":"any_failed")"));
  rig.add(WorkflowText("beside")
              .node("start", "core.parallel")
              .node("g", "core.approvalGate", R"({"actions":["accept","reject"]})")
              .node("h", "core.interrupt", R"({"kind":"custom","data":{"customKind":"c"}})")
              .edge("start", "g")
              .edge("start", "h"));
  const RunId caught = rig.create("caught");
  rig.advance(60'000);
  CHECK(rig.status(caught) == RunStatus::running);
  const SpanRecord late = rig.one("openwop.interrupt");
  CHECK(text_attribute(late, "openwop.run_status") == "timeout");
  CHECK(late.end_ms - late.start_ms == 60'000);

  // Nobody will answer the other question of a run that has failed; it has not timed out.
  const RunId failed = rig.create("beside");
  rig.clock->advance(1'000);
  REQUIRE(rig.answer(failed, "g", R"({"action":"reject"})").ok());
  CHECK(rig.status(failed) == RunStatus::failed);
  const MetricSeries left = series_of(*rig.registry, Metric::interrupt_duration, "custom", "cancelled");
  CHECK(left.count == 1);
  CHECK(left.value == 1);
}
