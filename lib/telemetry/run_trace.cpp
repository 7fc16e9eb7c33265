#include "telemetry/run_trace.h"

#include <algorithm>
#include <array>
#include <span>

#include "openwop/cost.h"
#include "openwop/json.h"

namespace openwop::telemetry {

namespace {

std::string text_of(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? json::as_string(*raw).value_or("") : "";
}

std::int64_t integer_of(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? json::as_int(*raw).value_or(0) : 0;
}

double seconds(std::int64_t ms) { return static_cast<double>(std::max<std::int64_t>(ms, 0)) / 1000; }

// The code of a failure is the host's or the node's vocabulary; its message may hold what the node was given.
std::string failure_code(std::string_view payload) {
  const auto error = json::member(payload, "error");
  return error ? text_of(*error, "code") : "";
}

// What the node's calls to models cost; only the host's part of the event has it.
std::optional<CostRecord> cost_of(const EventView& event) {
  const auto raw = event.hidden.empty() ? std::nullopt : json::member(event.hidden, "cost");
  if (!raw) return std::nullopt;
  return CostRecord::from_json(*raw);
}

// Protocol 02 §12.6: these attributes and no others.
void add_cost(SpanRecord& span, const CostRecord& cost) {
  if (cost.tokens_input) span.attributes.emplace_back("openwop.cost.tokens.input", *cost.tokens_input);
  if (cost.tokens_output) span.attributes.emplace_back("openwop.cost.tokens.output", *cost.tokens_output);
  if (cost.usd) span.attributes.emplace_back("openwop.cost.usd", *cost.usd);
  if (cost.usd) span.attributes.emplace_back("openwop.cost.currency", std::string("USD"));
  if (!cost.provider.empty()) span.attributes.emplace_back("openwop.cost.provider", cost.provider);
}

std::string_view type_of(const Workflow& workflow, std::string_view node_id) {
  const auto node = std::find_if(workflow.nodes.begin(), workflow.nodes.end(),
                                 [&](const WorkflowNode& candidate) { return candidate.id == node_id; });
  return node == workflow.nodes.end() ? std::string_view("unknown") : std::string_view(node->type_id);
}

}  // namespace

/// One event on its way through.
struct RunTrace::Told {
  const Workflow& workflow;
  const EventView& event;
  const TelemetryOptions& options;
  bool aloud = false;

