// Reading the chain again: verification and export.
#include <algorithm>

#include "audit/audit_chain.h"
#include "openwop/json.h"
#include "openwop/time.h"

namespace openwop::audit {

namespace {

void append_key(std::string& out, const AuditKey& key) {
  json::ObjectWriter(out)
      .string("keyId", key_id_of(key))
      .string("algorithm", "ed25519")
      .string("publicKeyPEM", key.public_pem());
}

}  // namespace

Result<AuditVerification> AuditChain::verify(std::optional<std::uint64_t> from, std::optional<std::uint64_t> to) {
  const std::lock_guard lock(chain_mutex_);
  if (auto chained = chain_and_sign(Sign::never); !chained) return std::move(chained).error();
  AuditVerification out;
  out.from_sequence = from.value_or(std::min<std::uint64_t>(1, head_.last_sequence));
  out.to_sequence = to.value_or(head_.last_sequence);
  if (auto checked = check_entries(out); !checked) return std::move(checked).error();
  if (auto checked = check_checkpoints(out); !checked) return std::move(checked).error();
  // A chain written anew as a whole fits in itself, but not the roots that were signed.
  out.chain_valid = out.anomalies.empty() && out.checkpoints_valid;
  return out;
}

/// Hashes each entry again and goes on with that hash, not with the one stored, so that an altered entry no longer fits
/// the one behind it; behind the last one stands the head.
Status AuditChain::check_entries(AuditVerification& out) const {
  const std::uint64_t first = std::max<std::uint64_t>(out.from_sequence, 1);
  const std::uint64_t last = std::min(out.to_sequence, head_.last_sequence);
  std::optional<std::string> hash;
  if (first > last) return {};
  if (first > 1) {
    auto before = options_.store->get(row_key('e', first - 1));
    if (!before) return std::move(before).error();
    hash = sha256_hex(before->value_or(""));
  }
  const auto note = [&](std::uint64_t sequence, std::optional<std::string> actual) {
    if (out.anomalies.size() < options_.max_anomalies) out.anomalies.push_back({sequence, hash, std::move(actual)});
  };
  std::uint64_t expected = first;
  auto scanned = options_.store->scan(
      {row_key('e', first), row_key('e', last + 1), false}, [&](std::string_view key, std::string_view row) {
        const std::uint64_t sequence = sequence_of(key);
        for (; expected < sequence && out.anomalies.size() < options_.max_anomalies; ++expected) {
          note(expected, std::nullopt);  // an entry is missing
        }
        expected = sequence + 1;
        StatedPlace stated = stated_place(row);
        const bool fits = stated.prev_hash == hash && stated.sequence == sequence;
        if (!fits) note(sequence, std::move(stated.prev_hash));
        hash = sha256_hex(row);
        return true;
      });
  if (!scanned) return scanned;
  for (; expected <= last && out.anomalies.size() < options_.max_anomalies; ++expected) note(expected, std::nullopt);
  if (last == head_.last_sequence && hash != head_.last_hash) note(last + 1, head_.last_hash);
  return {};
}

Status AuditChain::read_checkpoints(std::uint64_t from, std::uint64_t to, std::vector<AuditCheckpoint>& out) const {
  return options_.store->scan(
      {row_key('c', from), to == UINT64_MAX ? prefix_end(prefix_of('c')) : row_key('c', to + 1), false},
      [&](std::string_view, std::string_view row) {
        out.push_back(decode_checkpoint(row));
        return true;
      });
}

Status AuditChain::check_checkpoints(AuditVerification& out) const {
  if (out.from_sequence > out.to_sequence) return {};
  if (auto read = read_checkpoints(out.from_sequence, out.to_sequence, out.checkpoints); !read) return read;
  std::optional<std::size_t> newest;
  for (const AuditCheckpoint& checkpoint : out.checkpoints) {
    // A key signs no more once its successor has.
    const auto age = keys_.age_of_signer(checkpoint);
    out.checkpoints_valid = out.checkpoints_valid && age && (!newest || *age <= *newest);
    newest = age;
    // Its entries begin behind the checkpoint before, which may lie outside the range.
    std::uint64_t before = 0;
    auto scanned = options_.store->scan({prefix_of('c'), row_key('c', checkpoint.at_sequence), true},
                                        [&](std::string_view key, std::string_view) {
                                          before = sequence_of(key);
                                          return false;
                                        });
    if (!scanned) return scanned;
    auto hashes = hashes_between(before + 1, checkpoint.at_sequence);
    if (!hashes) return std::move(hashes).error();
    const bool root = merkle_root(*std::move(hashes)) == checkpoint.merkle_root;
    out.checkpoints_valid = out.checkpoints_valid && root && keys_.holds(checkpoint);
  }
  return {};
}

Result<std::string> AuditChain::export_checkpoints() {
  const std::lock_guard lock(chain_mutex_);
  if (auto chained = chain_and_sign(Sign::never); !chained) return std::move(chained).error();
  std::vector<AuditCheckpoint> checkpoints;
  if (auto read = read_checkpoints(0, UINT64_MAX, checkpoints); !read) return std::move(read).error();
  const auto time = rfc3339_chars(now_ms());
  std::string out;
  {
    json::ObjectWriter document(out);
    document.string("bundleVersion", "1");
    document.string("exportedAt", {time.data(), time.size()});
    json::ObjectWriter(document.value_of("host"))
        .string("name", options_.host_name)
        .string("version", options_.host_version);
    append_key(document.value_of("signingKey"), keys_.signing());
    std::string& earlier = document.value_of("earlierKeys");
    earlier += '[';
    for (const AuditKey& key : keys_.all().subspan(1)) {
      if (!earlier.ends_with('[')) earlier += ',';
      append_key(earlier, key);
    }
    earlier += ']';
    std::string& list = document.value_of("checkpoints");
    list += '[';
    for (std::size_t i = 0; i < checkpoints.size(); ++i) {
      if (i > 0) list += ',';
      json::ObjectWriter item(list);
      item.string("checkpointId", checkpoints[i].checkpoint)
          .integer("atSequence", static_cast<std::int64_t>(checkpoints[i].at_sequence))
          .string("merkleRoot", checkpoints[i].merkle_root)
          .string("signature", checkpoints[i].signature)
          .string("signedAt", checkpoints[i].ts)
          .string("signingKeyId", keys_.signer_of(checkpoints[i]));
      if (checkpoints[i].co_signature.empty()) continue;
      item.string("coSignature", checkpoints[i].co_signature).string("coSigningKeyId", checkpoints[i].co_key_id);
    }
    list += ']';
  }
  return out;
}

}  // namespace openwop::audit
