#include "engine/run_header.h"

namespace openwop::runtime {

namespace {

void write_fork(std::string& out, const RunFork& fork) {
  json::ObjectWriter object(out);
  object.string("sourceRunId", fork.source_run.text());
  object.integer("fromSeq", static_cast<std::int64_t>(fork.from_sequence));
  object.string("mode", fork_mode_name(fork.mode));
  object.integer("sourceEnd", static_cast<std::int64_t>(fork.source_end));
  object.string("workflowDigest", fork.source_workflow_digest);
  object.string("workflowVersion", fork.source_workflow_version);
  object.integer("engineVersion", fork.source_engine_version);
  if (!fork.source_traceparent.empty()) object.string("traceparent", fork.source_traceparent);
  std::string& list = object.value_of("executedBy");
  list += '[';
  for (std::size_t i = 0; i < fork.executed_by.size(); ++i) {
    if (i > 0) list += ',';
    json::ObjectWriter(list)
        .string("runId", fork.executed_by[i].run.text())
        .integer("end", static_cast<std::int64_t>(fork.executed_by[i].end));
  }
  list += ']';
}

std::string text_of(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? json::as_string(*raw).value_or("") : std::string();
}
std::uint64_t number_of(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? static_cast<std::uint64_t>(json::as_int(*raw).value_or(0)) : 0;
}

/// Nothing if it names no run or no mode.
std::optional<RunFork> read_fork(std::string_view object) {
  const auto source = RunId::parse(text_of(object, "sourceRunId"));
  const auto mode = fork_mode_of(text_of(object, "mode"));
  if (!source || !mode) return std::nullopt;
  RunFork fork;
  fork.source_run = *source;
  fork.mode = *mode;
  fork.from_sequence = number_of(object, "fromSeq");
  fork.source_end = number_of(object, "sourceEnd");
  fork.source_workflow_digest = text_of(object, "workflowDigest");
  fork.source_workflow_version = text_of(object, "workflowVersion");
  fork.source_engine_version = static_cast<std::uint32_t>(number_of(object, "engineVersion"));
  fork.source_traceparent = text_of(object, "traceparent");
  json::for_each_element(json::member(object, "executedBy").value_or("[]"), [&](std::string_view raw) {
    if (const auto run = RunId::parse(text_of(raw, "runId"))) {
      fork.executed_by.push_back({*run, number_of(raw, "end")});
    }
    return true;
  });
  return fork;
}

}  // namespace

std::string encode_header(const RunHeader& header) {
  std::string out;
  out.reserve(256 + header.inputs.size() + header.variables.size() + header.configurable.size() +
              header.metadata.size());
  {
    json::ObjectWriter object(out);
    object.string("tenantId", header.tenant);
    object.string("workflowId", header.workflow_id);
    object.string("workflowDigest", header.workflow_digest);
    object.string("workflowVersion", header.workflow_version);
    object.integer("createdMs", header.created_ms);
    object.integer("maxNodeExecutions", header.max_node_executions);
    object.integer("engineVersion", header.engine_version);
    object.integer("eventLogSchemaVersion", header.event_log_schema_version);
    if (header.forced_engine_version) object.boolean("forcedEngineVersion", true);
    if (header.masking != MaskingMode::mask) object.string("maskingMode", masking_mode_name(header.masking));
    object.string("transport", header.transport);
    object.raw("inputs", header.inputs);
    object.raw("variables", header.variables);
    if (!header.scope_id.empty()) object.string("scopeId", header.scope_id);
    if (header.exclusive_scope) object.boolean("exclusiveScope", true);
    if (!header.traceparent.empty()) object.string("traceparent", header.traceparent);
    if (!header.tracestate.empty()) object.string("tracestate", header.tracestate);
    if (!header.callback_url.empty()) object.string("callbackUrl", header.callback_url);
    if (!header.configurable.empty()) object.raw("configurable", header.configurable);
    if (!header.metadata.empty()) object.raw("metadata", header.metadata);
    if (header.parent_run_id != RunId{}) {
      object.string("parentRunId", header.parent_run_id.text()).string("parentNodeId", header.parent_node_id);
      object.raw("ancestors", detail::text_array(header.ancestors));
    }
    if (!header.tags.empty()) {
      std::string& tags = object.value_of("tags");
      tags += '[';
      for (std::size_t i = 0; i < header.tags.size(); ++i) {
        if (i > 0) tags += ',';
        json::append_quoted(tags, header.tags[i]);
      }
      tags += ']';
    }
    if (header.fork) write_fork(object.value_of("fork"), *header.fork);
  }
  return out;
}

Result<RunHeader> decode_header(std::string_view row) {
  RunHeader header;
  bool sound = true;
  json::for_each_member(row, [&](std::string_view raw_key, std::string_view value) {
    const std::string_view key = raw_key.substr(1, raw_key.size() - 2);
    const auto text = [&] { return json::as_string(value).value_or(""); };
    const auto number = [&] { return json::as_int(value).value_or(0); };
    if (key == "tenantId")
      header.tenant = text();
    else if (key == "workflowId")
      header.workflow_id = text();
    else if (key == "workflowDigest")
      header.workflow_digest = text();
    else if (key == "workflowVersion")
      header.workflow_version = text();
    else if (key == "createdMs")
      header.created_ms = number();
    else if (key == "maxNodeExecutions")
      header.max_node_executions = static_cast<std::uint32_t>(number());
    else if (key == "engineVersion")
      header.engine_version = static_cast<std::uint32_t>(number());
    else if (key == "eventLogSchemaVersion")
      header.event_log_schema_version = static_cast<std::uint32_t>(number());
    else if (key == "forcedEngineVersion")
      header.forced_engine_version = json::as_bool(value).value_or(false);
    else if (key == "maskingMode")
      header.masking = masking_mode_of(text()).value_or(MaskingMode::mask);
    else if (key == "transport")
      header.transport = text();
    else if (key == "inputs")
      header.inputs = value;
    else if (key == "variables")
      header.variables = value;
    else if (key == "scopeId")
      header.scope_id = text();
    else if (key == "exclusiveScope")
      header.exclusive_scope = value == "true";
    else if (key == "traceparent")
      header.traceparent = text();
    else if (key == "tracestate")
      header.tracestate = text();
    else if (key == "callbackUrl")
      header.callback_url = text();
    else if (key == "configurable")
      header.configurable = value;
    else if (key == "metadata")
      header.metadata = value;
    else if (key == "parentRunId")
      header.parent_run_id = RunId::parse(text()).value_or(RunId{});
    else if (key == "parentNodeId")
      header.parent_node_id = text();
    else if (key == "ancestors")
      header.ancestors = detail::read_text_array(value);
    else if (key == "fork") {
      header.fork = read_fork(value);
      sound = header.fork.has_value();
    } else if (key == "tags") {
      json::for_each_element(value, [&](std::string_view tag) {
        header.tags.push_back(json::unescape(tag));
        return true;
      });
    }
    return true;
  });
  if (!sound || header.workflow_id.empty() || header.workflow_digest.empty()) {
    return Error{ErrorCode::store_corrupt, "run header does not decode"};
  }
  return header;
}

RunState initial_state(const RunHeader& header) {
  RunState state;
  json::for_each_member(header.variables, [&](std::string_view key, std::string_view value) {
    state.variables.emplace(json::unescape(key), value);
    return true;
  });
  return state;
}

}  // namespace openwop::runtime
