#include "engine/subscriptions.h"

#include <algorithm>

namespace openwop::runtime {

class SubscriptionHub::Subscription final : public EventSubscription {
 public:
  Subscription(std::shared_ptr<SubscriptionHub> hub, std::shared_ptr<Signal> signal, const RunId& run,
               std::uint64_t from)
      : hub_(std::move(hub)), signal_(std::move(signal)), run_(run), next_(from) {}
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;
  ~Subscription() override { hub_->remove(run_, signal_); }

  Result<std::size_t> read(std::size_t max_events, const std::function<bool(const EventView&)>& visit) override {
    // Take the version before reading: what is committed during the read raises it again.
    std::uint64_t version = 0;
    {
      const std::lock_guard lock(signal_->mutex);
      version = signal_->version;
    }
    if (complete_ || version == drained_version_) return std::size_t{0};
    std::size_t count = 0;
    bool stopped = false;
    auto status = Log(*hub_->store_).read(run_, next_, [&](const EventView& event) {
      if (count == max_events || stopped) {
        stopped = true;
        return false;
      }
      ++count;
      next_ = event.sequence + 1;
      complete_ = is_terminal(event.type);
      stopped = !visit(event);
      return !stopped;
    });
    if (!status) return std::move(status).error();
    if (!stopped) drained_version_ = version;
    return count;
  }

  bool wait(std::int64_t timeout_ms) override {
    std::unique_lock lock(signal_->mutex);
    return signal_->ready.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                   [&] { return signal_->version != drained_version_; });
  }

  void on_ready(std::function<void()> callback) override {
    const std::lock_guard lock(signal_->mutex);
    signal_->callback = std::move(callback);
  }

  [[nodiscard]] std::uint64_t next_sequence() const override { return next_; }
  [[nodiscard]] bool complete() const override { return complete_; }

 private:
  std::shared_ptr<SubscriptionHub> hub_;
  std::shared_ptr<Signal> signal_;
  RunId run_;
  std::uint64_t next_;
  std::uint64_t drained_version_ = 0;
  bool complete_ = false;
};

Result<std::unique_ptr<EventSubscription>> SubscriptionHub::subscribe(const RunId& run, std::uint64_t from_sequence) {
  if (count_.fetch_add(1) >= max_subscriptions_) {
    count_.fetch_sub(1);
    return Error{ErrorCode::service_unavailable,
                 "max_subscriptions (" + std::to_string(max_subscriptions_) + ") event subscriptions are open"};
  }
  auto signal = std::make_shared<Signal>();
  {
    const std::lock_guard lock(mutex_);
    signals_.emplace(run, signal);
  }
  return std::unique_ptr<EventSubscription>(
      std::make_unique<Subscription>(shared_from_this(), std::move(signal), run, from_sequence));
}

void SubscriptionHub::remove(const RunId& run, const std::shared_ptr<Signal>& signal) {
  {
    const std::lock_guard lock(mutex_);
    const auto [first, last] = signals_.equal_range(run);
    for (auto at = first; at != last; ++at) {
      if (at->second != signal) continue;
      signals_.erase(at);
      break;
    }
  }
  count_.fetch_sub(1);
}

void SubscriptionHub::raise(Signal& signal) {
  std::function<void()> callback;
  {
    const std::lock_guard lock(signal.mutex);
    ++signal.version;
    callback = signal.callback;
    signal.ready.notify_all();
  }
  if (callback) callback();
}

void SubscriptionHub::notify(const RunId& run) {
  if (count_.load() == 0) return;
  std::vector<std::shared_ptr<Signal>> waiting;
  {
    const std::lock_guard lock(mutex_);
    const auto [first, last] = signals_.equal_range(run);
    for (auto at = first; at != last; ++at) waiting.push_back(at->second);
  }
  for (const auto& signal : waiting) raise(*signal);
}

std::size_t SubscriptionHub::count_foreign(const std::function<bool(const RunId&)>& is_mine) {
  if (count_.load() == 0) return 0;
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(signals_.begin(), signals_.end(), [&](const auto& entry) { return !is_mine(entry.first); }));
}

void SubscriptionHub::notify_foreign(const std::function<bool(const RunId&)>& is_mine) {
  std::vector<std::shared_ptr<Signal>> waiting;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [run, signal] : signals_) {
      if (!is_mine(run)) waiting.push_back(signal);
    }
  }
  for (const auto& signal : waiting) raise(*signal);
}

void SubscriptionHub::notify_all() {
  std::vector<std::shared_ptr<Signal>> waiting;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [run, signal] : signals_) waiting.push_back(signal);
  }
  for (const auto& signal : waiting) raise(*signal);
}

}  // namespace openwop::runtime
