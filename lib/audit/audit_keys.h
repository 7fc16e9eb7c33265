// The keys of an audit log: the one that signs, and those that signed before it. While there is an earlier one, the
// newest of them signs along, over the root and the new key, so that who knows only that one can trust the next
// (rotation by dual signing).
//
// Thread-safety: all members from any thread.
#pragma once

#include <optional>
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
  /// The signature is of a key that is known here, and that key was vouched for by the one before it, if that is known.
  [[nodiscard]] bool holds(const AuditCheckpoint& checkpoint) const;
  /// How many keys came after the one that signed; nothing for a signer who is not known.
  [[nodiscard]] std::optional<std::size_t> age_of_signer(const AuditCheckpoint& checkpoint) const;

  [[nodiscard]] const AuditKey& signing() const { return keys_.front(); }
  /// The one that signs first.
  [[nodiscard]] std::span<const AuditKey> all() const { return keys_; }
  /// Of the key that signed; the checkpoint may be older than key ids.
  [[nodiscard]] std::string signer_of(const AuditCheckpoint& checkpoint) const;

 private:
  std::vector<AuditKey> keys_;
};

/// 16 hex digits.
[[nodiscard]] std::string key_id_of(const AuditKey& key);

}  // namespace openwop::audit
