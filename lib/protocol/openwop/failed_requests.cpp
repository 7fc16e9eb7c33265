#include "protocol/openwop/failed_requests.h"

namespace openwop::wire {

void FailedRequests::erase(std::unordered_map<std::string, Entry>::iterator entry) {
  by_age_.erase(entry->second.place);
  entries_.erase(entry);
}

void FailedRequests::remember(const std::string& row_key, FailedRequest failed) {
  const std::lock_guard lock(mutex_);
  if (max_entries_ == 0) return;
  if (const auto known = entries_.find(row_key); known != entries_.end()) erase(known);
  if (entries_.size() >= max_entries_) erase(entries_.find(by_age_.front()));
  by_age_.push_back(row_key);
  entries_.emplace(row_key, Entry{std::move(failed), std::prev(by_age_.end())});
}

void FailedRequests::forget(const std::string& row_key) {
  const std::lock_guard lock(mutex_);
  if (const auto known = entries_.find(row_key); known != entries_.end()) erase(known);
}

std::optional<FailedRequest> FailedRequests::find(const std::string& row_key) const {
  const std::lock_guard lock(mutex_);
  const auto known = entries_.find(row_key);
  if (known == entries_.end()) return std::nullopt;
  return known->second.failed;
}

}  // namespace openwop::wire
