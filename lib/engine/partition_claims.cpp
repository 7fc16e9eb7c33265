#include "engine/partition_claims.h"

#include "engine/cluster_rows.h"
#include "openwop/json.h"

namespace openwop::runtime {

// ---- fences ----

Fence& Fence::operator=(Fence&& other) noexcept {
  if (this == &other) return *this;
  leave();
  claims_ = std::exchange(other.claims_, nullptr);
  lease_ = other.lease_;
  return *this;
}

void Fence::leave() {
  if (claims_ == nullptr) return;
  PartitionClaims::Slot& slot = claims_->slots_[lease_.partition];
  const bool last = slot.commits.fetch_sub(1) == 1;
  // Somebody may wait for the partition to be quiet.
  if (last && slot.epoch.load() == 0 && !claims_->detached_.load()) claims_->wake_();
  claims_ = nullptr;
}

void Fence::guard(Transaction& transaction) const {
  if (claims_ != nullptr) Leases::require_held(transaction, claims_->lease_of(lease_));
}

bool Fence::holds() const {
  if (claims_ == nullptr) return true;
  const Lease lease = claims_->lease_of(lease_);
  const auto guard = claims_->store_.get(Leases::guard_key(lease));
  // A store in trouble says nothing; whatever is tried again is fenced again.
  if (!guard || *guard == Leases::guard_value(lease)) return true;
  std::uint64_t epoch = lease_.epoch;
  if (claims_->slots_[lease_.partition].epoch.compare_exchange_strong(epoch, 0)) claims_->wake_();
  return false;
}

// ---- claims ----

PartitionClaims::PartitionClaims(Store& store, std::string holder, std::size_t partitions, Clock now_ms,
                                 std::function<void()> wake)
    : store_(store),
      holder_(std::move(holder)),
      now_ms_(std::move(now_ms)),
      wake_(std::move(wake)),
      slots_(partitions) {}

std::string PartitionClaims::lease_name(std::size_t partition) { return kPartitionLease + std::to_string(partition); }

bool PartitionClaims::is_claimed(std::size_t partition) const {
  const Slot& slot = slots_[partition];
  return slot.epoch.load() != 0 && now_ms_() < slot.expires_ms.load();
}

std::optional<Fence> PartitionClaims::enter(const RunId& run) {
  if (detached_.load()) return std::nullopt;
  const std::size_t partition = partition_of(run);
  Slot& slot = slots_[partition];
  slot.commits.fetch_add(1);
  Fence fence(*this, {partition, slot.epoch.load()});
  if (fence.lease_.epoch == 0 || now_ms_() >= slot.expires_ms.load()) return std::nullopt;
  return fence;
}

Result<RunId> PartitionClaims::draw(IdSource& ids) const {
  // With one partition of the 64, this many draws miss it once in 10^28 times.
  constexpr int kDraws = 4096;
  std::vector<bool> claimed(slots_.size());
  bool any = false;
  for (std::size_t i = 0; i < slots_.size(); ++i) any = (claimed[i] = is_claimed(i)) || any;
  const std::int64_t now = now_ms_();
  for (int i = 0; any && i < kDraws; ++i) {
    const RunId id = ids.next(now);
    if (claimed[partition_of(id)]) return id;
  }
  Error error{ErrorCode::not_owner, "this host has no partition to create runs in yet"};
  json::ObjectWriter details(error.details);
  const auto hosts = read_hosts(store_);
  if (hosts) {
    for (const auto& [holder, host] : *hosts) {
      if (holder == holder_ || host.expires_ms <= now) continue;
      details.string("host", host.id).string("address", host.address);
      return error;
    }
  }
  details.integer("retryAfter", 1);
  return error;
}

Error PartitionClaims::not_owner(const RunId& run) const {
  Error error{ErrorCode::not_owner, "the run is another host's"};
  auto lease = Leases(store_).find(lease_name(partition_of(run)));
  std::optional<ClusterHost> host;
  const bool held = lease && *lease && (*lease)->holder != holder_ && (*lease)->expires_ms > now_ms_();
  if (held) host = find_host(store_, (*lease)->holder).value_or(std::nullopt);
  json::ObjectWriter details(error.details);
  if (host) {
    details.string("host", host->id).string("address", host->address);
  } else {
    error.message = "no host has the run just now";
    details.integer("retryAfter", 1);
  }
  return error;
}

Lease PartitionClaims::lease_of(const Fence::Claim& claim) const {
  return {lease_name(claim.partition), holder_, claim.epoch, 0};
}

void PartitionClaims::claim(std::size_t partition, const Lease& lease) {
  slots_[partition].expires_ms.store(lease.expires_ms);
  slots_[partition].epoch.store(lease.epoch);
}

void PartitionClaims::renewed(std::size_t partition, const Lease& lease) {
  slots_[partition].expires_ms.store(lease.expires_ms);
}

void PartitionClaims::detach() {
  detached_.store(true);
  for (std::size_t i = 0; i < slots_.size(); ++i) close(i);
}

void PartitionClaims::close(std::size_t partition) { slots_[partition].epoch.store(0); }

}  // namespace openwop::runtime
