#include <array>

#include "openwop/json.h"
#include "openwop/run_telemetry.h"

namespace openwop {

namespace {

// <typeId> stands for what differs.
constexpr std::array<std::string_view, 6> kSpanNames = {
    "openwop.run",          "openwop.node.<typeId>", "openwop.node.<typeId>.attempt",
    "openwop.event.append", "openwop.interrupt",     "openwop.activity.<provider>"};

constexpr std::array<std::string_view, 29> kSpanAttributes = {"openwop.run_id",
                                                              "openwop.workflow_id",
                                                              "openwop.tenant_id",
                                                              "openwop.scope_id",
                                                              "openwop.protocol_version",
                                                              "openwop.run_status",
                                                              "openwop.run.tags",
                                                              "openwop.pii_present",
                                                              "openwop.compliance_class",
                                                              "openwop.node_id",
                                                              "openwop.node_type",
                                                              "openwop.node_attempt",
                                                              "openwop.node_outcome",
                                                              "openwop.event_type",
                                                              "openwop.event_seq",
                                                              "openwop.interrupt_kind",
                                                              "openwop.interrupt_id",
                                                              "openwop.replay.diverged",
                                                              "openwop.replay.source_run_id",
                                                              "openwop.replay.from_seq",
                                                              "openwop.replay.mode",
                                                              "openwop.cap_kind",
                                                              "openwop.cap_limit",
                                                              "openwop.cap_observed",
                                                              "openwop.cost.tokens.input",
                                                              "openwop.cost.tokens.output",
                                                              "openwop.cost.usd",
                                                              "openwop.cost.currency",
                                                              "openwop.cost.provider"};

// What RunTelemetry records; the others of the table are for what hosts add.
constexpr std::array kRecorded = {Metric::run_created,
                                  Metric::run_completed,
                                  Metric::run_duration,
                                  Metric::run_active,
                                  Metric::run_backlog,
                                  Metric::queue_depth,
                                  Metric::queue_enqueued,
                                  Metric::node_completed,
                                  Metric::node_duration,
                                  Metric::node_attempts,
                                  Metric::cap_exceeded,
                                  Metric::interrupt_requested,
                                  Metric::interrupt_duration,
                                  Metric::orchestrator_decisions,
                                  Metric::activity_invocations,
                                  Metric::activity_duration,
                                  Metric::activity_tokens,
                                  Metric::cost_usd,
                                  Metric::orchestrator_iterations};

template <class Names>
void append_names(std::string& out, const Names& names) {
  out += '[';
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += ',';
    json::append_quoted(out, names[i]);
  }
  out += ']';
}

}  // namespace

std::string observability_block(const ObservabilityClaims& claims) {
  std::string out;
  {
    json::ObjectWriter object(out);
    object.string("namespace", "openwop");
    if (claims.otlp) {
      object.raw("otel", R"({"supported":true,"protocol":"http/json","exportProtocols":["http/json"]})");
      append_names(object.value_of("spanNames"), kSpanNames);
      append_names(object.value_of("spanAttributes"), kSpanAttributes);
    }
    if (claims.metrics) {
      json::ObjectWriter metrics(object.value_of("metrics"));
      metrics.boolean("supported", true);
      std::vector<std::string_view> names;
      names.reserve(std::size(kRecorded));
      for (const Metric metric : kRecorded) names.push_back(metric_info(metric).name);
      append_names(metrics.value_of("names"), names);
    }
  }
  return out;
}

}  // namespace openwop
