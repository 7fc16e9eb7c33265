#include "engine/cluster_keeper.h"

#include <algorithm>

namespace openwop::runtime {

namespace {

/// A host that lacks partitions looks this many times in a heartbeat whether there are any.
constexpr std::int64_t kLooksPerHeartbeat = 20;
/// After the store has failed.
constexpr std::int64_t kTriesPerHeartbeat = 10;
/// Rows of hosts that have been dead for so many times to live are cleared away.
constexpr std::int64_t kDeadTtls = 10;
/// Hints of the store are acted upon with these pauses: they come by the hundred, and each costs reads.
constexpr std::int64_t kLookAroundPauseMs = 1'000;
constexpr std::int64_t kFollowPauseMs = 100;
/// Each follower reads the store when it is told; so many read in a millisecond at most, on the average.
constexpr std::int64_t kFollowersPerMs = 10;

/// In one group: each is taken or refused by itself.
Result<std::vector<CommitOutcome>> commit_each(Store& store, const std::vector<Transaction>& transactions) {
  std::vector<const Transaction*> group;
  group.reserve(transactions.size());
  for (const Transaction& transaction : transactions) group.push_back(&transaction);
  return store.commit(std::span<const Transaction* const>(group), Durability::sync);
}

}  // namespace

ClusterKeeper::ClusterKeeper(Store& store, ClusterOptions options, std::size_t partitions, std::string holder,
                             std::function<std::int64_t()> now_ms, Host host)
    : store_(store),
      options_(std::move(options)),
      now_ms_(std::move(now_ms)),
      host_(std::move(host)),
      holder_(std::move(holder)),
      claims_(std::make_shared<PartitionClaims>(store, holder_, partitions, now_ms_, [this] { wake(); })),
      slots_(partitions) {
  if (options_.host_id.empty()) options_.host_id = holder_;
}

ClusterKeeper::~ClusterKeeper() {
  stop_thread();
  claims_->detach();
}

Status ClusterKeeper::open(std::size_t shards) {
  shards_ = shards;
  const std::int64_t now = now_ms_();
  heartbeat_due_ms_ = now + options_.heartbeat_ms;
  looked_around_ms_ = now;
  if (auto joined = renew(now); !joined) return joined;
  if (auto looked = look(now); !looked) return looked;
  take_up();
  tell();
  return {};
}

// ---- when ----

std::int64_t ClusterKeeper::next_due_ms() {
  std::int64_t due = std::min(heartbeat_due_ms_, look_due_ms_);
  if (const auto follow = follow_due_ms()) due = std::min(due, *follow);
  const std::lock_guard lock(mutex_);
  if (woken_) return now_ms_();
  if (hint_to_look_) due = std::min(due, looked_around_ms_ + kLookAroundPauseMs);
  return due;
}

/// When those who follow other hosts' runs are told to read; nothing if there are none.
std::optional<std::int64_t> ClusterKeeper::follow_due_ms() {
  const auto followers = static_cast<std::int64_t>(host_.followers());
  if (followers == 0) return std::nullopt;
  const std::int64_t pause = kFollowPauseMs + followers / kFollowersPerMs;
  const std::lock_guard lock(mutex_);
  return followed_ms_ + (hint_to_follow_ ? pause : std::max(pause, options_.follow_poll_ms));
}

bool ClusterKeeper::step() {
  const std::int64_t now = now_ms_();
  if (next_due_ms() > now) return false;
  {
    const std::lock_guard lock(mutex_);
    woken_ = false;
  }
  advance(now);
  if (now >= heartbeat_due_ms_) heartbeat(now);
  follow_hints(now);
  if (now >= look_due_ms_) {
    if (auto looked = look(now); !looked) {
      host_.report(looked.error());
      look_due_ms_ = now + options_.heartbeat_ms / kTriesPerHeartbeat + 1;
    }
  }
  take_up();
  tell();
  return true;
}

void ClusterKeeper::run() {
  constexpr std::int64_t kMaxWaitMs = 3'600'000;
  for (;;) {
    while (step()) {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    const std::int64_t wait_ms = std::clamp<std::int64_t>(next_due_ms() - now_ms_(), 1, kMaxWaitMs);
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] { return stopping_ || woken_ || hinted_; });
    if (stopping_) return;
    hinted_ = false;  // something may be due sooner now
  }
}

void ClusterKeeper::start_thread() {
  thread_ = std::thread([this] { run(); });
}

void ClusterKeeper::stop_thread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ClusterKeeper::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  ready_.notify_all();
}

void ClusterKeeper::note_foreign_change() {
  {
    const std::lock_guard lock(mutex_);
    hint_to_look_ = hint_to_follow_ = hinted_ = true;
  }
  ready_.notify_all();
}

void ClusterKeeper::forgotten(std::size_t partition) {
  {
    const std::lock_guard lock(mutex_);
    forgotten_.push_back(partition);
    woken_ = true;
  }
  ready_.notify_all();
}

// ---- what a host is seen to be ----

