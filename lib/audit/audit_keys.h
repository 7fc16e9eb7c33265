// The keys of an audit log: the one that signs, and those that signed before it. While there is an earlier one, the
// newest of them signs along, so that who knows only that one can trust the next (rotation by dual signing).
//
// Thread-safety: all members from any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/audit_key.h"
#include "openwop/audit_log.h"

namespace openwop::audit {

class AuditKeys {
 public:
  /// `earlier`: the newest first. Errors: validation_error unless each has 32 bytes and there are at most
  /// kMaxEarlierAuditKeys of them.
  [[nodiscard]] static Result<AuditKeys> of(std::string_view signing_key, const std::vector<std::string>& earlier);

  /// Fills in signatures and key ids over the checkpoint's root.
  void sign(AuditCheckpoint& checkpoint) const;
  /// Both signatures are of keys that are known here; of a second one whose key is forgotten nothing is said.
  [[nodiscard]] bool holds(const AuditCheckpoint& checkpoint) const;

  [[nodiscard]] const AuditKey& signing() const { return keys_.front(); }
  /// The one that signs first.
  [[nodiscard]] std::span<const AuditKey> all() const { return keys_; }
  /// Of the key that signed; the checkpoint may be older than key ids.
  [[nodiscard]] std::string signer_of(const AuditCheckpoint& checkpoint) const;

 private:
  [[nodiscard]] const AuditKey* find(std::string_view key_id) const;

  std::vector<AuditKey> keys_;
};

/// 16 hex digits.
[[nodiscard]] std::string key_id_of(const AuditKey& key);

}  // namespace openwop::audit
