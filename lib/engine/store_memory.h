// The default memory of agents: rows of the engine's own store.
//
//   M <tenant> 0x00 <SHA-256 of memoryRef> e <created_ms> <SHA-256 of id> <written_ms>   the entry: JSON, and who wrote
//   it M <tenant> 0x00 <SHA-256 of memoryRef> i <SHA-256 of id> <written_ms>                key of that entry
//
// An entry that is replaced or deleted stays as an old version, for runs that began before; versions that have been
// gone or expired for longer than kMemoryRetentionMs go when somebody writes under the same reference.
//
// References and ids appear as hashes only: whatever they hold, they stay within their tenant's rows.
#pragma once

#include <mutex>

#include "engine/agent_services.h"
#include "openwop/memory_backend.h"
#include "openwop/store.h"

namespace openwop::runtime {

inline constexpr char kMemoryPrefix = 'M';
inline constexpr std::int64_t kMemoryRetentionMs = std::int64_t{14} * 24 * 3600 * 1000;
/// Most entries that one list() gives.
inline constexpr std::size_t kMaxListedMemories = 1'000;

class StoreMemory final : public MemoryBackend {
 public:
  StoreMemory(Store& store, Durability durability, EnterRun enter)
      : store_(store), durability_(durability), enter_(std::move(enter)) {}

  [[nodiscard]] Result<std::vector<MemoryEntry>> list(const MemoryScope& scope, const MemoryListOptions& options,
                                                      const MemoryMoment& moment) override;
  [[nodiscard]] Result<std::optional<MemoryEntry>> get(const MemoryScope& scope, std::string_view id,
                                                       const MemoryMoment& moment) override;
  [[nodiscard]] Status put(const MemoryScope& scope, const MemoryEntry& entry, const RunId& writer,
                           std::int64_t now_ms) override;
  [[nodiscard]] Status remove(const MemoryScope& scope, std::string_view id, const RunId& writer,
                              std::int64_t now_ms) override;

 private:
  struct Version;
  [[nodiscard]] Result<std::optional<Version>> newest(const std::string& prefix, std::string_view id) const;
  Status sweep(Transaction& transaction, const std::string& prefix, std::int64_t now_ms) const;
  /// Writers of one entry on several hosts take turns by a row; writing_ does for those of this one.
  struct Turn {
    Fence fence;
    std::string key;
    std::optional<std::string> before;
  };
  [[nodiscard]] Result<Turn> begin_turn(const RunId& writer, const std::string& prefix, std::string_view id) const;
  /// False: another host has written meanwhile. Errors: not_owner.
  [[nodiscard]] Result<bool> commit(const Turn& turn, Transaction& transaction);
  [[nodiscard]] Result<bool> try_put(const std::string& prefix, const MemoryEntry& entry, const RunId& writer,
                                     std::int64_t now_ms);
  [[nodiscard]] Result<bool> try_remove(const std::string& prefix, std::string_view id, const RunId& writer,
                                        std::int64_t now_ms);

  Store& store_;
  Durability durability_;
  EnterRun enter_;
  std::mutex writing_;
};

/// A reference that can name a memory: 1 to 256 bytes of UTF-8 without NUL, and no path that climbs.
[[nodiscard]] bool is_memory_ref(std::string_view memory_ref);

}  // namespace openwop::runtime
