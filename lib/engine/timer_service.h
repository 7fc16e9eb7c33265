// Which runs are due. Timers live in the store; in memory there is only the earliest due time and the runs whose timer
// is being worked on. Nothing is read while nothing is due.
//
// Thread-safe; take_due() from one thread at a time.
#pragma once

#include <mutex>
#include <optional>
#include <unordered_set>
#include <vector>

#include "openwop/timer.h"

namespace openwop::runtime {

class TimerService {
 public:
  static constexpr std::size_t kMaxBatch = 512;

  /// `is_mine`: whose timers fire here.
  TimerService(const Store& store, Timers::Wanted is_mine) : timers_(store), is_mine_(std::move(is_mine)) {}

  /// Reads the earliest due time, at start.
  [[nodiscard]] Status open();
  /// More timers have become this host's: all are looked at anew.
  void rewind();
  /// A timer row may have been committed. True if it is now the earliest.
  bool note(std::int64_t due_ms);
  [[nodiscard]] std::optional<std::int64_t> next_due_ms() const;
  /// Runs that are due, at most kMaxBatch. Each stays out of later answers until settled().
  [[nodiscard]] Result<std::vector<RunId>> take_due(std::int64_t now_ms);
  /// The command that a due timer led to has been carried out, or given up.
  void settled(const RunId& run);

 private:
  Timers timers_;
  Timers::Wanted is_mine_;
  mutable std::mutex mutex_;
  std::optional<std::int64_t> next_due_ms_;
  std::int64_t scan_from_ms_ = 0;  // no row before it is unseen
  std::unordered_set<RunId> firing_;
};

}  // namespace openwop::runtime
