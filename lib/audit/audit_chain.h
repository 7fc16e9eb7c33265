// The audit log behind the public interface: staging, the sequencer, checkpoints, verification.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "audit/audit_keys.h"
#include "audit/audit_rows.h"

namespace openwop::audit {

class AuditChain final : public AuditLog {
 public:
  AuditChain(AuditOptions options, AuditKeys keys) : options_(std::move(options)), keys_(std::move(keys)) {}
  AuditChain(const AuditChain&) = delete;
  AuditChain& operator=(const AuditChain&) = delete;
  ~AuditChain() override { close(); }

  [[nodiscard]] Status start();

  void extend(const RunCommit& commit, Transaction& transaction) noexcept override;
  void committed(const RunCommit& commit) noexcept override;

  void stage(const AuditEntry& entry, Transaction& transaction) noexcept override;
  void staged() noexcept override;
  [[nodiscard]] Status append(const AuditEntry& entry) override;
  [[nodiscard]] Status note_keys(std::vector<std::string> key_ids) override;
  void key_used(const KeyUse& use) noexcept override;
  [[nodiscard]] Status checkpoint() override;
  [[nodiscard]] Result<AuditVerification> verify(std::optional<std::uint64_t> from,
                                                 std::optional<std::uint64_t> to) override;
  [[nodiscard]] Result<std::string> export_checkpoints() override;
  [[nodiscard]] std::string public_key() const override { return keys_.signing().public_der_base64(); }
  std::optional<std::int64_t> tick() override;
  void close() override;
  [[nodiscard]] const AuditOptions& options() const override { return options_; }

 private:
  [[nodiscard]] std::int64_t now_ms() const { return options_.clock->now_ms(); }
  void run_sequencer();
  /// Chains everything staged and signs what is due; when the next checkpoint is due.
  std::optional<std::int64_t> work();

  // Under chain_mutex_.
  [[nodiscard]] Status stage_uses();
  [[nodiscard]] Status refresh_head();
  enum class Sign : std::uint8_t { never, when_due, always };
  [[nodiscard]] Status chain_and_sign(Sign sign);
  [[nodiscard]] Status chain_staged();
  [[nodiscard]] Status chain_some(bool& more);
  [[nodiscard]] Status sign_if_due(bool in_any_case);
  [[nodiscard]] Status load_head();
  [[nodiscard]] Status check_checkpoints(AuditVerification& out) const;
  [[nodiscard]] Status check_entries(AuditVerification& out) const;
  [[nodiscard]] Status read_checkpoints(std::uint64_t from, std::uint64_t to, std::vector<AuditCheckpoint>& out) const;
  [[nodiscard]] Result<std::vector<std::string>> hashes_between(std::uint64_t first, std::uint64_t last) const;

  AuditOptions options_;
  AuditKeys keys_;

  std::mutex chain_mutex_;
  ChainHead head_;
  std::string head_row_;  // as the store has it; empty: no row
  /// Hashes of the entries behind the last checkpoint.
  std::vector<std::string> unsigned_hashes_;

  [[nodiscard]] Result<bool> try_to_note_keys(const std::vector<std::string>& key_ids);
  std::mutex keys_mutex_;  // note_keys: reads, then writes

  /// An entry that is on its way to the store.
  struct StagedRow {
    std::string key;
    std::string value;
  };
  std::mutex uses_mutex_;
  std::int64_t uses_day_ = 0;
  /// Ids of the keys that were used on that day; as many as there are keys.
  std::set<std::string, std::less<>> used_keys_;
  std::vector<StagedRow> uses_;

  std::mutex wake_mutex_;
  std::condition_variable wake_;
  bool kicked_ = false;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace openwop::audit
