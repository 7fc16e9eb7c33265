// Idempotency layer 1: a mutation with an Idempotency-Key takes effect once, and each repeat gets the first answer
// (protocol 01 §6). The memory is a ledger entry that the engine writes in the commit of the effect itself; answers
// that had no effect (400, 401, 403, 404) are not remembered.
//
//   auto keyed = KeyedRequest::read(surface, call);         // no key: nothing to look up, claim() is empty
//   keyed->answer(make, execute)
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
  /// Makes the body of the first answer; called inside the commit when there is a key.
  using MakeBody = std::function<std::string(const RunId&, RunStatus)>;
  /// Does the work with the claim (nothing when there is no key). precondition_failed means that the key was taken
  /// meanwhile.
  using Execute = std::function<Result<http::Response>(std::optional<LedgerClaim>)>;

  /// Errors: validation_error for a key that is empty, longer than 255 bytes, or no visible ASCII.
  [[nodiscard]] static Result<KeyedRequest> read(SurfaceParts& surface, const Call& call);
  /// The same for a call without a bearer key, in the name of a tenant.
  [[nodiscard]] static Result<KeyedRequest> read(SurfaceParts& surface, const Call& call, std::string_view tenant);

  /// The remembered answer, or what `execute` gives. `status` is that of a success. Errors: those of `execute`;
  /// idempotency_key_mismatch when the key came with another body before.
  [[nodiscard]] Result<http::Response> answer(int status, const MakeBody& make_body, const Execute& execute) const;

 private:
  explicit KeyedRequest(SurfaceParts& surface) : surface_(&surface) {}
  [[nodiscard]] LedgerClaim claim(int status, const MakeBody& make_body, const Ledger::Found* expired) const;
  [[nodiscard]] Result<http::Response> replay(const LedgerEntry& entry) const;

  SurfaceParts* surface_;
  bool has_key_ = false;
  std::string row_key_;
  std::string digest_;
};

}  // namespace openwop::wire
