#include <set>
#include <tuple>

#include "engine/child_rows.h"
#include "engine/run_header.h"
#include "engine/run_rows.h"
#include "openwop/bytes.h"
#include "openwop/run_fold.h"
#include "openwop/testing/promises.h"
#include "openwop/timer.h"

namespace openwop::testing {

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

std::string readable(const std::set<std::string>& keys) {
  std::string out;
  for (const std::string& key : keys) {
    out += key.substr(0, 2) + "…" + Id::from_bytes(std::string_view(key).substr(key.size() - Id::kBytes)).text() + " ";
  }
  return out;
}

}  // namespace

void RunInvariants::acknowledged(const RunId& run) {
  acknowledged_.push_back(run);
  if (!medium_->rows.get(Log::head_key(run))->has_value()) complain_("an acknowledged run is there", run.text());
}

void RunInvariants::cancelled(const RunId& run, RunStatus status) {
  if (!is_terminal(status)) complain_("a cancelled run stays as the caller was told", run.text());
  cancelled_.emplace(run, status);
  check();
}

void RunInvariants::answered(const RunId& run, const std::string& node_id, const std::string& interrupt_id) {
  check();
  const auto at = runs_.find(run);
  const InterruptState* interrupt = at == runs_.end() ? nullptr : at->second.state.find_interrupt(node_id);
  if (interrupt == nullptr || (interrupt->id == interrupt_id && interrupt->outcome == InterruptOutcome::pending)) {
    complain_("an interrupt is resolved at most once, and an acknowledged answer is in the log", run.text());
  }
}

std::vector<RunId> RunInvariants::check() {
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
  std::vector<RunId> changed;
  for (const auto& [run, head_row, last_batch_key] : heads) {
    const auto known = runs_.find(run);
    const bool unchanged =
        known != runs_.end() && known->second.head_row == head_row && known->second.last_batch_key == last_batch_key;
    if (!unchanged && check_run(run, head_row, last_batch_key)) changed.push_back(run);
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
  return changed;
}

/// False when its rows cannot be read.
bool RunInvariants::check_run(const RunId& run, const std::string& head_row, const std::string& last_batch_key) {
  FoldedRun folded;
  folded.head_row = head_row;
  folded.last_batch_key = last_batch_key;
  auto head = LogHead::decode(head_row);
  auto header = runtime::decode_header(medium_->rows.get(Log::header_key(run))->value_or(""));
  if (!head || !header) {
    complain_("the head row says what the log says", run.text() + ": rows do not decode");
    return false;
  }
  folded.head = std::move(*head);
  folded.header = std::move(*header);
  folded.state = runtime::initial_state(folded.header);
  const auto known = runs_.find(run);
  const auto changed_ms = check_events(run, folded, known == runs_.end() ? 0 : known->second.state.next_sequence);
  check_head(run, folded, changed_ms);
  runs_.insert_or_assign(run, std::move(folded));
  return true;
}

/// Gives when the run had changed last as its head row was written.
std::int64_t RunInvariants::check_events(const RunId& run, FoldedRun& folded, std::uint64_t seen) {
  const auto broken = [&](std::uint64_t sequence, const std::string& what) {
    complain_("the log is gapless, begins with run.started, and has at most one terminal event, its last",
              run.text() + " at " + std::to_string(sequence) + ": " + what);
  };
  std::set<std::tuple<std::string, std::uint32_t, std::uint32_t>> starts;
  std::set<std::string> resolved;
  std::uint64_t expected = 0;
  bool ended = false;
  std::int64_t changed_ms = 0;
  const auto read = Log(medium_->rows).read(run, 0, [&](const EventView& event) {
    if (trace && event.sequence >= seen) trace(run, event);
    if (event.sequence != expected) broken(event.sequence, "gap");
    ++expected;
    if ((event.type == EventType::run_started) != (event.sequence == 0))
      broken(event.sequence, "run.started misplaced");
    if (ended) broken(event.sequence, "an event behind the end");
    ended = ended || is_terminal(event.type);
    if (folded.header.fork) return true;
    fold(folded.state, event);
    if (expected == folded.head.next_sequence) changed_ms = folded.state.changed_ms;
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
  return changed_ms;
}

void RunInvariants::check_head(const RunId& run, FoldedRun& folded, std::int64_t changed_ms) {
  const auto wrong = [&](const std::string& what) {
    complain_("the head row says what the log says", run.text() + ": " + what);
  };
  const auto marks = runtime::RunMarks::decode(folded.head.summary);
  if (!marks) return wrong("its summary does not decode");
  if (folded.header.fork) {
    folded.state.status = marks->status;
    return;
  }
  const RunState& state = folded.state;
  // Events that change nothing else leave the row as it is; the end of a run does not.
  const bool is_latest = folded.head.next_sequence == state.next_sequence;
  if (folded.head.next_sequence > state.next_sequence) wrong("next sequence");
  if (folded.head.sealed && !is_latest) wrong("next sequence of an ended run");
  if (folded.head.sealed != is_terminal(state.status)) wrong("sealed");
  if (marks->status != state.status) wrong("status");
  if (marks->changed_ms != changed_ms) wrong("changed");
  bool works = false;
  for (const auto& [id, node] : state.nodes) works = works || node.status == NodeStatus::running;
  works = works && state.status != RunStatus::paused;
  if (works && !marks->active) wrong("a handler is in flight, and the run is not active");
  if (is_terminal(state.status) && marks->active) wrong("an ended run is active");
}

void RunInvariants::check_derived_rows() {
  std::set<std::string> timers;
  std::set<std::string> active;
  std::set<std::string> statuses;
  std::set<std::string> waiting;
  bool has_forks = false;
  for (const auto& [run, folded] : runs_) {
    const auto decoded = runtime::RunMarks::decode(folded.head.summary);
    if (!decoded) continue;  // and reported
    const runtime::RunMarks& marks = *decoded;
    has_forks = has_forks || folded.header.fork.has_value();
    if (marks.timer_due_ms != 0) timers.insert(Timers::key(marks.timer_due_ms, run));
    if (marks.active) active.insert(runtime::active_key(run));
    for (const auto& [node_id, interrupt] : folded.state.interrupts) {
      const NodeState* node = folded.state.find_node(node_id);
      // A loop that begins again leaves what its body's nodes had asked behind.
      const bool waits = node != nullptr && node->status == NodeStatus::suspended;
      if (interrupt.outcome != InterruptOutcome::pending || !waits || is_terminal(folded.state.status)) continue;
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
  if (!has_forks && keys_of(medium_->rows, "Ip") != waiting) {
    complain_("rows of interrupts say what waits, and there are no others",
              std::to_string(waiting.size()) + " interrupts wait");
  }
}

void RunInvariants::check_at_rest() {
  check();
  const std::size_t orders = keys_of(medium_->rows, std::string(1, runtime::kChildOrderPrefix)).size();
  const std::size_t notices = keys_of(medium_->rows, std::string(1, runtime::kChildNoticePrefix)).size();
  if (orders + notices == 0) return;
  complain_("orders and notices between runs are all carried out",
            std::to_string(orders) + " orders, " + std::to_string(notices) + " notices");
}

}  // namespace openwop::testing
