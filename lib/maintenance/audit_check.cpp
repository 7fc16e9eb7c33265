#include "maintenance/audit_check.h"

#include <vector>

#include "audit/audit_keys.h"
#include "audit/audit_rows.h"
#include "maintenance/row_pages.h"

namespace openwop::maintenance {

namespace {

/// audit::merkle_root() of hashes that come one after the other, in memory that grows with the logarithm of their
/// number.
class MerkleFold {
 public:
  void add(std::string hash) {
    std::size_t leaves = 1;
    while (!peaks_.empty() && peaks_.back().leaves == leaves) {
      hash = sha256_hex(peaks_.back().hash.append(hash));
      leaves *= 2;
      peaks_.pop_back();
    }
    peaks_.push_back({leaves, std::move(hash)});
  }
  /// And begins anew.
  [[nodiscard]] std::string root() {
    if (peaks_.empty()) return audit::merkle_root({});
    std::string root = std::move(peaks_.back().hash);
    for (peaks_.pop_back(); !peaks_.empty(); peaks_.pop_back()) root = sha256_hex(peaks_.back().hash.append(root));
    return root;
  }

 private:
  struct Peak {
    std::size_t leaves;
    std::string hash;
  };
  std::vector<Peak> peaks_;
};

class ChainCheck {
 public:
  ChainCheck(const Store& store, const audit::AuditKeys* keys, Findings& findings)
      : store_(store), keys_(keys), findings_(findings) {}

  [[nodiscard]] Status run() {
    if (auto found = next_checkpoint(); !found) return found;
    auto walked = for_each_row(store_, audit::prefix_of('e'),
                               [this](std::string_view key, std::string_view row) { return entry(key, row); });
    if (!walked) return walked;
    if (checkpoint_key_) {
      if (auto found = wrong("audit_checkpoint_wrong", *checkpoint_key_, "its entry is not there"); !found)
        return found;
    }
    return head();
  }
  [[nodiscard]] std::uint64_t entries() const { return entries_; }

 private:
  [[nodiscard]] Status wrong(std::string what, std::string_view key, std::string detail) {
    return findings_.found({std::move(what), printable(key), std::nullopt, std::move(detail)});
  }

  [[nodiscard]] Status next_checkpoint() {
    const std::string begin = checkpoint_key_ ? *checkpoint_key_ + '\0' : audit::prefix_of('c');
    checkpoint_key_.reset();
    return store_.scan({begin, prefix_end(audit::prefix_of('c')), false},
                       [this](std::string_view key, std::string_view row) {
                         checkpoint_key_ = key;
                         checkpoint_ = audit::decode_checkpoint(row);
                         return false;
                       });
  }

  [[nodiscard]] Status entry(std::string_view key, std::string_view row) {
    ++entries_;
    const std::uint64_t sequence = audit::sequence_of(key);
    if (sequence != last_ + 1) {
      auto found =
          wrong("audit_entry_wrong", key,
                "entries " + std::to_string(last_ + 1) + " to " + std::to_string(sequence - 1) + " are not there");
      if (!found) return found;
    }
    const audit::StatedPlace stated = audit::stated_place(row);
    if (stated.prev_hash != hash_ || stated.sequence != sequence) {
      if (auto found = wrong("audit_entry_wrong", key, "it does not fit the entry before: one of the two was altered");
          !found)
        return found;
    }
    last_ = sequence;
    hash_ = sha256_hex(row);
    tree_.add(*hash_);
    while (checkpoint_key_ && audit::sequence_of(*checkpoint_key_) <= sequence) {
      if (auto checked = checkpoint(sequence); !checked) return checked;
    }
    return {};
  }

  [[nodiscard]] Status checkpoint(std::uint64_t sequence) {
    std::string trouble;
    const std::string root = tree_.root();
    const std::uint64_t at = audit::sequence_of(*checkpoint_key_);
    if (at != sequence || checkpoint_.at_sequence != at) {
      trouble = "its entry is not there";
    } else if (root != checkpoint_.merkle_root) {
      trouble = "its root is not that of the entries";
    } else if (keys_ != nullptr && !keys_->holds(checkpoint_)) {
      trouble = "its signature does not hold";
    }
    if (!trouble.empty()) {
      if (auto found = wrong("audit_checkpoint_wrong", *checkpoint_key_, std::move(trouble)); !found) return found;
    }
    return next_checkpoint();
  }

  [[nodiscard]] Status head() {
    const std::string key = audit::prefix_of('h');
    auto row = store_.get(key);
    if (!row) return std::move(row).error();
    if (!row->has_value()) {
      return entries_ == 0 ? Status{} : wrong("audit_head_wrong", key, "there are entries, but no head");
    }
    const auto head = audit::ChainHead::decode(**row);
    if (!head) return wrong("audit_head_wrong", key, head.error().message);
    if (head->last_sequence == last_ && head->last_hash == hash_.value_or("")) return {};
    return wrong(
        "audit_head_wrong", key,
        "it does not fit the last entry: " + std::to_string(head->last_sequence) + " against " + std::to_string(last_));
  }

  const Store& store_;
  const audit::AuditKeys* keys_;
  Findings& findings_;
  std::uint64_t entries_ = 0;
  std::uint64_t last_ = 0;
  std::optional<std::string> hash_;
  MerkleFold tree_;
  std::optional<std::string> checkpoint_key_;
  AuditCheckpoint checkpoint_;
};

}  // namespace

Result<std::uint64_t> check_audit_chain(const StoreCheckOptions& options, Findings& findings) {
  std::optional<audit::AuditKeys> keys;
  if (!options.audit_signing_key.empty()) {
    auto made = audit::AuditKeys::of(options.audit_signing_key, options.audit_earlier_signing_keys);
    if (!made) return std::move(made).error();
    keys.emplace(*std::move(made));
  }
  ChainCheck chain(*options.store, keys ? &*keys : nullptr, findings);
  if (auto checked = chain.run(); !checked) return std::move(checked).error();
  return chain.entries();
}

}  // namespace openwop::maintenance