ClusterView ClusterKeeper::view() const {
  const std::lock_guard lock(mutex_);
  ClusterView view = view_;
  for (std::size_t i = 0; i < claims_->partitions(); ++i) {
    if (claims_->is_claimed(i)) view.claimed.push_back(i);
  }
  return view;
}

void ClusterKeeper::update_view(const Hosts& alive) {
  const std::lock_guard lock(mutex_);
  view_.partitions = slots_.size();
  view_.hosts.clear();
  for (const auto& [holder, host] : alive) {
    view_.hosts.push_back(host);
    view_.hosts.back().is_self = holder == holder_;
  }
}

void ClusterKeeper::tell() {
  if (!std::exchange(changed_, false)) return;
  host_.changed();
  if (options_.on_change) options_.on_change(view());
}

std::size_t ClusterKeeper::count(Phase phase) const {
  return static_cast<std::size_t>(
      std::count_if(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.phase == phase; }));
}

// ---- leaving partitions ----

void ClusterKeeper::leave_partition(std::size_t partition, bool hand_over) {
  Slot& slot = slots_[partition];
  claims_->close(partition);
  slot.phase = Phase::closing;
  slot.handed_over = hand_over;
  slot.fresh = false;
  changed_ = true;
  host_.forget(partition, false);
  wake();  // it may be quiet already
}

/// Takes each partition that is on its way out as far as it can go now.
void ClusterKeeper::advance(std::int64_t now) {
  std::vector<std::size_t> done;
  {
    const std::lock_guard lock(mutex_);
    done.swap(forgotten_);
  }
  for (const std::size_t partition : done) {
    Slot& slot = slots_[partition];
    if (slot.phase == Phase::forgetting && --slot.shards == 0) slot.phase = Phase::forgotten;
  }
  std::vector<Transaction> transactions;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    // A commit was refused, or the time is over by this host's own clock.
    if (slot.phase == Phase::claimed && !claims_->is_claimed(i)) leave_partition(i, false);
    if (slot.phase == Phase::closing && claims_->is_quiet(i)) {
      slot.phase = Phase::forgetting;
      slot.shards = shards_;
      host_.forget(i, true);
    }
    if (slot.phase != Phase::forgotten) continue;
    slot.phase = Phase::free;
    if (!slot.handed_over) {
      look_due_ms_ = now;
      continue;
    }
    Leases::add_release(transactions.emplace_back(), slot.lease);
  }
  if (transactions.empty()) return;
  // What is refused or not written lapses.
  auto outcomes = commit_each(store_, transactions);
  if (!outcomes) host_.report(outcomes.error());
}

// ---- renewing ----

void ClusterKeeper::heartbeat(std::int64_t now) {
  heartbeat_due_ms_ = now + options_.heartbeat_ms;
  if (auto renewed = renew(now); !renewed) {
    host_.report(renewed.error());
    heartbeat_due_ms_ = now + options_.heartbeat_ms / kTriesPerHeartbeat + 1;
  }
  look_due_ms_ = now;
  const std::lock_guard lock(mutex_);
  hint_to_look_ = true;
}

/// The host's row and all its claims, in one group.
Status ClusterKeeper::renew(std::int64_t now) {
  std::vector<Transaction> transactions(1);
  std::vector<std::size_t> partitions;
  std::vector<Lease> later;
  const std::int64_t expires_ms = now + options_.claim_ttl_ms;
  transactions.front().put(host_key(holder_), encode_host({options_.host_id, options_.address, expires_ms, true}));
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    // Also what is being handed over: nobody may have it before it is released.
    const bool kept = slot.phase == Phase::claimed || (slot.phase != Phase::free && slot.handed_over);
    if (!kept) continue;
    partitions.push_back(i);
    later.push_back(slot.lease);
    later.back().expires_ms = expires_ms;
    Leases::add_renewal(transactions.emplace_back(), slot.lease, later.back());
  }
  auto outcomes = commit_each(store_, transactions);
  if (!outcomes) return std::move(outcomes).error();
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    if ((*outcomes)[i + 1] == CommitOutcome::refused) {
      settle_refused(partitions[i], now);
      continue;
    }
    slots_[partitions[i]].lease = later[i];
    claims_->renewed(partitions[i], later[i]);
  }
  return {};
}

/// Another has the claim; or an earlier renewal, whose answer was lost, is in the store.
void ClusterKeeper::settle_refused(std::size_t partition, std::int64_t now) {
  Slot& slot = slots_[partition];
  auto stored = Leases(store_).find(slot.lease.name);
  if (!stored) return host_.report(stored.error());  // as it is until the next try, or until its time is over
  const bool ours = *stored && (*stored)->holder == holder_ && (*stored)->epoch == slot.lease.epoch;
  if (ours) {
    auto renewed = Leases(store_).renew(**stored, now, options_.claim_ttl_ms);
    if (renewed) {
      slot.lease = *std::move(renewed);
      claims_->renewed(partition, slot.lease);
      return;
    }
  }
  if (slot.phase == Phase::claimed) return leave_partition(partition, false);
  slot.handed_over = false;
}

