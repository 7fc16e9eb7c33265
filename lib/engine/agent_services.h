// What agents' nodes use besides their run: memory, and secrets together with the memory of which run has seen which
// (protocol 03 §11.3, SR-1).
//
//   V <run> <secret id>  ->  tenant      the run has seen the secret; goes when the run ends
//
// Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "engine/partition_claims.h"
#include "openwop/memory_backend.h"
#include "openwop/secret_source.h"
#include "openwop/store.h"

namespace openwop::runtime {

inline constexpr char kSeenSecretPrefix = 'V';

/// The right to a commit for a run that a handler makes by itself; nothing if the run is another host's.
using EnterRun = std::function<std::optional<Fence>(const RunId&)>;

/// Plaintexts by secret id.
using KnownSecrets = std::map<std::string, std::string, std::less<>>;

/// Which secrets the runs of this process have seen. Their ids are durable before a node sees a plaintext, so that a
/// run that goes on elsewhere is redacted all the same; plaintexts are never stored.
class SeenSecrets {
 public:
  SeenSecrets(Store& store, Durability durability, std::shared_ptr<SecretSource> source, EnterRun enter)
      : store_(store), durability_(durability), source_(std::move(source)), enter_(std::move(enter)) {}

  /// Which of the runs that are wanted had seen secrets when another process, or the last one, had them.
  [[nodiscard]] Status load(const std::function<bool(const RunId&)>& wanted);
  /// Errors: validation_error with `credential_required` or `credential_unavailable` in details.reason.
  [[nodiscard]] Result<std::string> resolve(std::string_view tenant, const RunId& run, std::string_view secret_id);
  /// Everything that the run has seen. Errors: the source's, then nothing may be written unredacted.
  [[nodiscard]] Result<KnownSecrets> seen_by(std::string_view tenant, const RunId& run);
  /// For the transaction that ends the run; forget() follows once it is durable.
  void erase_rows(Transaction& transaction, const RunId& run);
  void forget(const RunId& run);
  void forget_if(const std::function<bool(const RunId&)>& gone);

 private:
  struct OfRun {
    std::set<std::string, std::less<>> ids;
    KnownSecrets plaintexts;
  };

  Store& store_;
  Durability durability_;
  std::shared_ptr<SecretSource> source_;
  EnterRun enter_;
  std::atomic<std::size_t> run_count_{0};
  std::mutex mutex_;
  std::unordered_map<RunId, OfRun> runs_;
};

struct AgentServices {
  AgentServices(Store& store, Durability durability, std::shared_ptr<MemoryBackend> backend,
                std::shared_ptr<SecretSource> source, std::size_t max_entry_bytes, EnterRun enter);

  std::shared_ptr<MemoryBackend> memory;
  SeenSecrets secrets;
  std::size_t max_memory_entry_bytes;  // 0: no memory
};

/// The memory as one run sees it.
class RunMemory final : public NodeMemory {
 public:
  struct Facts {
    RunId run;
    std::string tenant;
    std::int64_t run_started_ms = 0;
    std::int64_t attempt_ms = 0;
    std::function<std::int64_t()> now_ms;
  };
  RunMemory(std::shared_ptr<AgentServices> services, Facts facts)
      : services_(std::move(services)), facts_(std::move(facts)) {}

  [[nodiscard]] Result<std::vector<MemoryEntry>> list(std::string_view memory_ref,
                                                      const MemoryListOptions& options) override;
  [[nodiscard]] Result<std::optional<MemoryEntry>> get(std::string_view memory_ref, std::string_view id) override;
  [[nodiscard]] Status put(std::string_view memory_ref, MemoryEntry entry) override;
  [[nodiscard]] Status remove(std::string_view memory_ref, std::string_view id) override;

 private:
  [[nodiscard]] MemoryMoment moment() const { return {facts_.now_ms(), facts_.run_started_ms, facts_.run}; }

  std::shared_ptr<AgentServices> services_;
  Facts facts_;
};

/// The text with every known secret of at least 8 bytes replaced by `[REDACTED:<id>]`, longer ones first.
[[nodiscard]] std::string without_secrets(std::string text, const KnownSecrets& secrets);

}  // namespace openwop::runtime
