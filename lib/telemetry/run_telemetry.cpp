#include "openwop/run_telemetry.h"

#include <mutex>
#include <optional>
#include <unordered_map>

#include "engine/live_runs.h"
#include "openwop/log.h"
#include "telemetry/run_trace.h"

namespace openwop {

using telemetry::RunTrace;

struct RunTelemetry::Parts {
  explicit Parts(TelemetryOptions given) : options(std::move(given)) {}

  TelemetryOptions options;
  std::mutex mutex;
  std::unordered_map<RunId, RunTrace> open;

  [[nodiscard]] std::optional<RunTrace> take(const RunId& run) {
    const std::lock_guard lock(mutex);
    const auto found = open.find(run);
    if (found == open.end()) return std::nullopt;
    std::optional<RunTrace> trace(std::move(found->second));
    open.erase(found);
    return trace;
  }
  void keep(const RunId& run, RunTrace trace) {
    const std::lock_guard lock(mutex);
    // Any will do: its log is read again when it goes on.
    if (open.size() >= options.max_tracked_runs) open.erase(open.begin());
    open.insert_or_assign(run, std::move(trace));
  }
  void read_past(const RunCommit& commit, RunTrace& trace) const;
  [[nodiscard]] RunTrace trace_of(const RunCommit& commit);
  void count(const RunCommit& commit) const;
};

// What is open in a run that this process has not followed from its beginning.
void RunTelemetry::Parts::read_past(const RunCommit& commit, RunTrace& trace) const {
  if (options.store == nullptr) return;
  const std::uint64_t end = commit.first_sequence;
  const std::uint64_t from = end > options.max_events_read ? end - options.max_events_read : 0;
  const auto read = Log(*options.store).read(commit.run, from, [&](const EventView& event) {
    if (event.sequence < end) trace.apply(commit.workflow, event, options, RunTrace::Telling::silent);
    return event.sequence + 1 < end;
  });
  static_cast<void>(read);  // without its past the run's spans lack their beginning, no more
}

RunTrace RunTelemetry::Parts::trace_of(const RunCommit& commit) {
  if (!commit.created) {
    if (auto known = take(commit.run); known && known->next_sequence() == commit.first_sequence)
      return *std::move(known);
  }
  RunTrace trace(telemetry::facts_of(commit.run, commit.header, commit.workflow, options));
  if (!commit.created && commit.first_sequence > 0) read_past(commit, trace);
  return trace;
}

// By the status before and after, as a fork inherits the event with which its source began.
void RunTelemetry::Parts::count(const RunCommit& commit) const {
  if (!options.metrics) return;
  const auto change = [&](Metric metric, bool (*counts)(RunStatus)) {
    const bool was = counts(commit.status_before);
    const bool is = counts(commit.status);
    if (was != is) options.metrics->record(metric, is ? 1 : -1, {{"openwop.tenant_id", commit.header.tenant}});
  };
  change(Metric::run_active, runtime::is_live);
  change(Metric::queue_depth, runtime::is_runnable);
}

RunTelemetry::RunTelemetry(TelemetryOptions options) : parts_(std::make_unique<Parts>(std::move(options))) {
  const TelemetryOptions& given = parts_->options;
  if (!given.store || !given.metrics) return;
  const auto live = runtime::count_live_runs(*given.store);
  if (!live) return;  // the gauge then begins at nothing
  for (const auto& [tenant, count] : *live) {
    given.metrics->record(Metric::run_active, static_cast<double>(count.all), {{"openwop.tenant_id", tenant}});
    given.metrics->record(Metric::queue_depth, static_cast<double>(count.runnable), {{"openwop.tenant_id", tenant}});
  }
}
RunTelemetry::~RunTelemetry() = default;

void RunTelemetry::committed(const RunCommit& commit) noexcept try {
  RunTrace trace = parts_->trace_of(commit);
  for (std::size_t i = 0; i < commit.events.size(); ++i) {
    trace.apply(commit.workflow, commit.event(i), parts_->options, RunTrace::Telling::aloud);
  }
  parts_->count(commit);
  if (!commit.ended) parts_->keep(commit.run, std::move(trace));
} catch (const std::bad_alloc&) {
  // Telemetry goes first when memory is short.
}

}  // namespace openwop
