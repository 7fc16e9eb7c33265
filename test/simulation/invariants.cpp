#include "simulation/invariants.h"

#include <set>
#include <tuple>

#include "engine/run_header.h"
#include "openwop/run_fold.h"
#include "openwop/timer.h"

namespace openwop::test {

namespace {

/// Rows of a prefix, keys only.
std::set<std::string> keys_of(const Store& store, const std::string& prefix) {
  std::set<std::string> keys;
  static_cast<void>(store.scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view) {
    keys.emplace(key);
    return true;
  }));
  return keys;
}

std::int64_t setting(const WorkflowNode& node, std::string_view name) {
  const auto value = json::member(node.settings, name);
  return value ? json::as_int(*value).value_or(0) : 0;
}

std::string readable(const std::set<std::string>& keys) {
  std::string out;
  for (const std::string& key : keys) {
    out += key.substr(0, 2) + "…" + Id::from_bytes(std::string_view(key).substr(key.size() - Id::kBytes)).text() + " ";
  }
  return out;
}

}  // namespace

void Invariants::acknowledged(const RunId& run) {
  acknowledged_.push_back(run);
  if (!medium_->rows.get(Log::head_key(run))->has_value()) complain_("an acknowledged run is there", run.text());
}

void Invariants::cancelled(const RunId& run, RunStatus status) {
  if (!is_terminal(status)) complain_("a cancelled run stays as the caller was told", run.text());
  cancelled_.emplace(run, status);
  check();
}

void Invariants::answered(const RunId& run, const std::string& node_id, const std::string& interrupt_id) {
  check();
  const auto at = runs_.find(run);
  const InterruptState* interrupt = at == runs_.end() ? nullptr : at->second.state.find_interrupt(node_id);
  if (interrupt == nullptr || (interrupt->id == interrupt_id && interrupt->outcome == InterruptOutcome::pending)) {
    complain_("an interrupt is resolved at most once, and an acknowledged answer is in the log", run.text());
  }
}

void Invariants::check() {
  const std::string prefix(1, kLogPrefix);
  std::vector<std::tuple<RunId, std::string, std::string>> heads;
  static_cast<void>(
      medium_->rows.scan({prefix, prefix_end(prefix), false}, [&](std::string_view key, std::string_view value) {
        if (key.size() == 2 + Id::kBytes && key.back() == '\1') {
          heads.emplace_back(RunId::from_bytes(key.substr(1)), value, std::string());
        }
        if (key.size() > 2 + Id::kBytes && !heads.empty()) std::get<2>(heads.back()) = key;
        return true;
      }));
  for (const auto& [run, head_row, last_batch_key] : heads) {
    const auto known = runs_.find(run);
    const bool unchanged =
        known != runs_.end() && known->second.head_row == head_row && known->second.last_batch_key == last_batch_key;
    if (!unchanged) check_run(run, head_row, last_batch_key);
  }
  for (const RunId& run : acknowledged_) {
    if (!runs_.contains(run)) complain_("an acknowledged run is there", run.text());
  }
  for (const auto& [run, status] : cancelled_) {
    const auto at = runs_.find(run);
    if (at == runs_.end() || at->second.state.status != status) {
      complain_("a cancelled run stays as the caller was told", run.text());
    }
  }
  check_derived_rows();
  check_keys();
}

void Invariants::check_run(const RunId& run, const std::string& head_row, const std::string& last_batch_key) {
  FoldedRun folded;
  folded.head_row = head_row;
  folded.last_batch_key = last_batch_key;
  auto head = LogHead::decode(head_row);
  auto marks = runtime::RunMarks::decode(head ? head->summary : std::string());
  auto header = runtime::decode_header(medium_->rows.get(Log::header_key(run))->value_or(""));
  if (!head || !marks || !header || !workflows_.contains(header->workflow_digest)) {
    return complain_("the head row says what the log says", run.text() + ": rows do not decode");
  }
  folded.head = std::move(*head);
  folded.marks = std::move(*marks);
  folded.header = std::move(*header);
  folded.state = runtime::initial_state(folded.header);
  const std::uint64_t seen = runs_.contains(run) ? runs_.at(run).state.next_sequence : 0;
  check_events(run, folded);
  if (tracing()) trace_events(run, seen);
  trace("  next due ", folded.marks.timer_due_ms, folded.marks.active ? ", active" : "");
  check_head(run, folded);
  check_counters(run, folded);
  runs_.insert_or_assign(run, std::move(folded));
}

