#include "protocol/openwop/run_snapshot.h"

#include <utility>

#include "openwop/agents.h"
#include "openwop/json.h"
#include "openwop/redaction.h"
#include "openwop/sensitive_values.h"
#include "openwop/time.h"

namespace openwop::wire {

namespace {

void add_time(json::ObjectWriter& object, std::string_view key, std::int64_t time_ms) {
  if (time_ms == 0) return;
  const auto text = rfc3339_chars(time_ms);
  object.string(key, {text.data(), text.size()});
}

// {code, message, details?} is closed; what nodes add beside it, such as `retryable`, stays in the events.
void append_error(std::string& out, std::string_view error) {
  const auto text = [&](std::string_view name, std::string_view fallback) {
    const auto raw = json::member(error, name);
    auto value = raw ? json::as_string(*raw) : std::nullopt;
    return value && !value->empty() ? *std::move(value) : std::string(fallback);
  };
  json::ObjectWriter object(out);
  object.string("code", text("code", "internal_error")).string("message", text("message", "the run failed"));
  const auto details = json::member(error, "details");
  if (details && json::kind(*details) == json::Kind::object) object.raw("details", *details);
}

void append_node_states(std::string& out, const RunState& state) {
  json::ObjectWriter nodes(out);
  for (const auto& [id, node] : state.nodes) {
    json::ObjectWriter object(nodes.value_of_member(id));
    object.string("status", node_status_name(node.status));
    object.integer("attempt", node.attempt);
    if (node.iteration > 0) object.integer("iteration", node.iteration);
    add_time(object, "since", node.since_ms);
    add_time(object, "startedAt", node.started_ms);
    add_time(object, "dueAt", node.due_ms);
    if (!node.error.empty() && node.status != NodeStatus::completed) append_error(object.value_of("error"), node.error);
  }
}

void append_variables(std::string& out, const RunView& run) {
  json::ObjectWriter variables(out);
  const auto add = [&](std::string_view name, std::string_view value) {
    const WorkflowVariable* declared = run.workflow ? run.workflow->find_variable(name) : nullptr;
    if (declared == nullptr || !declared->sensitive) return void(variables.raw_member(name, value));
    if (const auto shown = masked(run.header.masking, value)) variables.raw_member(name, *shown);
  };
  // What the run began with, then what its nodes have written since.
  json::for_each_member(run.header.variables, [&](std::string_view raw_name, std::string_view value) {
    const std::string name = json::unescape(raw_name);
    if (!run.state.variables.contains(name)) add(name, value);
    return true;
  });
  for (const auto& [name, value] : run.state.variables) add(name, value);
}

void append_channels(std::string& out, const RunView& run) {
  json::ObjectWriter channels(out);
  for (const WorkflowChannel& channel : run.workflow->channels) {
    const auto value = run.state.channels.find(channel.name);
    const bool written = value != run.state.channels.end();
    const std::string_view begins_as =
        channel.default_value.empty() ? empty_value(channel.reducer).value_or("") : channel.default_value;
    const std::string_view shown = written ? std::string_view(value->second) : begins_as;
    if (shown.empty()) continue;
    if (!channel.sensitive) {
      channels.raw_member(channel.name, shown);
    } else if (const auto hidden = masked(run.header.masking, shown)) {
      channels.raw_member(channel.name, *hidden);
    }
  }
}

void add_relatives(json::ObjectWriter& snapshot, const RunView& run) {
  if (run.header.parent_run_id != RunId{}) {
    snapshot.string("parentRunId", run.header.parent_run_id.text());
    snapshot.string("parentNodeId", run.header.parent_node_id);
  }
  if (run.state.children.empty()) return;
  std::string& list = snapshot.value_of("childRuns");
  list += '[';
  for (std::size_t i = 0; i < run.state.children.size(); ++i) {
    const ChildRun& child = run.state.children[i];
    if (i > 0) list += ',';
    json::ObjectWriter(list).string("runId", child.run_id.text()).string("status", status_name(child.status));
  }
  list += ']';
}

void add_options(json::ObjectWriter& snapshot, const RunHeader& header) {
  if (!header.tags.empty()) {
    std::string& list = snapshot.value_of("tags");
    list += '[';
    for (std::size_t i = 0; i < header.tags.size(); ++i) {
      if (i > 0) list += ',';
      json::append_quoted(list, header.tags[i]);
    }
    list += ']';
  }
  if (!header.metadata.empty()) snapshot.raw("metadata", header.metadata);
  // As sent: resolved limits stay inside (trap T-48).
  if (!header.configurable.empty()) snapshot.raw("configurable", header.configurable);
}

void append_votes(std::string& out, const InterruptState& interrupt) {
  out += '[';
  bool first = true;
  for (const InterruptVote& vote : interrupt.votes) {
    if (!std::exchange(first, false)) out += ',';
    json::ObjectWriter entry(out);
    if (!vote.actor.empty()) entry.string("actor", vote.actor);
    entry.string("action", vote.action);
    add_time(entry, "at", vote.at_ms);
  }
  out += ']';
}

/// Members of both documents that describe it: {kind, nodeId, payload} and {interruptId, nodeId, kind, data,
/// requestedAt}.
void add_interrupt(json::ObjectWriter& snapshot, const std::string& node_id, const InterruptState& interrupt) {
  json::ObjectWriter object(snapshot.value_of("interrupt"));
  object.string("interruptId", interrupt.id).string("nodeId", node_id).string("kind", interrupt.kind);
  append_interrupt_payload(object.value_of("payload"), interrupt);
  object.raw("data", interrupt.data);
  // Outside of data.correlation, whose members are those of the other system (profile
  // openwop-interrupt-external-event).
  if (interrupt.kind == interrupt_kind_name(InterruptKind::external_event)) {
    object.string("correlationId", interrupt.id);
  }
  add_time(object, "requestedAt", interrupt.requested_ms);
  add_time(object, "expiresAt", interrupt.due_ms());
  if (!interrupt.votes.empty()) append_votes(object.value_of("votes"), interrupt);
}

// Left out when nothing was recorded: absent is not zero (protocol 02 §12.6).
void add_cost(json::ObjectWriter& snapshot, const RunCost& cost) {
  if (cost.empty()) return;
  json::ObjectWriter(snapshot.value_of("metrics")).raw("openwopCost", cost.total().to_json());
}

std::string unredacted_snapshot(const RunView& run, RunKind kind) {
  const RunState& state = run.state;
  std::string out;
  {
    json::ObjectWriter snapshot(out);
    snapshot.string("runId", run.run_id.text());
    snapshot.string("workflowId", run.header.workflow_id);
    snapshot.string("status", status_name(state.status));
    if (const std::string* waiting = is_waiting(state.status) ? state.latest_suspended() : nullptr) {
      snapshot.string("currentNodeId", *waiting);
      // Where the latest is a child's question, the run may still have one of its own.
      const std::string* asking = state.latest_asking();
      if (asking != nullptr) add_interrupt(snapshot, *asking, *state.find_interrupt(*asking));
    }
    add_time(snapshot, "startedAt", state.started_ms);
    if (is_terminal(state.status)) add_time(snapshot, "completedAt", state.ended_ms);
    append_node_states(snapshot.value_of("nodeStates"), state);
    append_variables(snapshot.value_of("variables"), run);
    if (run.workflow && run.workflow->declares_channels) append_channels(snapshot.value_of("channels"), run);
    if (run.workflow) {
      if (const auto agent = active_agent(*run.workflow, state); !agent.empty()) snapshot.raw("agent", agent);
      if (const auto ref = run_orchestrator(*run.workflow, state); !ref.empty()) snapshot.raw("runOrchestrator", ref);
    }
    if (state.status == RunStatus::failed) append_error(snapshot.value_of("error"), state.error);
    snapshot.string("engineVersion", std::to_string(run.header.engine_version));
    snapshot.integer("eventLogSchemaVersion", run.header.event_log_schema_version);
    add_relatives(snapshot, run);
    add_options(snapshot, run.header);
    if (const auto& fork = run.header.fork) {
      // Not parentRunId: a fork is nobody's child (protocol 03, trap 34).
      snapshot.string("sourceRunId", fork->source_run.text());
      snapshot.integer("fromSeq", static_cast<std::int64_t>(fork->from_sequence));
      snapshot.string("forkMode", fork_mode_name(fork->mode));
    }
    if (kind == RunKind::test) snapshot.boolean("testRun", true);
    add_cost(snapshot, state.cost);
  }
  return out;
}

}  // namespace

void append_interrupt_payload(std::string& out, const InterruptState& interrupt) {
  json::ObjectWriter payload(out);
  payload.string("kind", interrupt.kind).string("key", interrupt.key).raw("data", interrupt.data);
  if (!interrupt.resume_schema.empty()) payload.raw("resumeSchema", interrupt.resume_schema);
  if (interrupt.timeout_ms > 0) payload.integer("timeoutMs", interrupt.timeout_ms);
}

void append_run_snapshot(std::string& out, const RunView& run, RunKind kind, const InterruptLink* link) {
  std::string text = unredacted_snapshot(run, kind);
  if (run.workflow && run.header.masking != MaskingMode::passthrough) {
    // A node may have copied a sensitive value to where nothing is marked.
    if (auto clean = scrub_known_json(text, sensitive_texts(*run.workflow, run.state))) text = *std::move(clean);
  }
  if (auto clean = scrub_json(text)) text = *std::move(clean);
  // The link comes last: a token looks like the secret that it is.
  const auto interrupt = link == nullptr ? std::nullopt : json::member(text, "interrupt");
  if (interrupt) {
    const auto end = static_cast<std::size_t>(interrupt->data() - text.data()) + interrupt->size() - 1;
    text.insert(end, ",\"interruptToken\":" + json::quoted(link->token) +
                         ",\"callbackUrl\":" + json::quoted(link->callback_url));
  }
  out += text;
}

}  // namespace openwop::wire