// ---- sharing ----

Status ClusterKeeper::look(std::int64_t now) {
  auto hosts = read_hosts(store_);
  if (!hosts) return std::move(hosts).error();
  look_due_ms_ = heartbeat_due_ms_;
  Transaction dead;
  for (auto at = hosts->begin(); at != hosts->end();) {
    const ClusterHost& host = at->second;
    const bool alive = host.expires_ms > now || at->first == holder_;
    if (alive && at->first != holder_) look_due_ms_ = std::min(look_due_ms_, host.expires_ms);
    if (host.expires_ms + kDeadTtls * options_.claim_ttl_ms < now && !alive) {
      dead.require_equals(host_key(at->first), encode_host(host));
      dead.erase(host_key(at->first));
    }
    at = alive ? std::next(at) : hosts->erase(at);
  }
  if (!dead.empty()) {
    if (auto cleared = store_.commit(dead, Durability::async); !cleared) return std::move(cleared).error();
  }
  update_view(*hosts);
  const std::size_t share = fair_share(*hosts, holder_, slots_.size());
  const std::size_t claimed = count(Phase::claimed);
  if (claimed > share) hand_over(claimed - share);
  if (claimed >= share) return {};
  if (auto taken = take(share - claimed, now); !taken) return taken;
  if (count(Phase::claimed) < share) {
    look_due_ms_ = std::min(look_due_ms_, now + std::max<std::int64_t>(options_.heartbeat_ms / kLooksPerHeartbeat, 1));
  }
  return {};
}

void ClusterKeeper::hand_over(std::size_t surplus) {
  for (std::size_t i = slots_.size(); i-- > 0 && surplus > 0;) {
    if (slots_[i].phase != Phase::claimed) continue;
    leave_partition(i, true);
    --surplus;
  }
}

Status ClusterKeeper::take(std::size_t wanted, std::int64_t now) {
  auto claims = read_claims(store_, slots_.size());
  if (!claims) return std::move(claims).error();
  std::vector<std::size_t> partitions;
  std::vector<Lease> leases;
  std::vector<Transaction> transactions;
  for (std::size_t i = 0; i < slots_.size() && partitions.size() < wanted; ++i) {
    // One that is on its way out here comes back when it is out.
    if (slots_[i].phase != Phase::free) continue;
    const auto& current = (*claims)[i];
    auto lease = Leases::next(PartitionClaims::lease_name(i), current, holder_, now, options_.claim_ttl_ms);
    if (!lease) continue;
    // A claim of this host's own that has not lapsed: lost here, not yet for others. It needs a new epoch.
    if (current && lease->epoch == current->epoch) ++lease->epoch;
    partitions.push_back(i);
    Leases::add_take(transactions.emplace_back(), current, *lease);
    leases.push_back(*std::move(lease));
  }
  if (partitions.empty()) return {};
  auto outcomes = commit_each(store_, transactions);
  if (!outcomes) return std::move(outcomes).error();
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    if ((*outcomes)[i] == CommitOutcome::refused) continue;
    slots_[partitions[i]] = {Phase::claimed, leases[i], false, 0, true};
    claims_->claim(partitions[i], leases[i]);
    changed_ = true;
  }
  return {};
}

void ClusterKeeper::take_up() {
  std::vector<std::size_t> fresh;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].fresh) fresh.push_back(i);
  }
  if (fresh.empty()) return;
  if (auto taken = host_.take_up(fresh); !taken) {
    host_.report(taken.error());
    look_due_ms_ = std::min(look_due_ms_, now_ms_() + options_.heartbeat_ms / kTriesPerHeartbeat + 1);
    return;
  }
  for (const std::size_t partition : fresh) slots_[partition].fresh = false;
}

void ClusterKeeper::leave() {
  stop_thread();
  claims_->detach();
  std::vector<Transaction> transactions(1);
  transactions.front().erase(host_key(holder_));
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    claims_->close(i);
    const Slot& slot = slots_[i];
    if (slot.phase == Phase::claimed || (slot.phase != Phase::free && slot.handed_over)) {
      Leases::add_release(transactions.emplace_back(), slot.lease);
    }
    slots_[i].phase = Phase::free;
  }
  auto outcomes = commit_each(store_, transactions);
  if (!outcomes) host_.report(outcomes.error());
}

// ---- what others write ----

void ClusterKeeper::follow_hints(std::int64_t now) {
  bool look = false;
  const auto follow_due = follow_due_ms();
  const bool follow = follow_due && *follow_due <= now;
  {
    const std::lock_guard lock(mutex_);
    look = hint_to_look_ && now >= looked_around_ms_ + kLookAroundPauseMs;
    if (look) hint_to_look_ = false;
    if (follow || !follow_due) hint_to_follow_ = false;
  }
  if (look) {
    looked_around_ms_ = now;
    host_.look_around();
    // Somebody may have joined, or left.
    look_due_ms_ = now;
  }
  if (!follow) return;
  followed_ms_ = now;
  host_.notify_followers();
}

}  // namespace openwop::runtime