  [[nodiscard]] std::int64_t now_ms() const { return event.time_ms; }
  [[nodiscard]] bool traced(const RunFacts& facts) const { return aloud && facts.sampled; }
  void measure(Metric metric, double value, Labels labels) const {
    if (aloud && options.metrics) options.metrics->record(metric, value, labels);
  }
  [[nodiscard]] bool logs() const { return aloud && options.log; }
};

void RunTrace::apply(const Workflow& workflow, const EventView& event, const TelemetryOptions& options,
                     Telling telling) {
  const Told told{workflow, event, options, telling == Telling::aloud};
  next_sequence_ = event.sequence + 1;
  // What begins is there when its event is appended; what ends goes after it.
  constexpr std::array kBegin = {Rule{EventType::run_started, &RunTrace::run_began},
                                 Rule{EventType::node_started, &RunTrace::node_started},
                                 Rule{EventType::node_resumed, &RunTrace::node_resumed},
                                 Rule{EventType::interrupt_requested, &RunTrace::interrupt_requested}};
  constexpr std::array kEnd = {Rule{EventType::run_completed, &RunTrace::run_ended},
                               Rule{EventType::run_failed, &RunTrace::run_ended},
                               Rule{EventType::run_cancelled, &RunTrace::run_ended},
                               Rule{EventType::node_completed, &RunTrace::node_ended},
                               Rule{EventType::node_failed, &RunTrace::node_ended},
                               Rule{EventType::node_skipped, &RunTrace::node_ended},
                               Rule{EventType::node_cancelled, &RunTrace::node_ended},
                               Rule{EventType::node_retried, &RunTrace::node_retried},
                               Rule{EventType::node_suspended, &RunTrace::node_suspended},
                               Rule{EventType::interrupt_resolved, &RunTrace::interrupt_resolved},
                               Rule{EventType::cap_breached, &RunTrace::cap_breached},
                               Rule{EventType::replay_diverged, &RunTrace::diverged},
                               Rule{EventType::run_orchestrator_decided, &RunTrace::orchestrator_decided}};
  const auto follow = [&](std::span<const Rule> rules) {
    for (const Rule& rule : rules) {
      if (rule.type == event.type) (this->*rule.act)(told);
    }
  };
  follow(kBegin);
  append_span(told);
  follow(kEnd);
}

// ---- the run ----

void RunTrace::run_began(const Told& told) {
  const Labels by_workflow = {{"openwop.tenant_id", facts_.tenant}, {"openwop.workflow_id", facts_.workflow_id}};
  told.measure(Metric::run_created, 1, by_workflow);
  told.measure(Metric::queue_enqueued, 1, {{"openwop.tenant_id", facts_.tenant}});
  told.measure(Metric::run_backlog, seconds(told.now_ms() - facts_.created_ms), by_workflow);
  if (!told.logs()) return;
  std::string fields;
  json::ObjectWriter(fields)
      .string("metricKind", "openwop.run.created")
      .string("runId", facts_.run.text())
      .string("workflowId", facts_.workflow_id)
      .string("tenantId", facts_.tenant);
  told.options.log(fields);
}

void RunTrace::run_ended(const Told& told) {
  end_everything(told);
  const EventType type = told.event.type;
  const std::string_view status = event_name(type).substr(4);  // run.completed
  const std::int64_t took_ms = told.now_ms() - facts_.created_ms;
  const Labels labels = {{"openwop.run_status", status}, {"openwop.workflow_id", facts_.workflow_id}};
  if (decisions_ > 0) {
    told.measure(Metric::orchestrator_iterations, static_cast<double>(decisions_),
                 {{"openwop.tenant_id", facts_.tenant}, {"openwop.workflow_id", facts_.workflow_id}});
  }
  told.measure(Metric::run_completed, 1, labels);
  told.measure(Metric::run_duration, seconds(took_ms), labels);
  if (told.logs()) {
    std::string fields;
    json::ObjectWriter(fields)
        .string("metricKind", "openwop.run.completed")
        .string("runId", facts_.run.text())
        .string("status", status)
        .integer("durationMs", took_ms);
    told.options.log(fields);
  }
  if (!told.traced(facts_)) return;
  SpanRecord run = span("openwop.run", run_span_id(facts_.run), facts_.created_ms, told.now_ms());
  run.parent.reset();
  if (facts_.context) run.parent = facts_.context->span_id;
  run.attributes.emplace_back("openwop.protocol_version", "1.0");
  run.attributes.emplace_back("openwop.run_status", std::string(status));
  if (!facts_.scope_id.empty()) run.attributes.emplace_back("openwop.scope_id", facts_.scope_id);
  if (!facts_.tags.empty()) run.attributes.emplace_back("openwop.run.tags", facts_.tags);
  if (facts_.pii_present) run.attributes.emplace_back("openwop.pii_present", true);
  if (facts_.parent_run) {
    run.attributes.emplace_back("openwop.parent.run_id", facts_.parent_run->text());
    run.attributes.emplace_back("openwop.parent.workflow_id", facts_.parent_workflow_id);
    run.attributes.emplace_back("openwop.parent.node_id", facts_.parent_node_id);
  }
  if (facts_.fork) {
    // A fork follows its source; it is not a part of it (protocol 02 §12.2).
    run.links.emplace_back(facts_.source_trace, run_span_id(facts_.fork->source_run));
    run.attributes.emplace_back("openwop.replay.source_run_id", facts_.fork->source_run.text());
    run.attributes.emplace_back("openwop.replay.from_seq", static_cast<std::int64_t>(facts_.fork->from_sequence));
    run.attributes.emplace_back("openwop.replay.mode", std::string(fork_mode_name(facts_.fork->mode)));
  }
  if (diverged_) run.attributes.emplace_back("openwop.replay.diverged", true);
  if (cap_) {
    run.attributes.emplace_back("openwop.cap_kind", cap_->kind);
    run.attributes.emplace_back("openwop.cap_limit", cap_->limit);
    run.attributes.emplace_back("openwop.cap_observed", cap_->observed);
  }
  run.failed = type == EventType::run_failed;
  if (run.failed) run.failure = failure_code(told.event.payload);
  told.options.spans->add(std::move(run));
}

// What the end of the run ends with it.
void RunTrace::end_everything(const Told& told) {
  while (!interrupts_.empty()) {
    const std::string id = interrupts_.begin()->first;
    interrupt_ended(told, id, "cancelled");
  }
  for (const auto& [id, node] : nodes_) {
    if (!node.suspended) node_span(told, node, "cancelled");
  }
  nodes_.clear();
}

void RunTrace::cap_breached(const Told& told) {
  cap_ = Cap{text_of(told.event.payload, "kind"), integer_of(told.event.payload, "limit"),
             integer_of(told.event.payload, "observed")};
  told.measure(Metric::cap_exceeded, 1, {{"openwop.cap_kind", cap_->kind}});
  if (!told.logs()) return;
  std::string fields;
  json::ObjectWriter(fields)
      .string("metricKind", "openwop.cap.exceeded")
      .string("runId", facts_.run.text())
      .string("kind", cap_->kind)
      .integer("limit", cap_->limit)
      .integer("observed", cap_->observed);
  told.options.log(fields);
}

void RunTrace::diverged(const Told&) { diverged_ = true; }

void RunTrace::orchestrator_decided(const Told& told) {
  const auto decision = json::member(told.event.payload, "decision");
  const std::string kind = decision ? text_of(*decision, "kind") : "";
  told.measure(Metric::orchestrator_decisions, 1,
               {{"openwop.tenant_id", facts_.tenant},
                {"openwop.workflow_id", facts_.workflow_id},
                {"openwop.orchestrator.decision_kind", kind}});
  ++decisions_;
}

// ---- nodes ----

void RunTrace::node_started(const Told& told) {
  const EventView& event = told.event;
  const auto attempt = static_cast<std::uint32_t>(integer_of(event.payload, "attempt"));
  auto at = nodes_.find(event.node_id);
  // A retry goes on in the span of its first attempt.
  if (at == nodes_.end() || attempt == 0) {
    OpenNode node{.span = node_span_id(facts_.run, event.sequence),
                  .type_id = text_of(event.payload, "typeId"),
                  .start_ms = event.time_ms,
                  .started_sequence = event.sequence};
    at = nodes_.insert_or_assign(std::string(event.node_id), std::move(node)).first;
  }
  at->second.attempt = attempt;
  at->second.attempt_start_ms = event.time_ms;
  at->second.attempt_sequence = event.sequence;
  at->second.worked_ms = 0;
}

void RunTrace::node_ended(const Told& told) {
  const EventView& event = told.event;
  const std::string_view status = event_name(event.type).substr(5);  // node.completed
  auto at = nodes_.find(event.node_id);
  OpenNode node = at == nodes_.end() ? OpenNode{} : std::move(at->second);
  if (at != nodes_.end()) nodes_.erase(at);
  const bool began = node.started_sequence != 0 || !node.type_id.empty();
  if (!began) {
    // Never started, or started where nobody remembers; the event says how long ago.
    node.type_id = type_of(told.workflow, event.node_id);
    node.attempt_start_ms = event.time_ms - integer_of(event.payload, "durationMs");
    node.start_ms = node.attempt_start_ms;
    node.span = node_span_id(facts_.run, event.sequence);
  }
  const std::int64_t took_ms = node.worked_ms + (node.suspended ? 0 : event.time_ms - node.attempt_start_ms);
  told.measure(Metric::node_completed, 1, {{"openwop.node_type", node.type_id}, {"openwop.run_status", status}});
  if (status != "skipped") {
    told.measure(Metric::node_duration, seconds(took_ms),
                 {{"openwop.node_type", node.type_id}, {"openwop.run_status", status}});
  }
  if (told.logs()) {
    std::string fields;
    json::ObjectWriter(fields)
        .string("metricKind", "openwop.node.completed")
        .string("runId", facts_.run.text())
        .string("nodeId", event.node_id)
        .string("nodeType", node.type_id)
        .string("status", status)
        .integer("durationMs", took_ms)
        .integer("attempt", node.attempt);
    told.options.log(fields);
  }
  // A node that fails while it waits has not been answered in time, whether or not an edge takes the failure.
  if (node.suspended) end_interrupts_of(told, event.node_id, status == "failed" ? "timeout" : "cancelled");
  // A node that waits has ended its span; one that is skipped never had any.
  if (node.suspended || status == "skipped") return;
  if (const auto cost = cost_of(event)) cost_recorded(told, node, *cost);
  if (node.attempt > 0) attempt_span(told, node, status == "failed");
  node_span(told, node, status);
}

void RunTrace::node_retried(const Told& told) {
  const auto at = nodes_.find(told.event.node_id);
  const std::string type(at == nodes_.end() ? type_of(told.workflow, told.event.node_id)
                                            : std::string_view(at->second.type_id));
  told.measure(Metric::node_attempts, 1, {{"openwop.node_type", type}});
  if (at == nodes_.end()) return;
  told.measure(Metric::node_duration, seconds(told.now_ms() - at->second.attempt_start_ms),
               {{"openwop.node_type", type}, {"openwop.run_status", "failed"}});
  attempt_span(told, at->second, true);
}

// The span ends here and another begins with the answer, so that the trace is there before somebody answers.
void RunTrace::node_suspended(const Told& told) {
  const auto at = nodes_.find(told.event.node_id);
  if (at == nodes_.end()) return;
  OpenNode& node = at->second;
  node.worked_ms += told.now_ms() - node.attempt_start_ms;
  node_span(told, node, "suspended");
  node.suspended = true;
}

void RunTrace::node_resumed(const Told& told) {
  const EventView& event = told.event;
  auto at = nodes_.find(event.node_id);
  if (at == nodes_.end()) {
    at = nodes_.emplace(event.node_id, OpenNode{.type_id = std::string(type_of(told.workflow, event.node_id))}).first;
  }
  OpenNode& node = at->second;
  // What is still open was not resolved.
  end_interrupts_of(told, event.node_id, "timeout");
  node.suspended = false;
  node.span = node_span_id(facts_.run, event.sequence);
  node.started_sequence = event.sequence;
  node.attempt_sequence = event.sequence;
  node.start_ms = event.time_ms;
  node.attempt_start_ms = event.time_ms;
}

// ---- interrupts ----

void RunTrace::interrupt_requested(const Told& told) {
  const EventView& event = told.event;
  OpenInterrupt interrupt{.kind = text_of(event.payload, "kind"),
                          .since_ms = event.time_ms,
                          .sequence = event.sequence,
                          .node_span = nearest_span(event.node_id),
                          .node_id = std::string(event.node_id),
                          .count = ++interrupt_count_};
  told.measure(Metric::interrupt_requested, 1, {{"openwop.interrupt_kind", interrupt.kind}});
  interrupts_.insert_or_assign(text_of(event.payload, "interruptId"), std::move(interrupt));
}

void RunTrace::interrupt_resolved(const Told& told) {
  interrupt_ended(told, text_of(told.event.payload, "interruptId"), "resolved");
}

void RunTrace::end_interrupts_of(const Told& told, std::string_view node_id, std::string_view status) {
  const auto of_node = [&](const auto& entry) { return entry.second.node_id == node_id; };
  for (;;) {
    const auto at = std::find_if(interrupts_.begin(), interrupts_.end(), of_node);
    if (at == interrupts_.end()) return;
    interrupt_ended(told, std::string(at->first), status);
  }
}

void RunTrace::interrupt_ended(const Told& told, const std::string& id, std::string_view status) {
  const auto at = interrupts_.find(id);
  if (at == interrupts_.end()) return;
  const OpenInterrupt interrupt = std::move(at->second);
  interrupts_.erase(at);
  told.measure(Metric::interrupt_duration, seconds(told.now_ms() - interrupt.since_ms),
               {{"openwop.interrupt_kind", interrupt.kind}, {"openwop.run_status", status}});
  if (!told.traced(facts_)) return;
  SpanRecord record =
      span("openwop.interrupt", span_id_of(facts_.run, 'i', interrupt.sequence), interrupt.since_ms, told.now_ms());
  record.parent = interrupt.node_span;
  record.attributes.emplace_back("openwop.node_id", interrupt.node_id);
  record.attributes.emplace_back("openwop.interrupt_kind", interrupt.kind);
  record.attributes.emplace_back("openwop.interrupt_id", id);
  record.attributes.emplace_back("openwop.interrupt_count", interrupt.count);
  record.attributes.emplace_back("openwop.run_status", std::string(status));
  told.options.spans->add(std::move(record));
}

// ---- spans ----

SpanRecord RunTrace::span(std::string name, SpanId id, std::int64_t start_ms, std::int64_t end_ms) const {
  SpanRecord record{.trace_id = facts_.trace_id,
                    .span_id = id,
                    .parent = run_span_id(facts_.run),
                    .tracestate = facts_.context ? facts_.context->tracestate : std::string(),
                    .name = std::move(name),
                    .start_ms = start_ms,
                    .end_ms = std::max(start_ms, end_ms)};
  record.attributes.reserve(16);
  record.attributes.emplace_back("openwop.run_id", facts_.run.text());
  record.attributes.emplace_back("openwop.workflow_id", facts_.workflow_id);
  record.attributes.emplace_back("openwop.tenant_id", facts_.tenant);
  if (!facts_.compliance_class.empty()) {
    record.attributes.emplace_back("openwop.compliance_class", facts_.compliance_class);
  }
  return record;
}

SpanId RunTrace::nearest_span(std::string_view node_id) const {
  const auto at = nodes_.find(node_id);
  return at == nodes_.end() ? run_span_id(facts_.run) : at->second.span;
}

void RunTrace::node_span(const Told& told, const OpenNode& node, std::string_view status) const {
  if (!told.traced(facts_)) return;
  const EventView& event = told.event;
  SpanRecord record = span("openwop.node." + node.type_id, node.span, node.start_ms, event.time_ms);
  if (!event.node_id.empty()) record.attributes.emplace_back("openwop.node_id", std::string(event.node_id));
  record.attributes.emplace_back("openwop.node_type", node.type_id);
  record.attributes.emplace_back("openwop.node_attempt", static_cast<std::int64_t>(node.attempt));
  record.attributes.emplace_back("openwop.event_seq", static_cast<std::int64_t>(event.sequence));
  record.attributes.emplace_back("openwop.node_outcome", std::string(status));
  if (const auto cost = cost_of(event)) add_cost(record, *cost);
  record.failed = status == "failed";
  if (record.failed) record.failure = failure_code(event.payload);
  told.options.spans->add(std::move(record));
}

// A billable call that succeeded: the run's log knows of no others.
void RunTrace::cost_recorded(const Told& told, const OpenNode& node, const CostRecord& cost) const {
  const std::string provider = cost.provider.empty() ? "unknown" : cost.provider;
  const std::int64_t took_ms = cost.duration_ms.value_or(told.now_ms() - node.attempt_start_ms);
  told.measure(Metric::activity_invocations, 1, {{"provider", provider}, {"openwop.run_status", "success"}});
  told.measure(Metric::activity_duration, seconds(took_ms),
               {{"provider", provider}, {"openwop.run_status", "success"}});
  const auto tokens = [&](std::optional<std::int64_t> count, std::string_view direction) {
    if (!count) return;
    told.measure(Metric::activity_tokens, static_cast<double>(*count),
                 {{"provider", provider}, {"direction", direction}});
  };
  tokens(cost.tokens_input, "input");
  tokens(cost.tokens_output, "output");
  if (cost.usd) {
    told.measure(Metric::cost_usd, *cost.usd, {{"provider", provider}, {"openwop.cost.estimated", "false"}});
  }
  if (told.logs()) {
    std::string fields;
    {
      json::ObjectWriter record(fields);
      record.string("metricKind", "openwop.cost.recorded").string("runId", facts_.run.text());
      record.string("nodeId", told.event.node_id).string("provider", provider);
      if (cost.tokens_input) record.integer("tokensInput", *cost.tokens_input);
      if (cost.tokens_output) record.integer("tokensOutput", *cost.tokens_output);
      if (cost.usd) record.raw("usd", json::write(json::Value(*cost.usd))).string("currency", "USD");
    }
    told.options.log(fields);
  }
  if (!told.traced(facts_)) return;
  SpanRecord record = span("openwop.activity." + provider, span_id_of(facts_.run, 'c', told.event.sequence),
                           told.now_ms() - took_ms, told.now_ms());
  record.parent = node.span;
  record.attributes.emplace_back("openwop.node_id", std::string(told.event.node_id));
  add_cost(record, cost);
  told.options.spans->add(std::move(record));
}

void RunTrace::attempt_span(const Told& told, const OpenNode& node, bool failed) const {
  if (!told.traced(facts_)) return;
  const EventView& event = told.event;
  SpanRecord record = span("openwop.node." + node.type_id + ".attempt",
                           span_id_of(facts_.run, 'a', node.attempt_sequence), node.attempt_start_ms, event.time_ms);
  record.parent = node.span;
  record.attributes.emplace_back("openwop.node_id", std::string(event.node_id));
  record.attributes.emplace_back("openwop.node_type", node.type_id);
  record.attributes.emplace_back("openwop.node_attempt", static_cast<std::int64_t>(node.attempt));
  record.failed = failed;
  told.options.spans->add(std::move(record));
}

void RunTrace::append_span(const Told& told) const {
  if (!told.traced(facts_)) return;
  const EventView& event = told.event;
  SpanRecord record =
      span("openwop.event.append", span_id_of(facts_.run, 'e', event.sequence), event.time_ms, event.time_ms);
  record.parent = nearest_span(event.node_id);
  record.attributes.emplace_back("openwop.event_type", std::string(event.type_name));
  record.attributes.emplace_back("openwop.event_seq", static_cast<std::int64_t>(event.sequence));
  if (!event.node_id.empty()) record.attributes.emplace_back("openwop.node_id", std::string(event.node_id));
  told.options.spans->add(std::move(record));
}

}  // namespace openwop::telemetry
