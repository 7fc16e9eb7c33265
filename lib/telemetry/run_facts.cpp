#include "telemetry/run_facts.h"

#include <algorithm>

#include "openwop/json.h"
#include "openwop/log.h"
#include "openwop/redaction.h"

namespace openwop::telemetry {

namespace {

// Without a fixed decision of the caller's: by the trace id, so that every host decides alike.
bool within_ratio(const TraceId& trace, double ratio) {
  if (ratio >= 1) return true;
  // Ids that are made within one millisecond differ in their last bits only.
  const std::uint64_t random = detail::mixed(detail::big_endian(trace.data() + 8)) >> 1U;
  return static_cast<double>(random) < ratio * 9223372036854775808.0;
}

/// A child run whose caller at the very top sent no context is in the trace of that run, which has the run's id: nobody
/// outside has decided about it.
bool is_own_trace(const RunFacts& facts, const TelemetryOptions& options) {
  if (!facts.parent_run || !options.store) return false;
  RunId root;
  root.bytes = facts.trace_id;
  const auto row = options.store->get(Log::header_key(root));
  return row.ok() && row->has_value();
}

bool is_sampled(const RunFacts& facts, const TelemetryOptions& options) {
  switch (options.sampler) {
    case Sampler::always_on: return true;
    case Sampler::always_off: return false;
    case Sampler::parent_based_ratio:
      if (facts.context && facts.context->sampled) return true;
      if (facts.context && !is_own_trace(facts, options)) return false;
      return within_ratio(facts.trace_id, options.sample_ratio);
  }
  return false;
}

std::string compliance_class_of(const Workflow& workflow) {
  const auto metadata = json::member(workflow.source, "metadata");
  const auto value = metadata ? json::member(*metadata, "complianceClass") : std::nullopt;
  std::string text = value ? json::as_string(*value).value_or("") : "";
  return text == "public" ? std::string() : text;
}

bool marks_something_sensitive(const Workflow& workflow) {
  const auto is_sensitive = [](const auto& declared) { return declared.sensitive; };
  return std::any_of(workflow.variables.begin(), workflow.variables.end(), is_sensitive) ||
         std::any_of(workflow.channels.begin(), workflow.channels.end(), is_sensitive) ||
         std::any_of(workflow.nodes.begin(), workflow.nodes.end(),
                     [](const WorkflowNode& node) { return !node.sensitive_outputs.empty(); });
}

}  // namespace

RunFacts facts_of(const RunId& run, const RunHeader& header, const Workflow& workflow,
                  const TelemetryOptions& options) {
  RunFacts facts{.run = run,
                 .tenant = header.tenant,
                 .workflow_id = header.workflow_id,
                 .scope_id = header.scope_id,
                 .tags = {},
                 .created_ms = header.created_ms,
                 .context = parse_traceparent(header.traceparent, header.tracestate),
                 .parent_workflow_id = header.ancestors.empty() ? std::string() : header.ancestors.back(),
                 .parent_node_id = header.parent_node_id,
                 .compliance_class = {}};
  if (header.parent_run_id != RunId{}) facts.parent_run = header.parent_run_id;
  facts.trace_id = facts.context ? facts.context->trace_id : trace_id_of(run);
  facts.sampled = options.spans != nullptr && is_sampled(facts, options);
  if (!facts.sampled) return facts;
  if (header.fork) {
    facts.fork = header.fork;
    const auto source = parse_traceparent(header.fork->source_traceparent);
    facts.source_trace = source ? source->trace_id : trace_id_of(header.fork->source_run);
  }
  // These came from the caller as they are.
  facts.tags = header.tags;
  for (std::string& tag : facts.tags) redact_text(tag);
  redact_text(facts.scope_id);
  facts.compliance_class = compliance_class_of(workflow);
  facts.pii_present = !facts.compliance_class.empty() || marks_something_sensitive(workflow);
  return facts;
}

}  // namespace openwop::telemetry
