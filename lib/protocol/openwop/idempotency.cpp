#include "protocol/openwop/idempotency.h"

#include <algorithm>

#include "openwop/hash.h"
#include "openwop/json.h"
#include "protocol/openwop/answer.h"
#include "protocol/openwop/remembered_answer.h"
#include "protocol/openwop/request_headers.h"

namespace openwop::wire {

namespace {

constexpr std::size_t kMaxKeyBytes = 255;
constexpr std::string_view kReplayHeader = "openwop-Idempotent-Replay";
// Only a race that goes on and on takes more.
constexpr int kRounds = 8;

std::string_view bytes_of(const Sha256& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};  // NOLINT(*-reinterpret-cast)
}

bool is_visible_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

/// Outcomes of the operation itself, which a repeat would not change.
bool is_final_refusal(int status) { return status == 404 || status == 409 || status == 410 || status == 422; }

/// Seconds after which a passing failure may be over.
std::optional<std::int64_t> retry_after_s(const Error& error) {
  // What a store in trouble answers says nothing about whether there was an effect.
  const bool passing = error.code == ErrorCode::service_unavailable || error.code == ErrorCode::rate_limited ||
                       http_status(error.code) == 409;
  const auto raw = passing ? json::member(error.details, "retryAfter") : std::nullopt;
  return raw ? json::as_int(*raw) : std::nullopt;
}

http::Response marked(http::Response response, std::string_view replayed) {
  response.headers.erase(std::string(kReplayHeader));
  response.headers.emplace(kReplayHeader, replayed);
  return response;
}

}  // namespace

Result<KeyedRequest> KeyedRequest::read(SurfaceParts& surface, const Call& call) {
  return read(surface, call, call.tenant());
}

Result<KeyedRequest> KeyedRequest::read(SurfaceParts& surface, const Call& call, std::string_view tenant) {
  KeyedRequest keyed(surface);
  const auto key = single_header(call.request.headers, "Idempotency-Key");
  if (!key) return key.error();
  if (!*key) return keyed;
  if ((*key)->empty() || (*key)->size() > kMaxKeyBytes || !is_visible_ascii(**key)) {
    return invalid_field("Idempotency-Key", "has to be 1 to 255 visible ASCII characters");
  }
  // Tenant, method, concrete path and key; the body is compared, it is not part of the key (trap T-23).
  std::string named(tenant);
  named.append(":").append(call.request.method).append(" ").append(call.target.path).append(":").append(**key);
  keyed.has_key_ = true;
  keyed.row_key_ = Ledger::row_key(kRequestScope, bytes_of(sha256(named)));
  keyed.digest_ = bytes_of(sha256(call.request.body));
  return keyed;
}

std::string KeyedRequest::outcome_of(const http::Response& response) { return remembered_answer(response); }

LedgerClaim KeyedRequest::claim(const MakeResponse& make, const Ledger::Found* expired) const {
  LedgerClaim claim;
  claim.row_key = row_key_;
  claim.request_digest = digest_;
  claim.expires_ms = surface_->engine.now_ms() + surface_->options.idempotency_retention_ms;
  if (expired != nullptr) claim.replaces = expired->raw;
  if (make) {
    claim.outcome = [make](const RunId& run, RunStatus status) { return outcome_of(make(run, status)); };
  }
  return claim;
}

Result<http::Response> KeyedRequest::replay(const LedgerEntry& entry) const {
  if (entry.request_digest != digest_) {
    return Error{ErrorCode::idempotency_key_mismatch, "this Idempotency-Key was used with another body"};
  }
  auto response = read_remembered_answer(entry.outcome);
  if (!response) return std::move(response).error();
  return marked(*std::move(response), "true");
}

Error KeyedRequest::in_flight() const {
  Error error{ErrorCode::idempotency_in_flight, "a request with this Idempotency-Key is being executed"};
  error.details = with_detail("", "retryAfter", std::to_string(surface_->options.retry_after_s));
  return error;
}

/// What is known of the key; an entry whose time is over goes to `expired`.
std::optional<Result<http::Response>> KeyedRequest::remembered(std::optional<Ledger::Found>& expired) const {
  const std::int64_t now_ms = surface_->engine.now_ms();
  auto found = surface_->engine.find_ledger_entry(row_key_);
  if (!found) return std::move(found).error();
  const bool live = *found && !(*found)->expired(now_ms);
  if (live) return replay((*found)->entry);
  expired = *std::move(found);
  const auto failed = surface_->failed_requests.find(row_key_);
  if (!failed) return std::nullopt;
  if (failed->request_digest != digest_) return replay({failed->request_digest, {}, 0});
  if (failed->until_ms <= now_ms) return std::nullopt;
  return Result<http::Response>(marked(error_response(failed->error), "true"));
}

/// Remembers an answer that the work did not commit itself.
Result<http::Response> KeyedRequest::settle(Result<http::Response> answer, const LedgerClaim& claim) const {
  if (answer && !is_final_refusal(answer->status)) {
    surface_->failed_requests.forget(row_key_);
    return marked(*std::move(answer), "false");
  }
  if (!answer) {
    const Error& error = answer.error();
    if (const auto seconds = retry_after_s(error)) {
      surface_->failed_requests.remember(row_key_, {digest_, error, surface_->engine.now_ms() + *seconds * 1000});
      return answer;
    }
    // A refusal by conditions of the store is nothing to remember, nor is what never got as far as the operation.
    const bool internal = error.code == ErrorCode::precondition_failed || error.code == ErrorCode::lease_lost;
    if (internal || !is_final_refusal(http_status(error.code))) return answer;
  }
  const http::Response refusal =
      answer ? *std::move(answer) : error_response(shown_on_the_wire(*surface_, answer.error()));
  const Status kept = surface_->engine.remember(claim, outcome_of(refusal));
  if (!kept && kept.error().code == ErrorCode::precondition_failed) return kept.error();
  // It changed nothing, so that a repeat may find out anew if the store could not keep it.
  return marked(refusal, "false");
}

Result<http::Response> KeyedRequest::without_key(const Execute& execute) const {
  for (int round = 1; round < kRounds; ++round) {
    auto answer = execute(std::nullopt);
    if (answer || answer.error().code != ErrorCode::precondition_failed) return answer;
  }
  return execute(std::nullopt);
}

Result<http::Response> KeyedRequest::answer(const MakeResponse& make, const Execute& execute) const {
  if (!has_key_) return without_key(execute);
  const auto held = surface_->keys_in_flight.take(row_key_, surface_->options.idempotency_wait_ms);
  if (!held) return in_flight();
  // Another process may take the key between look-up and commit; then the next look-up finds its answer.
  for (int round = 0; round < kRounds; ++round) {
    std::optional<Ledger::Found> expired;
    if (auto known = remembered(expired)) return *std::move(known);
    const LedgerClaim claimed = claim(make, expired ? &*expired : nullptr);
    auto settled = settle(execute(claimed), claimed);
    if (settled || settled.error().code != ErrorCode::precondition_failed) return settled;
  }
  return in_flight();
}

Result<http::Response> KeyedRequest::answer(int status, const MakeBody& make_body, const Execute& execute) const {
  return answer([status, make_body](const RunId& run,
                                    RunStatus run_status) { return json_response(status, make_body(run, run_status)); },
                execute);
}

Result<http::Response> KeyedRequest::answer(const Execute& execute) const { return answer(MakeResponse{}, execute); }

}  // namespace openwop::wire
