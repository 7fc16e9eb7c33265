#include "protocol/openwop/idempotency.h"

#include <algorithm>

#include "openwop/bytes.h"
#include "openwop/hash.h"
#include "protocol/openwop/answer.h"

namespace openwop::wire {

namespace {

constexpr std::size_t kMaxKeyBytes = 255;
constexpr std::string_view kReplayHeader = "openwop-Idempotent-Replay";

std::string_view bytes_of(const Sha256& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};  // NOLINT(*-reinterpret-cast)
}

bool is_visible_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

Result<KeyedRequest> KeyedRequest::read(SurfaceParts& surface, const Call& call) {
  return read(surface, call, call.tenant());
}

Result<KeyedRequest> KeyedRequest::read(SurfaceParts& surface, const Call& call, std::string_view tenant) {
  KeyedRequest keyed(surface);
  const auto key = http::header(call.request.headers, "Idempotency-Key");
  if (!key) return keyed;
  if (call.request.headers.count("Idempotency-Key") > 1) {
    return invalid_field("Idempotency-Key", "is there more than once");
  }
  if (key->empty() || key->size() > kMaxKeyBytes || !is_visible_ascii(*key)) {
    return invalid_field("Idempotency-Key", "has to be 1 to 255 visible ASCII characters");
  }
  // Tenant, method, concrete path and key; the body is compared, it is not part of the key (trap T-23).
  std::string named(tenant);
  named.append(":").append(call.request.method).append(" ").append(call.target.path).append(":").append(*key);
  keyed.has_key_ = true;
  keyed.row_key_ = Ledger::row_key("idem", bytes_of(sha256(named)));
  keyed.digest_ = bytes_of(sha256(call.request.body));
  return keyed;
}

LedgerClaim KeyedRequest::claim(int status, const MakeBody& make_body, const Ledger::Found* expired) const {
  LedgerClaim claim;
  claim.row_key = row_key_;
  claim.request_digest = digest_;
  claim.expires_ms = surface_->engine.now_ms() + surface_->options.idempotency_retention_ms;
  if (expired != nullptr) claim.replaces = expired->raw;
  claim.outcome = [status, make_body](const RunId& run, RunStatus run_status) {
    std::string outcome;
    bytes::put_varint(outcome, static_cast<std::uint64_t>(status));
    bytes::put_string(outcome, make_body(run, run_status));
    return outcome;
  };
  return claim;
}

Result<http::Response> KeyedRequest::replay(const LedgerEntry& entry) const {
  if (entry.request_digest != digest_) {
    return Error{ErrorCode::idempotency_key_mismatch, "this Idempotency-Key was used with another body"};
  }
  bytes::Reader reader(entry.outcome);
  const auto status = static_cast<int>(reader.varint());
  const std::string_view body = reader.string();
  if (!reader.ok()) return Error{ErrorCode::store_corrupt, "the outcome in a ledger entry does not decode"};
  http::Response response = json_response(status, std::string(body));
  response.headers.emplace(kReplayHeader, "true");
  return response;
}

Result<http::Response> KeyedRequest::answer(int status, const MakeBody& make_body, const Execute& execute) const {
  if (!has_key_) return execute(std::nullopt);
  // The key is free, or its entry expired, or somebody else takes it between look-up and commit: then the next look-up
  // finds the answer. Only an entry that expires at that moment can ask for one more round.
  constexpr int kRounds = 4;
  for (int round = 0; round < kRounds; ++round) {
    const auto found = surface_->engine.find_ledger_entry(row_key_);
    if (!found) return found.error();
    const bool expired = *found && (*found)->expired(surface_->engine.now_ms());
    if (*found && !expired) return replay((*found)->entry);
    auto response = execute(claim(status, make_body, expired ? &**found : nullptr));
    if (response) {
      response->headers.emplace(kReplayHeader, "false");
      return response;
    }
    if (response.error().code != ErrorCode::precondition_failed) return response;
  }
  Error error{ErrorCode::idempotency_in_flight, "a request with this Idempotency-Key is being executed"};
  error.details = with_detail("", "retryAfter", std::to_string(surface_->options.retry_after_s));
  return error;
}

}  // namespace openwop::wire
