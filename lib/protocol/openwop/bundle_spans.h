// The spans of one run for its debug bundle (protocol 02 §13), made again from its events: the run's own, those of
// nodes, attempts, interrupts and calls that have ended. They have the ids that an exporter sent. Appends are left out:
// the bundle has the events themselves.
//
// Thread-safety: one thread at a time.
#pragma once

#include <memory>
#include <string>

#include "openwop/engine.h"
#include "openwop/event.h"

namespace openwop::wire {

/// Spans that a bundle has at most; what ends later is left out.
inline constexpr std::size_t kMaxBundleSpans = 10'000;

class BundleSpans {
 public:
  /// `run` outlives it.
  explicit BundleSpans(const RunView& run);
  BundleSpans(const BundleSpans&) = delete;
  BundleSpans& operator=(const BundleSpans&) = delete;
  ~BundleSpans();

  /// The run's events, in order.
  void follow(const EventView& event);

  /// Appends the list, as much of it as keeps `out` within `max_bytes`; false when something was left out.
  [[nodiscard]] bool append(std::string& out, std::size_t max_bytes) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace openwop::wire
