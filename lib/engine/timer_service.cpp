#include "engine/timer_service.h"

#include <algorithm>

namespace openwop::runtime {

Status TimerService::open() {
  auto earliest = timers_.earliest(0, is_mine_);
  if (!earliest) return std::move(earliest).error();
  const std::lock_guard lock(mutex_);
  next_due_ms_ = *earliest;
  scan_from_ms_ = earliest->value_or(0);
  return {};
}

void TimerService::rewind() {
  const std::lock_guard lock(mutex_);
  scan_from_ms_ = 0;
  next_due_ms_ = 0;
}

bool TimerService::note(std::int64_t due_ms) {
  if (due_ms == 0) return false;
  const std::lock_guard lock(mutex_);
  scan_from_ms_ = std::min(scan_from_ms_, due_ms);
  if (next_due_ms_ && *next_due_ms_ <= due_ms) return false;
  next_due_ms_ = due_ms;
  return true;
}

std::optional<std::int64_t> TimerService::next_due_ms() const {
  const std::lock_guard lock(mutex_);
  return next_due_ms_;
}

Result<std::vector<RunId>> TimerService::take_due(std::int64_t now_ms) {
  std::int64_t from_ms = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!next_due_ms_ || *next_due_ms_ > now_ms) return std::vector<RunId>{};
    from_ms = scan_from_ms_;
    // note() during the scan lowers these again.
    scan_from_ms_ = now_ms + 1;
    next_due_ms_.reset();
  }
  const auto give_back = [&](std::int64_t due_ms) {
    const std::lock_guard lock(mutex_);
    scan_from_ms_ = std::min(scan_from_ms_, due_ms);
    if (!next_due_ms_ || *next_due_ms_ > due_ms) next_due_ms_ = due_ms;
  };
  auto due = timers_.due(from_ms, now_ms, kMaxBatch, is_mine_);
  if (!due) {
    give_back(from_ms);
    return std::move(due).error();
  }
  if (due->size() == kMaxBatch) {
    give_back(due->back().due_ms);
  } else {
    auto later = timers_.earliest(now_ms + 1, is_mine_);
    if (!later) {
      give_back(from_ms);
      return std::move(later).error();
    }
    if (*later) give_back(**later);
  }
  std::vector<RunId> runs;
  const std::lock_guard lock(mutex_);
  for (const DueTimer& timer : *due) {
    if (firing_.insert(timer.owner).second) runs.push_back(timer.owner);
  }
  return runs;
}

void TimerService::settled(const RunId& run) {
  const std::lock_guard lock(mutex_);
  firing_.erase(run);
}

}  // namespace openwop::runtime
