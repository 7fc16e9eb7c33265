#include "maintenance/run_reading.h"

#include "engine/fork_plan.h"
#include "engine/fork_state.h"
#include "engine/run_header.h"
#include "engine/scope_claim.h"
#include "maintenance/row_pages.h"

namespace openwop::maintenance {

namespace {

using runtime::RunMarks;

/// Far more than any event of the engine's has: members of payloads hold what users may nest max_json_depth deep.
constexpr json::Limits kEventLimits{kMaxValueBytes, 256};
/// The end of the year 9999, behind which no time can be written.
constexpr std::int64_t kMaxTimeMs = 253'402'300'799'999;

/// What damage looks like to the reader of one run.
class Damage {
 public:
  Damage(Findings& findings, const RunId& run) : findings_(findings), run_(run) {}

  [[nodiscard]] Status operator()(std::string what, const std::string& key, std::string detail) {
    any_ = true;
    return findings_.found({std::move(what), printable(key), run_, std::move(detail)});
  }
  [[nodiscard]] bool any() const { return any_; }

 private:
  Findings& findings_;
  const RunId& run_;
  bool any_ = false;
};

std::string trouble_in(const EventView& event) {
  const std::string name = "event " + std::to_string(event.sequence);
  if (auto checked = json::check(event.payload, kEventLimits); !checked) {
    return name + ": its payload is no JSON: " + checked.error().message;
  }
  if (json::kind(event.payload) != json::Kind::object) return name + ": its payload is no object";
  if (!event.hidden.empty()) {
    if (auto checked = json::check(event.hidden, kEventLimits); !checked) {
      return name + ": its hidden part is no JSON: " + checked.error().message;
    }
  }
  if (event.time_ms < 0 || event.time_ms > kMaxTimeMs) return name + ": its time cannot be";
  return {};
}

/// Where the run's own events begin; nothing if there are none. Errors: store errors.
Result<std::optional<std::uint64_t>> own_begin(const Store& store, const RunId& run) {
  auto key = first_key(store, Log::run_prefix(run) + '\x02', Log::run_prefix(run) + '\x03');
  if (!key) return std::move(key).error();
  const std::size_t prefix_bytes = 2 + RunId::kBytes;
  if (key->size() < prefix_bytes) return std::optional<std::uint64_t>{};
  return std::optional<std::uint64_t>(bytes::Reader(std::string_view(*key).substr(prefix_bytes)).u64());
}

Status read_head(const Store& store, RunReading& reading) {
  auto row = store.get(Log::head_key(reading.run.id));
  if (!row) return std::move(row).error();
  reading.head_row = std::move(*row);
  if (!reading.head_row) return {};
  auto head = LogHead::decode(*reading.head_row);
  if (!head) return {};
  auto marks = RunMarks::decode(head->summary);
  if (marks) reading.marks = std::move(*marks);
  reading.head = std::move(*head);
  return {};
}

/// Errors: store errors other than store_corrupt, which is damage.
Status read_header(const Store& store, WorkflowCache& workflows, RunReading& reading, Damage& damage) {
  const RunId& id = reading.run.id;
  const std::string key = Log::header_key(id);
  auto row = store.get(key);
  if (!row) return std::move(row).error();
  if (!row->has_value()) return damage("header_missing", key, "the log has no header row");
  auto checked = json::check(**row, kEventLimits);
  auto header = checked ? runtime::decode_header(**row) : Result<RunHeader>(std::move(checked).error());
  if (!header) return damage("header_damaged", key, header.error().message);
  reading.run.header = std::make_shared<const RunHeader>(std::move(*header));
  auto workflow = workflows.by_digest(reading.header().workflow_digest);
  if (!workflow && workflow.error().code == ErrorCode::store_io_error) return std::move(workflow).error();
  if (!workflow) {
    const bool missing = workflow.error().code == ErrorCode::workflow_not_found;
    return damage(missing ? "workflow_missing" : "workflow_damaged", key, workflow.error().message);
  }
  reading.run.workflow = std::move(*workflow);
  auto origin = Log(store).origin(id);
  if (!origin && origin.error().code == ErrorCode::store_io_error) return std::move(origin).error();
  if (!origin) return damage("log_damaged", Log::origin_key(id), origin.error().message);
  reading.origin = std::move(*origin);
  return {};
}

Status read_events(const Store& store, RunReading& reading, Damage& damage) {
  const RunId& id = reading.run.id;
  runtime::RunFold fold(reading.run.state, reading.header(), nullptr, nullptr);
  std::string trouble;
  auto read = Log(store).read(id, 0, [&](const EventView& event) {
    trouble = reading.ended ? "event " + std::to_string(event.sequence) + " comes behind the terminal event"
                            : trouble_in(event);
    if (!trouble.empty()) return false;
    fold.add(event);
    ++reading.events;
    reading.ended = is_terminal(event.type);
    return true;
  });
  if (!read && read.error().code == ErrorCode::store_io_error) return read;
  if (!read) return damage("log_damaged", Log::run_prefix(id), read.error().message);
  if (!trouble.empty()) return damage("log_damaged", Log::run_prefix(id), std::move(trouble));
  fold.finish();
  const auto begin = own_begin(store, id);
  if (!begin) return begin.error();
  const std::uint64_t inherited = reading.origin.end();
  if (*begin && **begin != inherited) {
    return damage("log_damaged", Log::run_prefix(id),
                  "its own events begin at " + std::to_string(**begin) + ", the inherited ones end at " +
                      std::to_string(inherited));
  }
  if (!*begin && !reading.header().fork) {
    return damage("log_damaged", Log::run_prefix(id), "the log has no events");
  }
  const bool begun = *begin || (reading.marks && reading.marks->status != RunStatus::pending);
  reading.has_log = begun;
  const auto other = first_key(store, Log::run_prefix(id) + '\x04', prefix_end(Log::run_prefix(id)));
  if (!other) return other.error();
  if (!other->empty()) return damage("log_row_unknown", *other, "no row of a log");
  return {};
}

}  // namespace

Result<std::optional<RunReading>> read_run_rows(const Store& store, WorkflowCache& workflows, const RunId& run,
                                                Findings& findings) {
  RunReading reading;
  reading.run.id = run;
  Damage damage(findings, run);
  auto status = read_head(store, reading);
  if (status) status = read_header(store, workflows, reading, damage);
  if (status && !damage.any()) {
    reading.run.state = runtime::initial_state(reading.header());
    if (reading.header().event_log_schema_version < 2) {
      // There is no log to fold: the head row says all that is known.
      reading.has_log = false;
      if (!reading.marks) status = damage("log_damaged", Log::head_key(run), "a run without a log has no head row");
    } else {
      status = read_events(store, reading, damage);
    }
  }
  if (!status && status.error().code == ErrorCode::store_corrupt) {
    status = damage("log_damaged", Log::run_prefix(run), status.error().message);
  }
  if (!status) return std::move(status).error();
  if (damage.any()) return std::optional<RunReading>{};
  return std::optional<RunReading>(std::move(reading));
}

std::optional<LogHead> implied_head(const RunReading& reading) {
  const RunHeader& header = reading.header();
  if (header.event_log_schema_version < 2) return reading.head;
  RunMarks marks;
  marks.tenant = header.tenant;
  marks.workflow_id = header.workflow_id;
  marks.created_ms = header.created_ms;
  LogHead head;
  head.epoch = reading.head ? reading.head->epoch : 0;
  head.next_sequence = reading.run.state.next_sequence;
  head.sealed = reading.ended;
  if (!reading.has_log) {
    marks.active = true;
    marks.changed_ms = header.created_ms;
    head.summary = marks.encode();
    return head;
  }
  if (header.is_replay() && !reading.marks && !reading.ended) return std::nullopt;
  marks.status = reading.run.state.status;
  marks.changed_ms = reading.run.state.changed_ms;
  marks.timer_due_ms = runtime::next_due_ms(reading.run);
  // What a turn left to do is in no event; to look once more at a run that has nothing left does no harm.
  marks.unsettled = !reading.ended && (!reading.marks || reading.marks->unsettled);
  marks.active = marks.unsettled;
  for (const auto& [id, node] : reading.run.state.nodes) {
    marks.active = marks.active || node.status == NodeStatus::running;
  }
  if (marks.status == RunStatus::paused) marks.active = false;
  if (header.is_replay()) {
    marks.replay_next = reading.marks ? reading.marks->replay_next : header.fork->source_end + 1;
    marks.replay_lost = reading.marks && reading.marks->replay_lost;
  }
  head.summary = marks.encode();
  return head;
}

bool head_agrees(const RunReading& reading, const LogHead& implied) {
  if (!reading.head || !reading.marks) return false;
  const auto marks = RunMarks::decode(implied.summary);
  const RunMarks& found = *reading.marks;
  const bool same = marks && found.status == marks->status && found.active == marks->active &&
                    found.timer_due_ms == marks->timer_due_ms && found.tenant == marks->tenant &&
                    found.workflow_id == marks->workflow_id && found.created_ms == marks->created_ms &&
                    reading.head->sealed == implied.sealed;
  if (!same) return false;
  // Until it is sealed the row is as of the commit that wrote it last.
  if (!implied.sealed) return reading.head->next_sequence <= implied.next_sequence;
  return reading.head->next_sequence == implied.next_sequence && found.changed_ms == marks->changed_ms;
}

Result<Rows> implied_rows(const Store& store, const RunReading& reading, const RunMarks& marks) {
  const RunHeader& header = reading.header();
  const RunId& id = reading.run.id;
  Transaction rows;
  runtime::put_created_rows(rows, id, marks, header.tags);
  runtime::claim_scope(rows, header, id, marks.status);
  if (header.fork) {
    LogOrigin source_origin;
    if (header.is_replay()) {
      auto origin = Log(store).origin(header.fork->source_run);
      if (!origin) return std::move(origin).error();
      source_origin = std::move(*origin);
    }
    runtime::put_fork_references(rows, id, header, reading.origin, source_origin);
  }
  Rows implied;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto entry = rows.entry(i);
    if (entry.op == Transaction::Op::put) implied.insert_or_assign(std::string(entry.key), std::string(entry.value));
  }
  if (reading.has_log) implied.merge(runtime::interrupt_rows_of(reading.run));
  return implied;
}

}  // namespace openwop::maintenance
