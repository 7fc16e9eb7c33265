// Whose deliveries are this host's: in a cluster those of its own runs (openwop/cluster.h), so that no two hosts are at
// the same row.
//
// Thread-safe.
#pragma once

#include <memory>
#include <mutex>

#include "openwop/run_observer.h"

namespace openwop::webhooks {

class DeliveryOwnership {
 public:
  /// Until an engine has said otherwise, in a cluster nothing is this host's, and without one everything.
  explicit DeliveryOwnership(bool cluster) : cluster_(cluster) {}

  void set(std::shared_ptr<const RunOwnership> ownership) {
    const std::lock_guard lock(mutex_);
    ownership_ = std::move(ownership);
  }
  [[nodiscard]] bool is_mine(const RunId& run) const {
    if (!cluster_) return true;
    const std::lock_guard lock(mutex_);
    return ownership_ != nullptr && ownership_->is_mine(run);
  }
  [[nodiscard]] bool in_cluster() const { return cluster_; }

 private:
  bool cluster_;
  mutable std::mutex mutex_;
  std::shared_ptr<const RunOwnership> ownership_;
};

}  // namespace openwop::webhooks
