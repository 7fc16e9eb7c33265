// Keeps a host's place in the cluster: renews its row and its claims, takes free partitions up to its share, hands over
// what is beyond it, leaves what it has lost. And follows what other hosts write, for those who wait for it here.
//
//   free -> claimed -> closing -> (quiet) forgetting -> (every shard has) released, or free where it was lost
//
// With threads it has one of its own, so that a slow commit of the shards does not delay a renewal; a driven engine
// calls step() itself.
//
// Thread-safety: wake(), forgotten(), view() and note_foreign_change() from any thread; the rest from one at a time.
#pragma once

#include <condition_variable>
#include <mutex>
#include <span>
#include <thread>

#include "engine/cluster_rows.h"
#include "engine/partition_claims.h"

namespace openwop::runtime {

class ClusterKeeper {
 public:
  /// What the engine does. Called on the keeper's thread.
  struct Host {
    /// Goes on with the runs of partitions that have just been claimed. After an error it is called again.
    std::function<Status(std::span<const std::size_t> partitions)> take_up;
    /// Has each shard forget the runs of a partition, and say so by forgotten(); `final` tells that there will be no
    /// more of its commits. Without it only handlers are stopped.
    std::function<void(std::size_t partition, bool final)> forget;
    /// Claims have changed.
    std::function<void()> changed;
    /// Other hosts may have written: looks for what concerns this one.
    std::function<void()> look_around;
    /// How many follow a run of another host here, and a way to have all of them read.
    std::function<std::size_t()> followers;
    std::function<void()> notify_followers;
    std::function<void(const Error&)> report;
  };

  ClusterKeeper(Store& store, ClusterOptions options, std::size_t partitions, std::string holder,
                std::function<std::int64_t()> now_ms, Host host);
  ClusterKeeper(const ClusterKeeper&) = delete;
  ClusterKeeper& operator=(const ClusterKeeper&) = delete;
  ~ClusterKeeper();

  /// Joins the cluster, and takes what is free of its share. Errors: store errors.
  [[nodiscard]] Status open(std::size_t shards);
  [[nodiscard]] const std::shared_ptr<PartitionClaims>& claims() const { return claims_; }

  /// Does what is due; true if there was anything.
  bool step();
  /// When step() has something to do by itself.
  [[nodiscard]] std::int64_t next_due_ms();
  void start_thread();
  /// Stops the thread; claims stay as they are.
  void stop_thread();
  /// Gives everything back. Nothing of the engine works any more.
  void leave();

  void wake();
  /// One shard has forgotten the partition for good.
  void forgotten(std::size_t partition);
  void note_foreign_change();
  [[nodiscard]] ClusterView view() const;

 private:
  enum class Phase : std::uint8_t { free, claimed, closing, forgetting, forgotten };
  struct Slot {
    Phase phase = Phase::free;
    Lease lease;
    /// Given up by ourselves, so that it is released in the end; otherwise it was lost.
    bool handed_over = false;
    /// Shards that have still to forget it.
    std::size_t shards = 0;
    /// Its runs have not been taken up yet.
    bool fresh = false;
  };

  void run();
  void advance(std::int64_t now);
  void leave_partition(std::size_t partition, bool hand_over);
  void heartbeat(std::int64_t now);
  [[nodiscard]] Status renew(std::int64_t now);
  void settle_refused(std::size_t partition, std::int64_t now);
  [[nodiscard]] Status look(std::int64_t now);
  [[nodiscard]] Status take(std::size_t wanted, std::int64_t now);
  void hand_over(std::size_t surplus);
  void take_up();
  void follow_hints(std::int64_t now);
  [[nodiscard]] std::optional<std::int64_t> follow_due_ms();
  void update_view(const Hosts& alive);
  void tell();
  [[nodiscard]] std::size_t count(Phase phase) const;

  Store& store_;
  ClusterOptions options_;
  std::function<std::int64_t()> now_ms_;
  Host host_;
  std::string holder_;
  std::shared_ptr<PartitionClaims> claims_;
  std::vector<Slot> slots_;
  std::size_t shards_ = 1;
  bool changed_ = false;
  Hosts alive_;
  std::int64_t heartbeat_due_ms_ = 0;
  /// Hosts and claims are looked at between heartbeats when something may be had.
  std::int64_t look_due_ms_ = 0;

  std::int64_t looked_around_ms_ = 0;
  std::int64_t followed_ms_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable ready_;
  bool woken_ = false;
  bool hinted_ = false;
  bool stopping_ = false;
  /// Hints that have not been acted upon yet.
  bool hint_to_look_ = false;
  bool hint_to_follow_ = false;
  std::vector<std::size_t> forgotten_;
  ClusterView view_;
  std::thread thread_;
};

}  // namespace openwop::runtime
