// Bounded admission: so many requests are worked on at once, so many more wait for a place, the rest is turned away
// (protocol 01 §9.2).
//
// Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace openwop::wire {

struct AdmissionLimits {
  std::size_t max_in_flight = 0;
  std::size_t max_waiting = 0;
  std::int64_t wait_ms = 0;
};

class Admission {
 public:
  explicit Admission(AdmissionLimits limits) : limits_(limits) {}
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  /// A place among the requests in flight, given back when it goes.
  class Place {
   public:
    explicit Place(Admission& admission) : admission_(&admission) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    Place(Place&& other) noexcept : admission_(other.admission_) { other.admission_ = nullptr; }
    Place& operator=(Place&& other) noexcept {
      std::swap(admission_, other.admission_);
      return *this;
    }
    ~Place() {
      if (admission_ != nullptr) admission_->leave();
    }

   private:
    Admission* admission_;
  };

  /// Waits for a place if it has to; nothing when there is none in time.
  [[nodiscard]] std::optional<Place> enter();

 private:
  void leave();

  const AdmissionLimits limits_;
  std::mutex mutex_;
  std::condition_variable left_;
  std::size_t in_flight_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace openwop::wire
