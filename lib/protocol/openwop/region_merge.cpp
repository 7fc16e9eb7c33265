#include "protocol/openwop/region_merge.h"

#include <algorithm>
#include <optional>

#include "openwop/json.h"
#include "protocol/openwop/remembered_answer.h"

namespace openwop::wire {

namespace {

constexpr int kRounds = 8;

/// What this region has for a claim's key.
struct Known {
  std::optional<Ledger::Found> found = {};
  /// Nothing when no entry counts, or when it is a refusal, which made no run.
  std::optional<RunId> run = {};
};

class Merge {
 public:
  Merge(SurfaceParts& surface, const RegionMessage& message)
      : surface_(surface), message_(message), now_ms_(surface.engine.now_ms()) {}

  Result<std::vector<std::size_t>> run() {
    std::vector<std::size_t> rest;
    if (auto recorded = record_unknown(rest); !recorded) return std::move(recorded).error();
    for (const std::size_t i : rest) {
      auto taken = take(message_.claims[i]);
      if (taken) continue;
      if (message_.claims.size() == 1) return std::move(taken).error();
      left_.push_back(i);
    }
    RegionLink& regions = *surface_.options.regions;
    if (auto owing = regions.owe(message_.region, owed_); !owing) return std::move(owing).error();
    for (const RegionPeer& peer : regions.options().peers) {
      if (peer.name == message_.region) continue;
      if (auto owing = regions.owe(peer.name, owed_to_others_); !owing) return std::move(owing).error();
    }
    return std::move(left_);
  }

 private:
  [[nodiscard]] Result<Known> look_up(const RegionClaim& claim) const {
    auto found = surface_.engine.find_ledger_entry(claim.row_key());
    if (!found) return std::move(found).error();
    Known known{.found = *std::move(found)};
    if (!known.found || known.found->expired(now_ms_)) return known;
    const auto answer = read_remembered_answer(known.found->entry.outcome);
    if (!answer) return answer.error();
    known.run = created_run(*answer);
    return known;
  }

  [[nodiscard]] RememberOutcome outcome_of(const RegionClaim& claim, const Known& known) const {
    LedgerEntry entry = claim.entry();
    RememberOutcome remember;
    remember.claim.row_key = claim.row_key();
    remember.claim.request_digest = std::move(entry.request_digest);
    // Another region's clock or retention is no reason to keep an entry for longer than one of this region's own.
    remember.claim.expires_ms = std::min(entry.expires_ms, now_ms_ + surface_.options.idempotency_retention_ms);
    if (known.found) remember.claim.replaces = known.found->raw;
    remember.outcome = std::move(entry.outcome);
    return remember;
  }

  /// Most claims are of keys that nothing is known of: they are written together. The others are the rest.
  Status record_unknown(std::vector<std::size_t>& rest) const {
    std::vector<RememberOutcome> outcomes;
    std::vector<std::size_t> written;
    for (std::size_t i = 0; i < message_.claims.size(); ++i) {
      const RegionClaim& claim = message_.claims[i];
      const auto known = look_up(claim);
      if (!known || known->run) {
        rest.push_back(i);
      } else if (claim.expires_ms > now_ms_) {
        outcomes.push_back(outcome_of(claim, *known));
        written.push_back(i);
      }
    }
    if (outcomes.empty()) return {};
    const auto remembered = surface_.engine.remember_all(outcomes);
    if (!remembered) return remembered.error();
    for (std::size_t k = 0; k < written.size(); ++k) {
      if (!(*remembered)[k]) rest.push_back(written[k]);
    }
    return {};
  }

  Status take(const RegionClaim& claim) {
    for (int round = 1;; ++round) {
      // A create with the key may come in between; then there is something else to compare with.
      auto taken = take_once(claim);
      const bool raced = !taken && taken.error().code == ErrorCode::precondition_failed;
      if (!raced || round == kRounds) return taken;
    }
  }

  Status take_once(const RegionClaim& claim) {
    if (claim.expires_ms <= now_ms_) return {};
    const auto known = look_up(claim);
    if (!known) return known.error();
    if (!known->run) return remember(claim, *known);
    if (*known->run == claim.run) return {};
    if (claim.run < *known->run) return give_way(claim, *known);
    // The teller may have forgotten what it was told, or have thought that its time was over.
    owed_.push_back({claim.row_key(), known->found->entry.expires_ms});
    return {};
  }

  /// The run that gives way is over before repeats get the other one: a crash in between leaves it to be told again.
  Status give_way(const RegionClaim& claim, const Known& known) {
    const auto tenant = surface_.engine.tenant_of(*known.run);
    const bool is_here = tenant.ok();
    // Another region's, or removed when its time was over.
    if (!is_here && tenant.error().code != ErrorCode::run_not_found) return tenant.error();
    if (is_here) {
      const auto cancelled = surface_.engine.cancel_run({.tenant = *tenant,
                                                         .run_id = *known.run,
                                                         .reason = std::string(kCrossRegionLoss),
                                                         .cancelled_by = "region:" + message_.region});
      if (!cancelled) return cancelled.error();
    }
    if (auto remembered = remember(claim, known); !remembered) return remembered;
    // They may have heard of the loser from here, and may not hear from the winner's region.
    owed_to_others_.push_back({claim.row_key(), outcome_of(claim, known).claim.expires_ms});
    if (is_here) tell(claim, *known.run, *tenant);
    return {};
  }

  Status remember(const RegionClaim& claim, const Known& known) const {
    const RememberOutcome outcome = outcome_of(claim, known);
    return surface_.engine.remember(outcome.claim, outcome.outcome);
  }

  void tell(const RegionClaim& winner, const RunId& loser, std::string_view tenant) const {
    surface_.options.regions->gave_way(tenant, message_.region);
    if (!surface_.options.log) return;
    std::string fields;
    json::ObjectWriter(fields)
        .string("runId", loser.text())
        .string("survivor", winner.run.text())
        .string("region", message_.region);
    surface_.options.log(LogLevel::info, "a run gave way to one of another region", fields);
  }

  SurfaceParts& surface_;
  const RegionMessage& message_;
  const std::int64_t now_ms_;
  std::vector<std::size_t> left_ = {};
  std::vector<RegionLink::Owed> owed_ = {};
  std::vector<RegionLink::Owed> owed_to_others_ = {};
};

}  // namespace

Result<std::vector<std::size_t>> merge_message(SurfaceParts& surface, const RegionMessage& message) {
  return Merge(surface, message).run();
}

}  // namespace openwop::wire
