// The rows by which ended runs are found when their time is over, and by which the removal of one survives a crash.
//
//   E e <ended ms> <run>     -                 an ended run; the one that ended first comes first
//   E p <blocker> <run>      ended ms          an ended run that stays for as long as the blocker, its parent
//   E d <run>                what it refers to a run that is gone, whose rows are still being removed
//   E k <run>                the same          … of which forks still need a part
//   E m                      format            every ended run has one of the first two rows
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "engine/run_rows.h"
#include "openwop/bytes.h"

namespace openwop::runtime {

inline constexpr char kRetentionPrefix = 'E';
inline constexpr std::uint8_t kRetentionFormat = 1;

enum class RetentionRow : char { ended = 'e', parked = 'p', removing = 'd', kept = 'k', complete = 'm' };

[[nodiscard]] inline std::string retention_prefix(RetentionRow kind) {
  return {kRetentionPrefix, static_cast<char>(kind)};
}

/// When the run ended, from the summary in its head row. A replay has the times of its source, so the time at which it
/// was made counts.
[[nodiscard]] inline std::int64_t ended_ms_of(const RunMarks& marks) {
  return std::max<std::int64_t>({marks.changed_ms, marks.created_ms, 0});
}

[[nodiscard]] inline std::string ended_key(std::int64_t ended_ms, const RunId& run) {
  std::string key = retention_prefix(RetentionRow::ended);
  bytes::put_u64(key, static_cast<std::uint64_t>(ended_ms));
  return key.append(run.view());
}
[[nodiscard]] inline std::string parked_prefix(const RunId& blocker) {
  return retention_prefix(RetentionRow::parked).append(blocker.view());
}
[[nodiscard]] inline std::string parked_key(const RunId& blocker, const RunId& run) {
  return parked_prefix(blocker).append(run.view());
}
[[nodiscard]] inline std::string removing_key(const RunId& run) {
  return retention_prefix(RetentionRow::removing).append(run.view());
}
[[nodiscard]] inline std::string kept_key(const RunId& run) {
  return retention_prefix(RetentionRow::kept).append(run.view());
}

/// The runs whose events a gone run referred to: what it says goes with its row.
[[nodiscard]] inline std::string encode_references(const std::vector<RunId>& runs) {
  std::string out(1, static_cast<char>(kRetentionFormat));
  for (const RunId& run : runs) out += run.view();
  return out;
}
[[nodiscard]] inline std::vector<RunId> decode_references(std::string_view row) {
  std::vector<RunId> runs;
  for (row.remove_prefix(std::min<std::size_t>(row.size(), 1)); row.size() >= RunId::kBytes;
       row.remove_prefix(RunId::kBytes)) {
    runs.push_back(RunId::from_bytes(row));
  }
  return runs;
}

}  // namespace openwop::runtime
