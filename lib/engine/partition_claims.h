// Which partitions of runs this host has claimed, and the fence around what it writes for them (openwop/cluster.h).
//
// What protects the store is not this object but the guard row of a partition's lease, which every commit of a run
// requires: it is there for as long as nobody has taken the partition over. What is known here only spares the attempt,
// and stops the work of a host that could not renew.
//
// A partition that is left goes through these steps, so that nothing of the time before meets the time after:
//   1. enter() refuses, so no more commits begin;
//   2. those that are under way end, each holding a Fence;
//   3. every shard forgets the runs;
//   4. only then may the lease be released, or the partition be claimed again.
//
// Thread-safe; what is marked so belongs to the keeper (cluster_keeper.h).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "openwop/lease.h"
#include "openwop/run_observer.h"

namespace openwop::runtime {

class PartitionClaims;

/// The right to one commit for one run, for as long as it is under way. Without a cluster it is empty and costs
/// nothing.
class Fence {
 public:
  Fence() = default;
  Fence(Fence&& other) noexcept : claims_(std::exchange(other.claims_, nullptr)), lease_(other.lease_) {}
  Fence& operator=(Fence&& other) noexcept;
  Fence(const Fence&) = delete;
  Fence& operator=(const Fence&) = delete;
  ~Fence() { leave(); }

  /// There is no cluster.
  [[nodiscard]] bool is_empty() const { return claims_ == nullptr; }
  /// Makes the transaction depend on the claim.
  void guard(Transaction& transaction) const;
  /// Asks the store, after a refusal: false if the claim was the reason; then the partition is being left.
  [[nodiscard]] bool holds() const;

 private:
  friend class PartitionClaims;
  struct Claim {
    std::size_t partition = 0;
    std::uint64_t epoch = 0;
  };
  Fence(PartitionClaims& claims, Claim lease) : claims_(&claims), lease_(lease) {}
  void leave();

  PartitionClaims* claims_ = nullptr;
  Claim lease_;
};

class PartitionClaims final : public RunOwnership {
 public:
  using Clock = std::function<std::int64_t()>;

  /// `wake` is called from any thread when the keeper has something to do.
  PartitionClaims(Store& store, std::string holder, std::size_t partitions, Clock now_ms, std::function<void()> wake);

  [[nodiscard]] std::size_t partitions() const { return slots_.size(); }
  [[nodiscard]] std::size_t partition_of(const RunId& run) const { return openwop::partition_of(run, slots_.size()); }
  /// By what is known here and now.
  [[nodiscard]] bool is_mine(const RunId& run) const override { return is_claimed(partition_of(run)); }
  [[nodiscard]] bool is_claimed(std::size_t partition) const;
  /// The fence for a commit of the run; nothing if the run is another host's.
  [[nodiscard]] std::optional<Fence> enter(const RunId& run);
  /// A new id in a partition of this host. Errors: not_owner while it has none, with another host where it may go.
  [[nodiscard]] Result<RunId> draw(IdSource& ids) const;
  /// What a caller is told who asked for a run that is not here: not_owner, with where it is as far as the store knows.
  [[nodiscard]] Error not_owner(const RunId& run) const;

  // ---- the keeper's ----

  [[nodiscard]] static std::string lease_name(std::size_t partition);
  [[nodiscard]] const std::string& holder() const { return holder_; }
  /// The lease has been got: from now on commits may begin.
  void claim(std::size_t partition, const Lease& lease);
  void renewed(std::size_t partition, const Lease& lease);
  /// Step 1. Idempotent.
  void close(std::size_t partition);
  /// The keeper goes away: nothing is this host's any more, and nobody is woken.
  void detach();
  /// Whether step 2 is over.
  [[nodiscard]] bool is_quiet(std::size_t partition) const { return slots_[partition].commits.load() == 0; }

 private:
  friend class Fence;
  struct Slot {
    /// Of the claim; 0: there is none.
    std::atomic<std::uint64_t> epoch{0};
    std::atomic<std::int64_t> expires_ms{0};
    /// Fences out. Counted before the epoch is looked at, so that close() and then is_quiet() miss none.
    std::atomic<std::int64_t> commits{0};
  };
  [[nodiscard]] Lease lease_of(const Fence::Claim& claim) const;

  Store& store_;
  std::string holder_;
  Clock now_ms_;
  std::function<void()> wake_;
  std::vector<Slot> slots_;
  std::atomic<bool> detached_{false};
};

}  // namespace openwop::runtime
