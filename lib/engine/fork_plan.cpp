#include "engine/fork_plan.h"

#include <algorithm>

#include "engine/create_check.h"
#include "engine/run_header.h"
#include "engine/run_rows.h"
#include "openwop/trace_context.h"

namespace openwop::runtime {

namespace {

constexpr std::uint8_t kReferenceFormat = 1;

Error refused(const ForkRun& request, std::string message, std::optional<std::uint64_t> last_sequence = {}) {
  Error error{ErrorCode::fork_refused, std::move(message)};
  {
    json::ObjectWriter details(error.details);
    details.string("sourceRunId", request.source_run.text());
    details.integer("fromSeq", static_cast<std::int64_t>(request.from_sequence));
    if (last_sequence) details.integer("lastSequence", static_cast<std::int64_t>(*last_sequence));
  }
  return error;
}

bool has_overlay(const ForkRun& request) {
  bool any = request.tags.has_value() || request.metadata.has_value();
  json::for_each_member(request.configurable, [&](std::string_view, std::string_view) { return !(any = true); });
  return any;
}

/// The source's options with the overlay on them, checked as those of a new run.
Result<RunHeader> effective_header(const ForkRun& request, const RunHeader& source, const Workflow& workflow,
                                   const EngineOptions& options, std::int64_t now_ms) {
  // Before the merge: a merge takes anything that looks like an object.
  if (!request.configurable.empty()) {
    const json::Limits limits{options.max_inputs_bytes, options.max_json_depth};
    const auto checked = json::check(request.configurable, limits);
    if (!checked || json::kind(request.configurable) != json::Kind::object) {
      return Error{checked ? ErrorCode::validation_error : checked.error().code, "configurable has to be an object",
                   R"({"field":"configurable"})"};
    }
  }
  CreateRun create;
  create.workflow_id = source.workflow_id;
  create.inputs = source.inputs;
  create.tenant = source.tenant;
  create.scope_id = source.scope_id;
  // A replay asks nobody.
  if (request.mode == ForkMode::branch) create.callback_url = source.callback_url;
  create.configurable = source.configurable;
  if (!request.configurable.empty()) {
    create.configurable = source.configurable.empty()
                              ? request.configurable
                              : detail::merge_objects(source.configurable, request.configurable);
  }
  create.tags = request.tags.value_or(source.tags);
  create.metadata = request.metadata.value_or(source.metadata);
  create.transport = source.transport;
  auto header = check_create(create, workflow, options, now_ms);
  if (!header) return header;
  // The history was made with the source's variables; a newer definition only adds to them.
  header->variables = detail::merge_objects(header->variables, source.variables);
  header->masking = source.masking;
  header->ancestors = source.ancestors;
  if (const auto context = parse_traceparent(request.traceparent, request.tracestate)) {
    header->traceparent = format_traceparent(*context);
    header->tracestate = context->tracestate;
  }
  if (request.mode == ForkMode::replay) header->max_node_executions = source.max_node_executions;
  return header;
}

/// The first executors of a run's events: its own, and those of the runs that it repeats or continues.
std::vector<LogSegment> executors_of(const RunId& run, const RunHeader& header) {
  if (!header.fork) return {{run, kWholeLog}};
  if (header.is_replay()) return header.fork->executed_by;
  std::vector<LogSegment> executors;
  std::uint64_t end = 0;
  for (const LogSegment& segment : header.fork->executed_by) {
    if (end >= header.fork->from_sequence) break;
    end = std::min(segment.end, header.fork->from_sequence);
    executors.push_back({segment.run, end});
  }
  executors.push_back({run, kWholeLog});
  return executors;
}

}  // namespace

std::string fork_reference_prefix(const RunId& source) {
  return std::string(1, kForkReferencePrefix).append(source.view());
}

Result<ForkPlan> plan_fork(const Store& store, const EngineOptions& options, const ForkRun& request,
                           std::int64_t now_ms,
                           const std::function<Result<std::shared_ptr<const Workflow>>(std::string_view)>& newest) {
  const Log log(store);
  const Error not_found{ErrorCode::run_not_found, "no run has this id"};
  auto row = log.header(request.source_run);
  if (!row) return std::move(row).error();
  if (!row->has_value()) return not_found;
  auto source = decode_header(**row);
  if (!source) return std::move(source).error();
  if (source->tenant != request.tenant) return not_found;
  if (request.mode == ForkMode::replay && has_overlay(request)) {
    return Error{ErrorCode::validation_error, "a replay takes no runOptionsOverlay",
                 R"({"field":"runOptionsOverlay"})"};
  }

  auto head = log.head(request.source_run);
  if (!head) return std::move(head).error();
  if (!head->has_value()) return not_found;
  std::uint64_t end = (*head)->next_sequence;
  if (!(*head)->sealed) {
    // Events may have come since the head row was written.
    auto log_end = log.end(request.source_run);
    if (!log_end) return std::move(log_end).error();
    end = std::max(end, log_end->next_sequence);
  }
  if (request.from_sequence >= end) {
    if (end == 0) return refused(request, "the source has no event yet");
    return refused(request, "fromSeq is beyond the last event of the source", end - 1);
  }
  auto workflow = newest(source->workflow_id);
  if (!workflow) {
    if (workflow.error().code != ErrorCode::workflow_not_found) return std::move(workflow).error();
    return refused(request, "the workflow of the source is not registered any more");
  }
  auto origin = log.origin(request.source_run);
  if (!origin) return std::move(origin).error();

  auto header = effective_header(request, *source, **workflow, options, now_ms);
  if (!header) return std::move(header).error();
  RunFork fork;
  fork.source_run = request.source_run;
  fork.from_sequence = request.from_sequence;
  fork.mode = request.mode;
  fork.source_end = end;
  fork.source_workflow_digest = source->workflow_digest;
  fork.source_workflow_version = source->workflow_version;
  fork.source_engine_version = source->engine_version;
  fork.source_traceparent = source->traceparent;
  fork.executed_by = executors_of(request.source_run, *source);
  if (request.mode == ForkMode::branch) {
    // A branch repeats nothing of what follows.
    while (fork.executed_by.size() > 1 && (fork.executed_by.end() - 2)->end >= request.from_sequence) {
      fork.executed_by.pop_back();
    }
  }
  ForkPlan plan{std::move(*header), origin->fork_at(request.source_run, request.from_sequence), std::move(*origin),
                std::move(**row), std::move(*workflow)};
  if (std::max(plan.origin.segments.size(), fork.executed_by.size()) > options.max_fork_ancestors) {
    return refused(request, "the history of the fork would consist of more than max_fork_ancestors (" +
                                std::to_string(options.max_fork_ancestors) + ") runs");
  }
  plan.header.fork = std::move(fork);
  return plan;
}

void put_fork(Transaction& transaction, const RunId& run, const ForkPlan& plan) {
  const RunHeader& header = plan.header;
  RunMarks marks;
  marks.active = true;  // after a crash it begins all the same
  marks.created_ms = header.created_ms;
  marks.changed_ms = header.created_ms;
  marks.tenant = header.tenant;
  marks.workflow_id = header.workflow_id;
  transaction.require_equals(Log::header_key(header.fork->source_run), plan.source_row);
  Log::create_fork(transaction, run, encode_header(header), plan.origin,
                   {header.fork->from_sequence, 0, false, marks.encode()});
  put_created_rows(transaction, run, marks, header.tags);
  put_fork_references(transaction, run, header, plan.origin, plan.source_origin);
}

void put_fork_references(Transaction& transaction, const RunId& run, const RunHeader& header, const LogOrigin& origin,
                         const LogOrigin& source_origin) {
  const auto refer = [&](const RunId& to, std::uint64_t needs_below) {
    std::string value(1, static_cast<char>(kReferenceFormat));
    bytes::put_u64(value, needs_below);
    transaction.put(fork_reference_prefix(to).append(run.view()), value);
  };
  for (const LogSegment& segment : origin.segments) refer(segment.run, segment.end);
  if (!header.is_replay()) return;
  // A replay goes by the rest of the source too, wherever it lies.
  refer(header.fork->source_run, kWholeLog);
  for (const LogSegment& segment : source_origin.segments) refer(segment.run, segment.end);
}

Status forks_of(const Store& store, const RunId& source,
                const std::function<bool(const RunId& fork, std::uint64_t needs_below)>& visit) {
  const std::string prefix = fork_reference_prefix(source);
  Status status;
  auto scanned = store.scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view value) {
    bytes::Reader reader(value);
    const bool known = reader.u8() == kReferenceFormat;
    const std::uint64_t needs_below = reader.u64();
    if (!known || !reader.ok() || key.size() != prefix.size() + RunId::kBytes) {
      status = Error{ErrorCode::store_corrupt, "a fork's reference to run " + source.text() + " does not decode"};
      return false;
    }
    return visit(RunId::from_bytes(key.substr(prefix.size())), needs_below);
  });
  return scanned ? std::move(status) : std::move(scanned);
}

}  // namespace openwop::runtime
