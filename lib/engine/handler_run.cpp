#include "engine/handler_run.h"

#include "engine/event_redaction.h"
#include "engine/test_mutation.h"
#include "openwop/bytes.h"
#include "openwop/hash.h"
#include "openwop/trace_context.h"

namespace openwop::runtime {

namespace {

constexpr std::int64_t kStepRetentionMs = std::int64_t{14} * 24 * 3600 * 1000;  // protocol 01 §6.5

constexpr std::size_t kMaxStepOutcomeBytes = std::size_t{1} << 20;

/// FNV-1a: the same on every machine and in every build, as re-runs must draw the same numbers.
std::uint64_t fnv1a(std::string_view text, std::uint64_t hash = 0xCBF29CE484222325ULL) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return hash;
}

std::string encode_step(const Result<std::string>& outcome) {
  std::string out;
  if (outcome) {
    out += '\0';
    bytes::put_string(out, *outcome);
  } else {
    out += '\2';
    // By name: the numbers of the enum change between builds.
    bytes::put_string(out, error_name(outcome.error().code));
    bytes::put_string(out, outcome.error().message);
    bytes::put_string(out, outcome.error().details);
  }
  return out;
}

Result<std::string> decode_step(std::string_view row) {
  bytes::Reader reader(row);
  const bool succeeded = reader.u8() == 0;
  if (succeeded) {
    std::string outcome(reader.string());
    if (reader.ok()) return outcome;
  }
  Error error;
  const std::string_view code = reader.string();
  for (const ErrorCodeInfo& info : kErrorCodes) {
    if (info.name == code) error.code = info.code;
  }
  error.message = reader.string();
  error.details = reader.string();
  if (!reader.ok()) return Error{ErrorCode::store_corrupt, "the recorded outcome of a step does not decode"};
  return error;
}

}  // namespace

HandlerRun::HandlerRun(std::shared_ptr<HostLink> link, std::shared_ptr<const NodeType> type, Facts facts)
    : link_(std::move(link)), type_(std::move(type)), facts_(std::move(facts)) {
  const WorkflowNode& node = facts_.workflow->nodes[facts_.node];
  invocation_.run_id = facts_.run_id;
  invocation_.tenant = facts_.header->tenant;
  invocation_.workflow_id = facts_.workflow->id;
  invocation_.node_id = node.id;
  invocation_.type_id = node.type_id;
  invocation_.config = node.config;
  invocation_.inputs = facts_.inputs;
  invocation_.configurable = facts_.header->configurable.empty() ? std::string_view("{}") : facts_.header->configurable;
  invocation_.agent = node.agent;
  invocation_.variables = &facts_.variables;
  invocation_.channels = &facts_.channels;
  invocation_.attempt = facts_.attempt;
  invocation_.iteration = facts_.iteration;
  invocation_.loop_index = facts_.loop_index;
  invocation_.now_ms = facts_.started_ms;
  invocation_.workflow = facts_.workflow.get();
  TraceContext trace = parse_traceparent(facts_.header->traceparent).value_or(TraceContext{});
  if (facts_.header->traceparent.empty()) trace.trace_id = trace_id_of(facts_.run_id);
  trace.span_id = node_span_id(facts_.run_id, facts_.token);
  traceparent_ = format_traceparent(trace);
  invocation_.traceparent = traceparent_;
  invocation_.answers = &facts_.answers;
  random_state_ = fnv1a(node.id, fnv1a(facts_.executor.value_or(facts_.run_id).view())) ^
                  (std::uint64_t{facts_.attempt} << 32) ^ facts_.iteration;
}

void HandlerRun::execute() {
  // Kept for the time of the call only: a host may hold contexts in what its handler captures, which would be a cycle.
  const auto type = std::move(type_);
  if (cancelled()) return;
  // A handler that throws has failed; nothing may reach the executor.
  try {
    if (const auto* sync = std::get_if<SyncHandler>(&type->handler)) {
      complete((*sync)(*this));
    } else if (const auto* async = std::get_if<AsyncHandler>(&type->handler)) {
      (*async)(shared_from_this(),
               [self = shared_from_this()](NodeOutcome outcome) { self->complete(std::move(outcome)); });
    }
  } catch (const std::exception& thrown) {
    complete(Failure{"handler_exception", thrown.what()});
  } catch (...) {
    complete(Failure{"handler_exception", "the handler threw something that is no std::exception"});
  }
}

void HandlerRun::complete(NodeOutcome outcome) {
  std::function<void()> forgotten;
  {
    const std::lock_guard lock(mutex_);
    if (completed_) return;
    completed_ = true;
    // Nobody waits for it; and where the run has gone and come back, it is not the outcome that is waited for.
    if (cancelled()) return;
    forgotten = std::move(on_cancel_);
    for (auto& [channel, stream] : streams_) {
      auto rest = rest_of_stream(stream, facts_.run_id.text(), invocation_.node_id, channel);
      if (rest) queue_note(std::move(*rest));
    }
    conceal_in(outcome);
    outcome_ = std::move(outcome);
  }
  send_notes();
}

