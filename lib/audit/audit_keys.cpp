#include "audit/audit_keys.h"

#include "audit/audit_rows.h"
#include "openwop/hash.h"

namespace openwop::audit {

namespace {

/// What the key before signs: that its successor, and no other, signed this root.
std::string vouched_bytes(const AuditCheckpoint& checkpoint, const AuditKey& successor) {
  std::string bytes = "openwop-audit-successor";
  bytes.append(1, '\0').append(signed_bytes(checkpoint.merkle_root)).append(successor.public_der_base64());
  return bytes;
}

}  // namespace

std::string key_id_of(const AuditKey& key) {
  constexpr std::size_t kDigits = 16;
  return sha256_hex(key.public_pem()).substr(0, kDigits);
}

Result<AuditKeys> AuditKeys::of(std::string_view signing_key, const std::vector<std::string>& earlier) {
  if (earlier.size() > kMaxEarlierAuditKeys) {
    return Error{ErrorCode::validation_error,
                 "an audit log has at most " + std::to_string(kMaxEarlierAuditKeys) + " earlier signing keys"};
  }
  AuditKeys keys;
  std::vector<std::string_view> seeds = {signing_key};
  seeds.insert(seeds.end(), earlier.begin(), earlier.end());
  for (const std::string_view seed : seeds) {
    auto key = AuditKey::of(seed);
    if (!key) return std::move(key).error();
    keys.keys_.push_back(*std::move(key));
  }
  return keys;
}

void AuditKeys::sign(AuditCheckpoint& checkpoint) const {
  checkpoint.signature = signing().sign(signed_bytes(checkpoint.merkle_root));
  checkpoint.key_id = key_id_of(signing());
  if (keys_.size() == 1) return;
  checkpoint.co_signature = keys_[1].sign(vouched_bytes(checkpoint, signing()));
  checkpoint.co_key_id = key_id_of(keys_[1]);
}

std::optional<std::size_t> AuditKeys::age_of_signer(const AuditCheckpoint& checkpoint) const {
  const std::string root = signed_bytes(checkpoint.merkle_root);
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const bool is_signer = checkpoint.key_id.empty() ? keys_[i].verify(root, checkpoint.signature)
                                                     : key_id_of(keys_[i]) == checkpoint.key_id;
    if (is_signer) return i;
  }
  return std::nullopt;
}

std::string AuditKeys::signer_of(const AuditCheckpoint& checkpoint) const {
  if (!checkpoint.key_id.empty()) return checkpoint.key_id;
  return key_id_of(keys_[age_of_signer(checkpoint).value_or(0)]);
}

bool AuditKeys::holds(const AuditCheckpoint& checkpoint) const {
  const auto age = age_of_signer(checkpoint);
  if (!age || !keys_[*age].verify(signed_bytes(checkpoint.merkle_root), checkpoint.signature)) return false;
  // The first key of all had none before it; the one before the oldest that is known is forgotten.
  if (*age + 1 == keys_.size()) return true;
  const AuditKey& before = keys_[*age + 1];
  return checkpoint.co_key_id == key_id_of(before) &&
         before.verify(vouched_bytes(checkpoint, keys_[*age]), checkpoint.co_signature);
}

}  // namespace openwop::audit
