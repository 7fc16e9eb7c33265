// Long-term memory of agents (protocol 03 §11): entries under a memoryRef, which belongs to one tenant.
//
// A backend keeps entries; what the protocol asks around it (redaction of secrets before a write, the run-start
// snapshot, limits) is the engine's. The default backend lies on the engine's store.
//
// Thread-safety: all members from any thread, at the same time; they may block.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/ids.h"
#include "openwop/result.h"

namespace openwop {

struct MemoryEntry {
  std::string id;  // 1..1500 characters
  std::string content;
  std::vector<std::string> tags = {};  // each at most 256 characters
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;  // 0 = never

  /// The closed MemoryEntry of the protocol.
  [[nodiscard]] std::string to_json() const;
};

struct MemoryListOptions {
  std::size_t limit = 0;  // 0 = no cap of the caller's
  std::string tag = {};   // only entries that carry it
};

/// Whose memory.
struct MemoryScope {
  std::string_view tenant;
  std::string_view memory_ref;
};

/// What a reader sees of it.
struct MemoryMoment {
  /// Entries whose expiry has been reached are invisible.
  std::int64_t now_ms = 0;
  /// Writes and deletions after it are invisible, but for those of `own_run`.
  std::int64_t as_of_ms = std::numeric_limits<std::int64_t>::max();
  RunId own_run = {};
};

class MemoryBackend {
 public:
  virtual ~MemoryBackend() = default;
  /// Newest first by createdAt. A reference that is unknown, malformed or of another tenant gives an empty list.
  [[nodiscard]] virtual Result<std::vector<MemoryEntry>> list(const MemoryScope& scope,
                                                              const MemoryListOptions& options,
                                                              const MemoryMoment& moment) = 0;
  [[nodiscard]] virtual Result<std::optional<MemoryEntry>> get(const MemoryScope& scope, std::string_view id,
                                                               const MemoryMoment& moment) = 0;
  /// Replaces an entry of the same id; the same entry of the same run again changes nothing. Errors: validation_error.
  [[nodiscard]] virtual Status put(const MemoryScope& scope, const MemoryEntry& entry, const RunId& writer,
                                   std::int64_t now_ms) = 0;
  /// No error if there is no such entry.
  [[nodiscard]] virtual Status remove(const MemoryScope& scope, std::string_view id, const RunId& writer,
                                      std::int64_t now_ms) = 0;
};

/// A node's way to its agents' memory: bound to the run's tenant, as of the run's start, with the run's own writes.
class NodeMemory {
 public:
  virtual ~NodeMemory() = default;
  [[nodiscard]] virtual Result<std::vector<MemoryEntry>> list(std::string_view memory_ref,
                                                              const MemoryListOptions& options = {}) = 0;
  [[nodiscard]] virtual Result<std::optional<MemoryEntry>> get(std::string_view memory_ref, std::string_view id) = 0;
  /// For the host's own nodes. Every secret that the run has resolved is replaced in content and tags by
  /// `[REDACTED:<secretId>]` before anything is stored. A created_ms of 0 becomes the time of the attempt. Errors:
  /// validation_error for a malformed reference or entry, also for one beyond max_memory_entry_bytes.
  [[nodiscard]] virtual Status put(std::string_view memory_ref, MemoryEntry entry) = 0;
  [[nodiscard]] virtual Status remove(std::string_view memory_ref, std::string_view id) = 0;
};

}  // namespace openwop