void Invariants::trace_events(const RunId& run, std::uint64_t from) const {
  static_cast<void>(Log(medium_->rows).read(run, from, [&](const EventView& event) {
    trace("  ", run.text(), " ", event.sequence, " ", event.type_name, " ", event.node_id, " ", event.time_ms);
    return true;
  }));
}

void Invariants::check_events(const RunId& run, FoldedRun& folded) {
  const auto broken = [&](std::uint64_t sequence, const std::string& what) {
    complain_("the log is gapless, begins with run.started, and has at most one terminal event, its last",
              run.text() + " at " + std::to_string(sequence) + ": " + what);
  };
  std::set<std::tuple<std::string, std::uint32_t, std::uint32_t>> starts;
  std::set<std::string> resolved;
  std::uint64_t expected = 0;
  bool ended = false;
  const auto read = Log(medium_->rows).read(run, 0, [&](const EventView& event) {
    if (event.sequence != expected) broken(event.sequence, "gap");
    ++expected;
    if ((event.type == EventType::run_started) != (event.sequence == 0))
      broken(event.sequence, "run.started misplaced");
    if (ended) broken(event.sequence, "an event behind the end");
    ended = ended || is_terminal(event.type);
    fold(folded.state, event);
    if (event.type == EventType::interrupt_resolved &&
        !resolved.insert(json::as_string(json::member(event.payload, "interruptId").value_or("")).value_or(""))
             .second) {
      complain_("an interrupt is resolved at most once, and an acknowledged answer is in the log", run.text());
    }
    if (event.type == EventType::node_started) {
      const NodeState& node = folded.state.nodes.at(std::string(event.node_id));
      if (!starts.emplace(event.node_id, node.attempt, node.iteration).second) {
        complain_("a node starts once for each attempt and iteration", run.text() + " " + std::string(event.node_id));
      }
    }
    return true;
  });
  if (!read) broken(expected, read.error().message);
  if (starts.size() > folded.header.max_node_executions) {
    complain_("node executions stay within their limit", run.text());
  }
}

void Invariants::check_head(const RunId& run, const FoldedRun& folded) {
  const auto wrong = [&](const std::string& what) {
    complain_("the head row says what the log says", run.text() + ": " + what);
  };
  const RunState& state = folded.state;
  // Events that change nothing else leave the row as it is; the end of a run does not.
  const bool is_latest = folded.head.next_sequence == state.next_sequence;
  if (folded.head.next_sequence > state.next_sequence) wrong("next sequence");
  if (folded.head.sealed && !is_latest) wrong("next sequence of an ended run");
  if (folded.head.sealed != is_terminal(state.status)) wrong("sealed");
  if (folded.marks.status != state.status) wrong("status");
  if (is_latest ? folded.marks.changed_ms != state.changed_ms : folded.marks.changed_ms > state.changed_ms) {
    wrong("changed");
  }
  if (folded.marks.timer_due_ms != next_due_ms(folded)) wrong("next due");
  bool works = false;
  for (const auto& [id, node] : state.nodes) works = works || node.status == NodeStatus::running;
  works = works && state.status != RunStatus::paused;
  if (works && !folded.marks.active) wrong("a handler is in flight, and the run is not active");
  if (is_terminal(state.status) && folded.marks.active) wrong("an ended run is active");
}