void HandlerRun::cancel() {
  std::function<void()> callback;
  {
    const std::lock_guard lock(mutex_);
    // A handler that has answered has nothing left to stop; what its callback refers to may be gone.
    if (completed_ || cancelled_.exchange(true)) return;
    callback = std::move(on_cancel_);
    on_cancel_ = nullptr;
  }
  if (callback) callback();
}

void HandlerRun::on_cancel(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (completed_) return;
    if (!cancelled()) {
      on_cancel_ = std::move(callback);
      return;
    }
  }
  callback();
}

std::uint64_t HandlerRun::random() {
  // SplitMix64: one addition and a mix; the state is the whole generator.
  const std::lock_guard lock(mutex_);
  std::uint64_t z = (random_state_ += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

Result<std::string> HandlerRun::secret(std::string_view secret_id) {
  std::shared_ptr<AgentServices> services;
  link_->with_host([&](HandlerHost& host) { services = host.agent_services(); });
  if (services == nullptr) return Error{ErrorCode::service_unavailable, "the engine is closed"};
  auto plaintext = services->secrets.resolve(facts_.header->tenant, facts_.run_id, secret_id);
  if (plaintext) conceal(*plaintext);
  return plaintext;
}

NodeMemory* HandlerRun::memory() {
  const std::lock_guard lock(mutex_);
  if (memory_) return memory_.get();
  std::shared_ptr<AgentServices> services;
  link_->with_host([&](HandlerHost& host) { services = host.agent_services(); });
  if (services == nullptr || services->max_memory_entry_bytes == 0) return nullptr;
  // After the engine has closed time stands still; what is written then is as old as the attempt.
  const auto now_ms = [link = link_, last_ms = facts_.started_ms]() {
    std::int64_t now = last_ms;
    link->with_host([&](HandlerHost& host) { now = host.host_now_ms(); });
    return now;
  };
  memory_ = std::make_unique<RunMemory>(
      std::move(services),
      RunMemory::Facts{facts_.run_id, facts_.header->tenant, facts_.header->created_ms, facts_.started_ms, now_ms});
  return memory_.get();
}

std::string HandlerRun::invocation_id(std::string_view key) const {
  std::string text = facts_.executor.value_or(facts_.run_id).text();
  text += ':';
  text += invocation_.node_id;
  text += ':';
  text += std::to_string(facts_.attempt);
  text += ':';
  text += key;
  // Attempts count anew in each iteration of a loop, so the iteration has to tell the calls apart.
  if (facts_.iteration > 0) text += "#" + std::to_string(facts_.iteration);
  return sha256_hex(text);
}

Result<std::string> HandlerRun::step(std::string_view key, const std::function<Result<std::string>()>& effect) {
  const std::string row_key = Ledger::row_key(kStepScope, invocation_id(key));
  Result<std::string> answer = Error{ErrorCode::service_unavailable, "the engine is closed"};
  const auto stored = [&](HandlerHost& host) -> std::optional<Result<std::string>> {
    auto found = Ledger(host.store()).find(row_key);
    if (!found) return Result<std::string>(std::move(found).error());
    if (!found->has_value() || mutated(Mutation::repeated_step)) return std::nullopt;
    return decode_step((*found)->entry.outcome);
  };
  bool known = false;
  if (!link_->with_host([&](HandlerHost& host) {
        // The host that has the run now may be at the same effect.
        std::optional<Result<std::string>> earlier = Error{ErrorCode::not_owner, "the run has gone to another host"};
        if (host.has_run(facts_.run_id)) earlier = stored(host);
        if (earlier) {
          answer = std::move(*earlier);
          known = true;
        }
      })) {
    return answer;
  }
  if (known) return answer;
  if (facts_.executor) {
    return Error{ErrorCode::conflict, "replay_source_missing: the source has no outcome of step '" + std::string(key) +
                                          "' on record, and a replay has no effects"};
  }

  auto outcome = effect();
  {
    // The recorded outcome is what a re-run gets, so the first run gets the same.
    const std::lock_guard lock(mutex_);
    if (outcome && !secrets_.empty()) {
      if (auto clean = scrub_known(*outcome, secrets_)) outcome = std::move(*clean);
    }
  }
  if (outcome && outcome->size() > kMaxStepOutcomeBytes) {
    outcome =
        Error{ErrorCode::payload_too_large, "the outcome of step '" + std::string(key) + "' is larger than 1 MiB"};
  }
  link_->with_host([&](HandlerHost& host) {
    Transaction transaction;
    Ledger::record(transaction, row_key, {{}, encode_step(outcome), host.host_now_ms() + kStepRetentionMs});
    auto committed = host.commit_and_wait(facts_.run_id, std::move(transaction));
    if (!committed) {
      answer =
          Error{ErrorCode::service_unavailable, "the outcome of step '" + std::string(key) + "' could not be stored"};
    } else if (*committed == CommitOutcome::refused) {
      // Another run of the same attempt stored its outcome first; that one counts.
      answer = stored(host).value_or(Error{ErrorCode::internal_error, "the outcome of the step vanished"});
    } else {
      answer = std::move(outcome);
    }
  });
  return answer;
}

}  // namespace openwop::runtime
