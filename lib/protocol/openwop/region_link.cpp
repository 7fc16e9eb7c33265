#include "openwop/protocol/region_link.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <mutex>
#include <set>
#include <thread>

#include "protocol/openwop/region_sender.h"

namespace openwop {

namespace wire {
namespace {

class Link final : public RegionLink {
 public:
  explicit Link(RegionOptions options) : options_(std::move(options)) {
    for (const RegionPeer& peer : options_.peers) senders_.emplace_back(options_, peer);
  }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() override { close(); }

  /// What is over of regions that are not there any more goes; their other rows wait in case that they come back.
  [[nodiscard]] Status load() {
    const auto names = RegionOutbox::regions(*options_.store);
    if (!names) return names.error();
    for (const std::string& name : *names) {
      auto trimmed =
          RegionOutbox(*options_.store, name).trim(options_.clock->now_ms(), std::numeric_limits<std::size_t>::max());
      if (!trimmed) return std::move(trimmed).error();
    }
    return {};
  }

  std::vector<std::string> rows_of(const LedgerClaim& claim) const override {
    std::vector<std::string> rows;
    for (const RegionSender& sender : senders_) rows.push_back(sender.row_of(claim.row_key, claim.expires_ms));
    return rows;
  }

  Status owe(std::string_view region, const std::vector<Owed>& owed) override {
    const auto sender =
        std::find_if(senders_.begin(), senders_.end(), [&](const RegionSender& each) { return each.name() == region; });
    if (owed.empty() || sender == senders_.end()) return {};
    Transaction transaction;
    for (const Owed& each : owed) transaction.put(sender->row_of(each.row_key, each.expires_ms), {});
    auto committed = options_.store->commit(transaction, Durability::sync);
    if (!committed) return std::move(committed).error();
    sender->kick();
    return {};
  }

  void gave_way(std::string_view tenant, std::string_view region) override {
    if (!options_.metrics) return;
    options_.metrics->record(Metric::cross_region_conflicts, 1,
                             {{"openwop.tenant_id", tenant},
                              {"openwop.route", "POST /v1/runs"},
                              {"openwop.region_pair", RegionSender::pair_of(options_.region, region)}});
  }

  void committed(const RunCommit& commit) noexcept override {
    if (commit.created && commit.action == RunAction::create) kick();
  }
  void hosts_wrote() noexcept override { kick(); }

  void ownership_changed(const std::shared_ptr<const RunOwnership>& ownership) noexcept override {
    // Whoever has the first partition; its last byte says which one a run is of.
    const bool mine = ownership == nullptr || ownership->is_mine(RunId{});
    for (RegionSender& sender : senders_) sender.set_mine(mine);
  }

  void start() override {
    const std::lock_guard lock(mutex_);
    if (!options_.threads || closed_ || !threads_.empty()) return;
    for (RegionSender& sender : senders_) {
      threads_.emplace_back([&sender](const std::stop_token& stop) { sender.run(stop); });
    }
  }

  std::optional<std::int64_t> tick() override {
    if (options_.threads) return std::nullopt;
    std::optional<std::int64_t> wake_ms;
    for (RegionSender& sender : senders_) {
      std::int64_t next_ms = sender.step();
      while (next_ms <= options_.clock->now_ms()) next_ms = sender.step();
      wake_ms = std::min(wake_ms.value_or(next_ms), next_ms);
    }
    return wake_ms;
  }

  void close() override {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (RegionSender& sender : senders_) sender.stop();
    threads_.clear();
  }

  [[nodiscard]] const RegionOptions& options() const override { return options_; }

 private:
  void kick() {
    for (RegionSender& sender : senders_) sender.kick();
  }

  RegionOptions options_;
  std::deque<RegionSender> senders_;
  std::mutex mutex_;  // of what follows
  bool closed_ = false;
  std::vector<std::jthread> threads_;
};

bool is_region_name(std::string_view name) {
  constexpr std::size_t kMaxBytes = 63;
  return !name.empty() && name.size() <= kMaxBytes && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

/// Scheme, host and port: no path, no credentials, nothing else.
bool is_origin(std::string_view url) {
  const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  const std::string_view rest = url.substr(scheme);
  return scheme != 0 && !rest.empty() && std::all_of(rest.begin(), rest.end(), [](unsigned char c) {
           return c > ' ' && c < 0x7F &&
                  std::string_view("/?#@\\\"").find(static_cast<char>(c)) == std::string_view::npos;
         });
}

bool is_sound(const RegionPeer& peer) {
  const bool is_key = !peer.key.empty() && std::all_of(peer.key.begin(), peer.key.end(),
                                                       [](unsigned char c) { return c > ' ' && c < 0x7F; });
  return is_region_name(peer.name) && is_origin(peer.url) && is_key;
}

Status check(const RegionOptions& options) {
  if (!options.store || !options.client) {
    return Error{ErrorCode::validation_error, "regions need a store and an HTTP client"};
  }
  std::set<std::string_view> names = {options.region};
  for (const RegionPeer& peer : options.peers) {
    if (!is_sound(peer)) {
      return Error{ErrorCode::validation_error,
                   "a region has to have a name of a-z, 0-9 and '-', an http or https URL without a path, and a key"};
    }
    names.insert(peer.name);
  }
  const bool distinct = names.size() == options.peers.size() + 1;
  if (!is_region_name(options.region) || options.peers.empty() || options.peers.size() > RegionOptions::max_peers ||
      !distinct) {
    return Error{ErrorCode::validation_error, "a region has to have a name of its own, and 1 to " +
                                                  std::to_string(RegionOptions::max_peers) +
                                                  " others by different names"};
  }
  const bool limits = options.retry_ms > 0 && options.probe_ms > 0 && options.timeout_ms > 0 &&
                      options.max_claims_per_request > 0 && options.max_claims_per_request <= kMaxRegionClaims;
  if (!limits) return Error{ErrorCode::validation_error, "times and limits of regions must be at least 1"};
  return {};
}

}  // namespace
}  // namespace wire

Result<std::shared_ptr<RegionLink>> RegionLink::open(RegionOptions options) {
  if (auto checked = wire::check(options); !checked) return std::move(checked).error();
  if (!options.clock) options.clock = std::make_shared<SystemClock>();
  auto link = std::make_shared<wire::Link>(std::move(options));
  if (auto loaded = link->load(); !loaded) return std::move(loaded).error();
  return std::shared_ptr<RegionLink>(std::move(link));
}

}  // namespace openwop