/// The protocol's rules once more, written without the engine's code.
std::int64_t Invariants::next_due_ms(const FoldedRun& folded) const {
  const RunState& state = folded.state;
  if (is_terminal(state.status) || state.status == RunStatus::paused) return 0;
  const Workflow& workflow = *workflows_.at(folded.header.workflow_digest);
  std::set<std::int64_t> due;
  if (workflow.settings.timeout_ms > 0 && state.status == RunStatus::running) {
    due.insert(state.started_ms + workflow.settings.timeout_ms + state.waited_ms);
  }
  for (const auto& [id, interrupt] : state.interrupts) {
    const bool waits = interrupt.outcome == InterruptOutcome::pending;
    if (waits && interrupt.timeout_ms > 0) due.insert(interrupt.requested_ms + interrupt.timeout_ms);
  }
  for (const auto& [id, node] : state.nodes) {
    if (node.status == NodeStatus::sleeping) due.insert(node.due_ms);
    if (node.status == NodeStatus::retrying && state.pause_asked_ms == 0) due.insert(node.due_ms);
    const std::int64_t timeout_ms = setting(workflow.nodes[*workflow.find_node(id)], "timeoutMs");
    if (node.status == NodeStatus::running && timeout_ms > 0) due.insert(node.since_ms + timeout_ms);
  }
  return due.empty() ? 0 : *due.begin();
}

void Invariants::check_counters(const RunId& run, const FoldedRun& folded) {
  std::map<std::string, int> completions;
  static_cast<void>(Log(medium_->rows).read(run, 0, [&](const EventView& event) {
    if (event.type == EventType::node_completed) ++completions[std::string(event.node_id)];
    return true;
  }));
  for (const WorkflowNode& node : workflows_.at(folded.header.workflow_digest)->nodes) {
    if (json::member(node.config, "counts").value_or("false") != "true") continue;
    const auto row = *medium_->rows.get("U" + OutsideWorld::counter_key(run, node.id));
    if ((row ? std::stoi(*row) : 0) != completions[node.id]) {
      complain_("a host row counts the completions of its node", run.text() + " " + node.id);
    }
  }
}

void Invariants::check_derived_rows() {
  std::set<std::string> timers;
  std::set<std::string> active;
  std::set<std::string> statuses;
  std::set<std::string> waiting;
  for (const auto& [run, folded] : runs_) {
    const runtime::RunMarks& marks = folded.marks;
    if (marks.timer_due_ms != 0) timers.insert(Timers::key(marks.timer_due_ms, run));
    if (marks.active) active.insert(runtime::active_key(run));
    for (const auto& [node_id, interrupt] : folded.state.interrupts) {
      if (interrupt.outcome != InterruptOutcome::pending || is_terminal(folded.state.status)) continue;
      std::string key = "Ip" + folded.header.tenant + '\0';
      bytes::put_u64(key, static_cast<std::uint64_t>(interrupt.requested_ms));
      waiting.insert(key.append(run.view()).append(node_id));
    }
    statuses.insert(runtime::status_index_prefix(marks.tenant, marks.status) + std::string(run.view()));
  }
  const auto compare = [&](const std::string& prefix, const std::set<std::string>& expected) {
    const auto found = keys_of(medium_->rows, prefix);
    if (found == expected) return;
    complain_("timer rows, active rows and status rows say what the heads say, and there are no others",
              "expected " + readable(expected) + ", found " + readable(found));
  };
  compare(std::string(1, kTimerPrefix), timers);
  compare(std::string(1, runtime::kActivePrefix), active);
  compare(std::string{runtime::kIndexPrefix, 's'}, statuses);
  if (keys_of(medium_->rows, "Ip") != waiting) {
    complain_("rows of interrupts say what waits, and there are no others",
              std::to_string(waiting.size()) + " interrupts wait");
  }
}

/// The world tags each run with the idempotency key it was created under.
void Invariants::check_keys() {
  std::map<std::string, RunId> owners;
  for (const auto& [run, folded] : runs_) {
    for (const std::string& tag : folded.header.tags) {
      const auto [at, is_new] = owners.emplace(tag, run);
      if (!is_new) complain_("an idempotency key has one run", tag + ": " + at->second.text() + " and " + run.text());
    }
  }
}

void Invariants::check_at_rest() {
  check();
  for (const auto& [run, folded] : runs_) {
    if (!is_terminal(folded.state.status)) {
      complain_("the world comes to rest with every run ended",
                run.text() + " is " + std::string(status_name(folded.state.status)));
    }
  }
}

}  // namespace openwop::test
