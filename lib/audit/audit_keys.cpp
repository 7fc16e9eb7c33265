#include "audit/audit_keys.h"

#include <algorithm>

#include "audit/audit_rows.h"
#include "openwop/hash.h"

namespace openwop::audit {

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
  const std::string root = signed_bytes(checkpoint.merkle_root);
  checkpoint.signature = signing().sign(root);
  checkpoint.key_id = key_id_of(signing());
  if (keys_.size() == 1) return;
  checkpoint.co_signature = keys_[1].sign(root);
  checkpoint.co_key_id = key_id_of(keys_[1]);
}

const AuditKey* AuditKeys::find(std::string_view key_id) const {
  const auto found =
      std::find_if(keys_.begin(), keys_.end(), [&](const AuditKey& key) { return key_id_of(key) == key_id; });
  return found == keys_.end() ? nullptr : &*found;
}

std::string AuditKeys::signer_of(const AuditCheckpoint& checkpoint) const {
  if (!checkpoint.key_id.empty()) return checkpoint.key_id;
  const std::string root = signed_bytes(checkpoint.merkle_root);
  for (const AuditKey& key : keys_) {
    if (key.verify(root, checkpoint.signature)) return key_id_of(key);
  }
  return key_id_of(signing());
}

bool AuditKeys::holds(const AuditCheckpoint& checkpoint) const {
  const std::string root = signed_bytes(checkpoint.merkle_root);
  const AuditKey* const signer = find(signer_of(checkpoint));
  if (signer == nullptr || !signer->verify(root, checkpoint.signature)) return false;
  if (checkpoint.co_signature.empty()) return true;
  const AuditKey* const along = find(checkpoint.co_key_id);
  return along == nullptr || along->verify(root, checkpoint.co_signature);
}

}  // namespace openwop::audit
