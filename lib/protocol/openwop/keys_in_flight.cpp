#include "protocol/openwop/keys_in_flight.h"

#include <chrono>

namespace openwop::wire {

std::unique_ptr<KeysInFlight::Held> KeysInFlight::take(const std::string& key, std::int64_t wait_ms) {
  std::unique_lock lock(mutex_);
  const bool free = released_.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] { return !keys_.contains(key); });
  if (!free) return nullptr;
  keys_.insert(key);
  return std::make_unique<Held>(*this, key);
}

void KeysInFlight::release(const std::string& key) {
  {
    const std::lock_guard lock(mutex_);
    keys_.erase(key);
  }
  released_.notify_all();
}

}  // namespace openwop::wire
