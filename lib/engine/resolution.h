// What an answer to an interrupt has to satisfy, and what it comes to (protocol 03 §2.3, §2.5). The checks that need
// time (schemas, DOMs) run on the caller's thread against the interrupt as it was asked for, which never changes; that
// it still waits, and what earlier votes make of a vote, is decided in the run's turn.
#pragma once

#include "openwop/engine.h"

namespace openwop::runtime {

/// A checked answer.
struct Resolution {
  std::string node_id;
  std::string interrupt_id;
  std::string value;        // normalised, serialized
  std::string resolved_by;  // never empty
  bool anonymous = false;   // nobody knows who
  /// Of an approval.
  std::optional<ApprovalAction> action = {};
};

/// What waits at the node. Errors: interrupt_not_found, interrupt_gone, interrupt_cancelled,
/// interrupt_already_resolved. `interrupt_id` empty: whichever is there.
[[nodiscard]] Result<const InterruptState*> find_pending(const RunState& state, std::string_view node_id,
                                                         std::string_view interrupt_id);

/// Errors: as find_pending(); auth_elevation_required, forbidden, validation_error, correlation_mismatch,
/// payload_too_large.
[[nodiscard]] Result<Resolution> check_resolution(const EngineOptions& options, const RunView& run,
                                                  const ResolveInterrupt& request);

/// What the votes of an approval come to, one more included.
struct Tally {
  bool closed = false;
  /// The vote says what the same voter has said before.
  bool repeated = false;
  ApprovalAction outcome = ApprovalAction::accept;
  std::string edited = {};  // the last edit among the accepting votes, or empty
  std::vector<InterruptVote> votes = {};
  std::int64_t accepts = 0;
  std::int64_t required = 1;
};
[[nodiscard]] Tally count_votes(const InterruptState& interrupt, const Resolution& vote, std::int64_t now_ms);

/// The value that the node is resumed with: the answer, its decision filled in.
[[nodiscard]] std::string resumed_value(const Resolution& vote, const Tally& tally, std::string_view decided_by,
                                        std::int64_t now_ms);
[[nodiscard]] command::ApprovalRecord approval_record(const Resolution& vote, std::string decided_by);

}  // namespace openwop::runtime
