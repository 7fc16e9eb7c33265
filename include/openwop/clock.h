// Clock: where time comes from. The library reads it only through this interface, so that tests, the simulator and
// driven hosts decide what time it is.
//
// Thread-safety: every implementation here is safe to use from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace openwop {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Milliseconds since the Unix epoch, UTC. May go backwards; nothing in the library orders events by it.
  [[nodiscard]] virtual std::int64_t now_ms() const = 0;
};

/// The machine's wall clock.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t now_ms() const override {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  }
};

/// A clock that stands still until told otherwise.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t start_ms = 1'700'000'000'000) : now_ms_(start_ms) {}
  [[nodiscard]] std::int64_t now_ms() const override { return now_ms_.load(std::memory_order_relaxed); }
  void set(std::int64_t now_ms) { now_ms_.store(now_ms, std::memory_order_relaxed); }
  void advance(std::int64_t by_ms) { now_ms_.fetch_add(by_ms, std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> now_ms_;
};

}  // namespace openwop
