// RegionLink: several regions, each with a store of its own, that remember one another's idempotency keys
// (protocol 01 §18, `best-effort`).
//
//   auto regions = RegionLink::open({.region = "eu", .peers = {{"us", "https://us.example", key}}, .store = store, …});
//   EngineOptions::observers.push_back(*regions);   SurfaceOptions::regions = *regions;   (*regions)->start();
//
// A create with an Idempotency-Key writes a row for each other region into its own commit, and this sends them there.
// A key that a region has learned of is answered with the run that exists, wherever it was made. During a partition two
// regions may each make a run; afterwards the lexicographically smallest run id survives in every region, each other
// run is cancelled with the reason cross_region_dedup_loss, and repeats get the survivor. No region asks another before
// it answers, so that a partition stops nobody.
//
// What is exchanged are digests of keys and requests, and answers; never a key. Answers are given as the other region
// gave them: a run is read, followed and cancelled in the region that made it, and only absolute URLs say which one
// that is (SurfaceOptions::public_url).
//
// Thread-safety: everything from any thread, but tick() from one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "openwop/clock.h"
#include "openwop/engine.h"
#include "openwop/http_client.h"
#include "openwop/result.h"
#include "openwop/run_observer.h"
#include "openwop/store.h"
#include "openwop/telemetry.h"

namespace openwop {

/// The scope of a key with which one region tells another; of no key that does not name it, for it is about every
/// tenant.
inline constexpr std::string_view kRegionScope = "regions:exchange";
/// `reason` of the runs that give way.
inline constexpr std::string_view kCrossRegionLoss = "cross_region_dedup_loss";

struct RegionPeer {
  /// As its own RegionOptions::region says.
  std::string name;
  /// Scheme, host and port, http or https.
  std::string url;
  /// A bearer key of that region with the scope kRegionScope; its tenant is the name of this region.
  std::string key;
};

struct RegionOptions {
  /// 1 to 63 of a-z, 0-9 and '-'.
  std::string region;
  /// 1 to max_peers others, by different names.
  std::vector<RegionPeer> peers;
  std::shared_ptr<Store> store;
  std::shared_ptr<HttpClient> client;
  std::shared_ptr<Clock> clock = {};         // default: SystemClock
  std::shared_ptr<MetricSink> metrics = {};  // null: nothing is counted
  /// Told when a region is not reached, is reached again, takes no keys for now, or will not hear of those that were
  /// given up; `fields` is a serialized JSON object.
  std::function<void(std::string_view message, std::string_view fields)> on_trouble = {};
  /// The engine is one of several on the store (EngineOptions::cluster), all of which have the same regions: only the
  /// host with the first partition sends.
  bool cluster = false;
  /// False: driven by tick().
  bool threads = true;

  /// How long a region that was not reached is left alone, and how often an idle one is asked whether it is there; what
  /// it did not take is told again as often.
  std::int64_t retry_ms = 1'000;
  std::int64_t probe_ms = 5'000;
  std::int64_t timeout_ms = 5'000;

  // Limits. Reaching one does what is said.
  static constexpr std::size_t max_peers = 16;  // open() refuses
  std::size_t max_claims_per_request = 100;     // the rest comes with the next request
  /// Keys that wait for one region which is not reached; the oldest beyond it are given up, which is told to
  /// on_trouble. Looked at once a minute.
  std::size_t max_queued_per_peer = 1'000'000;
};

/// A request to another region takes as many at most; more is 400 validation_error there.
inline constexpr std::size_t kMaxRegionClaims = 1'000;

class RegionLink : public RunObserver {
 public:
  /// Errors: validation_error for options that are not as said; store errors.
  [[nodiscard]] static Result<std::shared_ptr<RegionLink>> open(RegionOptions options);

  /// The rows that a create with this claim writes (LedgerClaim::beside).
  [[nodiscard]] virtual std::vector<std::string> rows_of(const LedgerClaim& claim) const = 0;
  /// A key of which a region has to hear, for what it told of it is not what survives.
  struct Owed {
    std::string row_key;
    std::int64_t expires_ms = 0;
  };
  /// Durable when it returns. Errors: store errors.
  [[nodiscard]] virtual Status owe(std::string_view region, const std::vector<Owed>& owed) = 0;
  /// A run of this region has given way to one of `region`.
  virtual void gave_way(std::string_view tenant, std::string_view region) = 0;

  virtual void start() = 0;
  /// Without threads: sends what there is; gives when there is something to do again.
  virtual std::optional<std::int64_t> tick() = 0;
  virtual void close() = 0;

  [[nodiscard]] virtual const RegionOptions& options() const = 0;
};

}  // namespace openwop
