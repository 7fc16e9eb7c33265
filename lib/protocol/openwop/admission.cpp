#include "protocol/openwop/admission.h"

#include <chrono>

namespace openwop::wire {

std::optional<Admission::Place> Admission::enter() {
  std::unique_lock lock(mutex_);
  if (in_flight_ >= limits_.max_in_flight) {
    if (waiting_ >= limits_.max_waiting) return std::nullopt;
    ++waiting_;
    const bool free = left_.wait_for(lock, std::chrono::milliseconds(limits_.wait_ms),
                                     [this] { return in_flight_ < limits_.max_in_flight; });
    --waiting_;
    if (!free) return std::nullopt;
  }
  ++in_flight_;
  return std::optional<Place>(std::in_place, *this);
}

void Admission::leave() {
  {
    const std::lock_guard lock(mutex_);
    --in_flight_;
  }
  left_.notify_one();
}

}  // namespace openwop::wire
