// Idempotency layer 1: a mutation with an Idempotency-Key takes effect once, and each repeat gets the first answer
// (protocol 01 §6). A route does it in one line around its work:
//
//   auto keyed = KeyedRequest::read(surface, call);
//   return keyed->answer(make, execute);
//
// What happens to the answer:
//  - a success: written by the engine in the commit of the effect itself, kept for idempotency_retention_ms;
//  - 404, 409, 410, 422: remembered as long, on its own;
//  - 409, 429 and 503 with details.retryAfter: remembered until then, in memory (failed_requests.h);
//  - 400, 401, 403, 413, 415 and the rest: not remembered. After a 5xx the ledger says whether there was an effect.
//
// Thread-safety: one request's object, one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "protocol/openwop/surface_parts.h"

namespace openwop::wire {

class KeyedRequest {
 public:
  /// Makes the first answer of a mutation of a run; called inside its commit when there is a key, and possibly after
  /// the request has returned: let it own what it uses.
  using MakeResponse = std::function<http::Response(const RunId&, RunStatus)>;
  /// The same for answers that are a body of JSON.
  using MakeBody = std::function<std::string(const RunId&, RunStatus)>;
  /// Does the work with the claim (nothing when there is no key). precondition_failed means that the key, or whatever
  /// else the commit was conditioned on, was taken meanwhile: the work is tried again.
  using Execute = std::function<Result<http::Response>(std::optional<LedgerClaim>)>;

  /// Errors: validation_error for a key that is empty, longer than 255 bytes, or no visible ASCII.
  [[nodiscard]] static Result<KeyedRequest> read(SurfaceParts& surface, const Call& call);
  /// The same where the tenant is not that of a bearer key.
  [[nodiscard]] static Result<KeyedRequest> read(SurfaceParts& surface, const Call& call, std::string_view tenant);

  /// The remembered answer, or what `execute` gives. Errors: those of `execute`; idempotency_key_mismatch when the key
  /// came with another body before; idempotency_in_flight.
  [[nodiscard]] Result<http::Response> answer(const MakeResponse& make, const Execute& execute) const;
  /// `status` is that of a success.
  [[nodiscard]] Result<http::Response> answer(int status, const MakeBody& make_body, const Execute& execute) const;
  /// For mutations that are no commit of a run: `execute` sets the claim's outcome, from outcome_of(), and commits it
  /// with its own writes.
  [[nodiscard]] Result<http::Response> answer(const Execute& execute) const;

  /// An answer as a ledger entry keeps it: status, headers but Set-Cookie, body.
  [[nodiscard]] static std::string outcome_of(const http::Response& response);

 private:
  explicit KeyedRequest(SurfaceParts& surface) : surface_(&surface) {}
  [[nodiscard]] LedgerClaim claim(const MakeResponse& make, const Ledger::Found* expired) const;
  [[nodiscard]] Result<http::Response> replay(const LedgerEntry& entry) const;
  [[nodiscard]] std::optional<Result<http::Response>> remembered(std::optional<Ledger::Found>& expired) const;
  [[nodiscard]] Result<http::Response> settle(Result<http::Response> answer, const LedgerClaim& claim) const;
  [[nodiscard]] Result<http::Response> without_key(const Execute& execute) const;
  [[nodiscard]] Error in_flight() const;

  SurfaceParts* surface_;
  bool has_key_ = false;
  std::string row_key_;
  std::string digest_;
};

}  // namespace openwop::wire
