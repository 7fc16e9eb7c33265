#include "engine/replay_guide.h"

#include <algorithm>

namespace openwop::runtime {

namespace {

constexpr std::size_t kReadAheadEvents = 256;

/// As the protocol's enum has it; empty for a type that it does not know.
std::string name_of(const Event& event) {
  return event.type == EventType::unknown ? std::string() : std::string(event_name(event.type));
}

/// Says nothing of the course that the run took.
template <class AnyEvent>
bool is_aside(const AnyEvent& event) {
  switch (event.type) {
    case EventType::run_resuming:
    case EventType::run_paused:
    case EventType::run_resumed:
    case EventType::run_restored_from_snapshot:
    case EventType::workflow_restored:
    case EventType::workflow_stalled:
    case EventType::replay_diverged:
    case EventType::lease_acquired:
    case EventType::lease_renewed:
    case EventType::lease_lost:
    case EventType::lease_handed_off: return true;
    // The host's word for a pause that was asked for; other lines are nodes' own.
    case EventType::log_appended: return json::member(event.hidden, "pause").has_value();
    case EventType::run_started:
    case EventType::run_completed:
    case EventType::run_failed:
    case EventType::run_cancelled:
    case EventType::node_started:
    case EventType::node_completed:
    case EventType::node_failed:
    case EventType::node_suspended:
    case EventType::node_suspend_failed:
    case EventType::node_resumed:
    case EventType::node_retried:
    case EventType::node_skipped:
    case EventType::node_cancelled:
    case EventType::interrupt_requested:
    case EventType::interrupt_resolved:
    case EventType::approval_requested:
    case EventType::approval_received:
    case EventType::clarification_requested:
    case EventType::clarification_resolved:
    case EventType::channel_written:
    case EventType::artifact_created:
    case EventType::output_chunk:
    case EventType::variable_changed:
    case EventType::version_pinned:
    case EventType::workflow_loopback_limit:
    case EventType::cap_breached:
    case EventType::agent_reasoned:
    case EventType::agent_tool_called:
    case EventType::agent_tool_returned:
    case EventType::agent_handoff:
    case EventType::agent_decided:
    case EventType::run_orchestrator_decided:
    case EventType::conversation_opened:
    case EventType::conversation_exchanged:
    case EventType::conversation_closed:
    case EventType::unknown: break;
  }
  return false;
}

/// How a step of a node, or the run, came out: of such events one stands in the place of another.
bool is_outcome(EventType type) {
  constexpr std::array kOutcomes = {EventType::node_started, EventType::node_completed, EventType::node_failed,
                                    EventType::node_retried, EventType::node_suspended, EventType::node_skipped};
  return is_terminal(type) || std::find(kOutcomes.begin(), kOutcomes.end(), type) != kOutcomes.end();
}

/// Members of a payload that two executions of the same thing may differ in: ids, times, durations, the build.
constexpr std::array<std::string_view, 15> kIncidental = {"durationMs",  "engineVersion",  "runId",     "interruptId",
                                                          "callbackUrl", "interruptToken", "delayMs",   "timestamp",
                                                          "requestedAt", "resolvedAt",     "writtenAt", "expiresAt",
                                                          "decidedAt",   "startedAt",      "latencyMs"};

bool is_incidental(std::string_view raw_key) {
  return std::any_of(kIncidental.begin(), kIncidental.end(),
                     [&](std::string_view name) { return json::key_is(raw_key, name); });
}

std::size_t compared_members(std::string_view object) {
  std::size_t count = 0;
  json::for_each_member(object, [&](std::string_view key, std::string_view) {
    count += is_incidental(key) ? 0 : 1;
    return true;
  });
  return count;
}

bool same_payload(std::string_view left, std::string_view right) {
  if (left == right) return true;
  if (json::kind(left) != json::Kind::object || json::kind(right) != json::Kind::object) {
    return json::equal(left, right);
  }
  if (compared_members(left) != compared_members(right)) return false;
  bool same = true;
  json::for_each_member(left, [&](std::string_view key, std::string_view value) {
    if (is_incidental(key)) return true;
    const auto other = json::member(right, json::unescape(key));
    same = other && json::equal(value, *other);
    return same;
  });
  return same;
}

std::string with_run(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

bool same_place(const Event& made, const Event& original) {
  return made.type == original.type && made.node_id == original.node_id && made.unknown_name == original.unknown_name;
}

/// What the host folds of a given event: the source's members, but for the edges, which are this definition's.
std::string merged_hidden(std::string_view made, std::string_view original) {
  std::string out;
  bool any = false;
  {
    json::ObjectWriter object(out);
    const auto add = [&](std::string_view key, std::string_view value) {
      object.raw_member(json::unescape(key), value);
      any = true;
      return true;
    };
    json::for_each_member(original, [&](std::string_view key, std::string_view value) {
      for (const std::string_view edges : {"edges", "loops", "reset", "recount"}) {
        if (json::key_is(key, edges)) return true;
      }
      return json::member(made, json::unescape(key)) ? true : add(key, value);
    });
    json::for_each_member(made, add);
  }
  return any ? out : std::string();
}

}  // namespace

void keep_recorded(Event& made, const Event& recorded) {
  if (!same_place(made, recorded)) return;
  made.payload = recorded.payload;
  made.hidden = merged_hidden(made.hidden, recorded.hidden);
}

RecordedEvent recorded(const EventView& view) {
  RecordedEvent copy;
  copy.sequence = view.sequence;
  copy.event.type = view.type;
  copy.event.time_ms = view.time_ms;
  copy.event.node_id = view.node_id;
  copy.event.payload = view.payload;
  copy.event.hidden = view.hidden;
  copy.event.caused_by = view.caused_by;
  if (view.type == EventType::unknown) copy.event.unknown_name = view.type_name;
  copy.event.schema_version = view.schema_version;
  return copy;
}

bool says_the_same(const Event& left, const RunId& left_run, const Event& right, const RunId& right_run) {
  if (!same_place(left, right)) return false;
  if (same_payload(left.payload, right.payload)) return true;
  // Keys and made-up ids carry the run's id.
  const std::string from = left_run.text();
  if (left.payload.find(from) == std::string::npos) return false;
  return same_payload(with_run(left.payload, from, right_run.text()), right.payload);
}

ReplayGuide::ReplayGuide(const Store& store, const RunId& self, const RunFork& fork, std::uint64_t next, bool lost)
    : log_(store), self_(self), fork_(fork), next_(next), lost_(lost), read_to_(next) {}

void ReplayGuide::read_ahead() {
  while (ahead_.empty() && read_to_ < fork_.source_end && status_.ok()) {
    status_ = log_.read(fork_.source_run, read_to_, [&](const EventView& event) {
      if (event.sequence >= fork_.source_end || ahead_.size() == kReadAheadEvents) return false;
      read_to_ = event.sequence + 1;
      source_ended_ = is_terminal(event.type);
      if (!is_aside(event)) ahead_.push_back(recorded(event));
      return true;
    });
    if (status_.ok() && ahead_.empty() && read_to_ < fork_.source_end) {
      status_ =
          Error{ErrorCode::store_corrupt, "log of run " + fork_.source_run.text() + " ends before a replay of it says"};
    }
  }
}

const RecordedEvent* ReplayGuide::next() {
  if (lost_) return nullptr;
  if (ahead_.empty()) read_ahead();
  return ahead_.empty() ? nullptr : &ahead_.front();
}

void ReplayGuide::pass() {
  if (next() == nullptr) return;
  next_ = ahead_.front().sequence + 1;
  ahead_.pop_front();
}

Divergence ReplayGuide::lose() {
  const RecordedEvent* original = next();
  Divergence divergence{Divergence::Kind::missing, {}};
  if (original != nullptr) {
    divergence.original = original->sequence;
    divergence.type = name_of(original->event);
  }
  lost_ = true;
  return divergence;
}

std::optional<Divergence> ReplayGuide::take(Event& made) {
  if (lost_ || is_aside(made)) return std::nullopt;
  const RecordedEvent* original = next();
  if (!status_.ok()) return std::nullopt;
  if (original == nullptr) {
    // A source that lives simply has not come this far.
    if (!source_ended_) return std::nullopt;
    lost_ = true;
    return Divergence{Divergence::Kind::extra, {}, name_of(made)};
  }
  if (!same_place(made, original->event)) return differ(made);
  std::optional<Divergence> divergence;
  if (says_the_same(made, self_, original->event, executor())) {
    made.payload = original->event.payload;
    // Which run was started is the source's matter.
    if (json::member(original->event.hidden, "childStart")) made.hidden = original->event.hidden;
  } else {
    divergence = Divergence{Divergence::Kind::output, original->sequence, name_of(original->event)};
  }
  pass();
  return divergence;
}

/// Another event than the source's: which of the two has no counterpart?
Divergence ReplayGuide::differ(const Event& made) {
  const RecordedEvent& original = ahead_.front();
  Divergence divergence{Divergence::Kind::extra, original.sequence, name_of(original.event)};
  const bool comes_later = std::any_of(ahead_.begin() + 1, ahead_.end(),
                                       [&](const RecordedEvent& later) { return same_place(made, later.event); });
  if (!comes_later && made.node_id == original.event.node_id && is_outcome(made.type)) {
    divergence.kind = Divergence::Kind::type_mismatch;
  } else if (comes_later || is_terminal(made.type)) {
    divergence.kind = Divergence::Kind::missing;
  }
  lost_ = true;
  return divergence;
}

// ---- lost ----

void ReplayGuide::index() {
  if (indexed_) return;
  indexed_ = true;
  status_ = log_.read(fork_.source_run, fork_.from_sequence, [&](const EventView& event) {
    if (event.sequence >= fork_.source_end) return false;
    if (event.node_id.empty()) return true;
    NodeExecutions& node = executions_[std::string(event.node_id)];
    if (event.type == EventType::node_started) {
      node.list.push_back({event.sequence + 1, fork_.source_end});
      return true;
    }
    if (node.list.empty()) {
      node.first_is_open = true;
      node.list.push_back({fork_.from_sequence, fork_.source_end});
    }
    const bool ends = event.type == EventType::node_completed || event.type == EventType::node_failed ||
                      event.type == EventType::node_retried || event.type == EventType::node_cancelled;
    if (ends && node.list.back().end == fork_.source_end) node.list.back().end = event.sequence + 1;
    return true;
  });
}

std::optional<std::size_t> ReplayGuide::current_execution(const std::string& node_id) {
  index();
  const auto node = executions_.find(node_id);
  if (node == executions_.end()) return std::nullopt;
  const auto started = starts_.find(node_id);
  const std::size_t count = (started == starts_.end() ? 0 : started->second) + (node->second.first_is_open ? 1 : 0);
  if (count == 0 || count > node->second.list.size()) return std::nullopt;
  return count - 1;
}

void ReplayGuide::mark_given(const std::string& node_id) {
  if (const auto execution = current_execution(node_id)) given_.emplace(node_id, *execution);
}

std::vector<RecordedEvent> ReplayGuide::outcome_of(const std::string& node_id) {
  std::vector<RecordedEvent> outcome;
  const auto number = current_execution(node_id);
  if (!number || !status_.ok() || !given_.emplace(node_id, *number).second) return outcome;
  const Execution& execution = executions_.find(node_id)->second.list[*number];
  // What came before the two went different ways has been taken.
  const std::uint64_t begin = std::max(execution.begin, next_);
  if (begin >= execution.end) return outcome;
  status_ = log_.read(fork_.source_run, begin, [&](const EventView& event) {
    if (event.sequence >= execution.end) return false;
    // What ended because the source did, did not end by itself.
    const bool counts = event.node_id == node_id && event.type != EventType::node_cancelled;
    if (counts && !is_aside(event)) outcome.push_back(recorded(event));
    return true;
  });
  return outcome;
}

}  // namespace openwop::runtime
