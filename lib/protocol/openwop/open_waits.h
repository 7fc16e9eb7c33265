// Who waits: long polls and streams sleep on a Wakeup; OpenWaits counts them, bounds them and wakes them all at the
// end.
//
// Thread-safety: all members from any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

namespace openwop::wire {

/// One waiter's alarm clock. The engine rings it when a run has more events, anyone cancels it.
class Wakeup {
 public:
  enum class Cause : std::uint8_t { rung, timeout, cancelled };

  void ring();
  void cancel();
  /// Called by ring() and cancel() from then on.
  void on_change(std::function<void()> callback);
  [[nodiscard]] bool cancelled() const;
  /// Waits for the next ring, at most `timeout_ms`; a ring since the last wait counts.
  [[nodiscard]] Cause wait(std::int64_t timeout_ms);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
  bool cancelled_ = false;
  std::function<void()> callback_;
};

class OpenWaits {
 public:
  OpenWaits(std::size_t max_polls, std::size_t max_streams) : max_{max_polls, max_streams} {}
  OpenWaits(const OpenWaits&) = delete;
  OpenWaits& operator=(const OpenWaits&) = delete;

  enum class Kind : std::uint8_t { poll, stream };

  /// A place among the waiters, given back when it goes.
  class Place {
   public:
    Place(OpenWaits& waits, Kind kind, std::shared_ptr<Wakeup> wakeup)
        : waits_(waits), kind_(kind), wakeup_(std::move(wakeup)) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { waits_.leave(*this); }
    [[nodiscard]] const std::shared_ptr<Wakeup>& wakeup() const { return wakeup_; }

   private:
    friend class OpenWaits;
    OpenWaits& waits_;
    Kind kind_;
    std::shared_ptr<Wakeup> wakeup_;
  };

  /// Null when the limit of that kind is reached. After close() the place is cancelled from the start.
  [[nodiscard]] std::unique_ptr<Place> enter(Kind kind);

  /// Cancels every waiter, now and later.
  void close();

 private:
  void leave(const Place& place);

  const std::size_t max_[2];
  std::mutex mutex_;
  std::set<Wakeup*> waiting_;
  std::size_t count_[2] = {0, 0};
  bool closed_ = false;
};

}  // namespace openwop::wire
