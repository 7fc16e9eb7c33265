// What a handler records while it works: notes, versions, and the secrets that stay out of all of it.
#include "engine/agent_events.h"
#include "engine/event_redaction.h"
#include "engine/handler_run.h"
#include "openwop/bytes.h"

namespace openwop::runtime {

namespace {

constexpr std::size_t kMaxChangeIdBytes = 256;
constexpr std::int64_t kPinRetentionMs = std::int64_t{14} * 24 * 3600 * 1000;  // until version.pinned is in the log

Error invalid(std::string message) { return Error{ErrorCode::validation_error, std::move(message)}; }

Status check_note(const Event& event, const EngineOptions& options) {
  if (changes_state(event.type)) return invalid("a node must not emit '" + std::string(event_name(event.type)) + "'");
  if (event.type == EventType::unknown &&
      (event.unknown_name.empty() || event.unknown_name.size() > kMaxChangeIdBytes ||
       !simdjson::validate_utf8(event.unknown_name))) {
    return invalid("an event needs a type of at most 256 bytes of UTF-8");
  }
  return json::check(event.payload, {options.max_event_payload_bytes, options.max_json_depth});
}

std::string pin_key(const RunId& run, std::string_view change_id) {
  return Ledger::row_key("pin", run.text() + ":" + std::string(change_id));
}

void conceal_json(std::string& text, const std::vector<std::string>& secrets) {
  if (auto clean = scrub_known_json(text, secrets)) text = std::move(*clean);
}
void conceal_text(std::string& text, const std::vector<std::string>& secrets) {
  if (auto clean = scrub_known(text, secrets)) text = std::move(*clean);
}

}  // namespace

// ---- events ----

Status HandlerRun::emit(Event event) {
  Status checked = Error{ErrorCode::service_unavailable, "the engine is closed"};
  std::size_t max_bytes = 0;
  bool suppressed = false;
  // A decision counts only with the completion of its node, which checks it.
  if (event.type == EventType::run_orchestrator_decided) {
    return Error{ErrorCode::validation_error, "a decision comes with the node's completion"};
  }
  link_->with_host([&](HandlerHost& host) {
    checked = check_note(event, host.host_options());
    max_bytes = host.host_options().max_completion_bytes;
    if (!checked) return;
    auto admitted = admit_agent_event(host.host_options(), facts_.header->configurable,
                                      facts_.workflow->nodes[facts_.node], std::move(event));
    if (!admitted) {
      checked = std::move(admitted).error();
    } else if (*admitted) {
      event = **std::move(admitted);
    } else {
      suppressed = true;
    }
  });
  if (!checked || suppressed) return checked;
  {
    const std::lock_guard lock(mutex_);
    if (completed_) return Error{ErrorCode::conflict, "the handler has answered"};
    if (note_bytes_ + event.payload.size() > max_bytes) {
      return Error{ErrorCode::service_unavailable, "max_completion_bytes of events wait to be stored"};
    }
    if (event.type == EventType::output_chunk) {
      auto stream = streams_.find(chunk_channel(event));
      if (stream == streams_.end()) {
        stream = streams_.emplace(chunk_channel(event), StreamScrubber(secrets_)).first;
      }
      if (!redact_chunk(event, stream->second)) return {};
    }
    queue_note(std::move(event));
  }
  send_notes();
  return {};
}

void HandlerRun::queue_note(Event event) {
  conceal_json(event.payload, secrets_);
  if (++emitted_ <= facts_.emitted) return;
  event.node_id = invocation_.node_id;
  // How many there are by now, so that a re-run knows which it may pass over.
  event.hidden.clear();
  json::ObjectWriter(event.hidden).integer("emitted", static_cast<std::int64_t>(emitted_));
  note_bytes_ += event.payload.size();
  notes_.emplace_back(command::AppendNote{std::move(event)});
}

void HandlerRun::send_notes() {
  std::vector<RunCommand> notes;
  std::optional<NodeOutcome> outcome;
  {
    const std::lock_guard lock(mutex_);
    if (notes_on_their_way_) return;
    notes.swap(notes_);
    note_bytes_ = 0;
    notes_on_their_way_ = !notes.empty();
    if (notes.empty()) outcome = std::exchange(outcome_, std::nullopt);
  }
  link_->with_host([&](HandlerHost& host) {
    if (!notes.empty()) {
      host.handler_notes(facts_.run_id, facts_.node, facts_.token, std::move(notes), [self = shared_from_this()] {
        {
          const std::lock_guard lock(self->mutex_);
          self->notes_on_their_way_ = false;
        }
        self->send_notes();
      });
    } else if (outcome) {
      host.handler_done(facts_.run_id, facts_.node, facts_.token, std::move(*outcome));
    }
  });
}

void HandlerRun::after(std::int64_t delay_ms, std::function<void()> callback) {
  link_->with_host([&](HandlerHost& host) {
    host.call_later(facts_.run_id, host.host_now_ms() + std::max<std::int64_t>(delay_ms, 0), std::move(callback));
  });
}

// ---- versions ----

Result<std::int64_t> HandlerRun::version(std::string_view change_id, std::int64_t min, std::int64_t max) {
  if (change_id.empty() || change_id.size() > kMaxChangeIdBytes || !simdjson::validate_utf8(change_id)) {
    return invalid("a change id has 1 to 256 bytes of UTF-8");
  }
  // The event's version is at least 0, so that is what a run can be pinned to.
  if (min < -1 || max < min || max < 0) return invalid("a version needs -1 <= min <= max and 0 <= max");
  auto pinned = pin(change_id, max);
  if (!pinned || (*pinned >= min && *pinned <= max)) return pinned;
  Error error{ErrorCode::version_out_of_range,
              "the run is pinned to a version of '" + std::string(change_id) + "' that is not supported any more"};
  json::ObjectWriter(error.details)
      .string("runId", facts_.run_id.text())
      .string("changeId", change_id)
      .integer("pinnedVersion", *pinned)
      .integer("min", min)
      .integer("max", max);
  return error;
}

Result<std::int64_t> HandlerRun::pin(std::string_view change_id, std::int64_t max) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = facts_.pins.find(change_id); at != facts_.pins.end()) return at->second;
  }
  // The row decides among nodes that ask at the same time, and outlives a crash before the event is in the log.
  const std::string key = pin_key(facts_.run_id, change_id);
  Result<std::int64_t> version = Error{ErrorCode::service_unavailable, "the engine is closed"};
  link_->with_host([&](HandlerHost& host) {
    const auto stored_at = [&](const std::string& row_key) -> Result<std::int64_t> {
      auto found = Ledger(host.store()).find(row_key);
      if (!found) return std::move(found).error();
      if (!found->has_value()) return std::int64_t{-1};
      return json::as_int((*found)->entry.outcome).value_or(-1);
    };
    const auto stored = [&] { return stored_at(key); };
    // A replay goes by the pins of the run that it repeats, wherever in that run's log they are.
    version = facts_.executor ? stored_at(pin_key(*facts_.executor, change_id)) : stored();
    if (version && *version < 0 && facts_.executor) version = stored();
    if (!version || *version >= 0) return;
    Transaction transaction;
    Ledger::record(transaction, key, {{}, std::to_string(max), host.host_now_ms() + kPinRetentionMs});
    auto committed = host.commit_and_wait(facts_.run_id, std::move(transaction));
    if (!committed) {
      version = Error{ErrorCode::service_unavailable, "the version could not be stored"};
    } else {
      version = *committed == CommitOutcome::committed ? Result<std::int64_t>(max) : stored();
    }
  });
  if (!version) return version;
  {
    const std::lock_guard lock(mutex_);
    facts_.pins.emplace(change_id, *version);
    if (!completed_) {
      notes_.emplace_back(command::PinVersion{std::string(change_id), *version, std::string(invocation_.node_id)});
    }
  }
  send_notes();
  return version;
}

// ---- secrets ----

void HandlerRun::conceal(std::string secret) {
  if (secret.size() < kMinKnownSecretBytes) return;
  const std::lock_guard lock(mutex_);
  for (auto& [channel, stream] : streams_) stream.know(secret);
  secrets_.push_back(std::move(secret));
}

void HandlerRun::conceal_in(NodeOutcome& outcome) {
  if (secrets_.empty()) return;
  if (auto* failure = std::get_if<Failure>(&outcome)) {
    conceal_text(failure->code, secrets_);
    conceal_text(failure->message, secrets_);
    conceal_json(failure->details, secrets_);
  }
  auto* completed = std::get_if<NodeCompleted>(&outcome);
  if (completed == nullptr) return;
  conceal_json(completed->outputs, secrets_);
  for (auto& write : completed->variables) conceal_json(write.value, secrets_);
  for (auto& write : completed->channels) conceal_json(write.value, secrets_);
  for (auto& event : completed->events) conceal_json(event.payload, secrets_);
  for (auto& artifact : completed->artifacts) {
    conceal_json(artifact.content, secrets_);
    conceal_text(artifact.summary, secrets_);
  }
}

}  // namespace openwop::runtime
