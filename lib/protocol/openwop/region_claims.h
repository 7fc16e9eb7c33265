// What one region tells another (protocol 01 §18), as JSON:
//
//   POST /v1/regions/claims   {"region":…,"claims":[{"key","request","expiresMs","status","headers","body"}]}
//     200                     {"region":…,"left":[index of a claim that has to be told again, alone]}
//
// `key` and `request` are SHA-256 in lower-case hex: of what names the key, and of the request's body.
//
// Thread-safety: free functions, safe from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/hash.h"
#include "openwop/ids.h"
#include "openwop/ledger.h"
#include "openwop/protocol/http.h"
#include "openwop/result.h"

namespace openwop::wire {

/// A create with an Idempotency-Key, and its answer.
struct RegionClaim {
  Sha256 key = {};
  Sha256 request = {};
  std::int64_t expires_ms = 0;
  /// The run that the answer tells.
  RunId run = {};
  http::Response answer = {};

  [[nodiscard]] std::string row_key() const;
  [[nodiscard]] LedgerEntry entry() const;
};

/// A ledger row as a claim; nothing when it is not that of a create.
[[nodiscard]] std::optional<RegionClaim> claim_of(std::string_view row_key, const LedgerEntry& entry);

struct RegionMessage {
  std::string region = {};
  std::vector<RegionClaim> claims = {};
};

[[nodiscard]] std::string region_message(std::string_view region, std::span<const RegionClaim> claims);
/// `body` is a checked object. Errors: validation_error that names the member.
[[nodiscard]] Result<RegionMessage> read_region_message(std::string_view body);

}  // namespace openwop::wire
