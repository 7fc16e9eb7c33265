// AuditLog: who did what on this host, in a chain of hashes with signed checkpoints (OpenWOP 02 §14, 01 §19).
//
// An entry is written in the commit of the action itself, so that neither exists without the other. At that moment it
// is only staged, under a key that sorts by time: a chain head in every commit would make all of them wait for one
// another. One sequencer takes staged entries in order, gives them sequence and previous hash, and appends them to the
// chain. It follows each commit at once, and verify() and export_checkpoints() run it first: whatever is reported is
// chained.
//
// An entry is the canonical JSON (RFC 8785) of {sequence, occurredAt, actor, action, target, details, prevHash}. A
// checkpoint's Merkle root covers the hashes of the entries since the checkpoint before; the Ed25519 signature is over
// the 32 bytes of that root.
//
// It is an observer of runs: given to the engine it records run.create, run.cancel, run.pause, run.resume, run.fork and
// interrupt.resolve.
//
// Thread-safety: all members from any thread; tick() from one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/clock.h"
#include "openwop/ids.h"
#include "openwop/run_observer.h"
#include "openwop/store.h"

namespace openwop {

inline constexpr std::size_t kMaxEarlierAuditKeys = 16;

struct AuditOptions {
  std::shared_ptr<Store> store;
  /// 32 bytes: the private key of an Ed25519 pair that signs nothing else.
  std::string signing_key;
  /// Those that signed before, the newest first: what they signed goes on to verify, and the newest vouches for
  /// signing_key in every checkpoint (protocol 02 §14). At most kMaxEarlierAuditKeys.
  std::vector<std::string> earlier_signing_keys = {};
  std::shared_ptr<Clock> clock = {};   // default: SystemClock
  std::shared_ptr<IdSource> ids = {};  // default: RandomIdSource
  /// A thread that chains and signs; 0 = driven by tick().
  std::size_t threads = 1;
  /// Told what no caller can be told. From any thread.
  std::function<void(const Error&)> on_error = {};

  /// A checkpoint is due after so many entries, or so long after the last one if there are new entries.
  std::size_t checkpoint_entries = 1'000;
  std::int64_t checkpoint_interval_ms = 300'000;
  /// Anomalies that a verification lists.
  std::size_t max_anomalies = 1'000;
  /// Text of an entry's actor, target or details; longer is cut (details: left out).
  std::size_t max_text_bytes = 4'096;

  // In checkpoint exports.
  std::string host_name = "openwop-cpp";
  std::string host_version = "0.1.0";
};

struct AuditEntry {
  /// Who: "api-key:1a2b3c4d", "host". Never a key.
  std::string actor;
  /// What: "run.create", "webhook.register", …
  std::string action;
  /// On what: "run:<id>", "webhook:<id>".
  std::string target;
  /// Serialized JSON object.
  std::string details = "{}";
};

/// A request that a key was accepted for. Ids, never keys.
struct KeyUse {
  std::string_view key_id;
  /// Who holds it.
  std::string_view principal;
  std::string_view tenant;
};

struct AuditCheckpoint {
  std::string checkpoint;
  std::uint64_t at_sequence = 0;
  std::string merkle_root;  // 64 hex digits
  std::string signature;    // base64
  std::string ts;
  /// Of the key that signed: 16 hex digits; empty in checkpoints of older versions.
  std::string key_id = {};
  /// Of the key before it, which so names its successor; empty where there was none. Base64, over
  /// "openwop-audit-successor", a 0 byte, the 32 bytes of the root, and the signer's public key as public_key() gives
  /// it.
  std::string co_signature = {};
  std::string co_key_id = {};
};

struct AuditAnomaly {
  /// The first entry that does not fit what is before it: its predecessor was altered, or it was.
  std::uint64_t at_sequence = 0;
  std::optional<std::string> expected_prev_hash;
  std::optional<std::string> actual_prev_hash;
};

struct AuditVerification {
  std::uint64_t from_sequence = 0;
  std::uint64_t to_sequence = 0;
  bool chain_valid = true;
  bool checkpoints_valid = true;
  std::vector<AuditCheckpoint> checkpoints;
  std::vector<AuditAnomaly> anomalies;
};

class AuditLog : public RunObserver {
 public:
  /// Errors: store errors; validation_error for options that make no sense.
  [[nodiscard]] static Result<std::shared_ptr<AuditLog>> open(AuditOptions options);

  /// Adds an entry to the commit of the action. Call staged() once that commit is durable.
  virtual void stage(const AuditEntry& entry, Transaction& transaction) noexcept = 0;
  virtual void staged() noexcept = 0;

  /// An entry in a commit of its own; durable when it returns.
  [[nodiscard]] virtual Status append(const AuditEntry& entry) = 0;

  /// Records which keys there are: key.created and key.revoked for the ids that came and went since the last call on
  /// this store. Ids, never keys.
  [[nodiscard]] virtual Status note_keys(std::vector<std::string> key_ids) = 0;

  /// Records key.used for the first use of a key since open() and for its first one of each UTC day after that; all
  /// other uses cost a look-up. Never waits for the store: the sequencer writes the entry. What a crash loses of that
  /// the next use after the restart records.
  virtual void key_used(const KeyUse& use) noexcept = 0;

  /// Signs what has been chained since the last checkpoint, if there is anything.
  [[nodiscard]] virtual Status checkpoint() = 0;

  /// Checks entries `from` to `to`, both inclusive, as far as there are any; default: the first and the last.
  [[nodiscard]] virtual Result<AuditVerification> verify(std::optional<std::uint64_t> from,
                                                         std::optional<std::uint64_t> to) = 0;

  /// All checkpoints and the public key as one JSON document, for a store in another trust domain.
  [[nodiscard]] virtual Result<std::string> export_checkpoints() = 0;

  /// The public key: DER SubjectPublicKeyInfo in base64.
  [[nodiscard]] virtual std::string public_key() const = 0;

  /// Chains and signs what is due, on the caller's thread. Gives the time of the next checkpoint, or nothing if it
  /// waits for entries only. With a thread it does nothing.
  virtual std::optional<std::int64_t> tick() = 0;

  /// Chains and signs what is there, and joins the thread. Idempotent. After the engine's close().
  virtual void close() = 0;

  [[nodiscard]] virtual const AuditOptions& options() const = 0;
};

}  // namespace openwop
