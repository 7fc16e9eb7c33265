#include "protocol/openwop/open_waits.h"

#include <chrono>

namespace openwop::wire {

void Wakeup::ring() {
  std::function<void()> callback;
  {
    const std::lock_guard lock(mutex_);
    rung_ = true;
    callback = callback_;
  }
  changed_.notify_all();
  if (callback) callback();
}

void Wakeup::cancel() {
  std::function<void()> callback;
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    callback = callback_;
  }
  changed_.notify_all();
  if (callback) callback();
}

void Wakeup::on_change(std::function<void()> callback) {
  const std::lock_guard lock(mutex_);
  callback_ = std::move(callback);
}

bool Wakeup::cancelled() const {
  const std::lock_guard lock(mutex_);
  return cancelled_;
}

Wakeup::Cause Wakeup::wait(std::int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  if (timeout_ms > 0) {
    changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return rung_ || cancelled_; });
  }
  if (cancelled_) return Cause::cancelled;
  const bool rung = rung_;
  rung_ = false;
  return rung ? Cause::rung : Cause::timeout;
}

std::unique_ptr<OpenWaits::Place> OpenWaits::enter(Kind kind) {
  auto wakeup = std::make_shared<Wakeup>();
  const std::lock_guard lock(mutex_);
  const auto which = static_cast<std::size_t>(kind);
  if (count_[which] >= max_[which]) return nullptr;
  ++count_[which];
  waiting_.insert(wakeup.get());
  if (closed_) wakeup->cancel();
  return std::make_unique<Place>(*this, kind, std::move(wakeup));
}

void OpenWaits::leave(const Place& place) {
  const std::lock_guard lock(mutex_);
  --count_[static_cast<std::size_t>(place.kind_)];
  waiting_.erase(place.wakeup_.get());
}

void OpenWaits::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (Wakeup* wakeup : waiting_) wakeup->cancel();
}

}  // namespace openwop::wire
